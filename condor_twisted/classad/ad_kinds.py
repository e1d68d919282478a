"""The kinds of ads that a collector keeps, by name, and the commands of each.

Source: ``src/condor_includes/condor_adtypes.h``,
``src/condor_utils/get_daemon_name.cpp``, ``src/condor_tools/advertise.cpp``,
``src/condor_daemon_client/dc_collector.cpp: DCCollector::sendUpdate``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from condor_twisted.classad.wire_ad import AdValue, ExpressionText, WireAd
from condor_twisted.constants import attributes
from condor_twisted.constants.commands import Command
from condor_twisted.errors import LocalProtocolError

__all__ = [
    "AD_KINDS",
    "AdKind",
    "ad_kind",
    "invalidation_ad",
    "quoted",
    "update_command",
]


@dataclass(frozen=True, slots=True)
class AdKind:
    """One of the collector's tables, as clients name it.

    Args:
        name: HTCondor's name of the kind: the ads' ``MyType``.
        query: The command that asks for it.
        update: The command that tells of an ad of this kind; ``None`` for none.
        invalidate: The command that takes an ad back; ``None`` for none.
        other_names: What else the kind is called.
    """

    name: str
    query: Command
    update: Command | None = None
    invalidate: Command | None = None
    other_names: tuple[str, ...] = ()


_C: Final = Command
AD_KINDS: Final = (
    AdKind("Any", _C.QUERY_ANY_ADS),
    AdKind(
        "Machine",
        _C.QUERY_STARTD_ADS,
        _C.UPDATE_STARTD_AD,
        _C.INVALIDATE_STARTD_ADS,
        ("Slot", "Slots", "Startd"),
    ),
    AdKind(
        "StartD",
        _C.QUERY_MULTIPLE_ADS,
        _C.UPDATE_STARTD_AD,
        _C.INVALIDATE_STARTD_ADS,
        ("StartDaemon",),
    ),
    AdKind(
        "Scheduler",
        _C.QUERY_SCHEDD_ADS,
        _C.UPDATE_SCHEDD_AD,
        _C.INVALIDATE_SCHEDD_ADS,
        ("Schedd",),
    ),
    AdKind(
        "DaemonMaster",
        _C.QUERY_MASTER_ADS,
        _C.UPDATE_MASTER_AD,
        _C.INVALIDATE_MASTER_ADS,
        ("Master",),
    ),
    AdKind(
        "Submitter",
        _C.QUERY_SUBMITTOR_ADS,
        _C.UPDATE_SUBMITTOR_AD,
        _C.INVALIDATE_SUBMITTOR_ADS,
        ("Submitters", "Submittor"),
    ),
    AdKind(
        "Collector",
        _C.QUERY_COLLECTOR_ADS,
        _C.UPDATE_COLLECTOR_AD,
        _C.INVALIDATE_COLLECTOR_ADS,
    ),
    AdKind(
        "Negotiator",
        _C.QUERY_NEGOTIATOR_ADS,
        _C.UPDATE_NEGOTIATOR_AD,
        _C.INVALIDATE_NEGOTIATOR_ADS,
    ),
    AdKind(
        "Accounting",
        _C.QUERY_ACCOUNTING_ADS,
        _C.UPDATE_ACCOUNTING_AD,
        _C.INVALIDATE_ACCOUNTING_ADS,
    ),
    AdKind("Grid", _C.QUERY_GRID_ADS, _C.UPDATE_GRID_AD, _C.INVALIDATE_GRID_ADS),
    AdKind("HAD", _C.QUERY_HAD_ADS, _C.UPDATE_HAD_AD, _C.INVALIDATE_HAD_ADS),
    AdKind(
        "License",
        _C.QUERY_LICENSE_ADS,
        _C.UPDATE_LICENSE_AD,
        _C.INVALIDATE_LICENSE_ADS,
    ),
    AdKind(
        "Storage",
        _C.QUERY_STORAGE_ADS,
        _C.UPDATE_STORAGE_AD,
        _C.INVALIDATE_STORAGE_ADS,
    ),
    AdKind(
        "CkptServer",
        _C.QUERY_CKPT_SRVR_ADS,
        _C.UPDATE_CKPT_SRVR_AD,
        _C.INVALIDATE_CKPT_SRVR_ADS,
        ("CkptSrvr",),
    ),
    AdKind("MachinePrivate", _C.QUERY_STARTD_PVT_ADS, other_names=("StartdPvt",)),
)

_BY_NAME: Final[Mapping[str, AdKind]] = {
    name: kind for kind in AD_KINDS for name in (kind.name, *kind.other_names)
}
# "Startd" and "StartD" are two kinds; other names are taken in any case of letters.
_BY_LOWER_NAME: Final[Mapping[str, AdKind]] = {
    name.lower(): kind for name, kind in _BY_NAME.items() if name != "StartD"
}
_GENERIC: Final = AdKind(
    "Generic",
    Command.QUERY_GENERIC_ADS,
    Command.UPDATE_AD_GENERIC,
    Command.INVALIDATE_ADS_GENERIC,
)
# Generic kinds that HTCondor's own daemons use, in their spelling.
_GENERIC_SPELLINGS: Final = {
    name.lower(): name for name in ("CredD", "Database", "Defrag", "TTProcess")
}


def ad_kind(name: str) -> AdKind:
    """The kind of a name; an unknown one is the name of a generic table.

    Raises:
        LocalProtocolError: The name is empty.
    """
    kind = _BY_NAME.get(name) or _BY_LOWER_NAME.get(name.lower())
    if kind is not None:
        return kind
    if not name:
        raise LocalProtocolError("a kind of ads needs a name")
    return AdKind(
        _GENERIC_SPELLINGS.get(name.lower(), name),
        _GENERIC.query,
        _GENERIC.update,
        _GENERIC.invalidate,
    )


def quoted(text: str) -> str:
    """A string literal for an expression."""
    return '"' + text.replace('"', '\\"') + '"'


def update_command(ad: WireAd) -> Command:
    """The command that tells a collector of an ad, by the ad's ``MyType``.

    Raises:
        LocalProtocolError: The ad has no ``MyType``, or one that nobody advertises.
    """
    my_type = ad.string(attributes.MY_TYPE)
    if not my_type:
        raise LocalProtocolError("the ad has no MyType, so say which command to use")
    command = ad_kind(my_type).update
    if command is None:
        raise LocalProtocolError(f"ads of the kind {my_type} are not advertised")
    return command


def invalidation_ad(
    ad_type: str,
    name: str | None = None,
    constraint: str | None = None,
    extra: Mapping[str, AdValue] | None = None,
) -> tuple[Command, WireAd]:
    """The command and the ad that take ads back.

    Args:
        ad_type: Their kind.
        name: The one ad that goes: its whole key, with what ``extra`` adds.
        constraint: Which ads go, where there is no name.
        extra: Further attributes: ``MyAddress``, ``ScheddName``, ...

    Raises:
        LocalProtocolError: The kind cannot be taken back, or neither a name nor
            a constraint says which ads are meant.
    """
    kind = ad_kind(ad_type)
    if kind.invalidate is None:
        raise LocalProtocolError(f"ads of the kind {kind.name} cannot be invalidated")
    if name is None and constraint is None:
        raise LocalProtocolError("an invalidation needs a name or a constraint")
    values: dict[str, AdValue] = {
        attributes.MY_TYPE: "Query",
        attributes.TARGET_TYPE: kind.name,
        attributes.REQUIREMENTS: ExpressionText(
            constraint or f"TARGET.Name == {quoted(name or '')}"
        ),
    }
    if name is not None:
        values[attributes.NAME] = name
    values.update(extra or {})
    return kind.invalidate, WireAd.from_pairs(values)
