"""Answers of HTTP requests: whole ones, and ones written piece by piece."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Final

from twisted.internet.interfaces import (
    IDelayedCall,
    IPushProducer,
    IReactorTime,
    ITransport,
)
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import RESPONSES
from twisted.web.resource import Resource
from twisted.web.server import Request
from zope.interface import implementer

from condor_twisted.errors import CondorTwistedError

__all__ = [
    "JSON",
    "Leaf",
    "Problem",
    "StreamedBody",
    "answer_problem",
    "cut_off",
    "whole",
]

JSON: Final = b"application/json"


def answer_problem(request: Request, code: int, problem: str) -> bytes:
    """Set an error's status and header; its body is returned."""
    request.setResponseCode(code)
    request.setHeader(b"Content-Type", JSON)
    if code == 405:
        request.setHeader(b"Allow", b"GET, HEAD")
    if code == 503:
        request.setHeader(b"Retry-After", b"5")
    name = RESPONSES.get(code, b"Error").decode("ascii")
    text = json.dumps({"error": problem, "status": code, "title": name})
    return whole(request, text.encode("ascii") + b"\n")


def whole(request: Request, body: bytes) -> bytes:
    """A body that is all there; its length alone, if the request is for that."""
    if request.method != b"HEAD":
        return body
    request.setHeader(b"Content-Length", b"%d" % len(body))
    return b""


def cut_off(transport: ITransport | None) -> None:
    """Close a connection now; what was not sent is lost."""
    abort = getattr(transport, "abortConnection", None)
    if abort is not None:
        abort()


class Leaf(Resource):
    """A resource with nothing below it."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]


class Problem(Leaf):
    """Answers every request with one error.

    Args:
        code: The HTTP status.
        problem: What is wrong, for the client.
    """

    def __init__(self, code: int, problem: str) -> None:
        super().__init__()
        self._code = code
        self._problem = problem

    def render(self, request: Request) -> bytes:
        """The error, whatever the method."""
        return answer_problem(request, self._code, self._problem)


@implementer(IPushProducer)
class StreamedBody:
    """Writes a body piece by piece, no faster than the client takes it.

    A client that takes nothing for too long is cut off, and so is one whose answer
    fails in the middle: it must not take half an answer for a whole one.

    Args:
        request: The request; its headers are set.
        pieces: The body. An empty piece gives others a turn; ``None`` waits for
            :meth:`wake`.
        reactor: For the time.
        stall_seconds: How long a client may take nothing.
        finished: Called once, when nothing more is written.
    """

    _log = Logger()

    def __init__(
        self,
        request: Request,
        pieces: Iterator[bytes | None],
        reactor: IReactorTime,
        stall_seconds: float,
        finished: Callable[[StreamedBody], None] = lambda body: None,
    ) -> None:
        self._request = request
        self._pieces = pieces
        self._reactor = reactor
        self._stall_seconds = stall_seconds
        self._finished = finished
        self._call: IDelayedCall | None = None
        self._stall: IDelayedCall | None = None
        self._is_paused = False
        self._is_waiting = False
        self._is_over = False

    def start(self) -> None:
        """Begin to write."""
        self._request.notifyFinish().addBoth(self._gone)
        self._request.registerProducer(self, True)
        self._go_on()

    def wake(self) -> None:
        """There may be more to write."""
        if self._is_waiting:
            self._is_waiting = False
            self._go_on()

    def write_if_waiting(self, text: bytes) -> None:
        """Write in between, if the body waits and the client does not lag."""
        if self._is_waiting and not self._is_paused and not self._is_over:
            self._request.write(text)

    def abort(self) -> None:
        """Cut the client off."""
        if not self._is_over:
            cut_off(self._request.transport)
            self._end()

    def pauseProducing(self) -> None:
        """The client does not keep up."""
        self._is_paused = True
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if self._stall is None and not self._is_over:
            self._stall = self._reactor.callLater(self._stall_seconds, self._stalled)

    def resumeProducing(self) -> None:
        """The client took what there was."""
        self._is_paused = False
        self._clear_stall()
        self._go_on()

    def stopProducing(self) -> None:
        """The connection is gone."""
        self._end()

    def _go_on(self) -> None:
        if not (self._is_over or self._is_paused or self._is_waiting or self._call):
            self._call = self._reactor.callLater(0, self._step)

    def _step(self) -> None:
        self._call = None
        try:
            piece = next(self._pieces)
        except StopIteration:
            request = self._request
            self._end()
            request.unregisterProducer()
            request.finish()
            return
        except CondorTwistedError as error:
            self._log.info("an HTTP answer was cut short: {error}", error=str(error))
            self.abort()
            return
        except Exception:
            self._log.failure("an HTTP answer failed")
            self.abort()
            return
        if piece is None:
            self._is_waiting = True
        elif piece:
            self._request.write(piece)
        self._go_on()

    def _stalled(self) -> None:
        self._stall = None
        self.abort()

    def _clear_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _gone(self, result: Failure | None) -> None:
        self._end()

    def _end(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._clear_stall()
        self._finished(self)
