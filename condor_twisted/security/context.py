"""What a handshake stands on: the daemon's security state, and one connection's ends.

Nothing here is global. Entropy, both clocks and the host's facts are given, so that a
recorded conversation replays byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from condor_twisted.constants.permissions import Permission
from condor_twisted.security.authorization import Authorizer
from condor_twisted.security.commands import CommandRules
from condor_twisted.security.credentials import (
    NO_FILES,
    ConfiguredFiles,
    Credentials,
    load_credentials,
)
from condor_twisted.security.facts import ChannelEnds, HostFacts
from condor_twisted.security.handshake.admission import unmet_requirement
from condor_twisted.security.handshake.key_exchange import make_private_key
from condor_twisted.security.identity_map import IdentityMap, read_identity_map
from condor_twisted.security.knobs import Knobs
from condor_twisted.security.method_names import ADDRESS_CHECK_KNOB
from condor_twisted.security.methods import check_switches, usable_methods
from condor_twisted.security.patterns.hosts import parse_ip
from condor_twisted.security.peer import Peer, Transport
from condor_twisted.security.policy import Policies
from condor_twisted.security.sessions.session import (
    ReplayGuard,
    SecuritySession,
    SessionCache,
    make_session_id,
)
from condor_twisted.wire.sinful import SinfulAddress

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

__all__ = ["HandshakeContext", "SecurityState", "session_peer"]


_MAX_STRANGERS_COUNT: Final = 1000
#: Maps a method's authenticated name to its canonical name, if it has one.
MapIdentity: TypeAlias = Callable[[str, str], "str | None"]


class SecurityState:
    """All that a daemon's or a tool's security keeps between connections.

    Args:
        knobs: The configuration.
        rules: The commands that are served; empty in a tool.
        host: Who and where we are.
        random_bytes: Gives so many bytes of the system's entropy.
        now: Seconds of a clock that never jumps: sessions are timed by it.
        unix_time: Seconds since 1970, for session ids alone.
        make_key: Gives a new ECDH key; tests give recorded ones.
        files: Reads the files that the configuration names.
        identity_map: Stands in for CERTIFICATE_MAPFILE: the canonical name of a
            method's authenticated name, or ``None`` without a match.

    Attributes:
        knobs: The configuration in force.
        uid_domain: UID_DOMAIN, the domain of this host's users.
        trust_domain: TRUST_DOMAIN, whose tokens are believed here; ``None`` for none.
        policies: The policies in force.
        authorizer: The ALLOW and DENY lists in force.
        incoming: Sessions in which we are the server.
        outgoing: Sessions in which we are the client.
        datagram_replays: The nonces of datagrams that came.
        stream_replays: The nonces of clients that took no answer.
        command_address: Where we take commands, a sinful string; ``None`` in tools.
        credentials: What we can prove ourselves with.
        identity_map: The map in force.
        token: A token that is tried before those in files, where one was given.
        family_session_id: The session of our family of processes, if we have one.

    Raises:
        ConfigError: The configuration has no sense.
    """

    def __init__(
        self,
        knobs: Knobs,
        rules: CommandRules,
        host: HostFacts,
        *,
        random_bytes: Callable[[int], bytes],
        now: Callable[[], float],
        unix_time: Callable[[], int],
        make_key: Callable[[], EllipticCurvePrivateKey] = make_private_key,
        files: ConfiguredFiles = NO_FILES,
        identity_map: MapIdentity | None = None,
    ) -> None:
        self.rules = rules
        self.host = host
        self.random_bytes = random_bytes
        self.now = now
        self.unix_time = unix_time
        self.make_key = make_key
        self.token: str | None = None
        self._files = files
        self._given_map = identity_map
        self.incoming = SessionCache()
        self.outgoing = SessionCache()
        self.datagram_replays = ReplayGuard()
        self.stream_replays = ReplayGuard()
        self.command_address: str | None = None
        self.family_session_id: str | None = None
        self._strangers: dict[str, None] = {}
        self._session_count = 0
        self._take_knobs(knobs)
        self.credentials = load_credentials(knobs, host, files)
        self.identity_map: MapIdentity = self._read_map(knobs)
        self.policies = self._read_policies(knobs, self.credentials)
        self.authorizer = Authorizer.from_knobs(knobs, host.local_addresses)

    def _take_knobs(self, knobs: Knobs) -> None:
        """Take a configuration, and read out of it what every negotiation needs."""
        self.knobs = knobs
        self.uid_domain = knobs.text("UID_DOMAIN") or self.host.host_name
        self.trust_domain = knobs.text("TRUST_DOMAIN") or None

    def _read_map(self, knobs: Knobs) -> MapIdentity:
        """The identity map of a configuration."""
        path = knobs.text("CERTIFICATE_MAPFILE")
        assume_names = knobs.boolean("CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS", False)
        if self._given_map is not None:
            return self._given_map
        if not path:
            return IdentityMap()
        exclude = knobs.text("LOCAL_CONFIG_DIR_EXCLUDE_REGEXP") or ""
        return read_identity_map(path, self._files, assume_names, exclude)

    def _read_policies(self, knobs: Knobs, credentials: Credentials) -> Policies:
        """The policies of a configuration, whose other knobs are looked at, too."""
        check_switches(knobs)
        knobs.boolean(ADDRESS_CHECK_KNOB, False)

        def usable(permission: Permission) -> Collection[str]:
            return usable_methods(knobs, self.host.own_user, permission, credentials)

        return Policies(knobs, usable)

    def reconfigure(self, knobs: Knobs) -> None:
        """Take over a new configuration, whole or not at all.

        Files are read again. Holes stay. Sessions that the new policies would not
        give are dropped.

        Raises:
            ConfigError: The new one has no sense; the old one stays in force.
        """
        credentials = load_credentials(knobs, self.host, self._files)
        identity_map = self._read_map(knobs)
        policies = self._read_policies(knobs, credentials)
        authorizer = Authorizer.from_knobs(knobs, self.host.local_addresses)
        authorizer.copy_holes_from(self.authorizer)
        self._take_knobs(knobs)
        self.policies, self.authorizer = policies, authorizer
        self.credentials, self.identity_map = credentials, identity_map

        def is_unfit(session: SecuritySession) -> bool:
            if not session.negotiated:
                return False
            policy = policies.of(session.permission)
            return unmet_requirement(policy, session_peer(session, "", 0)) is not None

        self.incoming.remove_where(is_unfit)

    def new_session_id(self) -> str:
        """The id of a new session."""
        count = self._session_count
        self._session_count += 1
        return make_session_id(
            self.host.host_name,
            self.host.process_id,
            self.unix_time(),
            count,
            self.random_bytes(16),
        )

    def family_session(self, dialled: str, peer_address: str) -> SecuritySession | None:
        """The session of our family, where the other side may be one of it.

        Args:
            dialled: The sinful string that is dialled.
            peer_address: The IP address that this leads to.
        """
        session_id = self.family_session_id
        if session_id is None or dialled in self._strangers:
            return None
        if self._is_behind_another_port(dialled):
            return None
        ip = parse_ip(peer_address)
        if ip is None or not (ip.is_loopback or ip in self.host.local_addresses):
            return None
        return self.outgoing.find(session_id, self.now())

    def _is_behind_another_port(self, dialled: str) -> bool:
        """Whether we share a port, and the other side is not behind it."""
        own = SinfulAddress.parse(self.command_address or "<>")
        if own.shared_port_id is None:
            return False
        return SinfulAddress.parse(dialled).port_number != own.port_number

    def note_stranger(self, session_id: str, dialled: str) -> None:
        """A daemon does not know this session: it is none of our family, if it is ours.

        Args:
            session_id: The session that we tried, which was not negotiated.
            dialled: The sinful string of the daemon.
        """
        if session_id == self.family_session_id:
            if len(self._strangers) >= _MAX_STRANGERS_COUNT:
                del self._strangers[next(iter(self._strangers))]
            self._strangers[dialled] = None
        else:
            self.outgoing.forget_commands(session_id)

    @property
    def file_problems(self) -> tuple[str, ...]:
        """What was wrong with the files that were read last, a line each."""
        found = self.identity_map
        mapping = found.problems if isinstance(found, IdentityMap) else ()
        return (*self.credentials.problems, *mapping)


@dataclass(frozen=True, slots=True)
class HandshakeContext:
    """What one handshake stands on."""

    security: SecurityState
    ends: ChannelEnds


def session_peer(
    session: SecuritySession,
    address: str,
    port: int,
    transport: Transport = Transport.TCP,
    *,
    encrypted: bool | None = None,
) -> Peer:
    """The other side of a channel that a session protects.

    Args:
        session: The session, whose key the other side has proved to have.
        address: Where the other side is now.
        port: Its port.
        transport: What the channel is.
        encrypted: Whether the channel is encrypted where the session alone does
            not say.
    """
    if not session.protects:
        return Peer(
            address,
            port,
            transport,
            negotiated=True,
            session_id=session.id,
            version=session.version,
        )
    aes = session.key is not None and session.key.method.name == "AES"
    return Peer(
        address,
        port,
        transport,
        user=session.user,
        method=session.method,
        authenticated_name=session.authenticated_name,
        tried_authentication=session.tried_authentication,
        negotiated=True,
        encrypted=session.encrypt or aes if encrypted is None else encrypted,
        integrity=session.integrity or aes,
        limits=session.limits,
        limits_text=session.limits_text,
        credential_expires_at=session.credential_expires_at,
        session_id=session.id,
        version=session.version,
        subsystem=session.subsystem,
        command_address=session.command_address,
    )
