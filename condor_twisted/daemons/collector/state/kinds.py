"""The kinds of ads, how each is keyed, and which command concerns which.

The table an ad goes to is chosen by the command, never by its MyType, with two
exceptions: a startd's own ad comes by the command of its slots, and a generic ad
names its table.

Source: ``src/condor_utils/hashkey.cpp``, ``src/condor_utils/condor_adtypes.cpp``,
``src/condor_collector.V6/collector_engine.cpp: collect, LookupByAdType``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from condor_twisted.constants import attributes
from condor_twisted.constants.commands import Command

__all__ = [
    "ACCOUNTING",
    "ANY_ORDER",
    "CKPT_SERVER",
    "COLLECTOR",
    "GENERIC_COMMANDS",
    "GRID",
    "HAD",
    "INVALIDATE_KINDS",
    "LICENSE",
    "MASTER",
    "NEGOTIATOR",
    "QUERY_KINDS",
    "SCHEDD",
    "SLOT",
    "SLOT_PRIVATE",
    "STANDARD_KINDS",
    "STARTD",
    "STORAGE",
    "SUBMITTER",
    "UPDATE_KINDS",
    "AdKind",
    "Attributes",
    "generic_kind",
    "kind_of_type_name",
]


class Attributes(Protocol):
    """What a key is made from: a stored ad, or the payload of an invalidation."""

    def string(self, name: str) -> str | None:
        """The attribute's value if it is a string."""

    def integer(self, name: str) -> int | None:
        """The attribute's value if it is a number."""


@dataclass(frozen=True, slots=True, eq=False)
class AdKind:
    """One kind of ads; there is a table for each.

    Args:
        my_type: The name of the kind in queries.
        label: Its name in the statistics.
        make_key: The key of an ad within its table, or ``None`` when the ad lacks
            what a key needs. Keys compare as exact text.
        key_names_daemon: Whether the key is the name that the statistics go by.
        address_attribute: An older spelling of ``MyAddress`` that, if present, must
            agree with it where ads are validated.
    """

    my_type: str
    label: str
    make_key: Callable[[Attributes], str | None]
    key_names_daemon: bool = True
    address_attribute: str | None = None


def _name_or_machine(ad: Attributes) -> str | None:
    name = ad.string(attributes.NAME)
    return ad.string(attributes.MACHINE) if name is None else name


def _slot_key(ad: Attributes) -> str | None:
    name = ad.string(attributes.NAME)
    if name is not None:
        return name
    machine = ad.string(attributes.MACHINE)
    if machine is None:
        return None
    slot = ad.integer(attributes.SLOT_ID)
    return machine if slot is None else f"{machine}:{slot}"


def _schedd_key(ad: Attributes) -> str | None:
    name = _name_or_machine(ad)
    if name is None:
        return None
    address = ad.string(attributes.MY_ADDRESS)
    if address is None:
        address = ad.string(attributes.SCHEDD_IP_ADDR)
    if not address:
        return None
    return name + (ad.string(attributes.SCHEDD_NAME) or "")


def _license_key(ad: Attributes) -> str | None:
    return _name_or_machine(ad) if ad.string(attributes.MY_ADDRESS) else None


def _machine_key(ad: Attributes) -> str | None:
    return ad.string(attributes.MACHINE)


def _name_key(ad: Attributes) -> str | None:
    return ad.string(attributes.NAME)


def _accounting_key(ad: Attributes) -> str | None:
    name = ad.string(attributes.NAME)
    if name is None:
        return None
    return name + (ad.string(attributes.NEGOTIATOR_NAME) or "")


def _grid_key(ad: Attributes) -> str | None:
    hash_name = ad.string(attributes.HASH_NAME)
    owner = ad.string(attributes.OWNER)
    if hash_name is None or owner is None:
        return None
    schedd = ad.string(attributes.SCHEDD_NAME)
    if schedd is None:
        # Kept for compatibility: the address must be there, and adds nothing.
        if ad.string(attributes.SCHEDD_IP_ADDR) is None:
            return None
        schedd = ""
    selection = ad.string(attributes.GRIDMANAGER_SELECTION_VALUE) or ""
    return hash_name + owner + schedd + selection


SLOT: Final = AdKind("Machine", "Slot", _slot_key, True, attributes.STARTD_IP_ADDR)
SLOT_PRIVATE: Final = AdKind("MachinePrivate", "MachinePvt", _slot_key)
STARTD: Final = AdKind("StartD", "StartD", _slot_key, True, attributes.STARTD_IP_ADDR)
SCHEDD: Final = AdKind(
    "Scheduler", "Schedd", _schedd_key, False, attributes.SCHEDD_IP_ADDR
)
SUBMITTER: Final = AdKind(
    "Submitter", "Submittor", _schedd_key, False, attributes.SCHEDD_IP_ADDR
)
MASTER: Final = AdKind(
    "DaemonMaster", "Master", _name_or_machine, True, attributes.MASTER_IP_ADDR
)
CKPT_SERVER: Final = AdKind("CkptServer", "CkptSrvr", _machine_key, False)
COLLECTOR: Final = AdKind(
    "Collector", "Collector", _name_or_machine, True, attributes.COLLECTOR_IP_ADDR
)
LICENSE: Final = AdKind("License", "License", _license_key)
STORAGE: Final = AdKind("Storage", "Storage", _name_key)
NEGOTIATOR: Final = AdKind(
    "Negotiator", "Negotiator", _name_key, True, attributes.NEGOTIATOR_IP_ADDR
)
HAD: Final = AdKind("HAD", "HAD", _name_key)
GRID: Final = AdKind("Grid", "Grid", _grid_key, False)
ACCOUNTING: Final = AdKind("Accounting", "Accounting", _accounting_key, False)

#: The tables that a query for any ads goes through, in its order; generic ones follow.
ANY_ORDER: Final = (
    ACCOUNTING,
    STORAGE,
    CKPT_SERVER,
    LICENSE,
    COLLECTOR,
    STARTD,
    SLOT,
    SCHEDD,
    MASTER,
    SUBMITTER,
    NEGOTIATOR,
    HAD,
    GRID,
)
STANDARD_KINDS: Final = (*ANY_ORDER, SLOT_PRIVATE)

_BY_TYPE_NAME: Final = {kind.my_type.lower(): kind for kind in STANDARD_KINDS}


def generic_kind(my_type: str) -> AdKind:
    """The kind of generic ads of this type."""
    return AdKind(my_type, my_type, _name_key)


def kind_of_type_name(type_name: str) -> AdKind | None:
    """The standard kind that a query means by a type's name, in any case."""
    return _BY_TYPE_NAME.get(type_name.lower())


#: Update commands; a generic update names its kind itself.
UPDATE_KINDS: Final[dict[int, AdKind]] = {
    Command.UPDATE_STARTD_AD: SLOT,
    Command.UPDATE_STARTD_AD_WITH_ACK: SLOT,
    Command.MERGE_STARTD_AD: SLOT,
    Command.UPDATE_SCHEDD_AD: SCHEDD,
    Command.UPDATE_MASTER_AD: MASTER,
    Command.UPDATE_CKPT_SRVR_AD: CKPT_SERVER,
    Command.UPDATE_SUBMITTOR_AD: SUBMITTER,
    Command.UPDATE_OWN_SUBMITTOR_AD: SUBMITTER,
    Command.UPDATE_COLLECTOR_AD: COLLECTOR,
    Command.UPDATE_LICENSE_AD: LICENSE,
    Command.UPDATE_STORAGE_AD: STORAGE,
    Command.UPDATE_NEGOTIATOR_AD: NEGOTIATOR,
    Command.UPDATE_HAD_AD: HAD,
    Command.UPDATE_GRID_AD: GRID,
    Command.UPDATE_ACCOUNTING_AD: ACCOUNTING,
}

#: Queries of one table.
QUERY_KINDS: Final[dict[int, AdKind]] = {
    Command.QUERY_STARTD_ADS: SLOT,
    Command.QUERY_STARTD_PVT_ADS: SLOT_PRIVATE,
    Command.QUERY_SCHEDD_ADS: SCHEDD,
    Command.QUERY_MASTER_ADS: MASTER,
    Command.QUERY_CKPT_SRVR_ADS: CKPT_SERVER,
    Command.QUERY_SUBMITTOR_ADS: SUBMITTER,
    Command.QUERY_COLLECTOR_ADS: COLLECTOR,
    Command.QUERY_LICENSE_ADS: LICENSE,
    Command.QUERY_STORAGE_ADS: STORAGE,
    Command.QUERY_NEGOTIATOR_ADS: NEGOTIATOR,
    Command.QUERY_HAD_ADS: HAD,
    Command.QUERY_GRID_ADS: GRID,
    Command.QUERY_ACCOUNTING_ADS: ACCOUNTING,
}

INVALIDATE_KINDS: Final[dict[int, AdKind]] = {
    Command.INVALIDATE_STARTD_ADS: SLOT,
    Command.INVALIDATE_SCHEDD_ADS: SCHEDD,
    Command.INVALIDATE_MASTER_ADS: MASTER,
    Command.INVALIDATE_CKPT_SRVR_ADS: CKPT_SERVER,
    Command.INVALIDATE_SUBMITTOR_ADS: SUBMITTER,
    Command.INVALIDATE_COLLECTOR_ADS: COLLECTOR,
    Command.INVALIDATE_LICENSE_ADS: LICENSE,
    Command.INVALIDATE_STORAGE_ADS: STORAGE,
    Command.INVALIDATE_NEGOTIATOR_ADS: NEGOTIATOR,
    Command.INVALIDATE_HAD_ADS: HAD,
    Command.INVALIDATE_GRID_ADS: GRID,
    Command.INVALIDATE_ACCOUNTING_ADS: ACCOUNTING,
}

#: Update, query and invalidation of generic ads.
GENERIC_COMMANDS: Final = frozenset(
    {
        Command.UPDATE_AD_GENERIC,
        Command.QUERY_GENERIC_ADS,
        Command.INVALIDATE_ADS_GENERIC,
    }
)
