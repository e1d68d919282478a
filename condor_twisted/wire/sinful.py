"""Sinful strings: ``<host:port?parameters>``, the addresses of CEDAR.

A :class:`SinfulAddress` is a value: equal text means equal address, parameters that
nobody here knows are kept, and every change makes a copy.

Layout::

    sinful = "<" host [ ":" port ] [ "?" pair *( ( "&" | ";" ) pair ) ] ">"
    host   = "[" IPv6 "]" | IPv4 | name | nothing
    pair   = key [ "=" value ]                        percent-encoded, key not empty
    addrs  = address *( "+" address )                 a parameter's value
    address = ( IPv4 | "[" IPv6 with "-" for ":" "]" ) "-" port

Source: ``src/condor_utils/condor_sinful.cpp``, ``condor_sockaddr.cpp``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeAlias

from condor_twisted.errors import MalformedMessage

__all__ = [
    "MAX_SINFUL_CHARACTERS",
    "IpAddress",
    "IpEndpoint",
    "SinfulAddress",
    "choose_address",
    "desirability",
    "points_to_me",
]

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

#: A longer text is no address. Real ones with several brokers take some hundreds.
MAX_SINFUL_CHARACTERS: Final = 65_536

ADDRS: Final = "addrs"
ALIAS: Final = "alias"
CCB_CONTACT: Final = "CCBID"
NO_UDP: Final = "noUDP"
PRIVATE_ADDRESS: Final = "PrivAddr"
PRIVATE_NETWORK: Final = "PrivNet"
SHARED_PORT_ID: Final = "sock"

#: The shared port id that an address without one stands for.
DEFAULT_SHARED_PORT_ID: Final = "collector"

_UNESCAPED: Final = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-:#[]+"
)
_ESCAPES: Final = tuple(
    chr(byte) if byte in _UNESCAPED else f"%{byte:02x}" for byte in range(256)
)
_SEPARATORS = re.compile("[&;]")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})?")
_FORM = re.compile(
    r"<(?:\[(?P<ipv6>[^\[\]<>?]*)\]|(?P<name>(?!\[)[^:?>]*))"
    r"(?::(?P<port>[0-9]*))?(?:\?(?P<parameters>[^>]*))?>",
    re.ASCII,
)
_PRIVATE_IPV4: Final = tuple(
    ipaddress.IPv4Network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
)
_LINK_LOCAL_IPV4: Final = ipaddress.IPv4Network("169.254.0.0/16")
_PRIVATE_IPV6: Final = ipaddress.IPv6Network("fc00::/7")
_LOOPBACK_IPV6: Final = ipaddress.IPv6Address("::1")
_LINK_LOCAL_IPV6: Final = ipaddress.IPv6Network("fe80::/10")


def _ip_literal(text: str) -> IpAddress | None:
    """The address that a text is the literal form of, brackets allowed."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    if len(text) > 64 or "%" in text or "/" in text:
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class IpEndpoint:
    """An IP address and a port, one entry of ``addrs``."""

    address: IpAddress
    port: int

    @classmethod
    def parse_safe(cls, text: str) -> IpEndpoint:
        """Read the form without colons: ``1.2.3.4-5``, ``[--1]-5``.

        Raises:
            MalformedMessage: The text is not of that form.

        Source: ``condor_sockaddr::from_ccb_safe_string``.
        """
        host, dash, port = text.rpartition("-")
        address = _ip_literal(host.replace("-", ":"))
        if not dash or address is None or not _is_port(port):
            raise MalformedMessage("an entry of addrs is not an address and port")
        return cls(address, int(port))

    def safe_text(self) -> str:
        """The form without colons, for ``addrs``."""
        return f"{_bracketed(str(self.address)).replace(':', '-')}-{self.port}"

    def __str__(self) -> str:
        return f"{_bracketed(str(self.address))}:{self.port}"


def _bracketed(host: str) -> str:
    """A host with brackets where it has colons."""
    return f"[{host}]" if ":" in host and "[" not in host else host


def _is_port(text: str) -> bool:
    """Whether a text is a decimal port number."""
    return (
        0 < len(text) <= 5 and text.isascii() and text.isdigit() and int(text) < 65536
    )


def _decode(text: str) -> str:
    """Undo percent-encoding; a plus is a plus.

    Raises:
        MalformedMessage: A percent sign without two hexadecimal digits.
    """
    if "%" not in text:
        return text

    def replace(match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            raise MalformedMessage("a broken escape in an address")
        return bytes.fromhex(match[1].decode("ascii"))

    raw = _ESCAPE.sub(replace, text.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")


def _encode(text: str) -> str:
    """Percent-encode as HTCondor does, with lower-case digits."""
    return "".join([_ESCAPES[each] for each in text.encode("utf-8", "surrogateescape")])


def _parse_parameters(text: str) -> dict[str, str]:
    """Keys and values, the last of duplicates.

    Source: ``condor_sinful.cpp: parseUrlEncodedParams``.
    """
    parameters: dict[str, str] = {}
    for pair in _SEPARATORS.split(text):
        if not pair:
            continue
        key, _, value = pair.partition("=")
        if not key:
            raise MalformedMessage("a parameter without a name in an address")
        parameters[_decode(key)] = _decode(value)
    return parameters


@dataclass(frozen=True, slots=True)
class SinfulAddress:
    """One daemon's address with all ways to reach it.

    Args:
        host: An IP literal without brackets, a name, or nothing.
        port: Digits as they were written, or nothing. ``0`` means unknown.
        parameters: Decoded keys and values; keys are case-sensitive.
    """

    host: str = ""
    port: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    addrs: tuple[IpEndpoint, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        parameters = dict(self.parameters)
        entries = (each.strip() for each in parameters.get(ADDRS, "").split("+"))
        addrs = tuple(IpEndpoint.parse_safe(each) for each in entries if each)
        object.__setattr__(self, "parameters", MappingProxyType(parameters))
        object.__setattr__(self, "addrs", addrs)

    @classmethod
    def parse(cls, text: str) -> SinfulAddress:
        """Read an address in any form that HTCondor writes or accepts.

        That is ``<...>``, the same without angle brackets, a naked IPv6 literal, and
        the V1 form (``AddressV1``), which begins with a brace.

        Raises:
            MalformedMessage: The text is not an address.

        Source: ``condor_sinful.cpp: Sinful::Sinful, split_sin``.
        """
        if len(text) > MAX_SINFUL_CHARACTERS or "\0" in text:
            raise MalformedMessage("a text that is no address")
        if text.startswith("{"):
            # The two forms need each other: the import waits until both are there.
            from condor_twisted.wire.sinful_v1 import parse_address_v1

            return parse_address_v1(text)
        if not text.startswith(("<", "[")) and text.partition("?")[0].count(":") > 1:
            text = f"[{text}]"
        if not text.startswith("<"):
            text = f"<{text}>"
        match = _FORM.fullmatch(text)
        if match is None:
            raise MalformedMessage("a text that is no address")
        host = match["name"] if match["ipv6"] is None else match["ipv6"]
        parameters = _parse_parameters(match["parameters"] or "")
        return cls(host, match["port"] or "", parameters)

    @classmethod
    def of(cls, host: str, port: int, **parameters: str) -> SinfulAddress:
        """An address of a host and a port number."""
        return cls(host, str(port), parameters)

    def __str__(self) -> str:
        text = _bracketed(self.host)
        if self.port:
            text += f":{self.port}"
        if self.parameters:
            ordered = sorted(
                self.parameters.items(),
                key=lambda pair: pair[0].encode("utf-8", "surrogateescape"),
            )
            text += "?" + "&".join(
                f"{_encode(key)}={_encode(value)}" if value else _encode(key)
                for key, value in ordered
            )
        return f"<{text}>"

    def __hash__(self) -> int:
        return hash((self.host, self.port, frozenset(self.parameters.items())))

    def without_brackets(self) -> str:
        """The text between ``<`` and ``>``, as broker contacts write it."""
        return str(self)[1:-1]

    def address_v1(self) -> str:
        """The V1 form, a list of routes, as the attribute ``AddressV1`` has it."""
        from condor_twisted.wire.sinful_v1 import format_address_v1

        return format_address_v1(self)

    @property
    def port_number(self) -> int | None:
        """The port, or ``None`` where there is no usable one in the text."""
        return int(self.port) if _is_port(self.port) else None

    @property
    def ip(self) -> IpAddress | None:
        """The primary host where it is an IP literal."""
        return _ip_literal(self.host)

    @property
    def alias(self) -> str | None:
        """The host name to show and to check certificates against."""
        return self.parameters.get(ALIAS)

    @property
    def shared_port_id(self) -> str | None:
        """The daemon's socket name behind a shared port."""
        return self.parameters.get(SHARED_PORT_ID)

    @property
    def no_udp(self) -> bool:
        """Whether the daemon says that it has no UDP port."""
        return NO_UDP in self.parameters

    @property
    def accepts_udp(self) -> bool:
        """Whether a datagram can reach the daemon: nothing stands between."""
        return not self.parameters.keys() & {NO_UDP, SHARED_PORT_ID, CCB_CONTACT}

    @property
    def ccb_contacts(self) -> tuple[tuple[SinfulAddress, str], ...]:
        """Brokers for reverse connections, each with our target's id there.

        Raises:
            MalformedMessage: A contact is not ``address#id``.

        Source: ``src/ccb/ccb_client.cpp: CCBClient::SplitCCBContact``.
        """
        contacts = []
        for contact in self.parameters.get(CCB_CONTACT, "").split():
            broker, mark, identifier = contact.partition("#")
            if not mark or not identifier:
                raise MalformedMessage("a broker contact without an id")
            contacts.append((SinfulAddress.parse(f"<{broker}>"), identifier))
        return tuple(contacts)

    @property
    def private_address(self) -> SinfulAddress | None:
        """The address inside the private network.

        Raises:
            MalformedMessage: The parameter is there and no address.
        """
        text = self.parameters.get(PRIVATE_ADDRESS)
        return None if text is None else SinfulAddress.parse(text)

    @property
    def private_network(self) -> str | None:
        """The private network's name."""
        return self.parameters.get(PRIVATE_NETWORK)

    def with_host(self, host: str) -> SinfulAddress:
        """A copy with another primary host."""
        return SinfulAddress(host, self.port, self.parameters)

    def with_port(self, port: int, *, everywhere: bool = False) -> SinfulAddress:
        """A copy with another primary port, or with it in ``addrs`` as well."""
        changed = SinfulAddress(self.host, str(port), self.parameters)
        if not everywhere or not self.addrs:
            return changed
        return changed.with_addrs(IpEndpoint(each.address, port) for each in self.addrs)

    def with_addrs(self, addrs: Iterable[IpEndpoint]) -> SinfulAddress:
        """A copy with these public addresses; without the parameter if none."""
        text = "+".join(each.safe_text() for each in addrs)
        return self.with_parameters({ADDRS: text or None})

    def with_alias(self, alias: str | None) -> SinfulAddress:
        """A copy with another alias, or none."""
        return self.with_parameters({ALIAS: alias})

    def with_parameters(self, changes: Mapping[str, str | None]) -> SinfulAddress:
        """A copy with parameters set, or removed where the value is ``None``."""
        merged: dict[str, str | None] = {**self.parameters, **changes}
        kept = {key: value for key, value in merged.items() if value is not None}
        return SinfulAddress(self.host, self.port, kept)


def desirability(address: IpAddress) -> int:
    """How good an address is to connect to: 5 public ... 1 IPv6 link-local.

    Source: ``condor_sockaddr.cpp: condor_sockaddr::desirability``.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address in _LINK_LOCAL_IPV6:
            return 1
        if address == _LOOPBACK_IPV6:
            return 2
        return 4 if address in _PRIVATE_IPV6 else 5
    if address.is_loopback:
        return 2
    if address in _LINK_LOCAL_IPV4:
        return 3
    return 4 if any(address in network for network in _PRIVATE_IPV4) else 5


def choose_address(
    target: SinfulAddress,
    *,
    ipv4_enabled: bool = True,
    ipv6_enabled: bool = True,
    prefer_ipv4: bool = True,
    ignore_target_preference: bool = True,
    private_network: str | None = None,
) -> SinfulAddress | None:
    """Where a connection to ``target`` goes.

    The private network comes first: where it is ours as well, the private address
    replaces everything but the alias, or, without one, the brokers are left out. Then
    the best of ``addrs`` becomes the primary address; it alone is tried.

    Args:
        target: Whom to reach.
        ipv4_enabled: ENABLE_IPV4 is not false and this host has such an address.
        ipv6_enabled: The same of IPv6.
        prefer_ipv4: PREFER_OUTBOUND_IPV4.
        ignore_target_preference: IGNORE_TARGET_PROTOCOL_PREFERENCE: among equally
            good addresses our preference decides, not the target's order.
        private_network: PRIVATE_NETWORK_NAME.

    Returns:
        The target with primary host and port to connect to. An address without
        ``addrs`` is returned with its primary as it is, which may be a name.
        ``None``: no listed address is of an enabled protocol.

    Raises:
        MalformedMessage: The target's private address is none.

    Source: ``src/condor_daemon_client/daemon.cpp: Daemon::Set_addr``,
    ``src/condor_io/sock.cpp: Sock::chooseAddrFromAddrs``.
    """
    if private_network and target.private_network == private_network:
        private = target.private_address
        if private is not None:
            alias = target.alias or private.alias
            target = private.with_alias(alias)
        else:
            target = target.with_parameters({CCB_CONTACT: None})
    if not target.addrs:
        return target

    def worse(endpoint: IpEndpoint) -> tuple[int, int]:
        preferred = (endpoint.address.version == 4) is prefer_ipv4
        tie = 0 if preferred or not ignore_target_preference else 1
        return -desirability(endpoint.address), tie

    enabled = {4: ipv4_enabled, 6: ipv6_enabled}
    for endpoint in sorted(target.addrs, key=worse):
        if enabled[endpoint.address.version]:
            return target.with_host(str(endpoint.address)).with_port(endpoint.port)
    return None


def points_to_me(
    mine: SinfulAddress,
    other: SinfulAddress,
    *,
    own_command_host: str | None = None,
    default_shared_port_id: str = DEFAULT_SHARED_PORT_ID,
) -> bool:
    """Whether an address somebody gave is the one that ``mine`` stands for.

    Args:
        mine: The address to compare with, usually this daemon's own.
        other: The address in question.
        own_command_host: The host of this daemon's command port: a loopback address
            stands for it.
        default_shared_port_id: SHARED_PORT_DEFAULT_ID, what an address without
            ``sock`` reaches.

    Raises:
        MalformedMessage: The private address of ``mine`` is none.

    Source: ``condor_sinful.cpp: Sinful::addressPointsToMe``.
    """
    if _same_place(mine, other, own_command_host):
        ids = {mine.shared_port_id, other.shared_port_id}
        if len(ids) == 1 or ids == {None, default_shared_port_id}:
            return True
    private = mine.private_address
    if private is None or private == mine:
        return False
    return points_to_me(
        private.with_parameters({PRIVATE_ADDRESS: None}),
        other,
        own_command_host=own_command_host,
        default_shared_port_id=default_shared_port_id,
    )


def _same_place(
    mine: SinfulAddress, other: SinfulAddress, own_command_host: str | None
) -> bool:
    """Whether host and port agree, by text, by ``addrs`` or by loopback."""
    if not mine.host or not mine.port or mine.port != other.port or not other.host:
        return False
    if mine.host == other.host:
        return True
    other_ip, other_port = other.ip, other.port_number
    if other_ip is None:
        return False
    if any(each.address == other_ip and each.port == other_port for each in mine.addrs):
        return True
    return mine.host == own_command_host and desirability(other_ip) == 2
