"""What an HTTP client asks for, checked, and as a plan like any other query's."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from condor_twisted.classad.literals import decode_string
from condor_twisted.classad.wire_ad import AdBuilder, ExpressionText
from condor_twisted.constants import attributes
from condor_twisted.constants.commands import Command
from condor_twisted.daemons.collector.state import kinds
from condor_twisted.daemons.collector.state.collector_state import CollectorState
from condor_twisted.daemons.collector.state.queries import QueryPlan
from condor_twisted.daemons.collector.state.refusals import QueryRefused
from condor_twisted.daemons.collector.state.senders import Requester
from condor_twisted.errors import ExpressionsUnavailable, RemoteProtocolError
from condor_twisted.wire.messages import EncodedAd

__all__ = ["AdsRequest", "RequestRefused", "read_arguments", "read_flag"]

_CONTROL = re.compile(rb"[\0-\x1f\x7f]")
_MAX_TYPES: Final = 64
_MAX_LIMIT_DIGITS: Final = 9
_FLAGS: Final = {b"true": True, b"1": True, b"false": False, b"0": False}


class RequestRefused(RemoteProtocolError):
    """A request that gets an error for an answer.

    Args:
        code: The HTTP status.
        problem: What is wrong, for the client: text of ours, and nothing that an
            exception said.
    """

    def __init__(self, code: int, problem: str) -> None:
        super().__init__(problem)
        self.code = code
        self.problem = problem


def read_arguments(
    arguments: Mapping[bytes, Sequence[bytes]], allowed: Collection[str]
) -> dict[str, bytes]:
    """The arguments of a request's query, each at most once.

    Args:
        arguments: As Twisted has them.
        allowed: The names that there may be. Empty ones count as not given.

    Raises:
        RequestRefused: One is unknown, or there twice, or holds control characters.
    """
    found: dict[str, bytes] = {}
    for key, values in arguments.items():
        name = key.decode("ascii", "replace")
        if name not in allowed:
            known = ", ".join(sorted(allowed)) or "none"
            raise RequestRefused(400, f"unknown argument; allowed here: {known}")
        if len(values) != 1:
            raise RequestRefused(400, f"{name} is given more than once")
        if _CONTROL.search(values[0]):
            raise RequestRefused(400, f"{name} holds control characters")
        if values[0]:
            found[name] = values[0]
    return found


def read_flag(arguments: Mapping[str, bytes], name: str) -> bool:
    """An argument that is ``true`` or ``false``; absent is false.

    Raises:
        RequestRefused: It is neither.
    """
    value = arguments.get(name)
    if value is None:
        return False
    flag = _FLAGS.get(value.lower())
    if flag is None:
        raise RequestRefused(400, f"{name} is neither true nor false")
    return flag


@dataclass(frozen=True, slots=True)
class AdsRequest:
    """Which ads, and what of them.

    Args:
        types: Types of ads; none means all.
        constraint: Which of them.
        projection: The attributes that are wanted; ``None`` for all.
        limit: At most so many ads.
    """

    types: tuple[str, ...] = ()
    constraint: bytes | None = None
    projection: str | None = None
    limit: int | None = None

    @classmethod
    def read(cls, arguments: Mapping[str, bytes], max_names: int) -> AdsRequest:
        """Check the arguments ``type``, ``constraint``, ``projection``, ``limit``.

        Args:
            arguments: The arguments that are there.
            max_names: Attributes that the projection may name.

        Raises:
            RequestRefused: One of them is not what it should be.
        """
        projection = None
        text = arguments.get("projection")
        if text is not None:
            names = [name for name in re.split(r"[ ,]+", decode_string(text)) if name]
            if len(names) > max_names:
                raise RequestRefused(400, f"projection names more than {max_names}")
            projection = " ".join(names) or None
        limit = None
        digits = arguments.get("limit")
        if digits is not None:
            is_number = digits.isdigit() and len(digits) <= _MAX_LIMIT_DIGITS
            limit = int(digits) if is_number else 0
            if limit == 0:
                raise RequestRefused(400, "limit is no positive number")
        types = _read_types(arguments.get("type", b"Any"))
        return cls(types, arguments.get("constraint"), projection, limit)

    def wanted_kinds(self) -> frozenset[kinds.AdKind | str] | None:
        """The standard kinds, and generic ones by lower-case name; ``None`` for all."""
        if not self.types:
            return None
        return frozenset(
            kinds.kind_of_type_name(name) or name.lower() for name in self.types
        )

    def plan(self, state: CollectorState, now: float) -> QueryPlan:
        """The query that a CEDAR client without rights would have sent.

        Raises:
            RequestRefused: There is no such type, or the constraint is no expression.
        """
        command, target = self._command(state)
        builder = AdBuilder()
        if target:
            builder.set(attributes.TARGET_TYPE, target)
        if self.constraint is not None:
            builder.set(attributes.REQUIREMENTS, ExpressionText(self.constraint))
        if self.projection is not None:
            builder.set(attributes.PROJECTION, self.projection)
        if self.limit is not None:
            builder.set(attributes.LIMIT_RESULTS, self.limit)
        ad = builder.build()
        try:
            encoded = EncodedAd(len(ad), ad.body)
            return state.plan_query(command, encoded, Requester(), now)
        except QueryRefused as refused:
            if isinstance(refused.__cause__, ExpressionsUnavailable):
                problem = (
                    "this constraint needs the htcondor package, which is not "
                    "installed where the collector runs"
                )
                raise RequestRefused(501, problem) from refused
            problem = "constraint is no ClassAd expression, or too big a one"
            raise RequestRefused(400, problem) from refused

    def _command(self, state: CollectorState) -> tuple[Command, str]:
        """The query command, and its target type."""
        if not self.types:
            return Command.QUERY_ANY_ADS, ""
        generic = [name for name in self.types if kinds.kind_of_type_name(name) is None]
        for name in generic:
            if state.store.generic_table(name) is None:
                tables = state.store.public_tables()[:_MAX_TYPES]
                known = ", ".join(table.kind.my_type for table in tables)
                raise RequestRefused(404, f"no such type of ads; there are: {known}")
        if len(self.types) == 1 and generic:
            return Command.QUERY_GENERIC_ADS, generic[0]
        standard = [name for name in self.types if name not in generic]
        if not standard or any(" " in name for name in generic):
            raise RequestRefused(400, "ask for these types one by one")
        return Command.QUERY_MULTIPLE_ADS, ",".join(standard + generic)


def _read_types(text: bytes) -> tuple[str, ...]:
    names = tuple(
        name for part in decode_string(text).split(",") if (name := part.strip())
    )
    if not names or any(name.lower() == "any" for name in names):
        return ()
    if len(names) > _MAX_TYPES:
        raise RequestRefused(400, f"type names more than {_MAX_TYPES} types")
    private = kinds.SLOT_PRIVATE.my_type.lower()
    if any(name.lower() == private for name in names):
        raise RequestRefused(403, "private ads are not shown here")
    return names
