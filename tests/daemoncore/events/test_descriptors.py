"""Tests of ``condor_twisted.daemoncore.events.descriptors``."""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReadWriteDescriptor
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from condor_twisted.daemoncore.events.descriptors import Descriptors, Events, PipeEnd
from condor_twisted.daemoncore.events.handlers import HandlerRunner
from condor_twisted.daemoncore.events.timers import Timers
from condor_twisted.errors import LocalProtocolError
from condor_twisted.testing.reactor import MemoryReactor


def make(reactor: Any) -> Descriptors:
    runner = HandlerRunner(reactor.callLater)
    return Descriptors(reactor, Timers(reactor, runner), runner)


class DescriptorsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = MemoryReactor()
        self.descriptors = make(self.reactor)
        self.near, self.far = socket.socketpair()
        self.addCleanup(self.near.close)
        self.addCleanup(self.far.close)
        self.happened: list[Any] = []

    def watched(self) -> tuple[int, int]:
        """How many descriptors the reactor watches, to read and to write."""
        return len(self.reactor.readers), len(self.reactor.writers)

    def test_socket(self) -> None:
        """A handler gets its socket each time; it stays until it is cancelled."""
        registered = self.descriptors.register_socket(self.near, self.happened.append)
        self.assertTrue(verifyObject(IReadWriteDescriptor, registered))
        self.assertFalse(self.near.getblocking())
        self.assertEqual(self.watched(), (1, 0))
        registered.doRead()
        registered.doRead()
        self.assertEqual(self.happened, [self.near, self.near])
        registered.cancel()
        registered.cancel()
        self.assertEqual(self.watched(), (0, 0))
        registered.doRead()
        self.assertEqual(len(self.happened), 2)
        self.assertFalse(registered.is_active)
        self.assertEqual(len(self.descriptors), 0)
        self.near.send(b"still open")

    def test_events(self) -> None:
        """A handler waits for what it says."""
        for events, watched in (
            (Events.READ, (1, 0)),
            (Events.WRITE, (0, 1)),
            (Events.READ_WRITE, (1, 1)),
        ):
            registered = self.descriptors.register_socket(
                self.near, self.happened.append, events
            )
            self.assertEqual(self.watched(), watched)
            registered.doWrite()
            registered.cancel()
        self.assertEqual(len(self.happened), 3)

    def test_once_per_stream(self) -> None:
        """A stream has one handler; a closed one has none."""
        self.descriptors.register_socket(self.near, self.happened.append)
        with self.assertRaisesRegex(LocalProtocolError, "has a handler already"):
            self.descriptors.register_socket(self.near, self.happened.append)
        self.far.close()
        with self.assertRaisesRegex(LocalProtocolError, "is closed"):
            self.descriptors.register_socket(self.far, self.happened.append)

    def test_cancel_inside(self) -> None:
        """A handler may cancel itself, and register its stream again."""

        def handler(stream: socket.socket) -> None:
            first.cancel()
            self.descriptors.register_socket(stream, self.happened.append)

        first = self.descriptors.register_socket(self.near, handler)
        first.doRead()
        self.assertEqual(self.watched(), (1, 0))
        self.assertEqual(len(self.descriptors), 1)

    def test_waiting_handler(self) -> None:
        """While a handler waits its stream is left alone."""
        waiting: Deferred[None] = Deferred()

        async def handler(stream: socket.socket) -> None:
            self.happened.append(1)
            await waiting

        registered = self.descriptors.register_socket(self.near, handler)
        registered.doRead()
        self.assertEqual(self.watched(), (0, 0))
        registered.doRead()
        self.assertEqual(self.happened, [1])
        waiting.callback(None)
        self.assertEqual(self.watched(), (1, 0))

    def test_cancel_while_it_waits(self) -> None:
        """One that is cancelled meanwhile stays so."""
        waiting: Deferred[None] = Deferred()
        registered = self.descriptors.register_socket(self.near, lambda _: waiting)
        registered.doRead()
        registered.cancel()
        waiting.callback(None)
        self.assertEqual(self.watched(), (0, 0))

    def test_mnh_3_3_raising_handler(self) -> None:
        """A handler that raises, now or later, is cancelled, and that is logged."""

        def bad(stream: socket.socket) -> None:
            raise RuntimeError("bad")

        async def later(stream: socket.socket) -> None:
            await waiting
            raise RuntimeError("bad")

        waiting: Deferred[None] = Deferred()
        for handler in (bad, later):
            registered = self.descriptors.register_socket(self.near, handler)
            registered.doRead()
        waiting.callback(None)
        self.assertEqual(self.watched(), (0, 0))
        self.assertEqual(len(self.descriptors), 0)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)

    def test_deadline(self) -> None:
        """Without anything in time the handler is called, and can tell."""

        def handler(stream: socket.socket) -> None:
            self.happened.append(registered.deadline_passed)

        registered = self.descriptors.register_socket(
            self.near, handler, deadline_seconds=10
        )
        registered.doRead()
        self.reactor.advance(10)
        self.assertEqual(self.happened, [False, True])
        registered.set_deadline(5)
        self.assertFalse(registered.deadline_passed)
        registered.set_deadline(None)
        self.reactor.advance(5)
        registered.set_deadline(5)
        registered.cancel()
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.happened, [False, True])

    def test_end_of_stream(self) -> None:
        """Where the reactor finds a stream's end, the handler sees it once more."""
        registered = self.descriptors.register_socket(self.near, self.happened.append)
        registered.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.happened, [self.near])
        self.assertFalse(registered.is_active)

    def test_close(self) -> None:
        """Closed, nothing is watched."""
        self.descriptors.register_socket(
            self.near, self.happened.append, deadline_seconds=5
        )
        self.descriptors.close()
        self.assertEqual(self.watched(), (0, 0))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_pipe_ends(self) -> None:
        """Pipes never block, and say when they have nothing, or nobody."""
        read_end, write_end = self.descriptors.create_pipe()
        self.addCleanup(read_end.close)
        self.addCleanup(write_end.close)
        self.assertIsNone(read_end.read())
        self.assertEqual(write_end.write(b"hello"), 5)
        self.assertEqual(read_end.read(3), b"hel")
        self.assertEqual(read_end.read(), b"lo")
        while write_end.write(b"x" * 65536):
            pass
        self.assertEqual(write_end.write(b"more"), 0)
        write_end.close()
        while read_end.read():
            pass
        self.assertEqual(read_end.read(), b"")
        self.assertEqual(write_end.fileno(), -1)
        again, broken = self.descriptors.create_pipe()
        self.addCleanup(broken.close)
        again.close()
        self.assertRaises(BrokenPipeError, broken.write, b"x")
        with self.assertRaisesRegex(LocalProtocolError, "is closed"):
            self.descriptors.register_pipe(again, print)


class RealTests(TestCase):
    timeout = 20

    def test_through_a_pipe(self) -> None:
        """What is written arrives, and the end, too."""
        descriptors = make(global_reactor)
        self.addCleanup(descriptors.close)
        read_end, write_end = descriptors.create_pipe()
        self.addCleanup(read_end.close)
        got: list[bytes | None] = []
        done: Deferred[None] = Deferred()

        def handler(end: PipeEnd) -> None:
            got.append(end.read())
            if got[-1] == b"hello":
                write_end.close()
            elif not got[-1] and not done.called:
                registered.cancel()
                done.callback(None)

        registered = descriptors.register_pipe(read_end, handler)
        os.write(write_end.fileno(), b"hello")
        done.addCallback(lambda _: self.assertEqual(got, [b"hello", b""]))
        return done  # type: ignore[return-value]
