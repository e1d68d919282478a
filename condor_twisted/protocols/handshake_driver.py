"""Runs any handshake over any message channel.

The only code that knows both Deferreds and handshakes. A handshake (see
`condor_twisted.security.steps`) yields what it wants; the driver performs that on a
channel or on the host and sends the answer back in.

How a run goes:

1.  `HandshakeDriver.start` performs steps in a loop until one has to wait: for a
    message of the peer, or for a host step that blocks.
2.  A message is *pulled* from the channel only when the handshake asks for one. What
    a peer pipelines behind it stays in the channel, unread and still as it was sent,
    because `EnableProtection` may come first.
3.  Exactly one of result, error and cancellation comes out. On every path the
    generator is closed and directories it made on this host are removed.
4.  A running generator is never reentered: answers that come at once are taken by the
    loop, not by recursion.

The driver has no timer. Whoever owns the channel owns its deadline, and ends a late
handshake with `HandshakeDriver.fail`; `LimitTime` is handed to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from condor_twisted.errors import LocalProtocolError
from condor_twisted.security.steps import (
    EnableProtection,
    Handshake,
    LimitTime,
    LookupHost,
    MakeDirectory,
    ReceiveMessage,
    RemoveDirectory,
    SendMessage,
    Step,
)
from condor_twisted.security.tickets import RequestTicket

__all__ = ["HandshakeDriver", "HostSteps", "MessageChannel", "NoChannel"]

T = TypeVar("T")

_log = Logger()


class MessageChannel(Protocol):
    """What a handshake needs of a connection."""

    def send_message(self, payload: bytes) -> None:
        """Queue one whole message for the peer."""

    def receive_one(self, receiver: Callable[[bytes], None]) -> bytes | None:
        """Ask for the next whole message.

        Returns:
            The message if it has come already; else ``None``, and ``receiver`` is
            called with it, once, when it comes.
        """

    def enable_protection(self, step: EnableProtection) -> None:
        """Protect every later frame, both ways."""

    def abort(self) -> None:
        """End the connection at once."""


class HostSteps(Protocol):
    """Performs the steps that ask something of this host."""

    def perform(self, step: Step) -> object:
        """The answer of a step, or a `Deferred` of it where the host may block."""


class NoChannel:
    """For a handshake that only asks the host, and exchanges no messages."""

    def send_message(self, payload: bytes) -> None:
        """There is nobody to send to."""
        raise LocalProtocolError("there is no channel for messages")

    def receive_one(self, receiver: Callable[[bytes], None]) -> bytes | None:
        """There is nobody to wait for."""
        raise LocalProtocolError("there is no channel for messages")

    def enable_protection(self, step: EnableProtection) -> None:
        """There is nothing to protect."""
        raise LocalProtocolError("there is no channel for messages")

    def abort(self) -> None:
        """There is nothing to end."""


class HandshakeDriver(Generic[T]):
    """Runs one handshake to its end.

    Args:
        handshake: The conversation; not started yet.
        channel: Where its messages go and come from.
        host: Who performs its other steps.
        limit_time: Gets what the handshake wants to bound, where somebody bounds it.
    """

    __slots__ = (
        "_answer_at_once",
        "_asks_host",
        "_channel",
        "_closed",
        "_done",
        "_handshake",
        "_host",
        "_limit_time",
        "_made",
        "_making",
        "_outcome",
        "_running",
    )

    def __init__(
        self,
        handshake: Handshake[T],
        channel: MessageChannel,
        host: HostSteps,
        limit_time: Callable[[LimitTime], object] | None = None,
    ) -> None:
        self._handshake = handshake
        self._channel = channel
        self._host = host
        self._limit_time = limit_time
        self._outcome: Deferred[T] = Deferred(self._cancelled)
        self._done = False
        self._running = False
        self._asks_host = False
        self._closed: Exception | None = None
        self._answer_at_once: list[object] | None = None
        self._made: list[MakeDirectory] = []
        self._making: MakeDirectory | None = None

    @property
    def done(self) -> bool:
        """Whether the handshake has ended, however it did."""
        return self._done

    def start(self) -> Deferred[T]:
        """Begin.

        Returns:
            A `Deferred` that fires with the handshake's outcome, or fails with what
            it raised. Cancelling it aborts the channel.
        """
        outcome = self._outcome
        self._run(None, None)
        return outcome

    def peer_closed(self, error: Exception) -> None:
        """The peer sends nothing more; what has come while the host worked counts.

        Args:
            error: What the handshake gets where it wants a message that is not here.
        """
        self._closed = error
        if not self._asks_host:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Throw an error in, where the handshake waits: a deadline has passed."""
        if self._done:
            return
        if self._running:  # from inside a step: the loop ends it
            self._answer_at_once = [error]
            return
        self._run(None, error)

    def message_received(self, payload: bytes) -> None:
        """Take the message that was asked for; the channel calls this."""
        if not self._done:
            self._run(payload, None)

    def _run(self, answer: object, error: Exception | None) -> None:
        handshake = self._handshake
        self._running = True
        try:
            while True:
                if error is None:
                    step = handshake.send(answer)
                else:
                    thrown, error = error, None
                    step = handshake.throw(thrown)
                kind = type(step)
                if kind is ReceiveMessage:
                    message = self._channel.receive_one(self.message_received)
                    if message is not None:
                        answer = message
                    elif self._closed is not None:
                        error = self._closed
                    else:
                        return
                elif kind is SendMessage:
                    assert isinstance(step, SendMessage)
                    self._channel.send_message(step.payload)
                    answer = None
                elif kind is EnableProtection:
                    assert isinstance(step, EnableProtection)
                    self._channel.enable_protection(step)
                    answer = None
                elif isinstance(step, LimitTime):
                    if self._limit_time is not None:
                        self._limit_time(step)
                    answer = None
                else:
                    waiting, answer = self._ask_host(step)
                    if waiting:
                        self._asks_host = True
                        return
                at_once, self._answer_at_once = self._answer_at_once, None
                if at_once is not None and isinstance(at_once[0], Exception):
                    error = at_once[0]
        except StopIteration as stop:
            self._end()
            self._outcome.callback(stop.value)
        except Exception:
            failure: Failure = Failure()
            self._end()
            self._outcome.errback(failure)
        finally:
            self._running = False

    def _ask_host(self, step: Step) -> tuple[bool, object]:
        """Perform a host step: whether to wait, else its answer."""
        if isinstance(step, RemoveDirectory):
            self._made = [made for made in self._made if made.path != step.path]
        making = step if isinstance(step, MakeDirectory) else None
        try:
            answer = self._host.perform(step)
        except Exception:
            answer = _no_answer(step, Failure())
        if not isinstance(answer, Deferred):
            if making is not None and answer is True:
                self._made.append(making)
            return False, answer
        self._making = making
        arrived: list[object] = []
        waits = True

        def answered(value: Any) -> None:
            if isinstance(value, Failure):
                value = _no_answer(step, value)
            if making is not None:
                self._making = None
                if value is True:
                    if self._done:  # it came too late for the handshake: take it back
                        self._undo(making)
                        return
                    self._made.append(making)
            self._asks_host = False
            if self._done:
                if isinstance(step, RequestTicket):
                    step.give_back(value)
                return
            if waits:
                self._run(value, None)
            else:
                arrived.append(value)

        waits = False
        answer.addBoth(answered)
        waits = True
        return (False, arrived[0]) if arrived else (True, None)

    def _end(self) -> None:
        self._done = True
        self._handshake.close()
        made, self._made = self._made, []
        for step in made:
            self._undo(step)

    def _undo(self, step: MakeDirectory) -> None:
        try:
            answer = self._host.perform(step.undo())
        except Exception:
            _no_answer(step, Failure())
            return
        if isinstance(answer, Deferred):
            answer.addErrback(lambda failure: _no_answer(step, failure))

    def _cancelled(self, outcome: Deferred[T]) -> None:
        if not self._done:
            self._end()
        self._channel.abort()


def _no_answer(step: Step, failure: Failure) -> object:
    """What a host step that failed by itself answers; the failure is our bug."""
    _log.failure("the host could not perform {step}", failure, step=type(step).__name__)
    if isinstance(step, MakeDirectory):
        return False
    return () if isinstance(step, LookupHost) else None
