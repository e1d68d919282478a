"""Tests of the worker process, and of work orders."""

from __future__ import annotations

import io
import sys
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase, TestCase

from condor_twisted.daemons.collector import worker
from condor_twisted.daemons.collector.state import work
from condor_twisted.daemons.collector.state.refusals import QueryRefused
from condor_twisted.daemons.collector.workers import WorkerPool
from condor_twisted.errors import ExpressionError, MalformedMessage

ADS: list[dict[str, bytes]] = [
    {"name": b'"abc"', "n": b"a + 1", "a": b"b * 2", "b": b"5"},
    {"name": b'"xyz"', "n": b"11"},
    {"n": b'"\xff"'},
]


def _order(text: bytes, *names: str) -> bytes:
    return work.make_order(text, names, ADS, 1000)


class OrderTests(SynchronousTestCase):
    def test_only_what_can_be_reached(self) -> None:
        """An ad contributes what the constraint names, directly or not."""
        self.assertEqual(
            work.reachable(ADS[0], ["n", "zork"]),
            {"n": b"a + 1", "a": b"b * 2", "b": b"5"},
        )

    def test_verdicts(self) -> None:
        """A worker's answer has one verdict per ad."""
        answer = work.carry_out(_order(b"n == 11", "n"), lambda: None)
        self.assertEqual(work.read_answer(answer, 3), [True, True, False])
        answer = work.carry_out(_order(b'regexp("^a", Name)', "name"), lambda: None)
        self.assertEqual(work.read_answer(answer, 3), [True, False, False])

    def test_budget_is_set_each_time(self) -> None:
        """Every evaluation begins with a budget of its own."""
        times: list[int] = []
        work.carry_out(_order(b"n == 11", "n"), lambda: times.append(1))
        self.assertEqual(len(times), 3)

    def test_answers_are_checked(self) -> None:
        """An answer that does not fit, or gives up, is none."""
        with self.assertRaises(MalformedMessage):
            work.read_answer(b"\1", 2)
        with self.assertRaises(ExpressionError):
            work.read_answer(b"\1\2", 2)

    def test_serving(self) -> None:
        """Orders are carried out until the input ends, or makes no sense."""
        order = _order(b"n == 11", "n")
        head = len(order).to_bytes(4, "big")
        answer = b"\0\0\0\3\1\1\0"
        for source, expected in (
            (head + order + head + order, answer * 2),
            (head + order[:-1], b""),
            (b"\0\0", b""),
            (b"\xff\xff\xff\xff" + order, b""),
        ):
            sink = io.BytesIO()
            worker.serve(io.BytesIO(source), sink)
            self.assertEqual(sink.getvalue(), expected)


class ProcessTests(TestCase):
    """Real processes."""

    timeout = 60

    if sys.platform != "linux":
        skip = "workers need Linux"

    def setUp(self) -> None:
        self.pool = WorkerPool(reactor, 2, 0, 2)
        self.addCleanup(self.pool.close)

    async def _carry_out(self, *orders: bytes) -> list[list[bool]]:
        found: list[list[bool]] = []

        def take(answer: bytes) -> bool:
            found.append(work.read_answer(answer, 3))
            return True

        await self.pool.run(iter(orders), take)
        return found

    def test_a_job(self) -> Deferred[None]:
        """A process carries out several orders."""

        async def run() -> None:
            found = await self._carry_out(
                _order(b"n == 11", "n"), _order(b'regexp("^a", Name)', "name")
            )
            self.assertEqual(found, [[True, True, False], [True, False, False]])

        return Deferred.fromCoroutine(run())

    def test_mnh_1_15_budget(self) -> Deferred[None]:
        """An evaluation that goes on and on ends its process, and the job fails."""
        bomb: list[dict[str, bytes]] = [{"s": b'"' + b"a" * 28 + b'"'}]
        text = b" || ".join(
            [b'regexp("^(a|aa)*(a|aa)*(a|aa)*$b", strcat(s,s,s))'] * 400
        )
        order = work.make_order(text, ["s"], bomb, 0)

        async def run() -> Any:
            try:
                await self.pool.run(iter([order]), lambda answer: True)
            except QueryRefused:
                return "refused"
            return "done"

        def ended(how: str) -> None:
            # The library's own limits may answer first; either way it ends.
            self.assertIn(how, ("refused", "done"))

        return Deferred.fromCoroutine(run()).addCallback(ended)

    def test_nonsense_ends_the_worker_not_us(self) -> Deferred[None]:
        """An order that makes no sense fails the job alone."""

        async def run() -> None:
            with self.assertRaises(QueryRefused):
                await self._carry_out(b"nonsense")
            self.assertEqual(
                await self._carry_out(_order(b"n == 11", "n")), [[True, True, False]]
            )

        return Deferred.fromCoroutine(run())
