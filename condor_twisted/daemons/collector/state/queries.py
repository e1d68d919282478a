"""Queries: what is asked for.

A :class:`QueryPlanner` turns a command and its ad into a :class:`QueryPlan`, or it
refuses.

Source: ``src/condor_collector.V6/collector.cpp: make_query_entry``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from condor_twisted.classad.literals import NOT_LITERAL, parse_literal
from condor_twisted.constants import attributes
from condor_twisted.constants.commands import Command, command_name
from condor_twisted.daemons.collector.state import kinds
from condor_twisted.daemons.collector.state.constraints import QueryConstraint
from condor_twisted.daemons.collector.state.intake import sort_lines
from condor_twisted.daemons.collector.state.names import lookup_key
from condor_twisted.daemons.collector.state.projection import Projection
from condor_twisted.daemons.collector.state.publication import LineJudge
from condor_twisted.daemons.collector.state.query_plans import (
    NO_LIMIT,
    QueryPart,
    QueryPlan,
)
from condor_twisted.daemons.collector.state.records import AdRecord, QueryAd
from condor_twisted.daemons.collector.state.refusals import QueryRefused
from condor_twisted.daemons.collector.state.senders import Requester
from condor_twisted.daemons.collector.state.tables import AdStore, AdTable
from condor_twisted.errors import ExpressionError, ExpressionsUnavailable
from condor_twisted.wire.messages import EncodedAd

__all__ = ["QueryPart", "QueryPlan", "QueryPlanner"]

_SEPARATORS = re.compile(r"[ ,\t\r\n]+")
_MAX_TYPES: Final = 64
#: Attributes of a query: of all types some, and some more.
_MAX_LINES: Final = 500
#: Expressions that are read on the spot: all constraints of a query together, and the
#: projection; and any other.
_MAX_READ_BYTES: Final = 4096
_MAX_LINE_BYTES: Final = 40_000
#: Texts whose meaning is kept for the next query, and the longest of them.
_MAX_PROJECTIONS: Final = 32
_MAX_CONSTRAINTS: Final = 128
_MAX_QUERIES: Final = 256
_MAX_KEPT_BYTES: Final = 2048

_REQUIREMENTS: Final = lookup_key(attributes.REQUIREMENTS)
_PROJECTION: Final = lookup_key(attributes.PROJECTION)
_LOCATION_QUERY: Final = lookup_key(attributes.LOCATION_QUERY)
_ABSENT: Final = attributes.ABSENT.lower()


class QueryPlanner:
    """Understands queries.

    Args:
        store: The tables.
        judge: Decides which lines may be sent.
        refresh_own: Gives the collector's own ad with its latest statistics, those
            that STATISTICS_TO_PUBLISH of the query wants, or ``None`` for any other ad.
        want: Is told which attributes, by lower-case name, a query needs of all ads.
    """

    def __init__(
        self,
        store: AdStore,
        judge: LineJudge,
        refresh_own: Callable[[AdRecord, str], AdRecord | None],
        want: Callable[[Iterable[bytes]], None],
    ) -> None:
        self._want = want
        self._store = store
        self._judge = judge
        self._refresh_own = refresh_own
        # The same text is the same object, so that records remember what came out.
        self._projections: dict[str, Projection] = {}
        self._constraints: dict[bytes, QueryConstraint] = {}
        # By the lines that came; each was read, and its expressions parse.
        self._queries: dict[bytes, QueryAd] = {}
        self._read_bytes = 0
        #: Whether absent ads are left out of answers that do not ask for them.
        self.hides_absent = False

    def plan(
        self, command: int, ad: EncodedAd, requester: Requester, now: float
    ) -> QueryPlan:
        """Understand a query.

        Args:
            command: A query command that the requester is authorized for.
            ad: The query's ad.
            requester: Who asks.
            now: The time, in seconds since the epoch.

        Raises:
            QueryRefused: There is no such query, or the ad does not say enough.
            RemoteProtocolError: The ad is malformed.
        """
        query = None if ad.secret_lines else self._queries.get(ad.body)
        if query is None:
            query = self._read(ad)
        target = query.string(attributes.TARGET_TYPE)
        is_locate = query.raw(_LOCATION_QUERY) is not None
        wants_private = query.value(attributes.SEND_PRIVATE_ATTRIBUTES) is True
        shows_private = requester.may_see_private and (
            wants_private or requester.always_wants_private
        )
        self._read_bytes = 0
        parts = self._parts(command, query, target, is_locate, now)
        for part in parts:
            if part.tables[0].kind is kinds.SLOT_PRIVATE:
                shows_private = True  # for what follows as well
            part.shows_private = shows_private
        return QueryPlan(
            command=command,
            parts=parts,
            limit=self._limit(query, attributes.LIMIT_RESULTS) or NO_LIMIT,
            requester=requester,
            query=query,
            is_locate=is_locate,
            judge=self._judge,
            refresh_own=self._refresh_own,
            now=now,
            is_expensive=any(
                part.constraint is not None and part.constraint.is_expensive
                for part in parts
            ),
        )

    def _read(self, ad: EncodedAd) -> QueryAd:
        """Read a query's ad, and keep it for the next query of the same text.

        Raises:
            QueryRefused: It is too large, or an expression does not parse.
            RemoteProtocolError: It is malformed.
        """
        lines = ad.body.split(b"\0")[:-1]
        if len(lines) > _MAX_LINES:
            raise QueryRefused("a query has too many attributes")
        query = QueryAd(sort_lines(lines, ad.secret_lines))
        for line in query.lines():
            if len(line) > _MAX_READ_BYTES and _is_requirements(line):
                continue  # a worker reads it
            if len(line) > _MAX_LINE_BYTES and not _is_literal(line):
                raise QueryRefused("an expression of the query is too long")
            if self._judge.sendable(line) is None:
                raise QueryRefused("an expression of the query does not parse")
        if not ad.secret_lines and len(ad.body) <= _MAX_KEPT_BYTES:
            if len(self._queries) >= _MAX_QUERIES:
                del self._queries[next(iter(self._queries))]
            self._queries[ad.body] = query
        return query

    def _parts(
        self,
        command: int,
        query: QueryAd,
        target: str | None,
        is_locate: bool,
        now: float,
    ) -> list[QueryPart]:
        if command in (Command.QUERY_MULTIPLE_ADS, Command.QUERY_MULTIPLE_PVT_ADS):
            may_see = command == Command.QUERY_MULTIPLE_PVT_ADS
            return self._several(query, self._type_list(target, may_see), now)
        if command == Command.QUERY_ANY_ADS:
            return [self._part(query, self._store.public_tables(), now)]
        if command == Command.QUERY_GENERIC_ADS:
            if not target:
                raise QueryRefused("a query of generic ads without TargetType")
            table = self._store.generic_table(target)
            return [] if table is None else [self._part(query, [table], now)]
        kind = kinds.QUERY_KINDS.get(command)
        if kind is None:
            raise QueryRefused(f"{command_name(command)} is no query")
        if kind is kinds.SLOT:
            lowered = (target or "").lower()
            if lowered == kinds.STARTD.my_type.lower():
                kind = kinds.STARTD
            elif is_locate and lowered != "slot":
                # A startd is where its own ad or one of its slots says it is.
                names = [kinds.STARTD.my_type, kinds.SLOT.my_type]
                return self._several(query, names, now)
        part = self._part(query, [self._store.table(kind)], now)
        stored = query.string(attributes.STATISTICS_TO_PUBLISH) == "stored"
        part.refreshes_own = kind is kinds.COLLECTOR and not stored
        return [part]

    def _type_list(self, target: str | None, may_see_private: bool) -> list[str]:
        """The types that a multiple query names."""
        names = [name for name in _SEPARATORS.split(target or "") if name]
        if not names or len(names) > _MAX_TYPES:
            raise QueryRefused("a query of several types names none, or too many")
        if kinds.kind_of_type_name(names[0]) is None:
            raise QueryRefused(f"{names[0][:64]!r} is no type of ads")
        private = kinds.SLOT_PRIVATE.my_type.lower()
        if not may_see_private and private in map(str.lower, names):
            raise QueryRefused("private ads are not for this command")
        return names

    def _several(self, query: QueryAd, names: list[str], now: float) -> list[QueryPart]:
        parts: list[QueryPart] = []
        for name in names:
            kind = kinds.kind_of_type_name(name)
            if kind is not None:
                table = self._store.table(kind)
            else:
                generic = self._store.generic_table(name)
                if generic is None:
                    continue
                table = generic
            part = self._part(query, [table], now, name)
            stored = query.string(attributes.STATISTICS_TO_PUBLISH) == "stored"
            part.refreshes_own = kind is kinds.COLLECTOR and not stored
            parts.append(part)
        return parts

    def _part(
        self,
        query: QueryAd,
        tables: list[AdTable],
        now: float,
        type_name: str = "",
    ) -> QueryPart:
        """One part; of a multiple query, what ``<Type>...`` says goes first."""
        text = None
        if type_name:
            text = query.raw(lookup_key(type_name + attributes.REQUIREMENTS))
        if text is None:
            text = query.raw(_REQUIREMENTS)
        constraint = None if text is None else self._constraint(text, now)
        if constraint is not None and constraint.is_always_true:
            constraint = None
        if constraint is not None and constraint.is_lasting:
            self._want(constraint.keys)
        part = QueryPart(tables, constraint)
        if self.hides_absent:
            asks = constraint is not None and _ABSENT in constraint.references
            part.skips_absent = not asks
        own_limit = None
        if type_name:
            own_limit = self._limit(query, type_name + attributes.LIMIT_RESULTS)
        part.limit = own_limit or NO_LIMIT
        projection = None
        if type_name:
            projection = query.raw(lookup_key(type_name + attributes.PROJECTION))
        if projection is None:
            projection = query.raw(_PROJECTION)
        if projection is not None:
            value = parse_literal(projection)
            if isinstance(value, str):
                part.projection = self._projection(value)
            elif value is NOT_LITERAL:
                if len(projection) > _MAX_READ_BYTES:
                    raise QueryRefused("the projection's expression is too long")
                part.projection_text = projection
        return part

    def _constraint(self, text: bytes, now: float) -> QueryConstraint:
        """A constraint; the same one for the same text, if its verdicts last."""
        known = self._constraints.get(text)
        if known is not None:
            return known
        self._read_bytes += len(text)
        try:
            constraint = QueryConstraint(text, now, self._read_bytes > _MAX_READ_BYTES)
        except (ExpressionError, ExpressionsUnavailable) as error:
            raise QueryRefused(str(error)) from error
        if constraint.is_lasting and len(text) <= _MAX_KEPT_BYTES:
            if len(self._constraints) >= _MAX_CONSTRAINTS:
                del self._constraints[next(iter(self._constraints))]
            self._constraints[text] = constraint
        return constraint

    def _limit(self, query: QueryAd, name: str) -> int | None:
        """A limit that a query states; ``None`` for none."""
        value = query.value(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        limit = query.integer(name)
        return limit if limit is not None and limit > 0 else None

    def _projection(self, text: str) -> Projection | None:
        projection = self._projections.get(text)
        if projection is None:
            projection = Projection(text)
            if len(self._projections) >= _MAX_PROJECTIONS:
                del self._projections[next(iter(self._projections))]
            self._projections[text] = projection
        if projection.is_empty:
            return None
        self._want(projection.keys)
        return projection


def _is_requirements(line: bytes) -> bool:
    """Whether a query's line is a constraint, of all types or of one."""
    return line[: line.index(b" = ")].lower().endswith(_REQUIREMENTS)


def _is_literal(line: bytes) -> bool:
    """Whether a line's value needs no reading."""
    return parse_literal(line[line.index(b" = ") + 3 :]) is not NOT_LITERAL
