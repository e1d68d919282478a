"""What the page's paths answer, but for the stream of changes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Request

from condor_twisted.daemons.collector.page.bodies import (
    JSON,
    Leaf,
    Problem,
    StreamedBody,
    answer_problem,
    whole,
)
from condor_twisted.daemons.collector.page.json_ads import AdWriter
from condor_twisted.daemons.collector.page.limits import PageLimits
from condor_twisted.daemons.collector.page.requests import (
    AdsRequest,
    RequestRefused,
    read_arguments,
)
from condor_twisted.daemons.collector.page.summary import PoolSummary, count_pool
from condor_twisted.daemons.collector.page.view import PoolView
from condor_twisted.daemons.collector.state.queries import QueryPlan
from condor_twisted.daemons.collector.state.refusals import QueryRefused
from condor_twisted.daemons.collector.workers import NoRoom

__all__ = [
    "AdsResource",
    "Answers",
    "Branch",
    "HealthResource",
    "StaticResource",
    "SummaryResource",
]

_ADS_ARGUMENTS: Final = ("type", "constraint", "projection", "limit")


class Answers:
    """All answers that are under way; so many at once and no more.

    Args:
        limits: What answers may cost.
        reactor: For the time.
    """

    def __init__(self, limits: PageLimits, reactor: IReactorTime) -> None:
        self._limits = limits
        self._reactor = reactor
        self._count = 0

    @property
    def is_full(self) -> bool:
        """Whether another one must wait."""
        return self._count >= self._limits.answers

    def begin(self, request: Request) -> None:
        """Count an answer until its request ends, however it ends."""
        self._count += 1
        request.notifyFinish().addBoth(self._ended)

    def send(self, request: Request, pieces: Iterator[bytes]) -> None:
        """Send an answer that began."""
        limits = self._limits
        StreamedBody(request, pieces, self._reactor, limits.stall_seconds).start()

    def _ended(self, result: Failure | None) -> None:
        self._count -= 1


class Branch(Resource):
    """A path with others below it, and nothing at itself."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def getChild(self, path: bytes, request: Request) -> IResource:
        """There is nothing else."""
        return Problem(404, "there is nothing under this path")

    def render(self, request: Request) -> bytes:
        """There is nothing here."""
        return answer_problem(request, 404, "there is nothing under this path")


class StaticResource(Leaf):
    """A file that came with the package.

    Args:
        content_type: Its type.
        content: What is in it.
    """

    def __init__(self, content_type: str, content: bytes) -> None:
        super().__init__()
        self._type = content_type.encode("ascii")
        self._content = content
        digest = hashlib.sha256(content).hexdigest()[:16]
        self._etag = f'"{digest}"'.encode("ascii")

    def render_GET(self, request: Request) -> bytes:
        """The file, unless the client has it."""
        request.setHeader(b"Content-Type", self._type)
        request.setHeader(b"Cache-Control", b"no-cache")
        if request.setETag(self._etag) is http.CACHED:
            return b""
        return whole(request, self._content)


class HealthResource(Leaf):
    """``/healthz``: whether the collector knows its pool already.

    Args:
        view: The collector.
    """

    def __init__(self, view: PoolView) -> None:
        super().__init__()
        self._view = view

    def render_GET(self, request: Request) -> bytes:
        """One word."""
        request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
        is_warming_up = self._view.is_warming_up()
        return whole(request, b"warming-up" if is_warming_up else b"ready")


class SummaryResource(Leaf):
    """The pool at a glance, in one form or another.

    Args:
        view: The collector.
        answers: Sends the answer.
        streams: How many clients listen to changes.
        content_type: The form's type.
        render: Writes a summary in this form.
    """

    def __init__(
        self,
        view: PoolView,
        answers: Answers,
        streams: Callable[[], int],
        content_type: bytes,
        render: Callable[[PoolSummary], bytes],
    ) -> None:
        super().__init__()
        self._view = view
        self._answers = answers
        self._streams = streams
        self._type = content_type
        self._render = render

    def render_GET(self, request: Request) -> bytes | int:
        """Count, and tell."""
        if self._answers.is_full:
            return answer_problem(request, 503, "too many answers are under way")
        request.setHeader(b"Content-Type", self._type)
        if request.method == b"HEAD":
            return b""
        self._answers.begin(request)
        self._answers.send(request, self._pieces())
        return NOT_DONE_YET

    def _pieces(self) -> Iterator[bytes]:
        summary = yield from count_pool(self._view, self._streams())
        yield self._render(summary)


class AdsResource(Leaf):
    """``/api/v1/ads``: ads as a JSON array.

    Args:
        view: The collector.
        writer: Writes ads.
        limits: What a request may ask for.
        answers: Sends the answer.
    """

    _log = Logger()

    def __init__(
        self, view: PoolView, writer: AdWriter, limits: PageLimits, answers: Answers
    ) -> None:
        super().__init__()
        self._view = view
        self._writer = writer
        self._limits = limits
        self._answers = answers

    def render_GET(self, request: Request) -> bytes | int:
        """Understand the query, and have it answered."""
        try:
            arguments = read_arguments(request.args or {}, _ADS_ARGUMENTS)
            asked = AdsRequest.read(arguments, self._limits.projection_names)
            if self._answers.is_full:
                raise RequestRefused(503, "too many answers are under way")
            plan = asked.plan(self._view.state, self._view.now())
        except RequestRefused as refused:
            return answer_problem(request, refused.code, refused.problem)
        if request.method == b"HEAD":
            request.setHeader(b"Content-Type", JSON)
            return b""
        self._answers.begin(request)
        selecting = self._view.select(plan)
        request.notifyFinish().addErrback(lambda gone: selecting.cancel())
        selecting.addCallback(self._selected, request, plan)
        selecting.addErrback(self._failed, request)
        return NOT_DONE_YET

    def _selected(self, result: None, request: Request, plan: QueryPlan) -> None:
        request.setHeader(b"Content-Type", JSON)
        reply = plan.reply(self._view.state.reply_form())
        ads = self._writer.write(reply, _separator)
        self._answers.send(request, chain((b"[",), ads, (b"\n]\n",)))

    def _failed(self, failure: Failure, request: Request) -> None:
        if failure.check(CancelledError):
            return  # the client went away
        if failure.check(NoRoom):
            code, problem = 503, "too many expensive queries are under way"
        elif failure.check(QueryRefused):
            code, problem = 400, "constraint is beyond what one query may cost"
        else:
            self._log.failure("a query by HTTP failed", failure)
            code, problem = 500, "the collector could not answer this query"
        request.write(answer_problem(request, code, problem))
        request.finish()


def _separator(number: int) -> bytes:
    return b",\n" if number else b"\n"
