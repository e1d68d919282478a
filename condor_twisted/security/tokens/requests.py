"""Requests for tokens: asked for by one, approved by another, fetched by the first.

1.  Somebody asks for a token for an identity, and gets the request's id.
2.  Somebody who may (an administrator, or whoever has that identity already) looks at
    the request and approves it. For a while an administrator may have requests of
    daemons approved by the network that they come from.
3.  Who asked comes back with both ids, the request's and his own, and is given the
    token, once.

Times are seconds of a clock that never jumps; tokens alone have Unix time in them.

Source: ``src/condor_daemon_core.V6/daemon_core_main.cpp: TokenRequest,
handle_dc_start_token_request, handle_dc_finish_token_request,
handle_dc_list_token_request, handle_dc_approve_token_request,
handle_dc_auto_approve_token_request, cleanup_request_map``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from condor_twisted.errors import TokenServiceRefused
from condor_twisted.security.context import SecurityState
from condor_twisted.security.method_names import split_words
from condor_twisted.security.peer import Peer
from condor_twisted.security.rate_limit import RateLimit
from condor_twisted.security.tokens.approval import (
    ApprovalRule,
    ApprovalRules,
    RequestState,
    TokenRequest,
)
from condor_twisted.security.tokens.issuing import (
    IssuedToken,
    TokenIssuer,
    is_within_limits,
    read_limits,
)

__all__ = ["TokenRequestLimits", "TokenRequests"]

_ID_DIGITS: Final = 7
_ID_COUNT: Final = 10**_ID_DIGITS
_ID_ATTEMPTS: Final = 6
_ID: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_MAX_CLIENT_ID: Final = 256


@dataclass(frozen=True, slots=True)
class TokenRequestLimits:
    """How much of a daemon requests may take up.

    Args:
        pending: Requests that wait for approval.
        kept: Requests in all, those included that came to an end.
        rules: Rules that approve requests.
        wrong_per_second: How often an address may name a request that is not its own,
            over ten seconds.
        addresses: Addresses whose wrong guesses are remembered.
    """

    pending: int = 100
    kept: int = 200
    rules: int = 100
    wrong_per_second: int = 10
    addresses: int = 1024


class TokenRequests:
    """The requests of one daemon.

    Args:
        security: The daemon's security.
        limits: How much of it requests may take up.
    """

    def __init__(
        self,
        security: SecurityState,
        limits: TokenRequestLimits = TokenRequestLimits(),
    ) -> None:
        self.security = security
        self.issuer = TokenIssuer(security)
        self._limits = limits
        self._requests: dict[int, TokenRequest] = {}
        self._rules = ApprovalRules(limits.rules)
        self._wrong = RateLimit(limits.wrong_per_second, limits.addresses)

    def __len__(self) -> int:
        return len(self._requests)

    # What time and configuration do.

    def expire(self, now: float) -> None:
        """Let requests and rules end whose time is over."""
        lifetime = self.security.knobs.integer("SEC_TOKEN_REQUEST_LIFETIME", 3600)
        for number, request in list(self._requests.items()):
            age = now - request.requested_at
            if age > lifetime and request.state is not RequestState.FAILED:
                request.state, request.token = RequestState.EXPIRED, ""
            if age > lifetime + 3600:
                del self._requests[number]
        self._rules.expire(now)

    def reset(self) -> None:
        """Begin anew, as after a reconfiguration: nothing is approved any more."""
        self._rules.clear()
        for request in self._requests.values():
            request.state, request.token = RequestState.FAILED, ""

    # What clients ask for.

    def start(
        self,
        peer: Peer,
        now: float,
        client_id: str | None,
        identity: str | None,
        limits_text: str | None = None,
        lifetime_seconds: int | None = None,
    ) -> tuple[TokenRequest, ApprovalRule | None]:
        """Keep a request, or approve it at once where a rule says so.

        Args:
            peer: Who asks.
            now: The time.
            client_id: What he calls himself.
            identity: Who shall bear the token.
            limits_text: ``LimitAuthorization``, what it shall be good for.
            lifetime_seconds: How long it shall live.

        Returns:
            The request, and the rule that approved it at once: then the token is in
            the request, which is not kept.

        Raises:
            TokenServiceRefused: It is not kept.
        """
        self.expire(now)
        if client_id is None:
            raise TokenServiceRefused(2, "No client ID provided.")
        if identity is None:
            raise TokenServiceRefused(2, "No identity request.")
        if not (0 < len(client_id) <= _MAX_CLIENT_ID and client_id.isprintable()):
            raise TokenServiceRefused(2, "The client ID is empty, too long or no text.")
        issuer = self.issuer
        issuer.check_subject(identity)
        limits = self._configured_limits(read_limits(limits_text), limits_text)
        self._check_room(peer, client_id)
        number = self._new_number()
        request = TokenRequest(
            f"{number:0{_ID_DIGITS}d}",
            client_id,
            identity,
            peer.user,
            peer.address,
            limits,
            issuer.capped_lifetime(lifetime_seconds),
            now,
        )
        issuer.find_key()
        issuer.check_encryption(peer)
        rule = self._rules.find(request, now)
        if rule is not None:
            self._issue(request)
            return request, rule
        if peer.method is None or peer.method.upper() == "ANONYMOUS":
            raise TokenServiceRefused(
                7, "Request to server was made using ANONYMOUS or no authentication."
            )
        self._requests[number] = request
        return request, None

    def finish(
        self, peer: Peer, now: float, client_id: str | None, request_id: str | None
    ) -> str:
        """Give the token of a request to whoever asked for it.

        Differs from HTCondor: who asked has to be who comes back.

        Args:
            peer: Who comes back.
            now: The time.
            client_id: What he calls himself.
            request_id: The request's id.

        Returns:
            The token, which is forgotten; empty as long as the request is pending.

        Raises:
            TokenServiceRefused: There is no such request, or nothing comes of it.
        """
        self.expire(now)
        if self._wrong.is_reached(peer.address, now):
            raise TokenServiceRefused(5, "Request rate limit hit.")
        if client_id is None:
            raise TokenServiceRefused(2, "No client ID provided.")
        if request_id is None:
            raise TokenServiceRefused(2, "No request ID provided.")
        number = _read_number(request_id)
        request = self._requests.get(number)
        if request is None:
            self._wrong.count(peer.address, now)
            raise TokenServiceRefused(3, "Request ID is not known.")
        if request.client_id != client_id or request.requester != peer.user:
            self._wrong.count(peer.address, now)
            raise TokenServiceRefused(3, "Client ID is incorrect.")
        if request.state is RequestState.PENDING:
            return ""
        if request.state is RequestState.APPROVED:
            self.issuer.check_encryption(peer)
        del self._requests[number]
        if request.state is RequestState.FAILED:
            raise TokenServiceRefused(4, "Request failed.")
        if request.state is RequestState.EXPIRED:
            raise TokenServiceRefused(5, "Request has expired.")
        token, request.token = request.token, ""
        return token

    # What those ask for who approve.

    def pending(
        self,
        peer: Peer,
        now: float,
        is_administrator: bool,
        request_id: str | None = None,
    ) -> list[TokenRequest]:
        """The pending requests that a peer may see, in the order in which they came.

        Args:
            peer: Who asks.
            now: The time.
            is_administrator: Whether he holds ADMINISTRATOR; others see the requests
                for their own identity alone.
            request_id: The one that is wanted; all by default.

        Raises:
            TokenServiceRefused: The id is none.
        """
        self.expire(now)
        if request_id:
            _read_number(request_id)
        return [
            request
            for request in self._requests.values()
            if request.state is RequestState.PENDING
            and (not request_id or request.request_id == request_id)
            and (is_administrator or request.identity == peer.user)
        ]

    def approve(
        self,
        peer: Peer,
        now: float,
        is_administrator: bool,
        client_id: str | None,
        request_id: str | None,
    ) -> tuple[TokenRequest, IssuedToken]:
        """Approve a request.

        Differs from HTCondor: an administrator whose credential is limited, or ends,
        is held to that, too.

        Args:
            peer: Who approves.
            now: The time.
            is_administrator: Whether he holds ADMINISTRATOR; others approve requests
                for their own identity alone.
            client_id: What the client calls itself.
            request_id: The request's id.

        Returns:
            The request, and the token that was made for it.

        Raises:
            TokenServiceRefused: It is not approved.
        """
        self.expire(now)
        if not request_id:
            raise TokenServiceRefused(1, "Request ID not provided.")
        request = self._requests.get(_read_number(request_id))
        if request is None:
            raise TokenServiceRefused(5, "Request unknown.")
        if not client_id:
            raise TokenServiceRefused(1, "Client ID not provided.")
        if client_id != request.client_id:
            raise TokenServiceRefused(5, "Request unknown.")
        if request.state is not RequestState.PENDING:
            raise TokenServiceRefused(5, "Request in incorrect state.")
        if not is_administrator and request.identity != peer.user:
            raise TokenServiceRefused(6, "Insufficient privilege to approve request.")
        self._check_approver(peer, request)
        self.issuer.find_key()
        return request, self._issue(request)

    def auto_approve(
        self, now: float, netblock: str | None, lifetime_seconds: int | None
    ) -> tuple[ApprovalRule, list[tuple[TokenRequest, IssuedToken]]]:
        """Approve requests of daemons from a network from now on, for a while.

        Args:
            now: The time.
            netblock: The network.
            lifetime_seconds: How long; at most an hour.

        Returns:
            The rule, and which requests of the last minute it has approved.

        Raises:
            TokenServiceRefused: There is no such rule now.
        """
        self.expire(now)
        self.issuer.find_key()
        rule = self._rules.add(self.security.knobs, now, netblock, lifetime_seconds)
        approved = [
            (request, self._issue(request))
            for request in list(self._requests.values())
            if self._rules.find(request, now) is not None
        ]
        return rule, approved

    # The decisions.

    def _configured_limits(
        self, wanted: tuple[str, ...], text: str | None
    ) -> tuple[str, ...]:
        """What SEC_TOKEN_REQUEST_LIMITS leaves of what is wanted."""
        configured = split_words(
            self.security.knobs.text("SEC_TOKEN_REQUEST_LIMITS") or ""
        )
        if not configured:
            return wanted
        if text is None:
            return tuple(dict.fromkeys(configured))
        left = tuple(each for each in wanted if each in configured)
        if not left:
            raise TokenServiceRefused(
                3,
                "All requested authorizations were eliminated by the "
                "SEC_TOKEN_REQUEST_LIMITS setting",
            )
        return left

    def _check_room(self, peer: Peer, client_id: str) -> None:
        pending = [
            request
            for request in self._requests.values()
            if request.state is RequestState.PENDING
        ]
        if any(
            request.address == peer.address and request.client_id == client_id
            for request in pending
        ):
            raise TokenServiceRefused(3, "This client has a request in the system.")
        if len(pending) >= self._limits.pending:
            raise TokenServiceRefused(3, "Too many requests in the system.")
        ended = [
            number
            for number, request in self._requests.items()
            if request.state is not RequestState.PENDING
        ]
        surplus = len(self._requests) + 1 - self._limits.kept
        for number in ended[: max(0, surplus)]:
            del self._requests[number]

    def _new_number(self) -> int:
        for _ in range(_ID_ATTEMPTS):
            number = int.from_bytes(self.security.random_bytes(8), "big") % _ID_COUNT
            if number not in self._requests:
                return number
        raise TokenServiceRefused(4, "Unable to generate new request ID")

    def _check_approver(self, peer: Peer, request: TokenRequest) -> None:
        """See that the token would not be good for more than who approves it."""
        if peer.limits is not None and not (
            request.limits
            and all(is_within_limits(each, peer) for each in request.limits)
        ):
            raise TokenServiceRefused(
                7, "Insufficient privilege to approve request (scope restricted)."
            )
        ends = peer.credential_expires_at
        if ends is None:
            return
        lifetime = request.lifetime_seconds
        if lifetime is None or self.security.unix_time() + lifetime > ends:
            raise TokenServiceRefused(
                8, "Insufficient privilege to approve request (lifetime)."
            )

    def _issue(self, request: TokenRequest) -> IssuedToken:
        try:
            issued = self.issuer.issue(
                request.identity, request.limits, request.lifetime_seconds
            )
        except TokenServiceRefused:
            request.state = RequestState.FAILED
            raise
        request.token, request.state = issued.text, RequestState.APPROVED
        return issued


def _read_number(text: str) -> int:
    """The number that a request's id is.

    Raises:
        TokenServiceRefused: It is none.
    """
    if _ID.fullmatch(text) is None:
        raise TokenServiceRefused(2, "Unable to convert request ID to integer.")
    return int(text)
