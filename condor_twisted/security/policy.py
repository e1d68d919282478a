"""Security policies: what one side wants, and what two sides agree on.

A policy says of three features (authentication, encryption, integrity) and of
negotiation itself whether they are NEVER, OPTIONAL, PREFERRED or REQUIRED. A server
has one policy per level of authorization, a client one in all (level CLIENT).

The wish for authentication travels twice: ``Authentication`` is raised to whatever
encryption and integrity need, because peers before 23.10 cannot have those without it;
``AuthenticationNew`` is the wish itself, and newer servers look at that alone.

Source: ``src/condor_io/condor_secman.cpp: SecMan::FillInSecurityPolicyAd,
SecMan::ReconcileSecurityPolicyAds``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Final

from condor_twisted.constants.permissions import CONFIG_CHAIN, Permission
from condor_twisted.errors import ConfigError, PolicyMismatch
from condor_twisted.security.handshake.pod_ads import PodAd
from condor_twisted.security.keys import CryptoMethod, parse_crypto_methods
from condor_twisted.security.knobs import Knobs
from condor_twisted.security.method_names import common_methods, filter_methods

__all__ = [
    "Agreement",
    "FeatureLevel",
    "Policies",
    "SidePolicy",
    "config_chain",
    "parse_configured_level",
    "reconcile",
]

DEFAULT_METHODS: Final = "FS,IDTOKENS,KERBEROS,SCITOKENS,SSL"
DEFAULT_CRYPTO_METHODS: Final = "AES,BLOWFISH,3DES"
#: A method list that a peer sends is at most this long.
MAX_METHOD_LIST_BYTES: Final = 4096
MAX_SESSION_SECONDS: Final = 2**31 - 1
TEMPORARY_SESSION_SECONDS: Final = 60
_DURATION_DIGITS: Final = 10


#: The knobs of a level by what they are called in ads: ``SEC_<LEVEL>_...``.
_FEATURE_KNOBS: Final = {
    "Authentication": "AUTHENTICATION",
    "Encryption": "ENCRYPTION",
    "Integrity": "INTEGRITY",
    "OutgoingNegotiation": "NEGOTIATION",
    "AuthMethods": "AUTHENTICATION_METHODS",
    "CryptoMethods": "CRYPTO_METHODS",
}


class FeatureLevel(IntEnum):
    """How much one side wants a feature."""

    NEVER = 1
    OPTIONAL = 2
    PREFERRED = 3
    REQUIRED = 4


_BY_LETTER: Final = {
    "R": FeatureLevel.REQUIRED,
    "Y": FeatureLevel.REQUIRED,
    "T": FeatureLevel.REQUIRED,
    "P": FeatureLevel.PREFERRED,
    "O": FeatureLevel.OPTIONAL,
    "N": FeatureLevel.NEVER,
    "F": FeatureLevel.NEVER,
}


def parse_configured_level(text: str) -> FeatureLevel | None:
    """A level as administrators write it: its first letter counts, in any case."""
    return _BY_LETTER.get(text.strip()[:1].upper())


def config_chain(permission: Permission, legacy: bool) -> tuple[Permission, ...]:
    """The levels whose knobs hold for this one, nearest first.

    Args:
        permission: The level.
        legacy: LEGACY_ALLOW_SEMANTICS: DAEMON falls back to WRITE.

    Source: ``src/condor_utils/condor_perms.cpp: DCpermissionHierarchy::nextConfig``.
    """
    chain = CONFIG_CHAIN[permission]
    if legacy and Permission.DAEMON in chain:
        at = chain.index(Permission.DAEMON) + 1
        chain = (*chain[:at], Permission.WRITE, *chain[at:])
    return chain


@dataclass(frozen=True, slots=True)
class SidePolicy:
    """What one side wants at one level.

    Args:
        permission: The level this is for.
        authentication: The wish, raised to what the other features need.
        authentication_wish: The wish itself (``AuthenticationNew``).
        encryption: How much encryption is wanted.
        integrity: How much protection against changes is wanted.
        negotiation: How much negotiation is wanted.
        methods: Authentication methods by wire name, best first.
        crypto_methods: Ciphers, best first.
        session_duration_seconds: How long a session may live.
        session_lease_seconds: How long a session may be idle; 0 means for ever.
        authentication_timeout_seconds: The deadline for authentication alone.
        problem: Why this policy cannot be met by anybody; ``None`` if it can.
        knobs: The knob that each wish was read from: ``Authentication``,
            ``Encryption``, ``Integrity``, ``OutgoingNegotiation``, ``AuthMethods``,
            ``CryptoMethods``. What is missing has HTCondor's default.
    """

    permission: Permission
    authentication: FeatureLevel
    authentication_wish: FeatureLevel
    encryption: FeatureLevel
    integrity: FeatureLevel
    negotiation: FeatureLevel
    methods: tuple[str, ...]
    crypto_methods: tuple[CryptoMethod, ...]
    session_duration_seconds: int
    session_lease_seconds: int
    authentication_timeout_seconds: int
    problem: str | None = None
    knobs: Mapping[str, str] = field(default_factory=dict, hash=False, compare=False)

    @property
    def methods_text(self) -> str:
        """``AuthMethods`` as it is offered."""
        return ",".join(self.methods)

    @property
    def crypto_text(self) -> str:
        """``CryptoMethods`` as it is offered."""
        return ",".join(each.wire_name for each in self.crypto_methods)


#: A feature, and one that needs it, in the order in which they are settled.
_DEPENDENCIES: Final = (
    ("authentication", "encryption"),
    ("authentication", "integrity"),
    ("negotiation", "authentication"),
    ("negotiation", "encryption"),
    ("negotiation", "integrity"),
)


def _settle_dependency(
    first: FeatureLevel, second: FeatureLevel
) -> tuple[FeatureLevel, FeatureLevel] | None:
    """Raise ``first`` to what ``second`` needs; ``None`` if they contradict.

    Source: ``src/condor_io/condor_secman.cpp: SecMan::ReconcileSecurityDependency``.
    """
    if first is FeatureLevel.NEVER:
        if second is FeatureLevel.REQUIRED:
            return None
        second = FeatureLevel.NEVER
    return max(first, second), second


class Policies:
    """The policies of one side, each read from the knobs once.

    Args:
        knobs: The configuration.
        usable_methods: Wire names of the methods that can work here, asked per level.

    Raises:
        ConfigError: A knob holds a word that is no level (HTCondor aborts there).
    """

    def __init__(
        self, knobs: Knobs, usable_methods: Callable[[Permission], Collection[str]]
    ) -> None:
        self._knobs = knobs
        self._usable_methods = usable_methods
        self._legacy = knobs.boolean("LEGACY_ALLOW_SEMANTICS", False)
        self.duration_slop_seconds = max(
            0, knobs.integer("SEC_SESSION_DURATION_SLOP", 20)
        )
        #: The cipher that stands in for AES in datagrams.
        self.datagram_cipher = (
            CryptoMethod.TRIPLE_DES
            if knobs.boolean("FIPS", False)
            else CryptoMethod.BLOWFISH
        )
        self._policies: dict[tuple[Permission, FeatureLevel | None], SidePolicy] = {}
        # A wrong word in the configuration shows at once, not at the first command.
        for permission in Permission:
            self.of(permission)

    def of(
        self, permission: Permission, request_authentication: FeatureLevel | None = None
    ) -> SidePolicy:
        """The policy of a level.

        Args:
            permission: The level; ``CLIENT`` is one's own side as a client.
            request_authentication: Want at least this much authentication, whatever
                the knobs say.
        """
        key = (permission, request_authentication)
        policy = self._policies.get(key)
        if policy is None:
            policy = self._policies[key] = self._read(
                permission, request_authentication
            )
        return policy

    def temporary(self, policy: SidePolicy) -> SidePolicy:
        """The same policy for a session that shall not outlive its command."""
        return replace(policy, session_duration_seconds=TEMPORARY_SESSION_SECONDS)

    def _setting(self, pattern: str, permission: Permission) -> tuple[str, str] | None:
        """The first knob along the chain that has a value, and that value.

        Source: ``src/condor_io/condor_secman.cpp: SecMan::getSecSetting``.
        """
        legacy = self._legacy and permission >= Permission.DAEMON
        for level in config_chain(permission, legacy):
            name = pattern.format(level.name)
            value = self._knobs.text(name)
            if value is not None and value.strip():
                return name, value.strip()
        return None

    def _knobs_of(self, permission: Permission) -> dict[str, str]:
        """The knob that each wish of a level is read from."""
        found: dict[str, str] = {}
        for name, feature in _FEATURE_KNOBS.items():
            setting = self._setting(f"SEC_{{}}_{feature}", permission)
            if setting is not None:
                found[name] = setting[0]
        return found

    def configured_methods(self, permission: Permission) -> str:
        """The list of methods that the configuration has, usable here or not."""
        setting = self._setting("SEC_{}_AUTHENTICATION_METHODS", permission)
        return DEFAULT_METHODS if setting is None else setting[1]

    def _level(
        self, feature: str, permission: Permission, default: FeatureLevel
    ) -> FeatureLevel:
        """The configured level of a feature."""
        setting = self._setting(f"SEC_{{}}_{feature}", permission)
        if setting is None:
            return default
        level = parse_configured_level(setting[1])
        if level is None:
            raise ConfigError(
                f"{setting[0]} = {setting[1][:64]!r} is not one of "
                "REQUIRED, PREFERRED, OPTIONAL, NEVER"
            )
        return level

    def _seconds(self, pattern: str, permission: Permission) -> int | None:
        """A configured number of seconds; junk counts as not configured."""
        setting = self._setting(pattern, permission)
        if setting is None or not setting[1].isascii() or not setting[1].isdigit():
            return None
        return min(int(setting[1][:_DURATION_DIGITS]), MAX_SESSION_SECONDS)

    def _read(self, permission: Permission, request: FeatureLevel | None) -> SidePolicy:
        """Read one policy from the knobs."""
        wish = self._level("AUTHENTICATION", permission, FeatureLevel.OPTIONAL)
        wish = max(wish, request or wish)
        levels = {
            "authentication": wish,
            "encryption": self._level("ENCRYPTION", permission, FeatureLevel.OPTIONAL),
            "integrity": self._level("INTEGRITY", permission, FeatureLevel.OPTIONAL),
            "negotiation": self._level(
                "NEGOTIATION", permission, FeatureLevel.PREFERRED
            ),
        }
        if permission is Permission.ALLOW and request is None:
            wish = FeatureLevel.OPTIONAL

        problem: str | None = None
        for first, second in _DEPENDENCIES:
            settled = _settle_dependency(levels[first], levels[second])
            if settled is None:
                problem = "a feature is REQUIRED that needs one that is NEVER"
                break
            levels[first], levels[second] = settled

        methods = filter_methods(
            self.configured_methods(permission), self._usable_methods(permission)
        )
        if not methods:
            if wish is FeatureLevel.REQUIRED:
                problem = problem or "authentication is REQUIRED and no method works"
            wish = FeatureLevel.NEVER
        setting = self._setting("SEC_{}_CRYPTO_METHODS", permission)
        crypto = parse_crypto_methods(
            DEFAULT_CRYPTO_METHODS if setting is None else setting[1]
        )
        if not crypto:
            if FeatureLevel.REQUIRED in (levels["encryption"], levels["integrity"]):
                problem = problem or "encryption is REQUIRED and there is no cipher"
            levels["encryption"] = levels["integrity"] = FeatureLevel.NEVER

        return SidePolicy(
            permission=permission,
            authentication_wish=wish,
            **levels,
            methods=methods,
            crypto_methods=crypto,
            session_duration_seconds=self._duration(permission),
            session_lease_seconds=_or(
                self._seconds("SEC_{}_SESSION_LEASE", permission), 3600
            ),
            authentication_timeout_seconds=_or(
                self._seconds("SEC_{}_AUTHENTICATION_TIMEOUT", permission), 20
            ),
            problem=problem,
            knobs=self._knobs_of(permission),
        )

    def _duration(self, permission: Permission) -> int:
        """How long sessions live; the plain knob wins over the subsystem's.

        Kept for compatibility: the subsystem's form is read first and then
        overridden where both are set.
        """
        subsystem = self._knobs.subsystem.upper()
        seconds = 60 if subsystem in ("TOOL", "SUBMIT") else 86400
        seconds = _or(
            self._seconds(f"SEC_{subsystem}_{{}}_SESSION_DURATION", permission), seconds
        )
        seconds = _or(self._seconds("SEC_{}_SESSION_DURATION", permission), seconds)
        return max(1, seconds)


def _or(value: int | None, default: int) -> int:
    """The value, or the default where there is none."""
    return default if value is None else value


@dataclass(frozen=True, slots=True)
class Agreement:
    """What two policies come to.

    Args:
        authenticate: Authentication is run.
        authentication_required: Without it nothing goes on.
        encrypt: Encryption is agreed on.
        integrity: Integrity is agreed on.
        methods: Common methods, server's order, client's spelling; ``None`` where
            one side named none at all.
        crypto_methods: Common ciphers; ``None`` where the client named none.
        duration_seconds: The session's life.
        lease_seconds: The session's idle life, 0 without limit; ``None`` where the
            client knows no leases.
    """

    authenticate: bool
    authentication_required: bool
    encrypt: bool
    integrity: bool
    methods: tuple[str, ...] | None
    crypto_methods: tuple[CryptoMethod, ...] | None
    duration_seconds: int
    lease_seconds: int | None

    @property
    def crypto_method(self) -> CryptoMethod | None:
        """The cipher, if there is a common one."""
        return self.crypto_methods[0] if self.crypto_methods else None


def _client_level(ad: PodAd, name: str) -> FeatureLevel | None:
    """The level that a peer names; ``None`` for a word that is none."""
    value = ad.literal(name)
    if value is None or value == "":
        return FeatureLevel.NEVER
    if not isinstance(value, str):
        return None
    return FeatureLevel.__members__.get(value.upper())


def _settle(feature: str, client: FeatureLevel | None, server: FeatureLevel) -> bool:
    """Whether a feature is used.

    Raises:
        PolicyMismatch: One side requires what the other never does, or the client's
            word means nothing.

    Source: ``src/condor_io/condor_secman.cpp: SecMan::ReconcileSecurityAttribute``.
    """
    if client is None:
        raise PolicyMismatch(feature, "an unknown word", server.name)
    low, high = min(client, server), max(client, server)
    if low is FeatureLevel.NEVER:
        if high is FeatureLevel.REQUIRED:
            raise PolicyMismatch(feature, client.name, server.name)
        return False
    return high >= FeatureLevel.PREFERRED


def _duration(ad: PodAd, server_seconds: int) -> int:
    """The shorter of both durations, within 1 and the server's own.

    Differs from HTCondor: what is no number is the server's own, not 0.
    """
    text = ad.string("SessionDuration")
    if text is None or len(text) > _DURATION_DIGITS:
        return server_seconds
    if not text.isascii() or not text.isdigit():
        return server_seconds
    return max(1, min(int(text), server_seconds))


def _lease(ad: PodAd, server_seconds: int) -> int | None:
    """The shorter of both leases; 0 means the other one's."""
    client_seconds = ad.integer("SessionLease")
    if client_seconds is None:
        return None
    if client_seconds <= 0:
        return server_seconds
    return min(client_seconds, server_seconds or MAX_SESSION_SECONDS)


def reconcile(ad: PodAd, server: SidePolicy) -> Agreement:
    """What a client's ad and a server's policy come to.

    The server's policy decides: nothing that the client says or leaves out weakens
    what the server requires.

    Raises:
        PolicyMismatch: They come to nothing; the server closes without an answer.

    Source: ``src/condor_io/condor_secman.cpp: SecMan::ReconcileSecurityPolicyAds``.
    """
    if server.problem is not None:
        raise PolicyMismatch("Policy", "anything", f"nothing usable: {server.problem}")
    if "AuthenticationNew" in ad:
        client_wish = _client_level(ad, "AuthenticationNew")
        server_wish = server.authentication_wish
    else:
        client_wish = _client_level(ad, "Authentication")
        server_wish = server.authentication
    authenticate = _settle("Authentication", client_wish, server_wish)
    encrypt = _settle("Encryption", _client_level(ad, "Encryption"), server.encryption)
    integrity = _settle("Integrity", _client_level(ad, "Integrity"), server.integrity)

    offered = ad.bounded_string("AuthMethods", MAX_METHOD_LIST_BYTES)
    methods = common_methods(offered, server.methods) if offered else None
    if not server.methods:
        methods = None
    offered = ad.bounded_string("CryptoMethods", MAX_METHOD_LIST_BYTES)
    crypto: tuple[CryptoMethod, ...] | None = None
    if offered and server.crypto_methods:
        known = parse_crypto_methods(offered)
        crypto = tuple(each for each in server.crypto_methods if each in known)
    if authenticate and crypto and crypto[0] is CryptoMethod.AES:
        # AES-GCM does both whatever was agreed on; the ad may as well say so.
        encrypt = integrity = True
    return Agreement(
        authenticate=authenticate,
        authentication_required=FeatureLevel.REQUIRED in (client_wish, server_wish),
        encrypt=encrypt,
        integrity=integrity,
        methods=methods,
        crypto_methods=crypto,
        duration_seconds=_duration(ad, server.session_duration_seconds),
        lease_seconds=_lease(ad, server.session_lease_seconds),
    )
