"""Commands in datagrams: admitting one, and making one.

Nobody negotiates by UDP. A client that wants more than a raw command gets a session by
TCP first (DC_AUTHENTICATE about the command) and then uses it in datagrams:

    security header     which session's key encrypted or signed what follows
    int 60010           or the raw command; a receiver takes both
    ad                  the session's id and the command, as on a resume
    the command's items, and the end of the message; no answer ever

The cipher is Blowfish (3DES with FIPS), keyed by the first 24 bytes of the session's
AES key. Real senders leave the MAC out.

Source: ``src/condor_daemon_core.V6/daemon_command.cpp: AcceptUDPRequest``,
``src/condor_io/condor_secman.cpp: SecManStartCommand::sendAuthInfo_inner``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from condor_twisted.errors import (
    AuthorizationDenied,
    LocalProtocolError,
    MalformedMessage,
    SessionUnknown,
)
from condor_twisted.security.authorization import Decision
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
from condor_twisted.security.handshake.admission import admit
from condor_twisted.security.handshake.connecting import resume_pairs
from condor_twisted.security.handshake.outgoing import CommandStart
from condor_twisted.security.handshake.pod_ads import PodAd, put_pod_ad, read_pod_ad
from condor_twisted.security.handshake.requested_rule import find_requested_rule
from condor_twisted.security.peer import Peer, Transport, raw_peer
from condor_twisted.security.sessions.session import (
    MAX_SESSION_ID_BYTES,
    SecuritySession,
)
from condor_twisted.wire.ciphers import CfbCipher
from condor_twisted.wire.messages import MessageReader, MessageWriter
from condor_twisted.wire.safe_messages import (
    SafeMessage,
    protect_message,
    split_key_id,
)

__all__ = ["DatagramAdmission", "OutgoingDatagram", "admit_datagram"]

_MAX_NONCE_BYTES = 256


@dataclass(frozen=True, slots=True)
class DatagramAdmission:
    """What a datagram came to. Unless it is allowed, it is dropped.

    Args:
        command: The command.
        rule: What it demands.
        peer: Who sent it, and what the datagram has proved.
        decision: Whether it is allowed, and why. `Decision.needs_names`: look up the
            sender's host names and ask again with them.
        payload: The message in clear.
        offset: Where the command's own items begin in it.
        encrypted: Whether its strings carry their lengths.
        secrets: Decrypts single secrets in it.
    """

    command: int
    rule: CommandRule
    peer: Peer
    decision: Decision
    payload: bytes = field(repr=False)
    offset: int
    encrypted: bool
    secrets: CfbCipher | None

    def reader(self) -> MessageReader:
        """A reader of the command's own items."""
        secrets = None if self.secrets is None else self.secrets.for_message()
        return MessageReader(
            self.payload, self.offset, encrypted=self.encrypted, secrets=secrets
        )


def admit_datagram(
    security: SecurityState,
    message: SafeMessage,
    address: str,
    port: int,
    host_names: Sequence[str] | None = None,
) -> DatagramAdmission:
    """Decide about a command that came in a datagram.

    Args:
        security: The daemon's security.
        message: The whole message as it came.
        address: The sender's IP address.
        port: Its port.
        host_names: The sender's confirmed host names, where they were asked for.

    Raises:
        RemoteProtocolError: It is broken. Drop it.
        SecurityError: Its session is not known, or its command. Drop it.
    """
    session = _session_of_header(security, message)
    payload, encrypted = message.payload, False
    cipher: CfbCipher | None = None
    if session is not None:
        cipher = session.datagram_cipher(security.policies.datagram_cipher)
        if message.encryption_key_id:
            if cipher is None or not session.encrypt:
                raise SessionUnknown("this session does not encrypt datagrams")
            payload, encrypted = message.decrypt(cipher), True
    reader = MessageReader(payload, encrypted=encrypted)
    command = reader.get_int()
    proved = session is not None
    if command == DC_AUTHENTICATE:
        ad = read_pod_ad(reader)
        command, rule = find_requested_rule(security, ad)
        if command in (DC_AUTHENTICATE, DC_SEC_QUERY):
            raise AuthorizationDenied(command, "a datagram that runs no command")
        session = _session_of_ad(security, ad, session, host_names is None)
    else:
        found = security.rules.find(command)
        if found is None:
            raise AuthorizationDenied(command, f"command {command} is not registered")
        rule = found
    peer = _peer(session, proved, address, port, encrypted)
    if host_names is not None:
        peer = replace(peer, host_names=tuple(host_names))
    decision = admit(rule, peer, security.policies, security.authorizer)
    if session is not None and proved and decision.allowed:
        session.renew(security.now())
    return DatagramAdmission(
        command,
        rule,
        peer,
        decision,
        payload,
        reader.position,
        encrypted,
        None if encrypted else cipher,
    )


def _session_of_header(
    security: SecurityState, message: SafeMessage
) -> SecuritySession | None:
    """The session that the security header names, after its MAC was checked.

    Raises:
        SessionUnknown: There is no such session, or it has no key.
        MalformedMessage: The MAC is wrong, or there are two sessions.
    """
    names = {
        split_key_id(key_id)[0]
        for key_id in (message.mac_key_id, message.encryption_key_id)
        if key_id
    }
    if not names:
        return None
    if len(names) > 1:
        raise MalformedMessage("a datagram of two sessions")
    session = security.incoming.find(names.pop(), security.now())
    if session is None or session.key is None:
        raise SessionUnknown("the session of a datagram is not known")
    if message.mac_key_id and not message.verify_mac(session.key.data):
        raise MalformedMessage("the MAC of a datagram is wrong")
    return session


def _session_of_ad(
    security: SecurityState,
    ad: PodAd,
    session: SecuritySession | None,
    first_time: bool,
) -> SecuritySession | None:
    """The session that the ad names, which is the header's where there is one.

    Raises:
        MalformedMessage: They are two, or the datagram came before.
        SessionUnknown: There is no such session.
    """
    if not ad.says_yes("UseSession"):
        if session is not None:
            raise MalformedMessage("a datagram that both uses a session and does not")
        return None
    session_id = ad.bounded_string("Sid", MAX_SESSION_ID_BYTES)
    if session is not None:
        if session_id != session.id:
            raise MalformedMessage("a datagram of two sessions")
        nonce = ad.bounded_string("Nonce", _MAX_NONCE_BYTES)
        if nonce is None:
            raise MalformedMessage("a datagram without a nonce")
        if first_time and not security.datagram_replays.is_fresh(session.id, nonce):
            raise MalformedMessage("a datagram that came before")
        return session
    named = security.incoming.find(session_id or "", security.now())
    if named is None or named.encrypt:
        raise SessionUnknown("the session of a datagram is not known")
    return named


def _peer(
    session: SecuritySession | None,
    proved: bool,
    address: str,
    port: int,
    encrypted: bool,
) -> Peer:
    """The sender, with what the datagram has proved.

    Kept for compatibility: an encrypted datagram has the integrity that its session
    was agreed to have, though real senders send no MAC.
    """
    if session is None:
        return raw_peer(address, port, Transport.UDP)
    if proved:
        return session_peer(session, address, port, Transport.UDP, encrypted=encrypted)
    peer = raw_peer(address, port, Transport.UDP)
    if session.address != address:
        return peer
    return replace(peer, negotiated=True, session_id=session.id)


class OutgoingDatagram:
    """A command on its way in a datagram, within a session.

    Put the command's items into `writer`, then take `finish`.

    Args:
        context: Our security, and the address that is dialled.
        start: The command.
        session: A session that is good for it, from `find_session`.

    Raises:
        LocalProtocolError: The session has no key for datagrams.
    """

    def __init__(
        self, context: HandshakeContext, start: CommandStart, session: SecuritySession
    ) -> None:
        security = context.security
        key = session.key
        stand_in = security.policies.datagram_cipher
        self._cipher = session.datagram_cipher(stand_in)
        if key is not None and self._cipher is None:
            raise LocalProtocolError(
                "this session cannot protect datagrams: both sides need "
                f"{stand_in.wire_name} among their crypto methods"
            )
        self._encrypts = session.encrypt and self._cipher is not None
        self._key_id = session.id
        if security.command_address is not None:
            self._key_id += f",{security.command_address}"
        self._mac_key = b""
        if key is not None and session.integrity and not self._encrypts:
            self._mac_key = key.data
        secrets = None
        if self._cipher is not None and not self._encrypts:
            secrets = self._cipher.for_message()
        self.writer = MessageWriter(self._encrypts, secrets)
        self.writer.put_int(DC_AUTHENTICATE)
        pairs = resume_pairs(context, start, session)
        if self._cipher is not None:
            pairs["CryptoMethods"] = self._cipher.algorithm
        put_pod_ad(self.writer, pairs.items(), by_name=True)
        session.renew(security.now())

    def finish(self) -> SafeMessage:
        """The message as it is to be sent."""
        return protect_message(
            self.writer.end_of_message(),
            encryption_key_id=self._key_id if self._encrypts else "",
            cipher=self._cipher if self._encrypts else None,
            mac_key_id=self._key_id if self._mac_key else "",
            mac_key=self._mac_key,
        )
