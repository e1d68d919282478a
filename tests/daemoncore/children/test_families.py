"""Tests of ``condor_twisted.daemoncore.children.families``."""

from __future__ import annotations

import os
import signal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemoncore.children import families
from condor_twisted.daemoncore.children.families import (
    Family,
    FamilyUsage,
    Process,
    members_of,
    read_processes,
)
from condor_twisted.daemoncore.children.spawn_options import SpawnOptions, Stream
from condor_twisted.errors import LocalProtocolError
from condor_twisted.testing.reactor import blocking_at_once
from tests.daemoncore.process_kit import RealProcessTestCase, every


def table(*rows: Process) -> dict[int, Process]:
    return {each.process_id: each for each in rows}


def process(
    number: int,
    parent: int,
    group: int = 1,
    session: int = 1,
    *,
    started: float = 0,
    marked: bool = False,
) -> Process:
    return Process(number, parent, group, session, started, 1.5, 1000, marked)


class MembersTests(SynchronousTestCase):
    def members(
        self,
        processes: dict[int, Process],
        known: frozenset[tuple[int, float]] = frozenset(),
    ) -> set[int]:
        return set(members_of(processes, 10, known, own=5))

    def test_descendants(self) -> None:
        """Children, and their children, and nobody else's."""
        found = self.members(
            table(
                process(1, 0),
                process(5, 1),
                process(10, 5),
                process(11, 10),
                process(12, 11),
                process(20, 5),
                process(21, 20),
            )
        )
        self.assertEqual(found, {10, 11, 12})

    def test_orphans_of_its_session(self) -> None:
        """One whose parent is gone is known by session or group."""
        found = self.members(
            table(
                process(10, 5, 10, 10),
                process(11, 1, 11, 10),
                process(12, 1, 10, 3),
                process(13, 1, 13, 13),
            )
        )
        self.assertEqual(found, {10, 11, 12})

    def test_marked(self) -> None:
        """One that left everything is known by its environment, with its children."""
        found = self.members(
            table(process(13, 1, 13, 13, marked=True), process(14, 13, 14, 14))
        )
        self.assertEqual(found, {13, 14})

    def test_known(self) -> None:
        """One that was a member before is one still; another with its id is not."""
        rows = table(process(13, 1, 13, 13, started=7))
        self.assertEqual(self.members(rows, frozenset({(13, 7.0)})), {13})
        self.assertEqual(self.members(rows, frozenset({(13, 8.0)})), set())

    def test_never_ourselves(self) -> None:
        """Neither we nor the first process are members, whatever the table says."""
        rows = table(
            process(1, 10, 10, 10, marked=True), process(5, 10, 10, 10, marked=True)
        )
        self.assertEqual(self.members(rows), set())

    @settings(deadline=None, max_examples=50)
    @given(st.dictionaries(st.integers(2, 30), st.integers(0, 30)))
    def test_loops(self, parents: dict[int, int]) -> None:
        """However processes claim to descend from each other, it ends."""
        rows = table(*(process(each, parent) for each, parent in parents.items()))
        self.assertLessEqual(self.members(rows), set(parents))


class FamilyTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.tables: list[dict[int, Process]] = []
        self.signals: list[tuple[int, int]] = []

        def note(each: Process, number: int) -> bool:
            self.signals.append((each.process_id, number))
            return True

        self.patch(families, "_signal", note)
        self.family = Family(10, ("NAME", "value"), blocking_at_once, self.read)

    def read(self, marker: tuple[str, str]) -> dict[int, Process]:
        self.assertEqual(marker, ("NAME", "value"))
        return self.tables.pop(0) if len(self.tables) > 1 else self.tables[0]

    def run_now(self, coroutine: Any) -> Any:
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def test_stopping_those_who_fork(self) -> None:
        """Members are stopped until no new ones turn up, and then killed."""
        first = table(process(10, 5), process(11, 10))
        second = table(*first.values(), process(12, 11))
        self.tables = [first, second, second]
        self.assertEqual(self.run_now(self.family.kill()), 3)
        stopped = [each for each, number in self.signals if number == signal.SIGSTOP]
        killed = [each for each, number in self.signals if number == signal.SIGKILL]
        self.assertEqual(sorted(stopped), [10, 11, 12])
        self.assertEqual(sorted(killed), [10, 11, 12])
        self.assertLess(self.signals.index((12, signal.SIGSTOP)), len(self.signals) - 3)

    def test_one_that_never_stops_forking(self) -> None:
        """Even then there is an end."""
        self.tables = [
            table(*(process(10 + each, 10) for each in range(count)))
            for count in range(1, 60)
        ]
        self.run_now(self.family.kill())

    def test_usage(self) -> None:
        """What the members use, and the most of the memory so far."""
        self.tables = [table(process(10, 5), process(11, 10)), table(process(10, 5))]
        usage = self.run_now(self.family.usage())
        self.assertEqual(usage, FamilyUsage(2, 3.0, 2000, 2000))
        usage = self.run_now(self.family.usage())
        self.assertEqual(usage, FamilyUsage(1, 1.5, 1000, 2000))

    def test_remembering(self) -> None:
        """Who was seen once is a member when its parents have gone."""
        self.tables = [
            table(process(10, 5), process(11, 10)),
            table(process(11, 1), process(12, 1)),
        ]
        self.run_now(self.family.look())
        self.assertEqual(self.run_now(self.family.resume()), 1)
        self.assertEqual(self.signals, [(11, signal.SIGCONT)])

    def test_signals_of_the_system(self) -> None:
        """A family gets signals of the system, and no others."""
        for number in (0, -1, 100):
            failed = Deferred.fromCoroutine(self.family.send_signal(number))
            self.failureResultOf(failed, LocalProtocolError)


class RealTests(RealProcessTestCase):
    @every
    async def test_a_real_family(self) -> None:
        """Descendants that try to get away are found, measured and killed."""
        script = """
        sleep 77 &
        setsid sh -c 'sleep 77 & exec sleep 77' &
        (setsid sh -c 'exec setsid sleep 77' &) &
        echo started; wait
        """
        ready: Deferred[bytes] = Deferred()
        child = await self.processes.spawn(
            "sh",
            ["sh", "-c", script],
            SpawnOptions(
                stdout=Stream.PIPE,
                output_received=lambda _, data: ready.callback(data),
                new_session=True,
            ),
            reaper=self.reaper,
        )
        await ready
        family = Family(child.pid, child.marker, blocking_at_once)

        async def living() -> int:
            return (await family.usage()).processes_count

        for _ in range(200):
            found = await family.look()
            if len(found) == 5:
                break
            await deferLater(reactor, 0.01, lambda: None)
        self.assertEqual(len(found), 5)
        self.assertGreater((await family.usage()).resident_bytes, 0)
        self.assertEqual(await family.kill(), 5)
        self.assertEqual((await child.exited()).signal, signal.SIGKILL)
        for _ in range(200):
            if not await living():
                break
            await deferLater(reactor, 0.01, lambda: None)
        self.assertEqual(await living(), 0)

    def test_we_are_there(self) -> None:
        """The table of the system has us and our parent."""
        found = read_processes(("", ""))
        self.assertEqual(found[os.getpid()].parent_id, os.getppid())
        self.assertEqual(found[os.getpid()].session_id, os.getsid(0))

    def test_another_process_of_the_same_id(self) -> None:
        """A process that is not the one that was looked at gets no signal."""
        stranger = process(os.getpid(), 1, started=-1)
        self.assertFalse(families._signal(stranger, signal.SIGKILL))
        self.assertFalse(families._signal(process(2**22 + 5, 1), signal.SIGKILL))

    def test_without_proc(self) -> None:
        """Where there is no /proc, the same is told by a library."""
        found = {each.process_id: each for each in families._from_psutil(("", ""))}
        ours, theirs = found[os.getpid()], read_processes(("", ""))[os.getpid()]
        self.assertEqual(
            (ours.parent_id, ours.group_id, ours.session_id),
            (theirs.parent_id, theirs.group_id, theirs.session_id),
        )
        self.assertGreater(ours.resident_bytes, 0)
        name, value = next(iter(os.environ.items()))
        marked = {
            each.process_id: each for each in families._from_psutil((name, value))
        }
        self.assertTrue(marked[os.getpid()].marked)
