"""The client's side of a negotiation.

A new session:

1.  C: int 60010, ad: what we want
2.  S: ad: what the server says is agreed on; checked against what we want
3.  where authentication is agreed on: the rounds of `method_loop`
4.  both derive the key and protect the stream
5.  S: ad: the session, and whether the command is allowed

A resumed session:

1.  C: int 60010, ad: the session's id and the command
2.  S: ad: AUTHORIZED and a nonce, or SID_NOT_FOUND
3.  both protect the stream

Then the command's own messages follow, without the command number. No answer of the
server can make us do with less than our own policy requires.

Source: ``src/condor_io/condor_secman.cpp: SecManStartCommand``.
"""

from __future__ import annotations

import binascii
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from condor_twisted.classad.literals import LiteralValue
from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import (
    AuthorizationDenied,
    LocalProtocolError,
    MalformedMessage,
    NoMethodSucceeded,
    PolicyMismatch,
    SessionUnknown,
)
from condor_twisted.security.commands import DC_AUTHENTICATE, DC_SEC_QUERY
from condor_twisted.security.context import (
    HandshakeContext,
    SecurityState,
    session_peer,
)
from condor_twisted.security.explanation import WANT_EXPLANATION
from condor_twisted.security.handshake.key_exchange import (
    decode_public_key,
    derive_session_key,
    encode_public_key,
)
from condor_twisted.security.handshake.method_loop import (
    Authenticated,
    authenticate_client,
)
from condor_twisted.security.handshake.outgoing import (
    CommandStart,
    Established,
    NegotiationRecord,
)
from condor_twisted.security.handshake.pod_ads import (
    PodAd,
    parse_pod_message,
    put_pod_ad,
    read_pod_ad,
)
from condor_twisted.security.handshake.server_reply import MAX_TEXT_BYTES, ServerReply
from condor_twisted.security.keys import SessionKey
from condor_twisted.security.methods import offer_attributes
from condor_twisted.security.methods.base import MethodContext
from condor_twisted.security.peer import Peer
from condor_twisted.security.policy import FeatureLevel, Policies, SidePolicy
from condor_twisted.security.sessions.session import (
    MAX_SESSION_ID_BYTES,
    SecuritySession,
    command_numbers,
    datagram_key,
)
from condor_twisted.security.steps import (
    EnableProtection,
    Handshake,
    enable_protection,
    limit_time,
    lookup_host,
    receive_message,
    send_message,
)
from condor_twisted.security.tls.known_hosts import note_known_host
from condor_twisted.wire.messages import MessageReader, MessageWriter
from condor_twisted.wire.versions import CondorVersion

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

__all__ = [
    "connect",
    "find_session",
    "read_query_reply",
    "resume_pairs",
    "wants_negotiation",
]

_NONCE_BYTES: Final = 33
_RESUME_ANSWERS_SINCE: Final = (9, 9, 0)


def wants_negotiation(policies: Policies) -> bool:
    """Whether a command starts with a negotiation, and not raw."""
    policy = policies.of(Permission.CLIENT)
    return policy.negotiation >= FeatureLevel.PREFERRED


def find_session(
    security: SecurityState, start: CommandStart, dialled: str, peer_address: str = ""
) -> SecuritySession | None:
    """The session to resume for a command, if there is one.

    The last resort is the session of our family of processes, where the other side is
    on this host and has not said that it is none of us.

    Args:
        security: Whose sessions.
        start: What is to be started.
        dialled: The sinful string that is dialled.
        peer_address: The IP address that this leads to, if that is known.

    Source: ``src/condor_io/condor_secman.cpp:
    SecManStartCommand::sendAuthInfo_inner``.
    """
    if start.fresh or start.temporary:
        return None
    now = security.now()
    session = None
    if start.session_id is not None:
        session = security.outgoing.find(start.session_id, now)
    if session is None:
        session = security.outgoing.find_for(dialled, start.subject, now, start.tag)
    if session is None and not start.tag:
        session = security.family_session(dialled, peer_address)
    return session


def _answers_resume(session: SecuritySession) -> bool:
    """Whether the server answers a resume, which alone makes it safe."""
    version = CondorVersion.parse(session.version or "")
    return version is not None and version.built_since(*_RESUME_ANSWERS_SINCE)


def connect(context: HandshakeContext, start: CommandStart) -> Handshake[Established]:
    """Start a command on a new stream, with an old session or a new one.

    Args:
        context: Our security and the two ends of the connection.
        start: What to start.

    Raises:
        SessionUnknown: The server does not know the session; it was dropped. Try
            again on a new connection.
        AuthorizationDenied: The server does not allow the command, or our own lists
            do not allow the server.
        PolicyMismatch: The server does not do what our policy requires.
        NoMethodSucceeded: Authentication failed and was required.
        RemoteProtocolError: The server broke the rules, or closed.
    """
    if start.command in (DC_AUTHENTICATE, DC_SEC_QUERY) and start.about is None:
        raise LocalProtocolError("a negotiation about no command")
    dialled = context.ends.dialled
    if dialled is None:
        raise LocalProtocolError("a client has dialled an address")
    session = find_session(context.security, start, dialled, context.ends.peer_address)
    if session is not None and _answers_resume(session):
        established = yield from _resume(context, start, session)
    else:
        established = yield from _NewSession(context, start).run()
    yield from _check_server(context, established.peer, start)
    return established


def _check_server(
    context: HandshakeContext, peer: Peer, start: CommandStart
) -> Handshake[None]:
    """Hold the server against ALLOW_CLIENT and DENY_CLIENT.

    Raises:
        AuthorizationDenied: We do not talk to this server.
    """
    authorizer = context.security.authorizer
    decision = authorizer.decide(Permission.CLIENT, peer.address, peer.user)
    if decision.needs_names:
        names = yield from lookup_host(peer.address)
        decision = authorizer.decide(
            Permission.CLIENT, peer.address, peer.user, None, names
        )
    if start.record is not None:
        start.record.server_decision = decision
    if not decision.allowed:
        raise AuthorizationDenied(
            start.command, f"we do not talk to this server: {decision.because}"
        )


def _put_command(
    pairs: dict[str, LiteralValue], context: HandshakeContext, start: CommandStart
) -> None:
    """The attributes that name the command and ourselves."""
    security = context.security
    pairs["Command"] = start.command
    if start.command in (DC_AUTHENTICATE, DC_SEC_QUERY) and start.about is not None:
        pairs["AuthCommand"] = start.about
    pairs["RemoteVersion"] = security.host.version
    if security.command_address is not None:
        pairs["ServerCommandSock"] = security.command_address
    if context.ends.dialled is not None:
        pairs["ConnectSinful"] = context.ends.dialled


# -- resuming


def resume_pairs(
    context: HandshakeContext, start: CommandStart, session: SecuritySession
) -> dict[str, LiteralValue]:
    """The ad that resumes a session, without what only a stream needs."""
    nonce = context.security.random_bytes(_NONCE_BYTES)
    pairs: dict[str, LiteralValue] = {
        "UseSession": "YES",
        "Sid": session.id,
        "Nonce": binascii.b2a_base64(nonce, newline=False).decode("ascii"),
    }
    if session.about is not None:
        pairs["AuthCommand"] = session.about
    _put_command(pairs, context, start)
    return pairs


def _resume(
    context: HandshakeContext, start: CommandStart, session: SecuritySession
) -> Handshake[Established]:
    """Go on with a session of before."""
    security, ends = context.security, context.ends
    key = session.key
    pairs = resume_pairs(context, start, session)
    pairs["ResumeResponse"] = True
    if key is not None:
        pairs["CryptoMethods"] = key.method.wire_name
    session.renew(security.now())
    writer = MessageWriter()
    writer.put_int(DC_AUTHENTICATE)
    put_pod_ad(writer, pairs.items(), by_name=True)
    yield from send_message(writer.end_of_message())

    answer = parse_pod_message((yield from receive_message()))
    code = answer.string("ReturnCode") or ""
    if code == "SID_NOT_FOUND":
        if session.negotiated:
            security.outgoing.remove(session.id)
        else:
            security.note_stranger(session.id, ends.dialled or "")
        raise SessionUnknown("the server does not know our session any more")
    if code not in ("", "AUTHORIZED"):
        raise AuthorizationDenied(
            start.command, f"the server answers {code[:64]!r} to our session"
        )
    encrypted = False
    if key is not None:
        step = EnableProtection(key, session.encrypt, session.integrity)
        yield from enable_protection(step)
        encrypted = step.encrypts
    peer = session_peer(session, ends.peer_address, ends.peer_port)
    version = answer.bounded_string("RemoteVersion", MAX_TEXT_BYTES)
    if version is not None:
        peer = replace(peer, version=version)
    return Established(peer, session, encrypted, True)


# -- a new session


class _NewSession:
    """One negotiation of a new session; its facts, and its messages in order."""

    def __init__(self, context: HandshakeContext, start: CommandStart) -> None:
        self.context = context
        self.security = context.security
        self.start = start
        policies = self.security.policies
        wish = FeatureLevel.PREFERRED if start.request_authentication else None
        policy = policies.of(Permission.CLIENT, wish)
        if start.temporary:
            policy = policies.temporary(policy)
        if policy.problem is not None:
            raise PolicyMismatch("Policy", f"nothing usable: {policy.problem}", "any")
        self.policy: SidePolicy = policy
        self.record = start.record or NegotiationRecord()
        self.record.ends, self.record.policy = context.ends, policy
        self.own_key: EllipticCurvePrivateKey = self.security.make_key()

    def run(self) -> Handshake[Established]:
        """The messages of the negotiation."""
        yield from send_message(self._request())
        record = self.record
        reply = record.answer = parse_pod_message((yield from receive_message()))
        agreed = record.agreed = ServerReply(reply, self.policy)
        authenticated: Authenticated | None = None
        if agreed.authenticate:
            authenticated = yield from self._authenticate(reply, agreed)
            record.authenticated = authenticated
        key: SessionKey | None = None
        encrypted = False
        if agreed.key_text is not None and agreed.crypto_method is not None:
            server_key = decode_public_key(agreed.key_text)
            key = derive_session_key(self.own_key, server_key, agreed.crypto_method)
            step = EnableProtection(key, agreed.encrypt, agreed.integrity)
            yield from enable_protection(step)
            encrypted = step.encrypts
        reader = MessageReader((yield from receive_message()), encrypted=encrypted)
        verdict = record.verdict = read_pod_ad(reader)
        reader.end_of_message()
        session = self._make_session(agreed, key, authenticated, verdict)
        record.session = session
        ends = self.context.ends
        peer = session_peer(session, ends.peer_address, ends.peer_port)
        peer = replace(peer, user=session.user, method=session.method)
        return Established(peer, session, encrypted, False)

    def _request(self) -> bytes:
        """The first message: what we want."""
        policy, security = self.policy, self.security
        pairs: dict[str, LiteralValue] = {
            "Enact": "NO",
            "NewSession": "YES",
            "NegotiatedSession": True,
            "Authentication": policy.authentication.name,
            "AuthenticationNew": policy.authentication_wish.name,
            "Encryption": policy.encryption.name,
            "Integrity": policy.integrity.name,
            "OutgoingNegotiation": policy.negotiation.name,
            "ECDHPublicKey": encode_public_key(self.own_key),
            "SessionDuration": str(policy.session_duration_seconds),
            "SessionLease": policy.session_lease_seconds,
            "Subsystem": security.knobs.subsystem,
            "ServerPid": security.host.process_id,
        }
        if policy.methods:
            pairs["AuthMethods"] = policy.methods_text
            pairs.update(offer_attributes(policy.methods, security))
        if policy.crypto_methods:
            pairs["CryptoMethods"] = policy.crypto_text
        if security.trust_domain is not None:
            pairs["TrustDomain"] = security.trust_domain
        if security.host.parent_id is not None:
            pairs["ParentUniqueID"] = security.host.parent_id
        if self.start.explain:
            pairs[WANT_EXPLANATION] = True
        _put_command(pairs, self.context, self.start)
        writer = MessageWriter()
        writer.put_int(DC_AUTHENTICATE)
        put_pod_ad(writer, pairs.items())
        return writer.end_of_message()

    def _authenticate(
        self, reply: PodAd, agreed: ServerReply
    ) -> Handshake[Authenticated | None]:
        """Run the methods; ``None`` where all failed and none was needed."""
        method_context = MethodContext(
            self.security, self.context.ends, Permission.CLIENT, reply, agreed.version
        )
        self.record.attempts = method_context.attempts
        yield from limit_time(
            "authentication", self.policy.authentication_timeout_seconds
        )
        found: Authenticated | None = None
        try:
            found = yield from authenticate_client(method_context, agreed.methods)
        except NoMethodSucceeded as error:
            # What broke off is no failed authentication: nothing can follow.
            if agreed.authentication_required or error.__cause__ is not None:
                raise
        yield from limit_time("authentication", None)
        if found is not None:
            yield from note_known_host(
                self.security.knobs,
                self.security.host,
                self.context.ends.dialled_host,
                found.method,
                found.result.user,
            )
        return found

    def _make_session(
        self,
        agreed: ServerReply,
        key: SessionKey | None,
        authenticated: Authenticated | None,
        verdict: PodAd,
    ) -> SecuritySession:
        """The session that the server's last ad names, kept for later.

        Raises:
            AuthorizationDenied: The server does not allow the command.
            MalformedMessage: The ad names no session.
        """
        security = self.security
        code = verdict.string("ReturnCode") or ""
        own_user = verdict.bounded_string("User", MAX_TEXT_BYTES)
        if code not in ("", "AUTHORIZED"):
            method = (
                "no authentication"
                if authenticated is None
                else (f"method {authenticated.method}")
            )
            raise AuthorizationDenied(
                self.start.command,
                f"the server answers {code[:64]!r} for user {own_user} using {method}",
            )
        session_id = verdict.bounded_string("Sid", MAX_SESSION_ID_BYTES)
        valid_commands = verdict.string("ValidCommands")
        if not session_id or not valid_commands:
            raise MalformedMessage("the server names no session, or no valid commands")
        keys: tuple[SessionKey, ...] = ()
        if key is not None:
            spare = datagram_key(
                key, security.policies.datagram_cipher, agreed.crypto_methods
            )
            keys = (key,) if spare is None else (key, spare)
        now = security.now()
        dialled = self.context.ends.dialled or ""
        session = SecuritySession(
            id=session_id,
            keys=keys,
            expires_at=now + agreed.duration_seconds,
            lease_seconds=agreed.lease_seconds,
            last_used_at=now,
            tried_authentication=agreed.authenticate,
            encrypt=agreed.encrypt,
            integrity=agreed.integrity,
            valid_commands=valid_commands,
            permission=Permission.CLIENT,
            address=dialled,
            version=agreed.version,
            own_user=own_user,
            tag=self.start.tag,
            about=self.start.about,
        )
        if authenticated is not None:
            session.method = authenticated.method
            session.user = authenticated.user or session.user
            session.authenticated_name = authenticated.result.authenticated_name
        if not self.start.temporary:
            # What a server names twice is the newer one.
            security.outgoing.remove(session.id)
            security.outgoing.add(session)
            security.outgoing.map_commands(
                session, dialled, iter(command_numbers(valid_commands))
            )
        return session


def read_query_reply(reader: MessageReader) -> PodAd:
    """The server's second ad after DC_SEC_QUERY: ``AuthorizationSucceeded`` and more.

    Raises:
        RemoteProtocolError: It is no such ad.
    """
    ad = read_pod_ad(reader)
    reader.end_of_message()
    return ad
