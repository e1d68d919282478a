"""The V1 form of an address: a list of routes, as ``AddressV1`` carries it.

Layout::

    { route, route, ... }
    route = [ p="primary"; a="1.2.3.4"; port=5; n="Internet"; ]

``p`` is ``primary``, ``IPv4`` or ``IPv6``; ``n`` is the network, ``Internet`` for the
public one. Behind them may stand, in this order, ``alias spid ccbid ccbspid noUDP
brokerIndex``. The primary route is first; routes through a broker carry that
broker's own routes, marked with its index. Clients connect with the V0 form.

Source: ``src/condor_utils/condor_sinful.cpp: regenerateV1String, parseV1String``,
``src/condor_utils/SourceRoute.cpp: SourceRoute::serialize``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from condor_twisted.errors import MalformedMessage
from condor_twisted.wire.sinful import (
    ALIAS,
    CCB_CONTACT,
    NO_UDP,
    PRIVATE_ADDRESS,
    PRIVATE_NETWORK,
    SHARED_PORT_ID,
    IpEndpoint,
    SinfulAddress,
)

__all__ = ["format_address_v1", "parse_address_v1"]

_PUBLIC: Final = "Internet"
_PRIMARY: Final = "primary"
#: A broker behind a broker behind a broker: nobody builds more.
_MAX_BROKER_DEPTH: Final = 4
_MAX_ROUTES: Final = 1000

_ROUTE = re.compile(
    r"\[\s*"
    r'p="(?P<protocol>primary|IPv4|IPv6)";\s+'
    r'a="(?P<host>[^"\s]{0,61})";\s+'
    r"port=(?P<port>-?[0-9]{1,9});\s+"
    r'n="(?P<network>[^"\s]{0,61})";'
    r'(?P<more>(?:\s+[A-Za-z]{1,16}=(?:"[^"]*"|[A-Za-z0-9]{1,9});)*)'
    r"\s*\]",
    re.ASCII,
)
_MORE = re.compile(r'([A-Za-z]+)=("[^"]*"|[A-Za-z0-9]+);', re.ASCII)


@dataclass(frozen=True, slots=True)
class _Route:
    """One way to a daemon."""

    protocol: str
    host: str
    port: int
    network: str = _PUBLIC
    alias: str = ""
    spid: str = ""
    ccbid: str = ""
    ccbspid: str = ""
    no_udp: bool = False
    broker_index: int = -1

    def __str__(self) -> str:
        text = (
            f'p="{self.protocol}"; a="{self.host}"; '
            f'port={self.port}; n="{self.network}";'
        )
        for name in ("alias", "spid", "ccbid", "ccbspid"):
            value = getattr(self, name)
            if value:
                text += f' {name}="{value}";'
        if self.no_udp:
            text += " noUDP=true;"
        if self.broker_index != -1:
            text += f" brokerIndex={self.broker_index};"
        return f"[ {text} ]"

    def endpoint(self) -> IpEndpoint:
        """The route's IP address and port."""
        address = SinfulAddress(self.host).ip
        if address is None or not 0 <= self.port < 65536:
            raise MalformedMessage("a route that is not an IP address and port")
        return IpEndpoint(address, self.port)


def _route_to(endpoint: IpEndpoint, network: str = _PUBLIC) -> _Route:
    """The direct route to an IP address."""
    protocol = f"IPv{endpoint.address.version}"
    return _Route(protocol, str(endpoint.address), endpoint.port, network)


def _direct_route(address: SinfulAddress, network: str = _PUBLIC) -> _Route | None:
    """The route to an address whose primary host is an IP literal."""
    ip, port = address.ip, address.port_number
    if ip is None or port is None:
        return None
    return _route_to(IpEndpoint(ip, port), network)


def format_address_v1(address: SinfulAddress) -> str:
    """Write an address in the V1 form.

    Raises:
        MalformedMessage: A private address or a broker contact in it is not one.
    """
    routes = _routes_of(address, _MAX_BROKER_DEPTH)
    return "{" + ", ".join(map(str, routes)) + "}"


def _routes_of(address: SinfulAddress, depth: int) -> list[_Route]:
    """All routes in HTCondor's order: primary, private, brokers, public."""
    if depth == 0:
        raise MalformedMessage("too many brokers behind each other")
    port = address.port_number
    routes = [_Route(_PRIMARY, address.host, -1 if port is None else port)]
    if address.parameters:
        public = [_route_to(endpoint) for endpoint in address.addrs]
    else:
        direct = _direct_route(address)
        public = [] if direct is None else [direct]
    routes += _private_routes(address, public)
    for index, (broker, identifier) in enumerate(address.ccb_contacts):
        routes += (
            replace(
                route,
                broker_index=index,
                ccbid=identifier,
                spid="",
                ccbspid=broker.shared_port_id or route.ccbspid,
            )
            for route in _routes_of(broker, depth - 1)
        )
    routes += public
    return [
        replace(
            route,
            alias=address.alias or route.alias,
            spid=address.shared_port_id or route.spid,
            no_udp=address.no_udp or route.no_udp,
        )
        for route in routes
    ]


def _private_routes(address: SinfulAddress, public: Sequence[_Route]) -> list[_Route]:
    """The routes that are open only inside the private network."""
    network = address.private_network
    if network is None:
        return []
    private = address.private_address
    if private is None:
        return [replace(route, network=network) for route in public]
    route = _direct_route(private, network)
    if route is None:
        raise MalformedMessage("a private address that is not an IP address and port")
    return [route]


def parse_address_v1(text: str) -> SinfulAddress:
    """Read the V1 form.

    Raises:
        MalformedMessage: The text is not a list of routes, or they contradict each
            other.
    """
    if not text.startswith("{") or not text.endswith("}"):
        raise MalformedMessage("an address list that does not end")
    routes: list[_Route] = []
    at = 1
    while True:
        match = _ROUTE.match(text, at)
        if match is None or len(routes) >= _MAX_ROUTES:
            raise MalformedMessage("an address list with a broken route")
        routes.append(_parse_route(match))
        at = match.end()
        if text[at:] == "}":
            break
        if not text.startswith(",", at):
            raise MalformedMessage("an address list with something between its routes")
        at += 1
        while text[at] == " ":
            at += 1
    return _address_of(routes)


def _parse_route(match: re.Match[str]) -> _Route:
    """One route of its matched text."""
    more = dict(_MORE.findall(match["more"]))

    def string(name: str) -> str:
        value: str = more.get(name, '""')
        if not value.startswith('"'):
            raise MalformedMessage("a route with a bare word for a string")
        return value[1:-1]

    if more.get("noUDP", "true") != "true":
        raise MalformedMessage("a route with an odd noUDP")
    index: str = more.get("brokerIndex", "")
    if index and not (index.isascii() and index.isdigit()):
        raise MalformedMessage("a route with an odd brokerIndex")
    return _Route(
        protocol=match["protocol"],
        host=match["host"],
        port=int(match["port"]),
        network=match["network"],
        alias=string("alias"),
        spid=string("spid"),
        ccbid=string("ccbid"),
        ccbspid=string("ccbspid"),
        no_udp="noUDP" in more,
        broker_index=int(index) if index else -1,
    )


def _common(values: Sequence[str], what: str) -> str:
    """The one value that is there, or nothing; two different ones are refused."""
    different = set(values) - {""}
    if len(different) > 1:
        raise MalformedMessage(f"routes that disagree about {what}")
    return different.pop() if different else ""


def _address_of(routes: Sequence[_Route]) -> SinfulAddress:
    """The address that a list of routes describes."""
    spid = routes[0].spid
    if spid and any(route.spid != spid for route in routes):
        raise MalformedMessage("routes that disagree about the shared port")
    network = _common(
        [route.network for route in routes if route.network != _PUBLIC],
        "the private network",
    )
    changes: dict[str, str | None] = {
        SHARED_PORT_ID: spid or None,
        ALIAS: _common([route.alias for route in routes], "the alias") or None,
        PRIVATE_NETWORK: network or None,
        CCB_CONTACT: _contacts_of(routes) or None,
        NO_UDP: "" if any(route.no_udp for route in routes) else None,
    }
    own = [route for route in routes if not route.ccbid]
    host, port = "", -1
    for route in own:
        if route.protocol == _PRIMARY:
            host, port = route.host, route.port
    public = [
        route.endpoint()
        for route in own
        if route.protocol != _PRIMARY and route.network == _PUBLIC
    ]
    private = [
        endpoint
        for endpoint in (r.endpoint() for r in own if r.network != _PUBLIC)
        if endpoint not in public
    ]
    if len(private) > 1:
        raise MalformedMessage("routes with more than one private address")
    if private:
        inside = SinfulAddress.of(str(private[0].address), private[0].port)
        inside = inside.with_parameters({SHARED_PORT_ID: spid or None})
        changes[PRIVATE_ADDRESS] = str(inside)
    address = SinfulAddress(host, "" if port < 0 else str(port))
    return address.with_addrs(public).with_parameters(changes)


def _contacts_of(routes: Sequence[_Route]) -> str:
    """The broker contacts that the marked routes describe."""
    brokers: dict[int, list[_Route]] = {}
    identifiers: dict[int, str] = {}
    for route in routes:
        if route.ccbid:
            plain = replace(
                route, spid=route.ccbspid, ccbspid="", ccbid="", broker_index=-1
            )
            brokers.setdefault(route.broker_index, []).append(plain)
            identifiers[route.broker_index] = route.ccbid
    if sorted(brokers) != list(range(len(brokers))):
        raise MalformedMessage("routes that skip a broker")
    return " ".join(
        f"{_address_of(brokers[index]).without_brackets()}#{identifiers[index]}"
        for index in range(len(brokers))
    )
