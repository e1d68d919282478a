"""The server's side of a negotiation.

A new session:

1.  C: int 60010, ad: what the client wants (the caller has read the int)
2.  S: ad: what is agreed on; nothing at all where that is nothing
3.  where authentication is agreed on: the rounds of `method_loop`
4.  both derive the key and protect the stream
5.  S: ad: the session and whether the command is allowed
6.  for DC_SEC_QUERY, S: ad: that it is allowed

A resumed session:

1.  C: int 60010, ad: the session's id and the command
2.  S: ad: AUTHORIZED and a nonce, or SID_NOT_FOUND
3.  both protect the stream

A resume without a server's answer (clients before 9.9) has nothing fresh in it from us
and is refused. The one exception are signals between a parent and its child, which a
real parent sends so: their nonce is bound to the first protected frame and counts once
(`Admission.nonce`). A session that does not fulfil what the command's own level
requires is answered like one that is not there: the client negotiates afresh.

This module is long because each step above is a function of the one conversation.

Source: ``src/condor_daemon_core.V6/daemon_command.cpp: DaemonCommandProtocol``.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from condor_twisted.classad.literals import LiteralValue, format_literal
from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import (
    AuthorizationDenied,
    FailedAttempt,
    MalformedMessage,
    NoMethodSucceeded,
    PolicyMismatch,
    SessionUnknown,
)
from condor_twisted.security.authorization import Decision, parse_limits
from condor_twisted.security.commands import (
    DC_AUTHENTICATE,
    DC_SEC_QUERY,
    CommandRule,
)
from condor_twisted.security.context import (
    HandshakeContext,
    SecurityState,
    session_peer,
)
from condor_twisted.security.explanation import (
    WANT_EXPLANATION,
    explain,
    explanation_pairs,
    may_be_told,
)
from condor_twisted.security.handshake.admission import (
    admit,
    unfit_levels,
    unmet_requirement,
)
from condor_twisted.security.handshake.key_exchange import (
    decode_public_key,
    derive_session_key,
    encode_public_key,
)
from condor_twisted.security.handshake.method_loop import (
    Authenticated,
    authenticate_server,
)
from condor_twisted.security.handshake.pod_ads import (
    PodAd,
    parse_pod_message,
    put_pod_ad,
)
from condor_twisted.security.handshake.requested_rule import find_requested_rule
from condor_twisted.security.handshake.resuming import nonce_without_answer, stream_key
from condor_twisted.security.keys import (
    SessionKey,
)
from condor_twisted.security.methods import offer_attributes
from condor_twisted.security.methods.base import MethodContext
from condor_twisted.security.peer import Peer, Transport, raw_peer
from condor_twisted.security.policy import Agreement, FeatureLevel, reconcile
from condor_twisted.security.sessions.session import (
    MAX_SESSION_ID_BYTES,
    SecuritySession,
    datagram_key,
)
from condor_twisted.security.steps import (
    EnableProtection,
    Handshake,
    enable_protection,
    limit_time,
    lookup_host,
    send_message,
)
from condor_twisted.wire.messages import MessageWriter

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import (
        EllipticCurvePrivateKey,
        EllipticCurvePublicKey,
    )

__all__ = ["Admission", "serve"]

_NONCE_BYTES: Final = 33
_MAX_TEXT_BYTES: Final = 1024
_MAX_KEY_TEXT_BYTES: Final = 200


@dataclass(frozen=True, slots=True)
class Admission:
    """What a negotiation came to, for whoever serves the connection.

    Everything that the negotiation has to send was sent. Without a command the
    connection is closed, after what was sent has gone out.

    Args:
        command: The command to run; ``None`` if there is none: the decision is no,
            or the client only asked, or only wanted a session.
        rule: What the command, or the one that was asked about, demands.
        peer: Who the client is, and what the channel has proved.
        decision: Whether the command is allowed, and why.
        session: The session, new or resumed; ``None`` where none was kept.
        encrypted: Whether later messages are encrypted, and so carry string lengths.
        resumed: The session is an old one. Its key is proved by the first message
            that can be read; until then nothing is executed.
        nonce: The client's nonce, where it took no answer of ours. Once its first
            message has proved the key, see that this nonce has not come before
            (`SecurityState.stream_replays`).
    """

    command: int | None
    rule: CommandRule
    peer: Peer
    decision: Decision
    session: SecuritySession | None
    encrypted: bool
    resumed: bool
    nonce: str | None = None


def serve(
    context: HandshakeContext, payload: bytes, offset: int = 8
) -> Handshake[Admission]:
    """Negotiate with a client that sent DC_AUTHENTICATE on a stream.

    Args:
        context: The daemon's security and the two ends of the connection.
        payload: The client's first message, in clear.
        offset: Where the ad begins in it, behind the command number.

    Returns:
        What came of it. A decision against the client that it was told about is
        a result, too.

    Raises:
        RemoteProtocolError: The client broke the rules. Close without an answer.
        SecurityError: Nothing can come of it. Close without an answer.
    """
    ad = parse_pod_message(payload, offset)
    command, rule = find_requested_rule(context.security, ad)
    if not rule.tcp:
        raise AuthorizationDenied(
            rule.number, f"command {rule.number} does not come by TCP"
        )
    if ad.says_yes("UseSession"):
        return (yield from _resume(context, ad, command, rule))
    if not ad.says_yes("NewSession") or ad.string("Enact") != "NO":
        raise PolicyMismatch("Negotiation", "something before 6.5", "a new session")
    return (yield from _NewSession(context, ad, command, rule).run())


def decide(
    context: HandshakeContext, rule: CommandRule, peer: Peer
) -> Handshake[tuple[Decision, Peer]]:
    """`admit`, with the peer's host names looked up where they matter."""
    security = context.security
    decision = admit(rule, peer, security.policies, security.authorizer)
    if decision.needs_names:
        names = yield from lookup_host(peer.address)
        peer = replace(peer, host_names=names)
        decision = admit(rule, peer, security.policies, security.authorizer)
    return decision, peer


def _send_query_reply(session: SecuritySession, encrypted: bool) -> Handshake[None]:
    """Tell the client of DC_SEC_QUERY that its command would be allowed."""
    writer = MessageWriter(encrypted)
    told = [
        (name, value)
        for name, value in session.token_attributes.items()
        if name.startswith("AuthToken")
    ]
    put_pod_ad(writer, [("AuthorizationSucceeded", True), *told])
    yield from send_message(writer.end_of_message())


# -- resuming


def _resume_answer(security: SecurityState) -> bytes:
    """The message that a session is known, with a fresh nonce.

    Layout: an ad of ``Nonce``, ``ReturnCode`` and ``RemoteVersion``, ready made but
    for the nonce, for every resumed command sends it.
    """
    nonce = security.random_bytes(_NONCE_BYTES)
    return (
        b'\0\0\0\0\0\0\0\3Nonce = "%s"\0ReturnCode = "AUTHORIZED"\0'
        b"RemoteVersion = %s\0\0\0"
        % (
            binascii.b2a_base64(nonce, newline=False),
            format_literal(security.host.version),
        )
    )


def _resume(
    context: HandshakeContext, ad: PodAd, command: int, rule: CommandRule
) -> Handshake[Admission]:
    """Go on with a session of before."""
    security, ends = context.security, context.ends
    session_id = ad.bounded_string("Sid", MAX_SESSION_ID_BYTES)
    if not session_id:
        raise MalformedMessage("a session is to be resumed, and none is named")
    session = security.incoming.find(session_id, security.now())
    nonce: str | None = None
    if ad.boolean("ResumeResponse") is not True:
        nonce = nonce_without_answer(ad, session, command, rule)
    unfit = "this session is not known"
    peer = raw_peer(ends.peer_address, ends.peer_port, Transport.TCP)
    if session is not None:
        peer = session_peer(session, ends.peer_address, ends.peer_port)
        unfit = _unfit_to_resume(context, session, peer, command, rule) or ""
    if nonce is not None and unfit:
        raise SessionUnknown(unfit)
    if session is None or unfit:
        writer = MessageWriter()
        put_pod_ad(writer, [("ReturnCode", "SID_NOT_FOUND")])
        yield from send_message(writer.end_of_message())
        decision = Decision(False, rule.permission, unfit)
        return Admission(None, rule, peer, decision, None, False, True)

    decision, peer = yield from decide(context, rule, peer)
    if nonce is None:
        yield from send_message(_resume_answer(security))
    encrypted = False
    key = stream_key(session, ad)
    if key is not None:
        step = EnableProtection(key, session.encrypt, session.integrity)
        yield from enable_protection(step)
        encrypted = step.encrypts
    if not decision.allowed:
        return Admission(None, rule, peer, decision, session, encrypted, True)
    session.renew(security.now())
    if command == DC_SEC_QUERY:
        yield from _send_query_reply(session, encrypted)
    runs = None if command in (DC_AUTHENTICATE, DC_SEC_QUERY) else command
    return Admission(runs, rule, peer, decision, session, encrypted, True, nonce)


def _unfit_to_resume(
    context: HandshakeContext,
    session: SecuritySession,
    peer: Peer,
    command: int,
    rule: CommandRule,
) -> str | None:
    """Why this session cannot serve this command; ``None`` if it can."""
    if not session.protects:
        if session.address != context.ends.peer_address:
            return "a session without a key is good for its own address alone"
    elif not rule.has_payload and command == rule.number:
        return "nothing would prove the session's key"
    policies = context.security.policies
    for_forced = FeatureLevel.REQUIRED if rule.force_authentication else None
    return unmet_requirement(policies.of(rule.permission, for_forced), peer)


# -- a new session


class _NewSession:
    """One negotiation of a new session; its facts, and its messages in order."""

    def __init__(
        self, context: HandshakeContext, ad: PodAd, command: int, rule: CommandRule
    ) -> None:
        self.context = context
        self.security = context.security
        self.ad = ad
        self.command = command
        self.rule = rule
        forced = FeatureLevel.REQUIRED if rule.force_authentication else None
        self.policy = self.security.policies.of(rule.permission, forced)
        self.version = ad.bounded_string("RemoteVersion", _MAX_TEXT_BYTES)
        self.agreement: Agreement = reconcile(ad, self.policy)
        self.attempts: Sequence[FailedAttempt] = ()
        self.peer_key: EllipticCurvePublicKey | None = None
        text = ad.bounded_string("ECDHPublicKey", _MAX_KEY_TEXT_BYTES)
        if text is not None:
            self.peer_key = decode_public_key(text)
        self._check_crypto()

    def _check_crypto(self) -> None:
        """Refuse what could only go on without a key of both sides.

        Raises:
            PolicyMismatch: There is no common cipher, or no key exchange.
        """
        agreed = self.agreement
        needs_key = agreed.authenticate or agreed.encrypt or agreed.integrity
        if needs_key and self.peer_key is None:
            raise PolicyMismatch("KeyExchange", "none", "ECDH")
        if self.peer_key is not None and agreed.crypto_method is None:
            raise PolicyMismatch(
                "CryptoMethods",
                (self.ad.string("CryptoMethods") or "nothing")[:64],
                self.policy.crypto_text or "nothing",
            )

    def run(self) -> Handshake[Admission]:
        """The messages behind the client's ad."""
        agreed = self.agreement
        own_key: EllipticCurvePrivateKey | None = None
        if self.peer_key is not None:
            own_key = self.security.make_key()
        yield from self._send_agreement(own_key)
        authenticated = (
            (yield from self._authenticate()) if agreed.authenticate else None
        )
        key: SessionKey | None = None
        encrypted = False
        method = agreed.crypto_method
        if own_key is not None and self.peer_key is not None and method is not None:
            key = derive_session_key(own_key, self.peer_key, method)
            step = EnableProtection(key, agreed.encrypt, agreed.integrity)
            yield from enable_protection(step)
            encrypted = step.encrypts
        session = self._make_session(key, authenticated)
        ends, rules = self.context.ends, self.security.rules
        peer = session_peer(session, ends.peer_address, ends.peer_port)
        unfit = unfit_levels(self.rule, rules, peer, self.security.policies)
        if not session.protects:
            # On this connection the identity was proved; on a later one it would not.
            peer = replace(
                peer,
                user=session.user,
                method=session.method,
                authenticated_name=session.authenticated_name,
                tried_authentication=session.tried_authentication,
                limits=session.limits,
                limits_text=session.limits_text,
                credential_expires_at=session.credential_expires_at,
                subsystem=session.subsystem,
                command_address=session.command_address,
            )
        decision, peer = yield from decide(self.context, self.rule, peer)
        session.valid_commands = rules.valid_commands(
            self.rule.permission, peer.is_mapped, unfit
        )
        reasons: Mapping[str, str] = {}
        if self.command == DC_SEC_QUERY and self.ad.boolean(WANT_EXPLANATION):
            told = explain(self.security, self.policy, self.attempts, peer, decision)
            level = yield from may_be_told(self.context, peer)
            if level is Permission.READ:
                told = told.without_directories()
            if level is not None:
                reasons = explanation_pairs(told)
        yield from self._send_session(session, decision, encrypted, reasons)
        if not decision.allowed:
            return Admission(None, self.rule, peer, decision, None, encrypted, False)
        self.security.incoming.add(session)
        if self.command == DC_SEC_QUERY:
            yield from _send_query_reply(session, encrypted)
        runs = None
        if self.command not in (DC_AUTHENTICATE, DC_SEC_QUERY):
            runs = self.command
        return Admission(runs, self.rule, peer, decision, session, encrypted, False)

    def _send_agreement(
        self, own_key: EllipticCurvePrivateKey | None
    ) -> Handshake[None]:
        """Tell the client what is agreed on."""
        agreed, security = self.agreement, self.security
        pairs: dict[str, LiteralValue] = {
            "Authentication": _yes_or_no(agreed.authenticate),
            "Encryption": _yes_or_no(agreed.encrypt),
            "Integrity": _yes_or_no(agreed.integrity),
            "SessionDuration": str(agreed.duration_seconds),
            "Enact": "YES",
            "NegotiatedSession": True,
            "RemoteVersion": security.host.version,
        }
        if agreed.authenticate and not agreed.authentication_required:
            pairs["AuthRequired"] = False
        if agreed.lease_seconds is not None:
            pairs["SessionLease"] = agreed.lease_seconds
        if security.trust_domain is not None:
            pairs["TrustDomain"] = security.trust_domain
        if agreed.methods is not None:
            pairs["AuthMethodsList"] = ",".join(agreed.methods)
            pairs["AuthMethods"] = agreed.methods[0] if agreed.methods else ""
            names = [name.upper() for name in agreed.methods]
            pairs.update(offer_attributes(names, security))
        if agreed.crypto_methods is not None:
            pairs["CryptoMethodsList"] = ",".join(
                each.wire_name for each in agreed.crypto_methods
            )
        if own_key is not None and agreed.crypto_method is not None:
            pairs["CryptoMethods"] = agreed.crypto_method.wire_name
            pairs["ECDHPublicKey"] = encode_public_key(own_key)
        writer = MessageWriter()
        put_pod_ad(writer, pairs.items())
        yield from send_message(writer.end_of_message())

    def _authenticate(self) -> Handshake[Authenticated | None]:
        """Run the methods; ``None`` where all failed and none was needed."""
        methods = self.agreement.methods or ()
        if not methods:
            raise NoMethodSucceeded((), ())
        method_context = MethodContext(
            self.security,
            self.context.ends,
            self.rule.permission,
            self.ad,
            self.version,
        )
        self.attempts = method_context.attempts
        yield from limit_time(
            "authentication", self.policy.authentication_timeout_seconds
        )
        found: Authenticated | None = None
        try:
            found = yield from authenticate_server(method_context, methods)
        except NoMethodSucceeded as error:
            # What broke off is no failed authentication: nothing can follow.
            if self.agreement.authentication_required or error.__cause__ is not None:
                raise
        yield from limit_time("authentication", None)
        return found

    def _make_session(
        self, key: SessionKey | None, authenticated: Authenticated | None
    ) -> SecuritySession:
        """The session as it will be kept, if the command is allowed."""
        agreed, security, ad = self.agreement, self.security, self.ad
        policies = security.policies
        keys: tuple[SessionKey, ...] = ()
        if key is not None:
            spare = datagram_key(
                key, policies.datagram_cipher, agreed.crypto_methods or ()
            )
            keys = (key,) if spare is None else (key, spare)
        slop = policies.duration_slop_seconds
        now = security.now()
        lease = agreed.lease_seconds or 0
        session = SecuritySession(
            id=security.new_session_id(),
            keys=keys,
            expires_at=now + agreed.duration_seconds + slop,
            lease_seconds=lease + slop if lease else 0,
            last_used_at=now,
            tried_authentication=agreed.authenticate,
            encrypt=agreed.encrypt,
            integrity=agreed.integrity,
            permission=self.rule.permission,
            address=self.context.ends.peer_address,
            version=self.version,
            subsystem=ad.bounded_string("Subsystem", _MAX_TEXT_BYTES),
            command_address=ad.bounded_string("ServerCommandSock", 4096),
        )
        if authenticated is not None:
            result = authenticated.result
            session.user = authenticated.user or session.user
            session.method = authenticated.method
            session.authenticated_name = result.authenticated_name
            if result.limits is not None:
                session.limits = parse_limits(result.limits)
                session.limits_text = result.limits
            session.token_attributes = result.attributes
        return session

    def _send_session(
        self,
        session: SecuritySession,
        decision: Decision,
        encrypted: bool,
        reasons: Mapping[str, str],
    ) -> Handshake[None]:
        """Tell the client its session, and whether it may."""
        pairs: dict[str, LiteralValue] = {
            **reasons,
            "Sid": session.id,
            "User": session.user,
            "ReturnCode": "AUTHORIZED" if decision.allowed else "DENIED",
            "ValidCommands": session.valid_commands,
        }
        if session.tried_authentication:
            pairs["TriedAuthentication"] = True
        writer = MessageWriter(encrypted)
        put_pod_ad(writer, pairs.items())
        yield from send_message(writer.end_of_message())


def _yes_or_no(value: bool) -> str:
    """A decided feature as ads have it."""
    return "YES" if value else "NO"
