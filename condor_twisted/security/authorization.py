"""Who may do what from where: the ALLOW and DENY lists.

The answer for a level, an address and a user: level ALLOW is for everybody. A hole
that was punched for the user or the address wins. A list that is just ``*`` decides at
once. Else the lists are compared with the address and then with the peer's confirmed
host names; a DENY that matches always wins. Where neither matches, whoever holds a
level that implies this one directly holds this one; otherwise nobody does. No ALLOW
list means nobody.

Names are never resolved here. Host names written in lists are asked for once
(`Authorizer.host_names_needed`, `Authorizer.set_addresses`); a peer's names only when
a list makes them matter: then the answer says `Decision.needs_names`, and the caller
looks them up and asks again.

Source: ``src/condor_io/condor_ipverify.cpp: IpVerify::Init, IpVerify::Verify,
IpVerify::PunchHole``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from condor_twisted.constants.permissions import (
    Permission,
    implied_by,
    with_implied,
)
from condor_twisted.security.knobs import Knobs
from condor_twisted.security.patterns.hosts import (
    AccessEntry,
    IpAddress,
    glob_matches,
    parse_entries,
    parse_ip,
)
from condor_twisted.security.policy import config_chain

__all__ = ["Authorizer", "Decision", "KnobPlace", "parse_limits"]

_MAX_CACHED_DECISIONS: Final = 16_384


@dataclass(frozen=True, slots=True)
class KnobPlace:
    """A knob, and where it was set.

    Args:
        name: The knob as it was written, with the prefix that made it count.
        source: ``FILE, line N``, ``<Environment>``, ``<Default>``, ...
    """

    name: str
    source: str

    @classmethod
    def of(cls, knobs: Knobs, name: str) -> KnobPlace:
        """The place of a knob that has a value."""
        return cls(
            knobs.spelling_of(name) or name, knobs.source_of(name) or "<unknown>"
        )

    def __str__(self) -> str:
        return f"{self.name}, {self.source}"


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer, and why.

    Args:
        allowed: Yes or no.
        permission: The level that it is about.
        reason: What decided, for the log.
        knob: The list that decided, where one did.
        entry: What of that list matched; ``None`` where nothing did, and that decided.
        needs_names: Not an answer yet: the peer's host names matter. Ask again with
            them.
        unset: The knobs any of which would be the list, where none has a value and
            that decided.
    """

    allowed: bool
    permission: Permission
    reason: str
    knob: KnobPlace | None = None
    entry: str | None = None
    needs_names: bool = False
    unset: tuple[str, ...] = ()

    @property
    def line(self) -> str | None:
        """The line of configuration that decided, cut down to what matched."""
        if self.knob is None or self.entry is None:
            return None
        return f"{self.knob.name} = {self.entry}"

    @property
    def because(self) -> str:
        """The reason, and the configuration that made it."""
        if self.knob is None:
            unset = ", ".join(self.unset)
            return f"{self.reason}; none is set of {unset}" if unset else self.reason
        line = self.line or f"nothing in {self.knob.name}"
        return f"{self.reason}; {line}, {self.knob.source}"


class _Behavior(Enum):
    """What a level's lists come to when they are read."""

    ALLOW_ALL = "allow all"
    DENY_ALL = "deny all"
    ONLY_DENIES = "only denies"
    LISTS = "lists"


@dataclass(frozen=True, slots=True)
class _Lists:
    """The lists of one level."""

    behavior: _Behavior
    allow: tuple[AccessEntry, ...] = ()
    deny: tuple[AccessEntry, ...] = ()
    allow_knob: KnobPlace | None = None
    deny_knob: KnobPlace | None = None
    allow_names: tuple[str, ...] = ()

    @property
    def denies_everybody(self) -> bool:
        """Whether the DENY list alone decides."""
        return any(_is_everybody(each.text) for each in self.deny)

    @property
    def by_name(self) -> bool:
        """Whether a host name could change the answer."""
        return any(each.name is not None for each in (*self.allow, *self.deny))


def parse_limits(text: str) -> frozenset[Permission]:
    """The levels of a ``LimitAuthorization`` with all that they imply.

    Names that are no level are left out, and what is left may be nothing: then
    nothing but level ALLOW passes.
    """
    levels: set[Permission] = set()
    for word in text.replace(",", " ").split():
        level = Permission.__members__.get(word.upper())
        if level is not None:
            levels.update(with_implied(level))
    return frozenset(levels)


def _is_everybody(text: str | None) -> bool:
    """Whether a list is the one that HTCondor treats specially."""
    return text in ("*", "*/*")


class Authorizer:
    """The ALLOW and DENY lists of one daemon.

    Args:
        lists: What was read of each level; `from_knobs` makes it.
        local_addresses: This host's own addresses, for ``{:local_ips:}``.
    """

    def __init__(
        self,
        lists: Mapping[Permission, _Lists],
        local_addresses: Collection[IpAddress] = (),
    ) -> None:
        self._lists = dict(lists)
        self._local_addresses = frozenset(local_addresses)
        self._addresses: dict[str, frozenset[IpAddress]] = {}
        self._holes: dict[Permission, dict[str, int]] = {}
        self._cache: dict[tuple[Permission, str, str], Decision] = {}

    @classmethod
    def from_knobs(
        cls, knobs: Knobs, local_addresses: Collection[IpAddress] = ()
    ) -> Authorizer:
        """Read the lists of every level.

        Tools have no command port and read the lists of CLIENT alone.
        """
        subsystem = knobs.subsystem.upper()
        client_only = subsystem in ("TOOL", "SUBMIT")
        legacy = knobs.boolean("LEGACY_ALLOW_SEMANTICS", False)
        equivalent = knobs.boolean("USE_POOL_USERNAME_EQUIVALENT", True)

        def names_of(kind: str, level: Permission) -> tuple[str, ...]:
            if client_only and level is not Permission.CLIENT:
                return ()
            old = legacy and level >= Permission.DAEMON
            return tuple(
                name
                for each in config_chain(level, old)
                for name in (f"{kind}_{each.name}_{subsystem}", f"{kind}_{each.name}")
            )

        def find(
            kind: str, level: Permission
        ) -> tuple[KnobPlace, str] | tuple[None, None]:
            for name in names_of(kind, level):
                value = knobs.text(name)
                if value is not None and value.strip():
                    return KnobPlace.of(knobs, name), value.strip()
            if kind == "ALLOW" and level is Permission.CLIENT:
                return KnobPlace("ALLOW_CLIENT", "<Default>"), "*"
            return None, None

        lists: dict[Permission, _Lists] = {}
        for level in Permission:
            allow_knob, allow = find("ALLOW", level)
            deny_knob, deny = find("DENY", level)
            if level is Permission.ALLOW:
                behavior = _Behavior.ALLOW_ALL
            elif _is_everybody(deny) or (
                allow is None and level not in (Permission.READ, Permission.WRITE)
            ):
                behavior = _Behavior.DENY_ALL
            elif not _is_everybody(allow):
                behavior = _Behavior.LISTS
            else:
                behavior = (
                    _Behavior.ALLOW_ALL if deny is None else (_Behavior.ONLY_DENIES)
                )
            lists[level] = _Lists(
                behavior,
                parse_entries(
                    allow if allow and behavior is _Behavior.LISTS else "", equivalent
                ),
                parse_entries(deny or "", equivalent),
                allow_knob,
                deny_knob,
                names_of("ALLOW", level),
            )
        return cls(lists, local_addresses)

    @property
    def host_names_needed(self) -> frozenset[str]:
        """Host names in the lists whose addresses somebody has to look up."""
        return frozenset(
            entry.host_name
            for lists in self._lists.values()
            if lists.behavior in (_Behavior.LISTS, _Behavior.ONLY_DENIES)
            for entry in (*lists.allow, *lists.deny)
            if entry.host_name is not None
        )

    def set_addresses(self, addresses: Mapping[str, Sequence[str]]) -> None:
        """Give the addresses of host names in the lists; cached answers go.

        Args:
            addresses: IP literals by host name. A name that is missing has none.
        """
        self._addresses = {
            name.lower(): frozenset(
                address for text in texts if (address := parse_ip(text)) is not None
            )
            for name, texts in addresses.items()
        }
        self._cache.clear()

    def forget_answers(self) -> None:
        """Drop the cached answers, for instance when host names may have changed."""
        self._cache.clear()

    def punch_hole(self, permission: Permission, who: str) -> None:
        """Open a level, and all it implies, to somebody, before any list.

        Args:
            permission: The level.
            who: ``user``, ``user/ip`` or ``ip``, exactly. Holes are counted.
        """
        for level in with_implied(permission):
            holes = self._holes.setdefault(level, {})
            holes[who] = holes.get(who, 0) + 1

    def fill_hole(self, permission: Permission, who: str) -> bool:
        """Take one `punch_hole` back; whether there was one."""
        found = False
        for level in with_implied(permission):
            holes = self._holes.get(level, {})
            count = holes.get(who, 0)
            if count:
                found = True
                holes[who] = count - 1
                if count == 1:
                    del holes[who]
        return found

    def copy_holes_from(self, other: Authorizer) -> None:
        """Take over another one's holes: they outlive a reconfiguration."""
        self._holes = {level: dict(holes) for level, holes in other._holes.items()}

    def decide(
        self,
        permission: Permission,
        address: str,
        user: str,
        limits: frozenset[Permission] | None = None,
        peer_names: Sequence[str] | None = None,
    ) -> Decision:
        """Whether somebody holds a level.

        Args:
            permission: The level.
            address: The peer's IP address.
            user: The peer's FQU; ``unauthenticated@unmapped`` for nobody.
            limits: The levels to which the peer's credential is limited.
            peer_names: The peer's host names, each confirmed forward; ``None`` where
                nobody has looked yet.
        """
        if permission is Permission.ALLOW:
            return _FOR_EVERYBODY
        if limits is not None and permission not in limits:
            return Decision(
                False,
                permission,
                f"{permission.name} is outside the limits of the peer's credential",
            )
        holes = self._holes.get(permission)
        if holes:
            # A bare name, or one with a slash, could be made to look like another
            # kind of hole.
            plain = "@" in user and "/" not in user
            for who in (user, f"{user}/{address}", address) if plain else (address,):
                if who in holes:
                    return Decision(
                        True,
                        permission,
                        f"{permission.name} authorization has been made automatic "
                        f"for {who}",
                    )
        key = (permission, address, user)
        decision = self._cache.get(key)
        if decision is None:
            decision = self._decide(permission, address, user, peer_names)
            if not decision.needs_names:
                if len(self._cache) >= _MAX_CACHED_DECISIONS:
                    del self._cache[next(iter(self._cache))]
                self._cache[key] = decision
        return decision

    def _decide(
        self,
        permission: Permission,
        address: str,
        user: str,
        peer_names: Sequence[str] | None,
    ) -> Decision:
        """`decide` without limits and cache; holes of higher levels count."""
        name = permission.name
        lists = self._lists[permission]
        if lists.behavior is _Behavior.ALLOW_ALL:
            return Decision(
                True,
                permission,
                f"{name} authorization policy allows access by anyone",
                lists.allow_knob,
                "*",
            )
        if lists.behavior is _Behavior.DENY_ALL:
            # Either DENY says everybody, or there is no ALLOW.
            return Decision(
                False,
                permission,
                f"{name} authorization policy denies all access",
                lists.deny_knob if lists.denies_everybody else None,
                "*" if lists.denies_everybody else None,
                unset=() if lists.denies_everybody else lists.allow_names,
            )
        if peer_names is None and lists.by_name:
            return Decision(
                False, permission, f"{name} asks for host names", needs_names=True
            )
        ip = parse_ip(address)
        names = [each.lower() for each in peer_names or ()]
        for allowed, verb, entries, knob in (
            (False, "denies", lists.deny, lists.deny_knob),
            (True, "allows", lists.allow, lists.allow_knob),
        ):
            found = self._find(lists, entries, ip, user, names)
            if found is not None:
                entry, what = found
                return Decision(
                    allowed,
                    permission,
                    f"{name} authorization policy {verb} {what}",
                    knob,
                    entry.text,
                )
        if lists.behavior is _Behavior.ONLY_DENIES:
            return Decision(
                True,
                permission,
                f"{name} authorization policy does not deny, so allowing",
                lists.allow_knob,
                "*",
            )
        return self._by_implication(permission, address, user, peer_names)

    def _by_implication(
        self,
        permission: Permission,
        address: str,
        user: str,
        peer_names: Sequence[str] | None,
    ) -> Decision:
        """The answer where no list matches: by the levels that imply this one."""
        name = permission.name
        for upper in implied_by(permission):
            decision = self.decide(upper, address, user, None, peer_names)
            if decision.needs_names:
                return Decision(False, permission, decision.reason, needs_names=True)
            if decision.allowed:
                return Decision(
                    True,
                    permission,
                    f"{name} is implied by {upper.name}; {decision.reason}",
                    decision.knob,
                    decision.entry,
                )
        who = ",".join((address, *(peer_names or ())))
        lists = self._lists[permission]
        return Decision(
            False,
            permission,
            f"{name} authorization policy contains no matching ALLOW entry for this "
            f"request; identifiers used for this host: {who}",
            lists.allow_knob,
            unset=() if lists.allow_knob else lists.allow_names,
        )

    def _find(
        self,
        lists: _Lists,
        entries: Sequence[AccessEntry],
        ip: IpAddress | None,
        user: str,
        names: Sequence[str],
    ) -> tuple[AccessEntry, str] | None:
        """The first entry that matches, and what of the peer it matched."""
        user = user.lower() or "*"
        for entry in entries:
            if entry.group is not None and entries is lists.deny:
                # There is no netgroup database here, and a DENY that nobody can
                # look up is not one that may be passed over.
                return entry, "everybody, for netgroups are not known here"
            if self._matches_address(entry, ip) and entry.matches_user(user):
                return entry, f"IP address {ip}"
        for entry in entries:
            if entry.name is None or not entry.matches_user(user):
                continue
            for each in names:
                if glob_matches(entry.name, each):
                    return entry, f"hostname {each}"
        return None

    def _matches_address(self, entry: AccessEntry, ip: IpAddress | None) -> bool:
        """Whether an entry holds for an address."""
        if entry.everywhere:
            return True
        if ip is None:
            return False
        if entry.local:
            return ip.is_loopback or ip in self._local_addresses
        if entry.host_name is not None:
            return ip in self._addresses.get(entry.host_name, ())
        return any(
            network.version == ip.version and ip in network
            for network in entry.networks
        )


_FOR_EVERYBODY: Final = Decision(
    True, Permission.ALLOW, "the ALLOW level is open to everybody"
)
