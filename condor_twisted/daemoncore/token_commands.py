"""The ``DC_`` commands by which peers get tokens of every daemon that can sign some.

Each takes one ad and answers with one, but for the list of requests: there each
request is a message of its own, and one with ``Owner = 0`` ends them. What is not
granted is answered with ``ErrorCode`` and ``ErrorString``.

Source: ``src/condor_daemon_core.V6/daemon_core_main.cpp: handle_dc_session_token,
handle_dc_start_token_request, handle_dc_finish_token_request,
handle_dc_list_token_request, handle_dc_approve_token_request,
handle_dc_auto_approve_token_request, handle_dc_exchange_scitoken``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from condor_twisted.classad.wire_ad import MAX_HANDSHAKE_ATTRIBUTES, AdValue, WireAd
from condor_twisted.constants import attributes
from condor_twisted.constants.permissions import Permission
from condor_twisted.daemoncore.signing_keys import signing_key_places
from condor_twisted.errors import TokenServiceRefused
from condor_twisted.protocols.handshake_driver import HandshakeDriver, NoChannel
from condor_twisted.protocols.log_text import escaped
from condor_twisted.protocols.requests import CommandRequest
from condor_twisted.security.tokens.issuing import read_limits
from condor_twisted.security.tokens.requests import TokenRequests

if TYPE_CHECKING:
    from condor_twisted.daemoncore.daemon import Daemon

__all__ = ["TokenCommands"]


_ADMINISTRATOR: Final = Permission.ADMINISTRATOR

_REQUEST: Final = "SEC_ENABLE_TOKEN_REQUEST", "Token request disabled."
_FETCH: Final = "SEC_ENABLE_TOKEN_FETCH", "Token fetch disabled."
_EXCHANGE: Final = "SEC_ENABLE_SCITOKEN_EXCHANGE", "SciToken exchange disabled."

_Reply = Mapping[str, AdValue]


class TokenCommands:
    """Commands about tokens, and the requests that wait.

    Args:
        daemon: Whose security signs.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._requests: TokenRequests | None = None

    @property
    def requests(self) -> TokenRequests:
        """The requests of this daemon since it was started last."""
        security = self._daemon.security
        assert security is not None, "commands come when security is there"
        if self._requests is None or self._requests.security is not security:
            self._requests = TokenRequests(security)
        return self._requests

    def expire(self) -> None:
        """Let requests end whose time is over."""
        if self._requests is not None:
            self._requests.expire(self._now())

    def reset(self) -> None:
        """Fail every request, and drop the rules: the configuration is a new one."""
        if self._requests is not None:
            self._requests.reset()

    # Tokens for who one is already.

    def get_session_token(self, request: CommandRequest) -> None:
        """Answer a token for whoever the session has proved the peer to be."""

        def fetch(ad: WireAd) -> _Reply:
            issued = self.requests.issuer.session_token(
                request.peer,
                read_limits(ad.string(attributes.LIMIT_AUTHORIZATION)),
                ad.integer(attributes.TOKEN_LIFETIME),
                ad.string(attributes.REQUESTED_KEY),
            )
            self._tell(request, "{peer} was given {issued}", issued=str(issued))
            return {attributes.TOKEN: issued.text}

        self._answer(request, _FETCH, fetch)

    async def exchange_scitoken(self, request: CommandRequest) -> None:
        """Answer a token of ours for the bearer of a SciToken."""
        ad = _read_ad(request)
        host = self._daemon.host
        assert host is not None, "commands come when the host is there"
        try:
            self._check_enabled(_EXCHANGE)
            exchange = self.requests.issuer.exchange_scitoken(
                request.peer, ad.string(attributes.TOKEN) or ""
            )
            exchanged = await HandshakeDriver(exchange, NoChannel(), host).start()
        except TokenServiceRefused as error:
            self._refuse(request, error)
            return
        self._tell(
            request, "{peer} exchanged a SciToken for {issued}", issued=str(exchanged)
        )
        _reply(request, {attributes.TOKEN: exchanged.text})

    # Tokens that somebody has to approve.

    def start_request(self, request: CommandRequest) -> None:
        """Keep a request for a token, or answer the token where a rule says so."""

        def start(ad: WireAd) -> _Reply:
            wanted, rule = self.requests.start(
                request.peer,
                self._now(),
                ad.string(attributes.CLIENT_ID),
                ad.string(attributes.USER),
                ad.string(attributes.LIMIT_AUTHORIZATION),
                ad.integer(attributes.TOKEN_LIFETIME),
            )
            reply: dict[str, AdValue] = {attributes.REQUEST_ID: wanted.request_id}
            if rule is not None:
                reply[attributes.TOKEN] = wanted.token
                self._tell(
                    request,
                    "Token request {wanted} approved via auto-approval rule {rule}",
                    wanted=str(wanted),
                    rule=rule.netblock,
                )
            else:
                self._tell(request, "Token request {wanted} waits", wanted=str(wanted))
            return reply

        self._answer(request, _REQUEST, start)

    def finish_request(self, request: CommandRequest) -> None:
        """Answer the token of a request, empty as long as nobody approved it."""

        def finish(ad: WireAd) -> _Reply:
            token = self.requests.finish(
                request.peer,
                self._now(),
                ad.string(attributes.CLIENT_ID),
                ad.string(attributes.REQUEST_ID),
            )
            return {attributes.TOKEN: token}

        self._answer(request, _REQUEST, finish)

    def list_requests(self, request: CommandRequest) -> None:
        """Answer the pending requests that the peer may see."""

        def pending(ad: WireAd) -> _Reply:
            for each in self.requests.pending(
                request.peer,
                self._now(),
                request.holds(_ADMINISTRATOR),
                ad.string(attributes.REQUEST_ID),
            ):
                _reply(request, each.shown())
            return {attributes.OWNER: 0, attributes.ERROR_CODE: 0}

        # Differs from HTCondor: an error, too, comes in the ad that ends the list.
        self._answer(request, _REQUEST, pending, {attributes.OWNER: 0})

    def approve_request(self, request: CommandRequest) -> None:
        """Make the token of a request."""

        def approve(ad: WireAd) -> _Reply:
            wanted, issued = self.requests.approve(
                request.peer,
                self._now(),
                request.holds(_ADMINISTRATOR),
                ad.string(attributes.CLIENT_ID),
                ad.string(attributes.REQUEST_ID),
            )
            self._tell(
                request,
                "Token request {wanted} approved by {peer}: {issued}",
                wanted=str(wanted),
                issued=str(issued),
            )
            return {attributes.ERROR_CODE: 0}

        self._answer(request, _REQUEST, approve)

    def auto_approve_requests(self, request: CommandRequest) -> None:
        """Approve requests of daemons from a network for a while."""

        def auto_approve(ad: WireAd) -> _Reply:
            rule, approved = self.requests.auto_approve(
                self._now(),
                ad.string(attributes.SUBNET),
                ad.integer(attributes.LIFETIME),
            )
            self._tell(
                request,
                "{peer} has token requests of daemons from {rule} approved for "
                "{seconds:.0f} s",
                rule=rule.netblock,
                seconds=rule.expires_at - rule.issued_at,
            )
            for wanted, _ in approved:
                self._tell(
                    request,
                    "Token request {wanted} passed via auto-approval rule {rule}",
                    wanted=str(wanted),
                    rule=rule.netblock,
                )
            return {attributes.ERROR_CODE: 0}

        self._answer(request, _REQUEST, auto_approve)

    # What they share.

    def _now(self) -> float:
        security = self._daemon.security
        assert security is not None, "commands come when security is there"
        return security.now()

    def _check_enabled(self, service: tuple[str, str]) -> None:
        knob, disabled = service
        if not self._daemon.settings.boolean(knob, True):
            raise TokenServiceRefused(44, disabled)

    def _answer(
        self,
        request: CommandRequest,
        service: tuple[str, str],
        serve: Callable[[WireAd], _Reply],
        with_error: _Reply | None = None,
    ) -> None:
        """Answer what a service answers to the peer's ad, or why it does not."""
        ad = _read_ad(request)
        try:
            self._check_enabled(service)
            reply = serve(ad)
        except TokenServiceRefused as error:
            self._refuse(request, error, with_error)
        else:
            _reply(request, reply)

    def _refuse(
        self,
        request: CommandRequest,
        error: TokenServiceRefused,
        with_error: _Reply | None = None,
    ) -> None:
        self._tell(
            request,
            "Command {command} of {peer} is not granted: {reason}",
            command=request.command,
            reason=error.reason,
        )
        security = self._daemon.security
        if security is not None and not security.credentials.signing_keys:
            self._tell(
                request,
                "A token was wanted, and there is no signing key; it would be in "
                "{place}",
                place=signing_key_places(self._daemon.settings),
            )
        _reply(
            request,
            {
                **(with_error or {}),
                attributes.ERROR_STRING: error.reason,
                attributes.ERROR_CODE: error.code,
            },
        )

    def _tell(self, request: CommandRequest, text: str, **fields: object) -> None:
        """Log what a peer has brought about; so often, and escaped."""
        server = self._daemon.server
        if server is None:
            return
        server.folded.info(
            f"tokens: {text}",
            request.peer.address,
            text,
            peer=escaped(str(request.peer)),
            **{
                name: escaped(value) if isinstance(value, str) else value
                for name, value in fields.items()
            },
        )


def _read_ad(request: CommandRequest) -> WireAd:
    """The ad that a command consists of."""
    reader = request.reader()
    ad = reader.get_ad(MAX_HANDSHAKE_ATTRIBUTES)
    reader.end_of_message()
    return WireAd(ad.body, ad.secret_lines)


def _reply(request: CommandRequest, pairs: _Reply) -> None:
    writer = request.writer()
    writer.put_ad(WireAd.from_pairs(pairs).body)
    request.reply(writer.end_of_message())
