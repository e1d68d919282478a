"""A server's reasons, for a client of DC_SEC_QUERY that asks for them and may know.

HTCondor's ad at the end of a negotiation says yes or no. Ours says why, too, where the
client's ad has ``WantExplanation = true``. Real clients do not ask, and real servers do
not look at the question.

Who gets an answer could ask for the same facts by DC_CONFIG_VAL: a user who is
authenticated and mapped and holds READ, or whoever holds ADMINISTRATOR. Nobody else
learns anything, and only the latter in which directories files are. No other user is
named: of a list only the entry that matched this client is told, and reasons of failed
methods are those that every log may have.

Layout: string attributes, all of which may be missing, in the ad that has
``ReturnCode``. For each wish of the server's policy (`WISHES`) ``Explain<Wish>`` and
``Explain<Wish>Knob``; the names of `Explanation` for the rest, lists with a line for
each item.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import FailedAttempt
from condor_twisted.security.authorization import Decision, KnobPlace
from condor_twisted.security.context import HandshakeContext, SecurityState
from condor_twisted.security.handshake.admission import holds
from condor_twisted.security.handshake.outgoing import NegotiationRecord
from condor_twisted.security.handshake.pod_ads import PodAd
from condor_twisted.security.identity_map import IdentityMap
from condor_twisted.security.knobs import Knobs
from condor_twisted.security.method_names import split_words
from condor_twisted.security.methods import unusable_methods
from condor_twisted.security.peer import Peer
from condor_twisted.security.policy import (
    FeatureLevel,
    SidePolicy,
    parse_configured_level,
)
from condor_twisted.security.steps import Handshake, lookup_host

__all__ = [
    "WANT_EXPLANATION",
    "WISHES",
    "Explanation",
    "Wish",
    "explain",
    "explain_client",
    "explanation_pairs",
    "map_rule",
    "may_be_told",
    "methods_left_out",
    "read_explanation",
    "wishes_of",
]

#: The client's ad has this where it wants reasons.
WANT_EXPLANATION: Final = "WantExplanation"
#: What a policy wishes for, as ads call it.
WISHES: Final = (
    "Authentication",
    "Encryption",
    "Integrity",
    "OutgoingNegotiation",
    "AuthMethods",
    "CryptoMethods",
)
#: What is wished for where nothing is configured, other than OPTIONAL.
DEFAULT_LEVELS: Final = {"OutgoingNegotiation": FeatureLevel.PREFERRED}
_TEXTS: Final = ("level", "identity", "mapping", "limits", "reason", "line", "source")
_LISTS: Final = ("left_out", "attempts", "unset")
_MAX_TEXT_CHARACTERS: Final = 4096


@dataclass(frozen=True, slots=True)
class Wish:
    """One wish of a policy.

    Args:
        value: ``REQUIRED``, ... or a list.
        knob: The knob that made it and where that was set; ``None`` for HTCondor's
            default.
    """

    value: str
    knob: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one side did about a command, and why.

    Args:
        level: The level of authorization that the command needs.
        wishes: The side's policy, by the names of `WISHES`.
        left_out: Methods of the configuration that cannot work there, with reasons.
        attempts: Methods that were tried in vain, with reasons.
        identity: The method that succeeded, and the name that it knows.
        mapping: How that name became a user.
        limits: The levels to which the credential is limited; ``None`` without one.
        reason: What decided.
        line: The line of configuration that decided, cut down to what matched.
        source: Where the list that decided was set.
        unset: The knobs any of which would have been that list.
    """

    level: str | None = None
    wishes: Mapping[str, Wish] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    attempts: tuple[str, ...] = ()
    identity: str | None = None
    mapping: str | None = None
    limits: str | None = None
    reason: str | None = None
    line: str | None = None
    source: str | None = None
    unset: tuple[str, ...] = ()

    def without_directories(self) -> Explanation:
        """The same with the names of files, and not where these are."""
        return replace(
            self,
            wishes={
                name: replace(wish, knob=_without_directory(wish.knob))
                for name, wish in self.wishes.items()
            },
            mapping=_without_directory(self.mapping),
            source=_without_directory(self.source),
        )


def _without_directory(text: str | None) -> str | None:
    """``KNOB, DIRECTORY/FILE, line N ...`` or a part of it, without the directory."""
    if text is None:
        return None
    place, line, behind = text.partition(", line ")
    if not line:
        return text
    knob, comma, path = ("", "", place)
    if not place.startswith("/") and ", " in place:
        knob, comma, path = place.partition(", ")
    return f"{knob}{comma}{path.rpartition('/')[2]}{line}{behind}"


def wishes_of(policy: SidePolicy, knobs: Knobs) -> dict[str, Wish]:
    """What a policy wishes for, with the knobs that made it so."""
    levels = (
        policy.authentication_wish,
        policy.encryption,
        policy.integrity,
        policy.negotiation,
    )
    wishes = {
        name: _level_wish(policy, knobs, name, level)
        for name, level in zip(WISHES, levels, strict=False)
    }
    for name, value in (
        ("AuthMethods", policy.methods_text),
        ("CryptoMethods", policy.crypto_text),
    ):
        wishes[name] = Wish(value, _place(policy, knobs, name))
    return wishes


def _place(policy: SidePolicy, knobs: Knobs, name: str) -> str | None:
    """The knob behind a wish, and where it was set."""
    knob = policy.knobs.get(name)
    return None if knob is None else str(KnobPlace.of(knobs, knob))


def _level_wish(
    policy: SidePolicy, knobs: Knobs, name: str, level: FeatureLevel
) -> Wish:
    """A wish for a feature, which others may have changed from what was configured."""
    place = _place(policy, knobs, name)
    configured = DEFAULT_LEVELS.get(name, FeatureLevel.OPTIONAL)
    if place is not None:
        text = knobs.text(policy.knobs[name]) or ""
        configured = parse_configured_level(text) or level
    if configured is not level:
        place = (
            f"{place or 'the default'} says {configured.name}; the other wishes and "
            "the methods make it this"
        )
    return Wish(level.name, place)


def methods_left_out(
    security: SecurityState, permission: Permission
) -> tuple[str, ...]:
    """The configured methods of a level that cannot work here, with reasons."""
    reasons = unusable_methods(
        split_words(security.policies.configured_methods(permission)),
        security.knobs,
        security.host.own_user,
        permission,
        security.credentials,
    )
    return tuple(f"{name}: {reason}" for name, reason in reasons.items())


def map_rule(security: SecurityState, method: str, name: str | None) -> str:
    """How a method's authenticated name becomes a user.

    Args:
        security: Whose map.
        method: The method as used.
        name: The name that the method knows; ``None`` for one that maps nothing.
    """
    if name is None:
        return f"{method} names the user itself"
    found = security.identity_map
    if not isinstance(found, IdentityMap):
        return "the application maps it"
    line = found.line_of(method, name)
    if line is not None:
        return f"{line}: {line.canonical}"
    if not len(found):
        return "there is no map, so the name that the method gives counts"
    return "no line of CERTIFICATE_MAPFILE has it, so the method's own name counts"


def may_be_told(context: HandshakeContext, peer: Peer) -> Handshake[Permission | None]:
    """By which level a client may know the reasons of decisions about itself.

    Returns:
        ADMINISTRATOR, READ for an authenticated user, or ``None``.
    """
    wanted = [Permission.ADMINISTRATOR]
    if peer.is_authenticated and peer.is_mapped:
        wanted.append(Permission.READ)
    security = context.security
    for permission in wanted:
        for _ in range(2):
            asked = holds(permission, peer, security.policies, security.authorizer)
            if not asked.needs_names:
                break
            names = yield from lookup_host(peer.address)
            peer = replace(peer, host_names=names)
        if asked.allowed:
            return permission
    return None


def explain(
    security: SecurityState,
    policy: SidePolicy,
    attempts: Sequence[FailedAttempt],
    peer: Peer,
    decision: Decision,
) -> Explanation:
    """What a server did about a command.

    Args:
        security: The server's security.
        policy: Its policy for the command's level.
        attempts: What was tried in vain.
        peer: The client.
        decision: What came of it.
    """
    identity = mapping = None
    if peer.method is not None:
        known = peer.authenticated_name or peer.user
        identity = f"{peer.method} says {known}"
        mapping = map_rule(security, peer.method, peer.authenticated_name)
    limits = peer.limits
    return replace(
        _explained(security, policy, attempts, decision),
        identity=identity,
        mapping=mapping,
        limits=None if limits is None else ", ".join(each.name for each in limits),
    )


def _explained(
    security: SecurityState,
    policy: SidePolicy,
    attempts: Sequence[FailedAttempt],
    decision: Decision | None,
) -> Explanation:
    """What both sides can say in the same way."""
    told = Explanation(
        level=policy.permission.name,
        wishes=wishes_of(policy, security.knobs),
        left_out=methods_left_out(security, policy.permission),
        attempts=tuple(f"{each.method}: {each.reason}" for each in attempts),
    )
    if decision is None:
        return told
    knob, line = decision.knob, decision.line
    if knob is not None and line is None:
        line = f"nothing in {knob.name}"
    return replace(
        told,
        reason=decision.reason,
        line=line,
        source=None if knob is None else knob.source,
        unset=decision.unset,
    )


def explain_client(security: SecurityState, record: NegotiationRecord) -> Explanation:
    """What a client did about a command.

    Args:
        security: The client's security.
        record: How far its negotiation came.
    """
    policy = record.policy or security.policies.of(Permission.CLIENT)
    identity = mapping = None
    found = record.authenticated
    if found is not None:
        name = found.result.authenticated_name
        known = name or found.user
        identity = None if known is None else f"{found.method} says {known}"
        mapping = None if name is None else map_rule(security, found.method, name)
    told = _explained(security, policy, record.attempts, record.server_decision)
    return replace(told, identity=identity, mapping=mapping)


def explanation_pairs(told: Explanation) -> dict[str, str]:
    """The attributes of an explanation."""
    pairs: dict[str, str] = {}
    for name, wish in told.wishes.items():
        pairs[f"Explain{name}"] = wish.value
        if wish.knob is not None:
            pairs[f"Explain{name}Knob"] = wish.knob
    for name in _TEXTS:
        text: str | None = getattr(told, name)
        if text is not None:
            pairs[_attribute(name)] = text
    for name in _LISTS:
        items: tuple[str, ...] = getattr(told, name)
        if items:
            pairs[_attribute(name)] = "\n".join(items)
    return {name: text[:_MAX_TEXT_CHARACTERS] for name, text in pairs.items()}


def read_explanation(ad: PodAd) -> Explanation | None:
    """The explanation in a server's last ad; ``None`` where it gives none.

    What it says is the server's text: escape it before it is shown.
    """
    wishes = {
        name: Wish(value, ad.string(f"Explain{name}Knob"))
        for name in WISHES
        if (value := ad.string(f"Explain{name}")) is not None
    }
    texts = {name: ad.string(_attribute(name)) for name in _TEXTS}
    if not wishes and not any(texts.values()):
        return None
    lists = {
        name: tuple((ad.string(_attribute(name)) or "").splitlines()) for name in _LISTS
    }
    return Explanation(
        wishes=wishes,
        level=texts["level"],
        identity=texts["identity"],
        mapping=texts["mapping"],
        limits=texts["limits"],
        reason=texts["reason"],
        line=texts["line"],
        source=texts["source"],
        left_out=lists["left_out"],
        attempts=lists["attempts"],
        unset=lists["unset"],
    )


def _attribute(name: str) -> str:
    return "Explain" + name.title().replace("_", "")
