"""The entries of ALLOW and DENY lists: who, from where.

Layout: a list is split at commas and blanks; an entry is one of::

    user@domain            that user from anywhere
    host                   anybody from there
    user/host              an "@" or a leading "*" before the slash makes the user
    net/bits  net/mask     anybody from that network
    user/net/mask          that user from that network
    +group                 a netgroup; there is no netgroup database here

A user is a glob (``*`` alone is special), compared without case to the whole user
name. A host is an address, a network, a prefix with ``*``, ``{:local_ips:}``, or a
glob over host names.

Source: ``src/condor_io/condor_ipverify.cpp: IpVerify::split_entry,
ExpandHostAddresses``, ``src/condor_utils/condor_netaddr.cpp``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

__all__ = [
    "AccessEntry",
    "IpAddress",
    "IpNetwork",
    "glob_matches",
    "parse_entries",
    "parse_ip",
    "parse_network",
]

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

LOCAL_ADDRESSES: Final = "{:local_ips:}"
_MAX_IP_CHARACTERS: Final = 64
_DOTTED = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){0,3}", re.ASCII)
_NEVER_A_NAME = re.compile(r"[<>?:]")


@lru_cache(maxsize=4096)
def parse_ip(text: str) -> IpAddress | None:
    """The address that a text is; an IPv4 address in IPv6 form is the IPv4 one."""
    if len(text) > _MAX_IP_CHARACTERS:
        return None
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _dotted_network(text: str) -> IpNetwork | None:
    """An IPv4 address, or its first parts with or without ``*`` behind them.

    Source: ``src/condor_utils/internet.cpp: is_ipv4_addr_implementation``.
    """
    if not 1 <= len(text) <= 15:
        return None
    if text[-1] in "*.":
        text = text[:-2] if text[-2:-1] == "." else text[:-1]
    if not text:
        return ipaddress.IPv4Network("0.0.0.0/0")
    if _DOTTED.fullmatch(text) is None:
        return None
    parts = [int(part) for part in text.split(".")]
    if max(parts) > 255:
        return None
    bits = 8 * len(parts)
    value = int.from_bytes(bytes(parts + [0] * (4 - len(parts))), "big")
    return ipaddress.IPv4Network((value, bits))


def parse_network(text: str) -> IpNetwork | None:
    """The network that an entry names, or ``None``.

    Source: ``src/condor_utils/condor_netaddr.cpp: condor_netaddr::from_net_string``.
    """
    if len(text) > 2 * _MAX_IP_CHARACTERS:
        return None
    base_text, slash, mask_text = text.partition("/")
    if slash:
        base = parse_ip(base_text)
        if base is None or not mask_text.isascii() or "/" in mask_text:
            return None
        if not mask_text.isdigit() and base.version != 4:
            return None
        try:
            return ipaddress.ip_network(f"{base}/{mask_text}", strict=False)
        except ValueError:
            return None
    if ":" not in text:
        return _dotted_network(text)
    if "*" not in text:
        address = parse_ip(text)
        return None if address is None else ipaddress.ip_network(str(address))
    # The asterisk stands for whole groups: 2001:db8:*
    if not text.endswith(":*") or text.count("*") != 1:
        return None
    try:
        base_v6 = ipaddress.IPv6Address(text[:-1] + ":")
    except ValueError:
        return None
    bits = min(16 * text.count(":"), 128)
    return ipaddress.IPv6Network((base_v6, bits), strict=False)


def glob_matches(parts: Sequence[str], text: str) -> bool:
    """Whether a text matches a glob, in time linear in both.

    Args:
        parts: The glob split at its asterisks, in lower case.
        text: What to match, in lower case.
    """
    if len(parts) == 1:
        return text == parts[0]
    first, last = parts[0], parts[-1]
    if not text.startswith(first) or len(text) < len(first) + len(last):
        return False
    if not text.endswith(last):
        return False
    position, end = len(first), len(text) - len(last)
    for part in parts[1:-1]:
        found = text.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True


@dataclass(frozen=True, slots=True)
class AccessEntry:
    """One entry of a list, ready to be compared.

    Args:
        text: The entry as it was written, for the log.
        users: Globs over users, split at asterisks, lower case; any of them does.
        networks: Where it holds by address. Empty: by host name only.
        everywhere: It holds for every address.
        name: A glob over host names, split at asterisks, or ``None``.
        host_name: A plain host name whose addresses count as well, or ``None``.
        local: It holds for this host's own addresses.
        group: A netgroup, which matches nobody here.
    """

    text: str
    users: tuple[tuple[str, ...], ...]
    networks: tuple[IpNetwork, ...] = ()
    everywhere: bool = False
    name: tuple[str, ...] | None = None
    host_name: str | None = None
    local: bool = False
    group: str | None = None

    def matches_user(self, user: str) -> bool:
        """Whether it is about this user, given in lower case."""
        return any(
            parts == ("", "") or glob_matches(parts, user) for parts in self.users
        )


def _split_entry(entry: str) -> tuple[str, str]:
    """User and host of one entry."""
    head, slash, tail = entry.partition("/")
    if not slash:
        return (entry, "*") if "@" in entry else ("*", entry)
    if "/" in tail:
        return head, tail
    if "@" in head or entry.startswith("*"):
        return head, tail
    if parse_network(entry) is not None:
        return "*", entry
    return head, tail


def _user_globs(user: str, pool_equivalent: bool) -> tuple[tuple[str, ...], ...]:
    """The user's glob; with ``condor@`` goes ``condor_pool@`` and vice versa."""
    user = user.lower()
    users = [user]
    if pool_equivalent:
        for prefix, other in (("condor@", "condor_pool@"), ("condor_pool@", "condor@")):
            if user.startswith(prefix):
                users.append(other + user[len(prefix) :])
    return tuple(tuple(each.split("*")) for each in users)


def _parse_entry(entry: str, pool_equivalent: bool) -> AccessEntry:
    """One entry, compiled."""
    if entry.startswith("+"):
        return AccessEntry(entry, users=(), group=entry[1:])
    user, host = _split_entry(entry)
    users = _user_globs(user, pool_equivalent)
    if host in ("*", "*/*"):
        return AccessEntry(entry, users, everywhere=True)
    if host.lower() == LOCAL_ADDRESSES:
        return AccessEntry(entry, users, local=True)
    network = parse_network(host)
    if network is not None:
        return AccessEntry(entry, users, networks=(network,))
    name = tuple(host.lower().split("*"))
    plain = len(name) == 1 and "/" not in host and not _NEVER_A_NAME.search(host)
    return AccessEntry(
        entry, users, name=name, host_name=host.lower() if plain else None
    )


def parse_entries(text: str, pool_equivalent: bool = True) -> tuple[AccessEntry, ...]:
    """The entries of a list.

    Args:
        text: The value of an ALLOW or DENY knob.
        pool_equivalent: USE_POOL_USERNAME_EQUIVALENT.
    """
    return tuple(
        _parse_entry(entry, pool_equivalent) for entry in text.replace(",", " ").split()
    )
