r"""``/api/v1/changes``: ads as they come and go, as server-sent events.

Events, each with ``data`` in JSON on one line:

=========== =========================================================================
``ad``      ``{"type":...,"key":...,"ad":{...}}``: an ad came, or came again
``removed`` ``{"type":...,"key":...}``: it went
``ready``   ``{}``: with ``snapshot=true``, all ads that are there have been told
``reset``   ``{}``: the client was away too long; what it knows may be out of date
=========== =========================================================================

A client that comes back with the last id that it saw (``Last-Event-ID``, as browsers
do by themselves) hears of every ad that changed since, in its present form. Changes
of one ad that come quicker than the client reads are told as one.

Source: the WHATWG HTML standard, server-sent events.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from json.encoder import encode_basestring_ascii as quoted
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.web.server import NOT_DONE_YET, Request

from condor_twisted.daemons.collector.page.bodies import (
    Leaf,
    StreamedBody,
    answer_problem,
)
from condor_twisted.daemons.collector.page.change_log import ChangeLog, Entry
from condor_twisted.daemons.collector.page.json_ads import AdWriter
from condor_twisted.daemons.collector.page.limits import PageLimits
from condor_twisted.daemons.collector.page.requests import (
    AdsRequest,
    RequestRefused,
    read_arguments,
    read_flag,
)
from condor_twisted.daemons.collector.page.view import PoolView
from condor_twisted.daemons.collector.state.records import AdRecord

__all__ = ["ChangesResource"]

_ARGUMENTS: Final = ("type", "projection", "snapshot", "last_event_id")
_BATCH: Final = 64
_RETRY: Final = b"retry: 3000\n\n"
_HEARTBEAT: Final = b":\n\n"
_MAX_ID_BYTES: Final = 100


class ChangesResource(Leaf):
    """All streams of changes, and the log that feeds them.

    Args:
        view: The collector.
        writer: Writes ads.
        limits: What streams may cost.
        reactor: For the time.
    """

    def __init__(
        self,
        view: PoolView,
        writer: AdWriter,
        limits: PageLimits,
        reactor: IReactorTime,
    ) -> None:
        super().__init__()
        self._view = view
        self._writer = writer
        self._limits = limits
        self._reactor = reactor
        self._streams: set[StreamedBody] = set()
        self._epochs = 0
        self._wake_call: IDelayedCall | None = None
        self._heartbeat: IDelayedCall | None = None
        self._linger: IDelayedCall | None = None
        self._changes = ChangeLog(view.state.store, limits.history, self._woken)

    @property
    def stream_count(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    def render_GET(self, request: Request) -> bytes | int:
        """Open a stream."""
        try:
            arguments = read_arguments(request.args or {}, _ARGUMENTS)
            asked = AdsRequest.read(arguments, self._limits.projection_names)
            wants_snapshot = read_flag(arguments, "snapshot")
        except RequestRefused as refused:
            return answer_problem(request, refused.code, refused.problem)
        if len(self._streams) >= self._limits.streams:
            return answer_problem(request, 503, "too many streams are open")
        request.setHeader(b"Content-Type", b"text/event-stream")
        if request.method == b"HEAD":
            return b""
        last_id = request.getHeader(b"Last-Event-ID") or arguments.get("last_event_id")
        self._open_log()
        body = StreamedBody(
            request,
            self._events(asked, wants_snapshot, last_id),
            self._reactor,
            self._limits.stall_seconds,
            self._closed,
        )
        self._streams.add(body)
        body.start()
        return NOT_DONE_YET

    def close(self) -> None:
        """End all streams and forget the log."""
        for body in list(self._streams):
            body.abort()
        for call in (self._wake_call, self._heartbeat, self._linger):
            if call is not None:
                call.cancel()
        self._wake_call = self._heartbeat = self._linger = None
        self._changes.close()

    def _open_log(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if not self._changes.is_open:
            self._epochs += 1
            self._changes.open(f"{int(self._view.now() * 1000):x}.{self._epochs}")
        if self._heartbeat is None:
            self._heartbeat = self._reactor.callLater(
                self._limits.heartbeat_seconds, self._beat
            )

    def _closed(self, body: StreamedBody) -> None:
        """A stream is over; the log stays for a while, for a client that comes back."""
        self._streams.discard(body)
        if not self._streams and self._linger is None and self._changes.is_open:
            self._linger = self._reactor.callLater(
                self._limits.linger_seconds, self._forget
            )

    def _forget(self) -> None:
        self._linger = None
        self.close()

    def _woken(self) -> None:
        """Something changed: tell the streams in a moment, for more may follow."""
        if self._wake_call is None and self._streams:
            self._wake_call = self._reactor.callLater(
                self._limits.batch_seconds, self._wake_streams
            )

    def _wake_streams(self) -> None:
        self._wake_call = None
        for body in list(self._streams):
            body.wake()

    def _beat(self) -> None:
        self._heartbeat = None
        for body in list(self._streams):
            body.write_if_waiting(_HEARTBEAT)
        if self._streams:
            self._heartbeat = self._reactor.callLater(
                self._limits.heartbeat_seconds, self._beat
            )

    def _events(
        self, asked: AdsRequest, wants_snapshot: bool, last_id: bytes | None
    ) -> Iterator[bytes | None]:
        """All that one stream is ever told."""
        yield _RETRY
        changes = self._changes
        wanted = asked.wanted_kinds()
        position = None
        if last_id is not None:
            text = last_id[:_MAX_ID_BYTES].decode("ascii", "replace")
            position = changes.position(text)
            if position is None:
                yield self._reset(wants_snapshot)
        while True:
            if position is None:
                position = changes.end
                if wants_snapshot:
                    yield from self._snapshot(asked)
                    yield self._event("ready", position - 1)
            read = changes.read(position, wanted, _BATCH)
            if read is None:
                position = None
                yield self._reset(wants_snapshot)
                continue
            entries, following = read
            if entries:
                yield from self._tell(entries, asked)
            elif following == changes.end:
                yield None
            else:
                yield b""
            position = following

    def _reset(self, wants_snapshot: bool) -> bytes:
        """A stream begins anew.

        Where a snapshot follows, the client is told to forget its last id: should
        it be cut off within the snapshot, it needs another.
        """
        if wants_snapshot:
            return b"id\nevent: reset\ndata: {}\n\n"
        return self._event("reset", self._changes.end - 1)

    def _snapshot(self, asked: AdsRequest) -> Iterator[bytes]:
        """All ads that are there."""
        state = self._view.state
        each_alone = [replace(asked, types=(name,)) for name in asked.types]
        for part_asked in each_alone or [asked]:
            try:
                plan = part_asked.plan(state, self._view.now())
            except RequestRefused:
                continue  # a generic type that has no table yet has no ads either
            for _ in plan.select():
                yield b""
            records = [record for part in plan.parts for record in part.hits]
            before = partial(_ad_begins, records)
            reply = plan.reply(state.reply_form())
            yield from self._writer.write(reply, before, b"}\n\n")

    def _tell(self, entries: list[Entry], asked: AdsRequest) -> Iterator[bytes]:
        """Some changes, in their order."""
        state = self._view.state
        everything = AdsRequest(projection=asked.projection)
        plan = everything.plan(state, self._view.now())
        part = plan.parts[0]
        plan.take(part, [each.record for each in entries if each.record is not None])
        visible = set(map(id, part.hits))
        run: list[Entry] = []
        for entry in entries:
            if entry.record is not None and id(entry.record) in visible:
                run.append(entry)
                continue
            if run:
                part.hits = [each.record for each in run if each.record is not None]
                yield from self._write_run(plan.reply(state.reply_form()), run)
                run = []
            subject = _subject(entry.type_name, entry.key, False)
            yield self._id(entry.number) + b"event: removed\n" + subject + b"}\n\n"
        if run:
            part.hits = [each.record for each in run if each.record is not None]
            yield from self._write_run(plan.reply(state.reply_form()), run)

    def _write_run(self, reply: Iterator[bytes], run: list[Entry]) -> Iterator[bytes]:
        """Ads that changed."""
        return self._writer.write(reply, partial(self._before, run), b"}\n\n")

    def _before(self, run: list[Entry], number: int) -> bytes:
        entry = run[number]
        subject = _subject(entry.type_name, entry.key, True)
        return self._id(entry.number) + b"event: ad\n" + subject

    def _id(self, number: int) -> bytes:
        return f"id: {self._changes.event_id(number)}\n".encode("ascii")

    def _event(self, name: str, number: int) -> bytes:
        """An event about the stream itself; the client is up to date to this number."""
        return self._id(number) + f"event: {name}\ndata: {{}}\n\n".encode("ascii")


def _ad_begins(records: list[AdRecord], number: int) -> bytes:
    record = records[number]
    return b"event: ad\n" + _subject(record.kind.my_type, record.key, True)


def _subject(type_name: str, key: str, goes_on: bool) -> bytes:
    """The beginning of an event's data."""
    text = f'data: {{"type":{quoted(type_name)},"key":{quoted(key)}'
    return text.encode("ascii") + (b',"ad":' if goes_on else b"")
