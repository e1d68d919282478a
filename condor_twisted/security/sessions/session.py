"""Security sessions, and where they are kept.

A session is what one negotiation came to: a key, an identity, the limits of a
credential and two ends of life. Its id is public, its key is the secret. Expiry is
a question that is asked with the time, at every look-up.

A daemon has two caches. What a peer invents as the id of a session in which it is the
server can never answer for one in which we are.

Source: ``src/condor_io/KeyCache.h``, ``src/condor_io/KeyCache.cpp``,
``src/condor_daemon_core.V6/daemon_command.cpp: DaemonCommandProtocol::SendResponse``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from condor_twisted.classad.literals import LiteralValue
from condor_twisted.constants.attributes import TOKEN_EXPIRATION_TIME
from condor_twisted.constants.permissions import Permission
from condor_twisted.security.identity import UNAUTHENTICATED_USER
from condor_twisted.security.keys import CryptoMethod, SessionKey
from condor_twisted.wire.ciphers import CfbCipher

__all__ = [
    "MAX_SESSION_ID_BYTES",
    "ReplayGuard",
    "SecuritySession",
    "SessionCache",
    "command_numbers",
    "datagram_key",
    "make_session_id",
]

MAX_SESSION_ID_BYTES: Final = 256
_RANDOM_BYTES: Final = 16
_FIXED_COST_BYTES: Final = 1024
_DATAGRAM_KEY_BYTES: Final = 24
_MAX_VALID_COMMANDS: Final = 1000


def make_session_id(
    host_name: str, process_id: int, unix_time: int, counter: int, random: bytes
) -> str:
    """A new session id: readable in front, not to be guessed behind.

    Args:
        host_name: This host.
        process_id: This process.
        unix_time: Now.
        counter: How many sessions came before.
        random: At least 16 bytes of the system's entropy.
    """
    assert len(random) >= _RANDOM_BYTES, "a session id has 128 bits of entropy"
    host = "".join(each for each in host_name if each.isalnum() or each in ".-")[:128]
    return f"{host}:{process_id}:{unix_time}:{counter}:{random.hex()}"


def command_numbers(text: str) -> list[int]:
    """The numbers in a list of valid commands; junk is left out."""
    words = text[: _MAX_VALID_COMMANDS * 12].replace(",", " ").split()
    return [
        int(word)
        for word in words[:_MAX_VALID_COMMANDS]
        if len(word) <= 10 and word.isascii() and word.isdigit()
    ]


def datagram_key(
    key: SessionKey, stand_in: CryptoMethod, allowed: tuple[CryptoMethod, ...]
) -> SessionKey | None:
    """The key for datagrams that goes with a stream's AES key.

    Args:
        key: The session's key.
        stand_in: The cipher that stands in for AES.
        allowed: The ciphers that both sides have.

    Returns:
        The first 24 bytes as a key of the other cipher, or ``None``.
    """
    if key.method is not CryptoMethod.AES or stand_in not in allowed:
        return None
    return SessionKey(stand_in, key.data[:_DATAGRAM_KEY_BYTES])


@dataclass(slots=True)
class SecuritySession:
    """One session, as one side keeps it.

    Args:
        id: The public id.
        keys: One key per cipher, the preferred one first; none without a secret.
        expires_at: When it ends at the latest, in seconds of our clock; ``None``
            never.
        lease_seconds: How long it may be idle; 0 without limit.
        last_used_at: When it was last used.
        user: The other side's FQU, if known.
        method: The method that proved it.
        authenticated_name: The name that the method itself knows.
        tried_authentication: Authentication was run.
        encrypt: Encryption was agreed on.
        integrity: Integrity was agreed on.
        limits: The levels to which the other side's credential is limited.
        valid_commands: What the server said the session is good for.
        permission: The level of the command it was made for (server).
        address: The peer's IP address (server), or the sinful string that was
            dialled (client).
        negotiated: It was negotiated, not shared beforehand.
        version: The ``$CondorVersion$`` of the other side.
        subsystem: What the other side says it is.
        command_address: Where the other side says it takes commands.
        own_user: Who the other side thinks we are (client).
        tag: The context that it belongs to (client).
        about: The ``AuthCommand`` with which it was made; resumes repeat it (client).
        token_attributes: What an authentication by token adds, ``AuthToken...``.
        limits_text: ``limits`` as the credential spells them.
    """

    id: str
    keys: tuple[SessionKey, ...] = field(repr=False)
    expires_at: float | None
    lease_seconds: int
    last_used_at: float
    user: str = UNAUTHENTICATED_USER
    method: str | None = None
    authenticated_name: str | None = None
    tried_authentication: bool = False
    encrypt: bool = False
    integrity: bool = False
    limits: frozenset[Permission] | None = None
    valid_commands: str = field(default="", repr=False)
    permission: Permission = Permission.ALLOW
    address: str = ""
    negotiated: bool = True
    version: str | None = None
    subsystem: str | None = None
    command_address: str | None = None
    own_user: str | None = None
    tag: str = ""
    about: int | None = None
    token_attributes: Mapping[str, LiteralValue] = field(default_factory=dict)
    limits_text: str | None = None
    _cipher: CfbCipher | None = field(
        default=None, init=False, repr=False, compare=False
    )

    @property
    def key(self) -> SessionKey | None:
        """The key that a stream uses."""
        return self.keys[0] if self.keys else None

    def key_of(self, method: CryptoMethod) -> SessionKey | None:
        """The key of one cipher."""
        for key in self.keys:
            if key.method is method:
                return key
        return None

    def datagram_cipher(self, stand_in: CryptoMethod) -> CfbCipher | None:
        """The cipher for datagrams and single secrets, if there is a key for one.

        Args:
            stand_in: The cipher that stands in for AES.
        """
        if self._cipher is None:
            key = self.key
            if key is not None and key.method is CryptoMethod.AES:
                key = self.key_of(stand_in)
            if key is None:
                return None
            algorithm: Literal["3DES", "BLOWFISH"] = (
                "BLOWFISH" if key.method is CryptoMethod.BLOWFISH else "3DES"
            )
            self._cipher = CfbCipher(algorithm, key.data)
        return self._cipher

    @property
    def protects(self) -> bool:
        """Whether the first message of a stream proves that its sender has the key."""
        key = self.key
        return key is not None and (
            key.method is CryptoMethod.AES or self.encrypt or self.integrity
        )

    @property
    def credential_expires_at(self) -> int | None:
        """When the other side's credential ends, in Unix time, if it says so."""
        value = self.token_attributes.get(TOKEN_EXPIRATION_TIME)
        return value if isinstance(value, int) else None

    @property
    def is_authenticated(self) -> bool:
        """Whether the other side proved who it is."""
        return self.method is not None and self.user != UNAUTHENTICATED_USER

    def is_expired(self, now: float) -> bool:
        """Whether its life or its lease is over."""
        if self.expires_at is not None and self.expires_at <= now:
            return True
        return bool(self.lease_seconds) and (
            self.last_used_at + self.lease_seconds <= now
        )

    def renew(self, now: float) -> None:
        """Start the lease anew."""
        self.last_used_at = now

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        texts = (
            self.id,
            self.user,
            self.authenticated_name or "",
            self.address,
            self.version or "",
            self.subsystem or "",
            self.command_address or "",
            self.limits_text or "",
        )
        attributes = sum(
            len(name) + len(str(value)) for name, value in self.token_attributes.items()
        )
        return _FIXED_COST_BYTES + sum(map(len, texts)) + attributes


class SessionCache:
    """A bounded set of sessions by id, and which commands they are good for.

    Over a limit, the oldest session without an identity goes first, then the oldest.
    Sessions that were not negotiated stay: nothing brings them back.

    Args:
        max_sessions: How many sessions there may be.
        max_bytes: How much memory they may take, about.
        max_anonymous_per_address: How many sessions without an identity one source
            address may have.
    """

    def __init__(
        self,
        max_sessions: int = 20_000,
        max_bytes: int = 64 * 1024 * 1024,
        max_anonymous_per_address: int = 200,
    ) -> None:
        self._max_sessions = max_sessions
        self._max_bytes = max_bytes
        self._max_anonymous_per_address = max_anonymous_per_address
        self._sessions: dict[str, SecuritySession] = {}
        self._anonymous: dict[str, None] = {}
        self._anonymous_by_address: dict[str, dict[str, None]] = {}
        self._sizes: dict[str, int] = {}
        self._commands: dict[tuple[str, str, int], str] = {}
        self._commands_of: dict[str, list[tuple[str, str, int]]] = {}
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[SecuritySession]:
        return iter(list(self._sessions.values()))

    def add(self, session: SecuritySession) -> bool:
        """Keep a session.

        Returns:
            ``False`` where one of this id is here already; that one stays.
        """
        if session.id in self._sessions:
            return False
        self._sessions[session.id] = session
        size = self._sizes[session.id] = session.size_bytes
        self.size_bytes += size
        if not session.is_authenticated:
            self._anonymous[session.id] = None
            same = self._anonymous_by_address.setdefault(session.address, {})
            same[session.id] = None
            if len(same) > self._max_anonymous_per_address:
                self.remove(next(iter(same)))
        while (
            len(self._sessions) > self._max_sessions
            or self.size_bytes > self._max_bytes
        ):
            doomed = self._most_dispensable()
            if doomed is None:
                break
            self.remove(doomed)
        return True

    def _most_dispensable(self) -> str | None:
        for session_id in self._anonymous:
            return session_id
        for session in self._sessions.values():
            if session.negotiated:
                return session.id
        return None

    def find(self, session_id: str, now: float) -> SecuritySession | None:
        """The session of an id, if it is alive; a dead one is removed."""
        session = self._sessions.get(session_id)
        if session is not None and session.is_expired(now):
            self.remove(session_id)
            return None
        return session

    def remove(self, session_id: str) -> bool:
        """Forget a session and what it was good for; whether it was here."""
        session = self._sessions.pop(session_id, None)
        if session is None:
            return False
        self.size_bytes -= self._sizes.pop(session_id)
        if self._anonymous.pop(session_id, False) is None:
            same = self._anonymous_by_address[session.address]
            del same[session_id]
            if not same:
                del self._anonymous_by_address[session.address]
        self.forget_commands(session_id)
        return True

    def forget_commands(self, session_id: str) -> None:
        """Have a session be good for no command any more; who names it, finds it."""
        for key in self._commands_of.pop(session_id, ()):
            if self._commands.get(key) == session_id:
                del self._commands[key]

    def expire(self, now: float) -> int:
        """Remove what is dead; how many went. Call it every minute."""
        return self.remove_where(lambda session: session.is_expired(now))

    def remove_where(self, unwanted: Callable[[SecuritySession], bool]) -> int:
        """Remove every session of which a question is true; how many went."""
        doomed = [each.id for each in self._sessions.values() if unwanted(each)]
        for session_id in doomed:
            self.remove(session_id)
        return len(doomed)

    def map_commands(
        self, session: SecuritySession, address: str, numbers: Iterator[int]
    ) -> None:
        """Use a session for these commands to this address from now on.

        Args:
            session: One that was added.
            address: The sinful string that was dialled.
            numbers: Command numbers.
        """
        if session.id not in self._sessions:
            return
        keys = self._commands_of.setdefault(session.id, [])
        for number in numbers:
            key = (address, session.tag, number)
            self._commands[key] = session.id
            keys.append(key)
            self._sizes[session.id] += len(address) // 4 + 100
            self.size_bytes += len(address) // 4 + 100

    def find_for(
        self, address: str, number: int, now: float, tag: str = ""
    ) -> SecuritySession | None:
        """The session to use for a command to an address, if there is one.

        Source: ``src/condor_io/condor_secman.cpp:
        SecManStartCommand::sendAuthInfo_inner``.
        """
        session_id = self._commands.get((address, tag, number))
        return None if session_id is None else self.find(session_id, now)


class ReplayGuard:
    """Remembers the nonces of datagrams, so that none counts twice.

    Args:
        max_entries: How many are remembered; the oldest is forgotten first.
    """

    def __init__(self, max_entries: int = 65_536) -> None:
        self._max_entries = max_entries
        self._seen: dict[bytes, None] = {}

    def is_fresh(self, session_id: str, nonce: str) -> bool:
        """Whether this nonce was not used in this session before; now it was."""
        text = f"{session_id}\0{nonce}".encode(errors="surrogateescape")
        mark = hashlib.blake2b(text, digest_size=16).digest()
        if mark in self._seen:
            return False
        if len(self._seen) >= self._max_entries:
            del self._seen[next(iter(self._seen))]
        self._seen[mark] = None
        return True
