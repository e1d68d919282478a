"""Sessions that nobody negotiates: both sides have the secret already.

A parent makes one for each DaemonCore child and hands it down, and one for its whole
family of processes. Whoever is at the other end of one of them is called ``condor`` in
a domain that no network method gives (`condor_twisted.security.identity`), and holes
open the levels that such a peer needs, whatever the lists say.

    session   who sees whom                             levels
    parent's  the parent condor@child,                  ADMINISTRATOR, DAEMON, CLIENT
              the child condor@parent
    family's  everybody condor@family                   these, ADVERTISE_*, NEGOTIATOR

Neither ever expires. The keys are derived from the secret's text, one for each cipher;
whoever resumes says which one it uses.

Source: ``src/condor_io/condor_secman.cpp: SecMan::CreateNonNegotiatedSecuritySession``;
``src/condor_daemon_core.V6/daemon_core.cpp: DaemonCore::Inherit, Create_Process``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import LocalProtocolError, MalformedMessage
from condor_twisted.security.context import SecurityState
from condor_twisted.security.handshake.key_exchange import hkdf_sha256
from condor_twisted.security.identity import CHILD_USER, FAMILY_USER, PARENT_USER
from condor_twisted.security.keys import (
    CryptoMethod,
    SessionKey,
    parse_crypto_methods,
)
from condor_twisted.security.policy import FeatureLevel, SidePolicy
from condor_twisted.security.sessions.claim_ids import ClaimId, SessionInfo
from condor_twisted.security.sessions.session import SecuritySession, command_numbers
from condor_twisted.wire.versions import CondorVersion

__all__ = [
    "forget_child",
    "import_session",
    "inherit_parent_session",
    "join_family",
    "make_child_session",
    "make_family",
    "new_claim",
]

_FAMILY_METHOD: Final = "FAMILY"
_RELATIVE: Final = (Permission.ADMINISTRATOR, Permission.DAEMON, Permission.CLIENT)
_FAMILY: Final = (
    Permission.ADMINISTRATOR,
    Permission.DAEMON,
    Permission.ADVERTISE_MASTER,
    Permission.ADVERTISE_SCHEDD,
    Permission.ADVERTISE_STARTD,
    Permission.NEGOTIATOR,
    Permission.CLIENT,
)
_ID_BYTES: Final = 24
_KEY_BYTES: Final = 32
_MIN_KEY_CHARACTERS: Final = 16
_OLD_CIPHERS: Final[tuple[CryptoMethod, ...]] = (
    CryptoMethod.BLOWFISH,
    CryptoMethod.TRIPLE_DES,
)


def import_session(
    security: SecurityState,
    claim: ClaimId,
    user: str,
    *,
    permission: Permission = Permission.DAEMON,
    method: str = _FAMILY_METHOD,
    address: str = "",
    lifetime_seconds: float | None = None,
) -> SecuritySession:
    """Keep a session whose secret both sides have, for both directions.

    Args:
        security: Whose sessions.
        claim: Id, secret and what is known of the session.
        user: Who the other side is.
        permission: The level whose policy fills in what the claim does not say.
        method: ``FAMILY`` or ``MATCH``.
        address: The sinful string of the other side, for whose commands it is used.
        lifetime_seconds: How long it is good, from now on, if the claim says nothing;
            for ever by default.

    Returns:
        The session.

    Raises:
        MalformedMessage: The claim is no session: no known cipher, too short a key,
            or expired.
        LocalProtocolError: There is a session of this id already.
    """
    policy = security.policies.of(permission)
    info = claim.info or SessionInfo({})
    if len(claim.key) < _MIN_KEY_CHARACTERS:
        raise MalformedMessage(f"the key of session {claim} is too short")
    keys = _derive_keys(claim.key, _ciphers(info, policy), security)
    if not keys:
        raise MalformedMessage(f"session {claim} has no cipher that is known here")
    now = security.now()
    expires_unix = info.integer("SessionExpires") or 0
    left = expires_unix - security.unix_time()
    if expires_unix and left <= 0:
        raise MalformedMessage(f"session {claim} is expired")
    lifetime = left if expires_unix else lifetime_seconds
    session = SecuritySession(
        id=claim.session_id,
        keys=keys,
        expires_at=None if lifetime is None else now + lifetime,
        lease_seconds=0,
        last_used_at=now,
        user=user,
        method=method,
        tried_authentication=True,
        encrypt=_says_yes(info, "Encryption", policy.encryption),
        integrity=_says_yes(info, "Integrity", policy.integrity),
        valid_commands=info.string("ValidCommands") or "",
        permission=permission,
        address=address,
        negotiated=False,
        version=_full_version(info.string("ShortVersion"), security.host.version),
    )
    if not security.incoming.add(session):
        raise LocalProtocolError(f"there is a session {claim} already")
    if not security.outgoing.add(session):
        security.incoming.remove(session.id)
        raise LocalProtocolError(f"there is a session {claim} already")
    if address:
        numbers = command_numbers(session.valid_commands)
        security.outgoing.map_commands(session, address, iter(numbers))
    return session


def inherit_parent_session(
    security: SecurityState, claim: ClaimId, parent_address: str
) -> SecuritySession:
    """Take the session that our parent made for us.

    Args:
        security: Ours.
        claim: What the parent handed down.
        parent_address: Where the parent takes commands.

    Raises:
        MalformedMessage: The claim is no session.
        LocalProtocolError: It was taken already.
    """
    session = import_session(security, claim, PARENT_USER, address=parent_address)
    _open_levels(security, _RELATIVE, PARENT_USER)
    return session


def join_family(security: SecurityState, claim: ClaimId) -> SecuritySession:
    """Take the session of our family of processes.

    Raises:
        MalformedMessage: The claim is no session.
        LocalProtocolError: There is a family already.
    """
    if security.family_session_id is not None:
        raise LocalProtocolError("this process has a family already")
    session = import_session(security, claim, FAMILY_USER)
    security.family_session_id = session.id
    _open_levels(security, _FAMILY, FAMILY_USER)
    return session


def make_family(security: SecurityState) -> ClaimId:
    """Found a family of processes, and be its first member.

    Returns:
        What every child is told.
    """
    claim = new_claim(security, "family:", None)
    join_family(security, claim)
    return claim


def make_child_session(
    security: SecurityState, valid_commands: Iterable[int]
) -> ClaimId:
    """Make a session for one child.

    Args:
        security: Ours, the parent's.
        valid_commands: The commands that the child may use it for here.

    Returns:
        What the child is told.
    """
    commands = ",".join(str(number) for number in valid_commands)
    claim = new_claim(security, "", commands)
    import_session(security, claim, CHILD_USER)
    _open_levels(security, _RELATIVE, CHILD_USER)
    return claim


def forget_child(security: SecurityState, claim: ClaimId) -> None:
    """Drop the session of a child that has ended."""
    security.incoming.remove(claim.session_id)
    security.outgoing.remove(claim.session_id)
    for level in _RELATIVE:
        security.authorizer.fill_hole(level, CHILD_USER)


def new_claim(
    security: SecurityState, prefix: str, valid_commands: str | None
) -> ClaimId:
    """A new id and secret for a session that somebody is told of.

    Args:
        security: Whose policy says which ciphers there are.
        prefix: What the id begins with.
        valid_commands: The commands that it may be used for here; ``None`` for all.
    """
    policy = security.policies.of(Permission.DAEMON)
    methods = policy.crypto_methods
    preferred = [each for each in methods if each in _OLD_CIPHERS] or [*methods]
    version = CondorVersion.parse(security.host.version)
    info = SessionInfo.of(
        {
            # Differs from HTCondor, which takes what the policy says: a datagram is
            # proved to be of the session by being encrypted, and streams are anyhow.
            "Integrity": "YES",
            "Encryption": "YES",
            "ValidCommands": valid_commands,
            # Old peers read one name, and know no AES.
            "CryptoMethods": preferred[0].wire_name if preferred else None,
            "CryptoMethodsList": ".".join(each.wire_name for each in methods)
            if len(methods) > 1
            else None,
            "ShortVersion": None
            if version is None
            else f"{version.major}.{version.minor}.{version.patch}",
        }
    )
    session_id = prefix + security.random_bytes(_ID_BYTES).hex()
    return ClaimId(session_id, security.random_bytes(_KEY_BYTES).hex(), info)


def _open_levels(
    security: SecurityState, levels: tuple[Permission, ...], user: str
) -> None:
    for level in levels:
        security.authorizer.punch_hole(level, user)


def _ciphers(info: SessionInfo, policy: SidePolicy) -> tuple[CryptoMethod, ...]:
    """The session's ciphers, best first."""
    text = info.string("CryptoMethodsList") or info.string("CryptoMethods")
    if text is None:
        return policy.crypto_methods
    return parse_crypto_methods(text.replace(".", ","))


def _derive_keys(
    secret: str, methods: tuple[CryptoMethod, ...], security: SecurityState
) -> tuple[SessionKey, ...]:
    """One key for each cipher, from the secret's text as it is."""
    text = secret.encode("ascii")
    fips = security.knobs.boolean("FIPS", False)
    keys: list[SessionKey] = []
    for method in methods:
        if method is CryptoMethod.AES or fips:
            length = method.key_length_bytes
            data = hkdf_sha256(text, b"htcondor", b"keygen", length)
        else:
            data = hashlib.md5(text, usedforsecurity=False).digest()
        keys.append(SessionKey(method, data))
    return tuple(keys)


def _word(level: FeatureLevel) -> str:
    return "YES" if level >= FeatureLevel.PREFERRED else "NO"


def _says_yes(info: SessionInfo, name: str, level: FeatureLevel) -> bool:
    """What a claim says, or what a policy that meets itself comes to."""
    return (info.string(name) or _word(level)).upper() == "YES"


def _full_version(short: str | None, own: str) -> str:
    """The version of the other side, or ours where it says nothing: it is as old."""
    if short is None:
        return own
    version = CondorVersion.parse(f"$CondorVersion: {short} ExportedSessionInfo $")
    return own if version is None else str(version)
