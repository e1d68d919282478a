"""One query, understood: which ads match, and the reply in pieces.

Selecting and replying give work in steps; between two of them the caller may do
something else, so that no query keeps the process busy for long. Ads that come or go
meanwhile do not disturb a plan: it replies with the ads that it selected.

Source: ``src/condor_collector.V6/collector.cpp: receive_query_cedar_worker_thread,
query_scanFunc``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import compress
from typing import Final

from condor_twisted.classad.expressions import TooExpensive
from condor_twisted.constants import attributes
from condor_twisted.constants.commands import command_name
from condor_twisted.daemons.collector.state.constraints import QueryConstraint
from condor_twisted.daemons.collector.state.evaluation import evaluate_projection
from condor_twisted.daemons.collector.state.lookups import searchable
from condor_twisted.daemons.collector.state.names import lookup_key
from condor_twisted.daemons.collector.state.projection import Projection
from condor_twisted.daemons.collector.state.publication import LineJudge
from condor_twisted.daemons.collector.state.records import AdRecord, QueryAd
from condor_twisted.daemons.collector.state.refusals import QueryRefused
from condor_twisted.daemons.collector.state.replies import END_OF_REPLY, ReplyForm
from condor_twisted.daemons.collector.state.senders import Requester
from condor_twisted.daemons.collector.state.tables import AdTable
from condor_twisted.errors import ExpressionError, ExpressionsUnavailable

__all__ = ["NO_LIMIT", "QueryPart", "QueryPlan"]

#: More than there can ever be.
NO_LIMIT: Final = 1 << 62

#: Ads that are looked at in one step.
_SLICE: Final = 500
#: Ads that are written before the size of the piece is looked at.
_BATCH: Final = 16
#: Projections of larger ads check them whole.
_UNCHECKED_BYTES: Final = 32_768
#: Larger batches are written ad by ad.
_BATCH_BYTES: Final = 1 << 20
#: What writing a piece may cost: about microseconds.
_STEP_COST: Final = 5000
#: Names that an evaluated projection may give.
_MAX_EVALUATED_NAMES: Final = 1000
#: A piece is handed out when it has so many bytes.
_PIECE_BYTES: Final = 128 << 10
#: Larger projections are not remembered with the ads.
_MAX_REMEMBERED_BYTES: Final = 2048


@dataclass(slots=True)
class QueryPart:
    """The part of a query that concerns one type.

    Args:
        tables: Where the ads are.
        constraint: Which ads match; ``None`` for all.
        projection: Which attributes are wanted; ``None`` for all.
        projection_text: An expression that gives the projection for each ad.
        limit: At most so many ads of this type.
        shows_private: Whether private attributes are sent.
        skips_absent: Whether absent ads are left out.
        refreshes_own: Whether the collector's own ad gets its latest statistics.

    Attributes:
        hits: The ads to send, once they are selected.
    """

    tables: list[AdTable]
    constraint: QueryConstraint | None = None
    projection: Projection | None = None
    projection_text: bytes | None = None
    limit: int = NO_LIMIT
    shows_private: bool = False
    skips_absent: bool = False
    refreshes_own: bool = False
    hits: list[AdRecord] = field(default_factory=list)

    @property
    def cost_per_ad(self) -> int:
        """What it costs to write an ad: about microseconds."""
        if self.projection_text is not None:
            return 200 + 5 * len(self.projection_text)
        if self.projection is not None:
            return 10 + len(self.projection.keys)
        return 1


@dataclass(slots=True)
class QueryPlan:
    """One query, ready to run: first select, then reply.

    Args:
        command: The query command.
        parts: The types in the order of the answer.
        limit: At most so many ads in all.
        requester: Who asks.
        query: The query's ad.
        is_locate: Whether this only looks up an address.
        judge: Decides which lines may be sent.
        refresh_own: Gives the collector's own ad with its latest statistics, those
            that a text wants.
        is_expensive: Whether selecting is a worker's work.

    Attributes:
        matched: How many ads were selected.
        examined: How many ads were looked at.
        now: When the query came, in seconds since the epoch.
    """

    command: int
    parts: list[QueryPart]
    limit: int
    requester: Requester
    query: QueryAd
    is_locate: bool
    judge: LineJudge
    refresh_own: Callable[[AdRecord, str], AdRecord | None]
    now: float
    is_expensive: bool = False
    matched: int = 0
    examined: int = 0

    def run(self, form: ReplyForm) -> Iterator[bytes]:
        """Select and reply; empty pieces come before the first ad.

        Raises:
            QueryRefused: The query is a worker's work, or cannot be evaluated.
        """
        for _ in self.select():
            yield b""
        if self.is_expensive:
            raise QueryRefused("the constraint is too expensive")
        yield from self.reply(form)

    def select(self) -> Iterator[None]:
        """Find the ads that match; each step does bounded work.

        When an ad turns out to need a worker, ``is_expensive`` is set and nothing is
        selected.

        Raises:
            QueryRefused: The ClassAd library is needed, and missing.
        """
        self.matched = 0
        self.examined = 0
        try:
            for part in self.parts:
                yield from self._select(part)
        except TooExpensive:
            self.is_expensive = True
            self.matched = 0
            self.examined = 0
            for part in self.parts:
                part.hits.clear()
        except ExpressionsUnavailable as error:
            raise QueryRefused(str(error)) from error

    def _select(self, part: QueryPart) -> Iterator[None]:
        left = min(self.limit - self.matched, part.limit)
        if left <= 0:
            return
        for table in part.tables:
            yield from self._select_from(part, table, left)
            if len(part.hits) >= left:
                self.matched -= len(part.hits) - left
                del part.hits[left:]
                return

    def _select_from(
        self, part: QueryPart, table: AdTable, left: int
    ) -> Iterator[None]:
        constraint = part.constraint
        if constraint is None:
            records = list(table.records.values())
            if not part.skips_absent:
                del records[max(0, left - len(part.hits)) :]
                self.examined += len(records)
                self.take(part, records)
                return
        else:
            records = yield from constraint.candidates(table)
        start = 0
        while start < len(records):
            if start:
                yield
            some = records[start : start + _SLICE]
            if constraint is not None:
                verdicts = constraint.verdicts(table, some)
                self.examined += len(verdicts)
                start += len(verdicts)
                some = list(compress(some, verdicts))
            else:
                self.examined += len(some)
                start += len(some)
            self.take(part, some)
            if len(part.hits) >= left:
                return

    def left_for(self, part: QueryPart) -> int:
        """How many more ads a part may have."""
        return min(self.limit - self.matched, part.limit - len(part.hits))

    def take(self, part: QueryPart, records: list[AdRecord]) -> None:
        """Add ads that match to a part's hits."""
        if part.skips_absent:
            records = [each for each in records if not _is_absent(each)]
        part.hits.extend(records)
        self.matched += len(records)

    def reply(self, form: ReplyForm) -> Iterator[bytes]:
        """Give the reply in pieces of some 100 KiB; each step does bounded work.

        Args:
            form: How the stream wants its bytes.

        Yields:
            Pieces; an empty one is worth a pause.

        Raises:
            QueryRefused: A projection cannot be evaluated; what was sent so far must
                not be followed by an end.
        """
        pieces: list[bytes] = []
        size = cost = 0
        for part in self.parts:
            write = self._writer(part, form)
            cost_per_ad = part.cost_per_ad
            whole = part.projection is None
            batch = max(1, min(_BATCH, _STEP_COST // cost_per_ad))
            hits = part.hits
            for at in range(0, len(hits), batch):
                some = hits[at : at + batch]
                for record in some:
                    if not record.is_checked and (
                        whole or len(record.body) > _UNCHECKED_BYTES
                    ):
                        for _ in self.judge.checking(record):
                            yield b""
                if sum([record.size_bytes for record in some]) > _BATCH_BYTES:
                    # Among ads of this size each is written by itself.
                    for record in some[:-1]:
                        size += write([record], pieces)
                        if size >= _PIECE_BYTES:
                            yield b"".join(pieces)
                            pieces.clear()
                            size = 0
                    del some[:-1]
                size += write(some, pieces)
                cost += cost_per_ad * len(some)
                if size >= _PIECE_BYTES:
                    yield b"".join(pieces)
                    pieces.clear()
                    size = cost = 0
                elif cost >= _STEP_COST:
                    yield b""
                    cost = 0
        pieces.append(END_OF_REPLY)
        yield b"".join(pieces)

    def _writer(
        self, part: QueryPart, form: ReplyForm
    ) -> Callable[[list[AdRecord], list[bytes]], int]:
        """What appends records to the pieces, and says how many bytes these are."""
        if part.refreshes_own:
            return partial(self._write_refreshed, part, form)
        if part.projection_text is not None or part.projection is not None:
            return partial(self._write_projected, part, form)
        if part.shows_private:
            return partial(self._write_private, form)
        return partial(self._write_public, form)

    def _write_public(
        self, form: ReplyForm, records: list[AdRecord], pieces: list[bytes]
    ) -> int:
        size = 0
        for record in records:
            size += len(record.body) + 400
        form.public_ads(records, pieces)
        return size

    def _write_private(
        self, form: ReplyForm, records: list[AdRecord], pieces: list[bytes]
    ) -> int:
        before = len(pieces)
        for record in records:
            pieces.append(form.whole_ad(record, self._private_lines(record)))
        return sum(map(len, pieces[before:]))

    def _write_projected(
        self,
        part: QueryPart,
        form: ReplyForm,
        records: list[AdRecord],
        pieces: list[bytes],
    ) -> int:
        before = len(pieces)
        projection = part.projection
        if part.projection_text is not None:
            for record in records:
                pieces.append(self._evaluated(part, form, record))
        elif projection is not None:
            is_plain = not form.is_encrypted and not (
                part.shows_private and projection.wants_private
            )
            for record in records:
                known = record.memo.get(projection) if is_plain else None
                if isinstance(known, bytes):
                    pieces.append(known)
                    continue
                piece = self._projected(part, projection, form, record)
                if is_plain and len(piece) <= _MAX_REMEMBERED_BYTES:
                    record.remember(projection, piece)
                pieces.append(piece)
        return sum(map(len, pieces[before:]))

    def _projected(
        self,
        part: QueryPart,
        projection: Projection,
        form: ReplyForm,
        record: AdRecord,
    ) -> bytes:
        private = None
        if part.shows_private and projection.wants_private:
            private = partial(_find_private, self._private_lines(record))
        return form.ad(projection.apply(record, self.judge, private))

    def _evaluated(self, part: QueryPart, form: ReplyForm, record: AdRecord) -> bytes:
        """One ad, with the projection that an expression gives for it."""
        text = part.projection_text or b""
        try:
            source = searchable(record)
            names = evaluate_projection(text, self.query, source, self.now)
        except (ExpressionError, ExpressionsUnavailable) as error:
            raise QueryRefused(f"the projection: {error}") from error
        projection = Projection(names, _MAX_EVALUATED_NAMES)
        if not projection.is_empty:
            return self._projected(part, projection, form, record)
        lines = self._private_lines(record) if part.shows_private else ()
        return form.whole_ad(record, lines)

    def _write_refreshed(
        self,
        part: QueryPart,
        form: ReplyForm,
        records: list[AdRecord],
        pieces: list[bytes],
    ) -> int:
        """As otherwise, but with the collector's own ad brought up to date."""
        write = self._writer(replace(part, refreshes_own=False), form)
        wanted = self.query.string(attributes.STATISTICS_TO_PUBLISH) or ""
        fresh = [self.refresh_own(record, wanted) or record for record in records]
        for record in fresh:
            self.judge.check(record)
        return write(fresh, pieces)

    def _private_lines(self, record: AdRecord) -> tuple[bytes, ...]:
        """A record's private lines, as far as the peer's version goes."""
        if self.requester.knows_prefixed_names:
            return record.private_lines
        prefix = lookup_key(attributes.PRIVATE_PREFIX)
        return tuple(
            line for line in record.private_lines if not line.lower().startswith(prefix)
        )

    def describe(self) -> str:
        """What was asked, for the log."""
        types = ",".join(
            part.tables[0].kind.my_type if len(part.tables) == 1 else "Any"
            for part in self.parts
        )
        return (
            f"{command_name(self.command)} of {types}: matched {self.matched} of "
            f"{self.examined}"
        )


def _is_absent(record: AdRecord) -> bool:
    return record.value(attributes.ABSENT) is True


def _find_private(lines: tuple[bytes, ...], key: bytes) -> bytes | None:
    for line in lines:
        if line.partition(b" = ")[0].lower() == key:
            return line
    return None
