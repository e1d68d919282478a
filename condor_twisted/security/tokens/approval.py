"""A request for a token, and the rules by which requests are approved unseen.

Source: ``src/condor_daemon_core.V6/daemon_core_main.cpp: TokenRequest``.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from condor_twisted.constants import attributes
from condor_twisted.errors import TokenServiceRefused
from condor_twisted.security.knobs import Knobs
from condor_twisted.security.method_names import split_words
from condor_twisted.security.patterns.hosts import IpNetwork, parse_ip, parse_network

__all__ = [
    "ApprovalRule",
    "ApprovalRules",
    "RequestState",
    "TokenRequest",
    "parse_netblock",
]

_EARLIER_SECONDS: Final = 60
_YEAR_SECONDS: Final = 365 * 86400
_RULE_SECONDS: Final = 3600
_POOL_PREFIX: Final = "condor@"
_AUTOMATIC: Final = frozenset(
    {"ADVERTISE_SCHEDD", "ADVERTISE_STARTD", "ADVERTISE_MASTER"}
)
_EVERYWHERE: Final = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
#: The widest networks for which a rule may be made where no knob says which.
_WIDEST_BITS: Final = {4: 8, 6: 16}


class RequestState(Enum):
    """What became of a request."""

    PENDING = "pending"
    APPROVED = "approved"
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(slots=True, eq=False)
class TokenRequest:
    """One request.

    Args:
        request_id: Seven digits, not to be guessed.
        client_id: What the client calls itself.
        identity: Who shall bear the token.
        requester: Who asked.
        address: From where.
        limits: What the token shall be good for; empty for everything.
        lifetime_seconds: How long it shall live; ``None`` for ever.
        requested_at: When it was asked for.
        state: What became of it.
        token: The token, once it is approved.
    """

    request_id: str
    client_id: str
    identity: str
    requester: str
    address: str
    limits: tuple[str, ...]
    lifetime_seconds: int | None
    requested_at: float
    state: RequestState = RequestState.PENDING
    token: str = field(default="", repr=False)

    def __str__(self) -> str:
        return (
            f"[requested_id = {self.identity}; requester_id = {self.requester}; "
            f"peer_location = {self.address}; "
            f"m_authz_bounding_set = {','.join(self.limits) or '<none>'}]"
        )

    def shown(self) -> dict[str, str | int]:
        """What is shown of it to whoever may approve it."""
        found: dict[str, str | int] = {
            attributes.CLIENT_ID: self.client_id,
            attributes.REQUEST_ID: self.request_id,
            attributes.PEER_LOCATION: self.address,
            attributes.REQUESTED_IDENTITY: self.identity,
            attributes.AUTHENTICATED_IDENTITY: self.requester,
        }
        if self.limits:
            found[attributes.LIMIT_AUTHORIZATION] = ",".join(self.limits)
        if self.lifetime_seconds is not None:
            found[attributes.TOKEN_LIFETIME] = self.lifetime_seconds
        return found


@dataclass(frozen=True, slots=True)
class ApprovalRule:
    """Requests of daemons from a network are approved for a while.

    Args:
        netblock: The network as it was written.
        networks: The same, parsed.
        issued_at: Since when.
        expires_at: Until when.
    """

    netblock: str
    networks: tuple[IpNetwork, ...]
    issued_at: float
    expires_at: float

    def covers(self, request: TokenRequest) -> bool:
        """Whether a request came from there, then."""
        if not (
            self.issued_at - _EARLIER_SECONDS <= request.requested_at <= self.expires_at
        ):
            return False
        ip = parse_ip(request.address)
        return ip is not None and any(
            network.version == ip.version and ip in network for network in self.networks
        )


def parse_netblock(text: str) -> tuple[IpNetwork, ...]:
    """The networks that a rule's text names; none for a text that names none.

    Source: ``src/condor_utils/condor_netaddr.cpp: condor_netaddr::from_net_string``.
    """
    if text in ("*", "*/*"):
        return _EVERYWHERE
    network = parse_network(text)
    return () if network is None else (network,)


class ApprovalRules:
    """The rules that are in force.

    Args:
        max_rules: How many there may be.
    """

    def __init__(self, max_rules: int) -> None:
        self._max_rules = max_rules
        self._rules: list[ApprovalRule] = []

    def expire(self, now: float) -> None:
        """Drop the rules whose time is over."""
        self._rules = [rule for rule in self._rules if rule.expires_at >= now]

    def clear(self) -> None:
        """Drop all of them."""
        self._rules.clear()

    def add(
        self,
        knobs: Knobs,
        now: float,
        netblock: str | None,
        lifetime_seconds: int | None,
    ) -> ApprovalRule:
        """Approve requests of daemons from a network from now on, for a while.

        Differs from HTCondor: no rule lives longer than an hour, whatever a knob
        says, and none is for everybody unless a knob says so.

        Args:
            knobs: The configuration.
            now: The time.
            netblock: The network.
            lifetime_seconds: How long.

        Raises:
            TokenServiceRefused: There is no such rule now.
        """
        longest = knobs.integer("TOKEN_REQUEST_AUTO_APPROVE_MAX_LIFETIME", 3600)
        lifetime = min(lifetime_seconds or 0, longest, _RULE_SECONDS)
        if lifetime <= 0:
            raise _refused(-1, "lifetimes must be greater than zero.")
        networks = parse_netblock(netblock or "")
        if netblock is None or not networks:
            raise _refused(-2, "netblock invalid.")
        if not all(_is_narrow(knobs, network) for network in networks):
            raise _refused(
                -3,
                "netblock is wider than TOKEN_REQUEST_AUTO_APPROVE_NETBLOCKS allows.",
            )
        if len(self._rules) >= self._max_rules:
            raise _refused(-4, "refused: there are too many of them.")
        rule = ApprovalRule(netblock, networks, now, now + lifetime)
        self._rules.append(rule)
        return rule

    def find(self, request: TokenRequest, now: float) -> ApprovalRule | None:
        """The rule that approves a request, if there is one."""
        if request.state is not RequestState.PENDING:
            return None
        if not request.identity.startswith(_POOL_PREFIX):
            return None
        if not request.limits or not _AUTOMATIC.issuperset(request.limits):
            return None
        lifetime = request.lifetime_seconds
        if now > request.requested_at + (
            _YEAR_SECONDS if lifetime is None else lifetime
        ):
            return None
        return next((rule for rule in self._rules if rule.covers(request)), None)


def _is_narrow(knobs: Knobs, network: IpNetwork) -> bool:
    """Whether a rule may be made for a network."""
    text = knobs.text("TOKEN_REQUEST_AUTO_APPROVE_NETBLOCKS")
    if not text:
        return network.prefixlen >= _WIDEST_BITS[network.version]
    return any(
        each.version == network.version
        and each.prefixlen <= network.prefixlen
        and network.network_address in each
        for word in split_words(text)
        for each in parse_netblock(word)
    )


def _refused(code: int, problem: str) -> TokenServiceRefused:
    return TokenServiceRefused(code, f"DAEMON:{code}:Auto-approval rule {problem}")
