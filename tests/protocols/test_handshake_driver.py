"""Tests of ``condor_twisted.protocols.handshake_driver``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import (
    HandshakeTimedOut,
    LocalProtocolError,
    MalformedMessage,
    PeerClosed,
)
from condor_twisted.protocols.handshake_driver import HandshakeDriver, NoChannel
from condor_twisted.security.keys import CryptoMethod, SessionKey
from condor_twisted.security.steps import (
    EnableProtection,
    Handshake,
    LimitTime,
    LookupHost,
    LookupUser,
    MakeDirectory,
    RemoveDirectory,
    Step,
    enable_protection,
    limit_time,
    lookup_host,
    lookup_user,
    make_directory,
    receive_message,
    remove_directory,
    send_message,
)
from condor_twisted.security.tickets import (
    RequestTicket,
    TicketProblem,
    request_ticket,
)
from tests.security.kit import FakeTicket

PROTECTION = EnableProtection(SessionKey(CryptoMethod.AES, bytes(32)), True, True)


class FakeChannel:
    """A channel that keeps one list of what happened, in order."""

    def __init__(self) -> None:
        self.events: list[object] = []
        self.arrived: deque[bytes] = deque()
        self.wanted: Callable[[bytes], object] | None = None
        self.bad = False

    def send_message(self, payload: bytes) -> None:
        self.events.append(("send", payload))

    def receive_one(self, receiver: Callable[[bytes], object]) -> bytes | None:
        if self.bad:
            raise MalformedMessage("no frame")
        if self.arrived:
            return self.arrived.popleft()
        self.wanted = receiver
        return None

    def enable_protection(self, step: EnableProtection) -> None:
        self.events.append("protect")

    def abort(self) -> None:
        self.events.append("abort")

    def arrive(self, payload: bytes) -> None:
        """A message comes from the peer."""
        wanted, self.wanted = self.wanted, None
        if wanted is None:
            self.arrived.append(payload)
        else:
            wanted(payload)


class FakeHost:
    """A host that answers from a dict: a value, or a Deferred."""

    def __init__(self, answers: dict[type[Step], object] | None = None) -> None:
        self.answers = answers or {}
        self.asked: list[Step] = []

    def perform(self, step: Step) -> object:
        self.asked.append(step)
        answer = self.answers.get(type(step))
        if isinstance(answer, Exception):
            raise answer
        return answer


def echo_twice() -> Handshake[str]:
    """Answer two messages, then say how it went."""
    for _ in range(2):
        payload = yield from receive_message()
        yield from send_message(b"got " + payload)
    return "done"


def with_directory() -> Handshake[bool]:
    """Make a directory, wait for the peer, remove it."""
    made = yield from make_directory("/d", 0o700)
    yield from receive_message()
    yield from remove_directory("/d")
    return made


class HandshakeDriverTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.channel = FakeChannel()
        self.host = FakeHost()

    def drive(self, handshake: Handshake[object]) -> Deferred[object]:
        """Start a handshake."""
        self.limits: list[LimitTime] = []
        self.driver = HandshakeDriver(
            handshake, self.channel, self.host, self.limits.append
        )
        return self.driver.start()

    def test_runs_to_its_result(self) -> None:
        """The Deferred fires with what the handshake returns."""
        outcome = self.drive(echo_twice())
        self.assertNoResult(outcome)
        self.channel.arrive(b"a")
        self.channel.arrive(b"b")
        self.assertEqual(self.successResultOf(outcome), "done")
        self.assertEqual(self.channel.events, [("send", b"got a"), ("send", b"got b")])
        self.assertTrue(self.driver.done)

    def test_pipelined_messages_wait_their_turn(self) -> None:
        """What comes before it is asked for is taken in order, the rest is left."""
        for payload in (b"a", b"b", b"next command"):
            self.channel.arrive(payload)
        self.assertEqual(self.successResultOf(self.drive(echo_twice())), "done")
        self.assertEqual(list(self.channel.arrived), [b"next command"])

    def test_protection_comes_before_the_next_message(self) -> None:
        """Protection is switched on before a pipelined message is taken."""

        def handshake() -> Handshake[bytes]:
            yield from enable_protection(PROTECTION)
            self.assertEqual(self.channel.events, ["protect"])
            self.assertEqual(len(self.channel.arrived), 1)
            return (yield from receive_message())

        self.channel.arrive(b"protected")
        self.assertEqual(self.successResultOf(self.drive(handshake())), b"protected")

    def test_slow_host_steps(self) -> None:
        """The handshake goes on when the host answers, at once or later."""
        slow: Deferred[tuple[str, ...]] = Deferred()
        self.host.answers = {LookupUser: "alice", LookupHost: slow}

        def handshake() -> Handshake[tuple[str | None, tuple[str, ...]]]:
            user = yield from lookup_user(5)
            return user, (yield from lookup_host("192.0.2.1"))

        outcome = self.drive(handshake())
        self.assertNoResult(outcome)
        slow.callback(("a.example",))
        self.assertEqual(self.successResultOf(outcome), ("alice", ("a.example",)))

    def test_many_fired_deferreds_do_not_recurse(self) -> None:
        """Ten thousand host answers that are Deferreds fired already do no harm."""

        def handshake() -> Handshake[int]:
            for _ in range(10_000):
                answer: Deferred[str] = Deferred()
                answer.callback("x")
                self.host.answers = {LookupUser: answer}
                yield from lookup_user(1)
            return 10_000

        self.assertEqual(self.successResultOf(self.drive(handshake())), 10_000)

    def test_host_that_fails_answers_no(self) -> None:
        """A host step that raises is a failed step, and one line in the log."""
        self.host.answers = {
            MakeDirectory: RuntimeError("disk"),
            LookupHost: RuntimeError("dns"),
            LookupUser: RuntimeError("nss"),
        }

        def handshake() -> Handshake[tuple[bool, tuple[str, ...], str | None]]:
            made = yield from make_directory("/d", 0o700)
            names = yield from lookup_host("192.0.2.1")
            return made, names, (yield from lookup_user(1))

        outcome = self.drive(handshake())
        self.assertEqual(self.successResultOf(outcome), (False, (), None))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 3)

    def test_error_of_the_handshake(self) -> None:
        """What the handshake raises is what the Deferred fails with."""

        def handshake() -> Handshake[None]:
            yield from send_message(b"x")
            raise MalformedMessage("no")

        self.failureResultOf(self.drive(handshake()), MalformedMessage)

    def test_error_of_the_channel(self) -> None:
        """Bytes that are no message end the handshake."""
        self.channel.bad = True
        self.failureResultOf(self.drive(echo_twice()), MalformedMessage)
        self.assertTrue(self.driver.done)

    def test_peer_that_goes_away(self) -> None:
        """A closed connection is thrown in where the handshake waits."""
        outcome = self.drive(echo_twice())
        self.driver.fail(PeerClosed("gone"))
        self.failureResultOf(outcome, PeerClosed)
        self.driver.fail(PeerClosed("again"))  # and only once
        self.channel.arrive(b"too late")

    def test_what_came_before_the_peer_closed(self) -> None:
        """It counts, though the host was busy when it came; nothing more does."""
        slow: Deferred[str] = Deferred()
        self.host.answers = {LookupUser: slow}

        def handshake() -> Handshake[bytes]:
            yield from lookup_user(5)
            first = yield from receive_message()
            yield from receive_message()
            return first

        outcome = self.drive(handshake())
        self.channel.arrive(b"the last")
        self.driver.peer_closed(PeerClosed("gone"))
        self.assertNoResult(outcome)
        slow.callback("alice")
        self.failureResultOf(outcome, PeerClosed)
        self.assertEqual(list(self.channel.arrived), [])

    def test_peer_that_closes_when_it_is_asked(self) -> None:
        """Where a message is awaited, the end of the connection is thrown in."""
        outcome = self.drive(echo_twice())
        self.driver.peer_closed(PeerClosed("gone"))
        self.failureResultOf(outcome, PeerClosed)

    def test_deadline(self) -> None:
        """A deadline is thrown in where the handshake waits."""
        outcome = self.drive(echo_twice())
        self.driver.fail(HandshakeTimedOut("it", 1.0))
        self.failureResultOf(outcome, HandshakeTimedOut)

    def test_handshake_may_survive_an_error(self) -> None:
        """A handshake that catches what is thrown in goes on."""

        def handshake() -> Handshake[str]:
            try:
                yield from receive_message()
            except HandshakeTimedOut:
                yield from send_message(b"bye")
            return "survived"

        outcome = self.drive(handshake())
        self.driver.fail(HandshakeTimedOut("it", 1.0))
        self.assertEqual(self.successResultOf(outcome), "survived")
        self.assertEqual(self.channel.events, [("send", b"bye")])

    def test_failing_from_inside_a_step(self) -> None:
        """A channel that ends while it sends ends the handshake, once."""

        def send(payload: bytes) -> None:
            self.driver.fail(PeerClosed("gone while sending"))

        self.channel.send_message = send  # type: ignore[method-assign]

        def handshake() -> Handshake[None]:
            yield from send_message(b"x")
            yield from receive_message()

        self.failureResultOf(self.drive(handshake()), PeerClosed)

    def test_mnh_2_9_cancelling_closes_the_channel(self) -> None:
        """Cancelling aborts the channel and closes the generator, at any step."""
        closed: list[bool] = []

        def handshake() -> Handshake[None]:
            try:
                yield from receive_message()
            finally:
                closed.append(True)

        outcome = self.drive(handshake())
        outcome.cancel()
        self.failureResultOf(outcome, CancelledError)
        self.assertEqual(closed, [True])
        self.assertEqual(self.channel.events, ["abort"])
        self.channel.arrive(b"late")  # nobody minds

    def test_mnh_4_42_directories_are_removed_on_every_path(self) -> None:
        """A directory that was made goes, by return, error, cancel and deadline."""
        self.host.answers = {MakeDirectory: True}
        for end in ("return", "error", "cancel"):
            self.host.asked.clear()
            self.channel = FakeChannel()
            outcome = self.drive(with_directory())
            if end == "return":
                self.channel.arrive(b"ok")
                self.assertIs(self.successResultOf(outcome), True)
            elif end == "error":
                self.driver.fail(PeerClosed("gone"))
                self.failureResultOf(outcome, PeerClosed)
            else:
                outcome.cancel()
                self.failureResultOf(outcome, CancelledError)
            self.assertEqual(
                self.host.asked,
                [MakeDirectory("/d", 0o700), RemoveDirectory("/d")],
                end,
            )

    def test_mnh_4_42_directory_made_too_late(self) -> None:
        """A directory that is made after the end is removed at once."""
        slow: Deferred[bool] = Deferred()
        self.host.answers = {MakeDirectory: slow}
        outcome = self.drive(with_directory())
        outcome.cancel()
        self.failureResultOf(outcome, CancelledError)
        slow.callback(True)
        self.assertEqual(self.host.asked[-1], RemoveDirectory("/d"))

    def test_directory_that_was_not_made_is_not_removed(self) -> None:
        """Somebody else's directory stays."""
        self.host.answers = {MakeDirectory: False}
        outcome = self.drive(with_directory())
        outcome.cancel()
        self.failureResultOf(outcome, CancelledError)
        self.assertEqual(self.host.asked, [MakeDirectory("/d", 0o700)])

    def test_ticket_that_comes_too_late(self) -> None:
        """A ticket that comes after the end is given back; a problem needs nothing."""
        step = RequestTicket("host", "a.example", ())
        for answer in (FakeTicket(), TicketProblem("none"), None):
            slow: Deferred[Any] = Deferred()
            self.host.answers = {RequestTicket: slow}
            outcome = self.drive(request_ticket(step))
            outcome.cancel()
            self.failureResultOf(outcome, CancelledError)
            slow.callback(answer)
            if isinstance(answer, FakeTicket):
                self.assertEqual(answer.closed, [True])

    def test_ticket_in_time(self) -> None:
        """A ticket that comes in time is the handshake's."""
        ticket = FakeTicket()
        self.host.answers = {RequestTicket: ticket}
        outcome = self.drive(request_ticket(RequestTicket("host", "a.example", ())))
        self.assertIs(self.successResultOf(outcome), ticket)
        self.assertEqual(ticket.closed, [])

    def test_limits_go_to_the_owner(self) -> None:
        """What a handshake wants to bound is told to whoever owns the deadline."""

        def bounded() -> Handshake[str]:
            yield from limit_time("a wait", 5)
            yield from receive_message()
            yield from limit_time("a wait", None)
            return "done"

        outcome = self.drive(bounded())
        self.assertEqual(self.limits, [LimitTime("a wait", 5)])
        self.channel.arrive(b"")
        self.assertEqual(self.successResultOf(outcome), "done")
        self.assertEqual(self.limits[1:], [LimitTime("a wait", None)])


class NoChannelTests(SynchronousTestCase):
    """Handshakes that only ask the host."""

    def run_alone(self, handshake: Handshake[object]) -> Deferred[object]:
        """Run one without a channel."""
        return HandshakeDriver(handshake, NoChannel(), FakeHost()).start()

    def test_host_steps(self) -> None:
        """The host answers as ever."""

        def handshake() -> Handshake[object]:
            return (yield from lookup_user(33))

        self.successResultOf(self.run_alone(handshake()))

    def test_messages(self) -> None:
        """There is nobody to talk to: that is an error of ours."""

        def receives() -> Handshake[object]:
            return (yield from receive_message())

        def sends() -> Handshake[object]:
            yield from send_message(b"")
            return None

        def protects() -> Handshake[object]:
            yield from enable_protection(PROTECTION)
            return None

        for handshake in (receives, sends, protects):
            self.failureResultOf(self.run_alone(handshake()), LocalProtocolError)

    def test_giving_up(self) -> None:
        """It can be cancelled while the host thinks."""

        class SlowHost:
            def perform(self, step: Step) -> object:
                return Deferred()

        def handshake() -> Handshake[object]:
            return (yield from lookup_user(33))

        outcome = HandshakeDriver(handshake(), NoChannel(), SlowHost()).start()
        outcome.cancel()
        self.failureResultOf(outcome, CancelledError)
