"""Tests of ``condor_twisted.daemoncore.children.hung``."""

from __future__ import annotations

from typing import Any

from condor_twisted.constants.commands import Command
from condor_twisted.daemoncore.children.child import ExitStatus
from condor_twisted.daemoncore.children.hung import HungChildren
from condor_twisted.daemoncore.children.spawn_options import (
    DaemonCoreOptions,
    SpawnOptions,
)
from condor_twisted.daemoncore.events.timers import Timers
from condor_twisted.wire.messages import MessageWriter
from tests.daemoncore.process_kit import MemoryProcessTestCase, ParentTestCase


class HungChildrenTests(MemoryProcessTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.want_core = False
        self.timers = Timers(self.reactor, self.runner)
        self.hung = HungChildren(self.processes, self.timers, lambda: self.want_core)
        self.ends: list[ExitStatus] = []
        self.child, self.process = self.start(
            reaper=lambda child, status: self.ends.append(status)
        )

    def advance(self, seconds: int) -> None:
        for _ in range(seconds):
            self.reactor.advance(1)

    def test_nothing_before_the_first_heartbeat(self) -> None:
        """A child that never sent one may be silent for ever."""
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.advance(10_000)
        self.assertEqual(self.process.signals, [])

    def test_silence(self) -> None:
        """From the first one on, silence for longer than it said ends the child."""
        self.assertTrue(self.hung.heartbeat(self.child.pid, 100, 0.0))
        self.advance(100)
        self.assertTrue(self.hung.heartbeat(self.child.pid, 100, 0.0))
        self.assertEqual(self.child.heartbeats_count, 2)
        self.advance(100)
        self.assertEqual(self.process.signals, [])
        self.advance(61)
        self.assertEqual(self.process.signals, [9])
        pid = self.child.pid
        self.assertEqual(
            self.logged("ERROR"),
            [f"ERROR: Child pid {pid} appears hung! Killing it hard."],
        )
        self.process.exit(0, 9)
        self.reactor.advance(0)
        (status,) = self.ends
        self.assertTrue(status.was_not_responding)
        self.assertEqual(status.signal, 9)

    def test_late_heartbeat(self) -> None:
        """One that comes in between takes everything back."""
        self.hung.heartbeat(self.child.pid, 10, 0.0)
        self.want_core = True
        self.advance(61)
        self.assertTrue(self.child.was_not_responding)
        self.hung.heartbeat(self.child.pid, 1000, 0.0)
        self.assertFalse(self.child.was_not_responding)
        self.process.exit(0)
        self.reactor.advance(0)
        self.assertFalse(self.ends[0].was_not_responding)

    def test_core_file(self) -> None:
        """A core file may be wanted first; ten minutes later it is killed for good."""
        self.want_core = True
        self.hung.heartbeat(self.child.pid, 10, 0.0)
        self.advance(61)
        self.assertEqual(self.process.signals, [6])
        self.advance(590)
        self.assertEqual(self.process.signals, [6])
        self.advance(121)
        self.assertEqual(self.process.signals[:2], [6, 9])

    def test_expected_from_the_start(self) -> None:
        """A parent may expect the first heartbeat as well."""
        self.hung.expect(self.child, 30)
        self.advance(61)
        self.assertEqual(self.process.signals, [9])

    def test_strangers(self) -> None:
        """Process ids that are not our children's mean nothing."""
        for pid in (0, -1, 1, 2**40, self.child.pid + 1):
            self.assertFalse(self.hung.heartbeat(pid, 1, 0.0))
        self.process.exit(0)
        self.assertFalse(self.hung.heartbeat(self.child.pid, 1, 0.0))
        self.reactor.advance(0)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_waiting_for_its_log(self) -> None:
        """A child that waits for its log is worth a line."""
        self.hung.heartbeat(self.child.pid, 100, 0.005)
        self.assertEqual(self.logged("WARNING"), [])
        self.hung.heartbeat(self.child.pid, 100, 0.25)
        self.assertIn("25.0% of its time", self.logged("WARNING")[0])


class CommandTests(ParentTestCase):
    def send(self, *items: Any) -> None:
        """Send a heartbeat."""
        channel = self.open(self.daemon, Command.DC_CHILDALIVE)
        writer = channel.writer()
        for item in items:
            if isinstance(item, float):
                writer.put_double(item)
            else:
                writer.put_int(item)
        channel.send_message(writer.end_of_message())
        self.reactor.flush()

    def test_heartbeat(self) -> None:
        """A child's heartbeat counts, with and without the last item."""
        child = self.spawn()
        self.send(child.pid, 100, 0.0)
        self.send(child.pid, 200)
        self.assertEqual(child.heartbeats_count, 2)
        until = child.responding_until
        assert until is not None
        self.assertEqual(until, self.reactor.seconds() + 200)

    def test_recorded(self) -> None:
        """The bytes that HTCondor's own daemon sends are understood."""
        recorded = bytes.fromhex(
            "0100000028000000000000ea680000000000003e5e0000000000000019"
            "00000000000000000000000000000000"
        )
        writer = MessageWriter()
        writer.put_int(Command.DC_CHILDALIVE)
        writer.put_int(15966)
        writer.put_int(25)
        writer.put_double(0.0)
        self.assertEqual(writer.end_of_message(), recorded[5:])

    def test_mnh_5_16_strangers(self) -> None:
        """Other process ids, and numbers out of range, do nothing to anybody."""
        child = self.spawn()
        for items in (
            (1, 1, 0.0),
            (-1, 1, 0.0),
            (child.pid + 1, 1, 0.0),
            (child.pid, -1, 0.0),
            (child.pid, 2**40, 0.0),
            (child.pid,),
            (child.pid, 1, 0.0, 7),
        ):
            self.send(*items)
        self.assertEqual(child.heartbeats_count, 0)
        self.assertIsNone(child.responding_until)
        self.assertEqual(self.reactor.processes[-1].signals, [])

    def test_mnh_5_16_of_another_child(self) -> None:
        """A child cannot speak for another one."""
        first = self.spawn(SpawnOptions(daemon=DaemonCoreOptions()))
        second = self.spawn(SpawnOptions(daemon=DaemonCoreOptions()))
        security = self.daemon.security
        assert security is not None
        self.assertNotEqual(first.session_id, second.session_id)
        from condor_twisted.security.peer import Peer, Transport

        may_be_from = self.daemon.runtime.may_be_from

        def peer(session_id: str | None, address: str = "127.0.0.1") -> Peer:
            return Peer(address, 1, Transport.TCP, session_id=session_id)

        self.assertTrue(may_be_from(first, peer(first.session_id)))
        self.assertFalse(may_be_from(first, peer(second.session_id)))
        self.assertTrue(may_be_from(first, peer("family:1")))
        self.assertTrue(may_be_from(first, peer(None)))
        self.assertFalse(may_be_from(first, peer(None, "192.0.2.1")))
        self.assertFalse(may_be_from(first, peer(None, "junk")))
