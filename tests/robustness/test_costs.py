"""Expensive input: no step of work on the reactor's thread takes long."""

from __future__ import annotations

import json
from collections.abc import Iterator

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemons.collector.state import kinds, work
from condor_twisted.daemons.collector.state.constraints import QueryConstraint
from condor_twisted.daemons.collector.state.query_plans import QueryPlan
from condor_twisted.daemons.collector.state.refusals import QueryRefused
from condor_twisted.daemons.collector.state.senders import Requester
from condor_twisted.daemons.collector.turns import TURN_SECONDS, Turns
from tests.counting import calls_of, most_calls_of_a_step
from tests.daemons.collector.state.kit import NOW, Pool, X, ad
from tests.robustness.kit import HouseTestCase, query, update

#: How many calls a step may make; without bounds these cases made tens of millions.
STEP_CALLS = 500_000

DENSE = "+".join(["N"] * 2000)


def longest_step(steps: Iterator[object]) -> int:
    """How many calls the longest step makes."""
    return most_calls_of_a_step(steps, (QueryRefused,))


class StepTests(SynchronousTestCase):
    """Queries over ads of many sorts."""

    def setUp(self) -> None:
        self.pool = Pool()
        for number in range(600):
            self.pool.update(2, {"Name": f"m{number}", "N": number, "S": "x" * 50})

    def plan(self, values: dict[str, object]) -> QueryPlan:
        """A query of masters."""
        calls, plan = calls_of(
            lambda: self.pool.state.plan_query(7, ad(values), Requester(), NOW)  # type: ignore[arg-type]
        )
        self.assertLess(calls, STEP_CALLS)
        return plan

    def assert_quick(self, values: dict[str, object]) -> None:
        """Understanding, and each step of selecting and replying, is short."""
        plan = self.plan(values)
        form = self.pool.state.reply_form()
        self.assertLess(longest_step(plan.run(form)), STEP_CALLS)

    def test_mnh_3_2_constraints(self) -> None:
        """Constraints that are long, dense, or name much."""
        for text in (
            "||".join(f"N == {-number}" for number in range(150)),
            "+".join(["N"] * 290) + " > 1",
            "||".join(f"A{number} == 1" for number in range(150)),
            "||".join(f"A{number} =?= 1" for number in range(2000)),
            DENSE,
            "size(strcat(" + ",".join(["S"] * 3000) + ")) > 3",
            "(" * 100 + "N" + ")" * 100 + " > 1",
            "A." * 1900 + "B",
            "regexp(S, S)",
        ):
            self.assert_quick({"Requirements": X(text)})

    def test_mnh_3_2_projections(self) -> None:
        """Projections of thousands of names, and such as are evaluated."""
        for value in (
            " ".join(f"Zork{number}" for number in range(20_000)),
            X('strcat("N", "ame")'),
            X("strcat(" + ",".join(['"Z "'] * 900) + ")"),
            X("strcat(" + ",".join(['"Zork "'] * 20_000) + ")"),
            X(f'ifThenElse({DENSE} > 0, "N", "S")'),
        ):
            try:
                self.assert_quick({"Projection": value})
            except QueryRefused as error:
                self.assertIn("too long", str(error))

    def test_mnh_3_2_large_ads(self) -> None:
        """Ads of many expressions, or of long ones, are checked and sent in steps."""
        lines = [
            [b"A%d = B%d + C * %d" % (n, n, n) for n in range(20_000)],
            [b'A%d = "%s" + %d' % (n, b"x" * 1500, n) for n in range(600)],
            [b"A%d = A%d + %s1" % (n, n, b"A+" * 2000) for n in range(200)],
        ]
        for number, some in enumerate(lines):
            self.pool.send(2, ad({"Name": f"big{number}"}, lines=some))
        names = " ".join(f"A{number}" for number in range(5000))
        for values in ({}, {"Requirements": X("A5 > 3")}, {"Projection": names}):
            self.assert_quick({**values})

    def test_mnh_3_2_attributes_that_expand(self) -> None:
        """Attributes that refer to each other do not multiply."""
        lines = [
            b"A0 = 1",
            *(b"A%d = A%d + A%d" % (n, n - 1, n - 1) for n in range(1, 60)),
        ]
        for number in range(50):
            self.pool.send(2, ad({"Name": f"m{number}"}, lines=lines))
        plan = self.plan({"Requirements": X("A59 > 0")})
        self.assertLess(longest_step(plan.select()), STEP_CALLS)
        self.assertTrue(plan.is_expensive)

    def test_mnh_3_2_invalidations(self) -> None:
        """A constraint of an invalidation is bounded work, too."""
        for text in ("TARGET.N >= 0 && " + "+".join(["N"] * 500), DENSE):
            done, steps = self.pool.state.invalidate(
                15, ad({"Requirements": X(text)}), NOW
            )
            self.assertLess(longest_step(steps), STEP_CALLS)
            self.assertFalse(done.by_key)

    def test_mnh_1_29_one_key_of_many_attributes(self) -> None:
        """A name that is made of thousands of attributes is found in bounded time."""
        lines = [b"A%d = %d" % (n, n) for n in range(20_000)]
        name = "strcat(" + ",".join(f"A{number}" for number in range(3000)) + ")"
        big = ad({"Name": X(name)}, lines=lines)
        calls, _ = calls_of(lambda: self.pool.send(2, big))
        self.assertLess(calls, 60 * len(lines))


class OrderTests(SynchronousTestCase):
    """Work orders to the processes that evaluate."""

    def setUp(self) -> None:
        self.pool = Pool()

    def records(self, count: int, size: int) -> list[object]:
        """Ads with one long attribute each."""
        for number in range(count):
            self.pool.update(2, {"Name": f"m{number}", "S": "x" * size})
        return [*self.pool.state.store.table(kinds.MASTER).records.values()]

    def test_mnh_0_2_orders_are_bounded(self) -> None:
        """Ads of a megabyte go in many orders, not in one of their size."""
        records = self.records(40, 500_000)
        order, count = work.next_order(b'regexp("a", S)', ("s",), records, NOW)  # type: ignore[arg-type]
        self.assertLess(count, 10)
        self.assertLess(len(order), 4 << 20)
        _, count = work.next_order(b"regexp(N)", ("n",), records, NOW)  # type: ignore[arg-type]
        self.assertEqual(count, 40)

    def test_mnh_1_12_long_constraints_are_read_by_a_worker(self) -> None:
        """What is long is not read here; a worker that cannot read it says so."""
        self.pool.update(2, {"Name": "m", "N": 1})
        text = (b"N == 100000001 || " * 350) + b"N == 1"
        constraint = QueryConstraint(text, NOW, True)
        self.assertTrue(constraint.is_expensive)
        self.assertIn("n", constraint.references)
        records = list(self.pool.state.store.table(kinds.MASTER).records.values())
        names = tuple(constraint.references)
        order, count = work.next_order(text, names, records, NOW)
        answer = work.carry_out(order, lambda: None)
        self.assertEqual(work.read_answer(answer, count), [True])
        bad = json.loads(order)
        bad["text"] = "((" + bad["text"]
        answer = work.carry_out(json.dumps(bad).encode(), lambda: None)
        with self.assertRaisesRegex(Exception, "does not parse"):
            work.read_answer(answer, count)


class TurnsTests(SynchronousTestCase):
    """However much is under way, a turn of the reactor stays short."""

    class Ticking(Clock):
        """A clock in which looking at the time takes some."""

        def seconds(self) -> float:
            self.rightNow += 0.0001
            return float(self.rightNow)

        def take_turn(self) -> float:
            """Make the call that waits; how long it took."""
            (call,) = self.getDelayedCalls()
            function = call.func  # type: ignore[attr-defined]
            call.cancel()
            start = self.rightNow
            function()
            return float(self.rightNow) - start

    def test_mnh_0_1_many_jobs_share_a_turn(self) -> None:
        """A thousand selections do not make a turn longer than one does."""
        clock = self.Ticking()
        turns = Turns(clock)
        done: list[None] = []
        for _ in range(1000):
            turns.run(iter(range(3))).addCallback(done.append)
        self.assertEqual(len(clock.getDelayedCalls()), 1)
        rounds = 0
        while clock.getDelayedCalls():
            self.assertLess(clock.take_turn(), 2 * TURN_SECONDS)
            rounds += 1
        self.assertEqual(len(done), 1000)
        self.assertGreater(rounds, 10)

    def test_mnh_3_8_urgent_work_goes_first(self) -> None:
        """Our own work and a negotiator's does not wait behind that of others."""
        clock = self.Ticking()
        turns = Turns(clock)
        order: list[str] = []
        for _ in range(100):
            turns.run(iter(range(50))).addCallback(lambda _: order.append("ordinary"))
        turns.run(iter(range(50)), is_urgent=True).addCallback(
            lambda _: order.append("urgent")
        )
        while clock.getDelayedCalls():
            clock.take_turn()
        self.assertEqual(order[0], "urgent")
        self.assertEqual(len(order), 101)

    def test_mnh_0_1_answers_share_a_turn(self) -> None:
        """Many answers together make so many pieces in a turn, then pause."""
        clock = self.Ticking()
        turns = Turns(clock)
        answers = [turns.paced(iter([b"x"] * 100)) for _ in range(100)]
        made = 0
        for _ in range(100):
            made += sum(next(each) == b"x" for each in answers)
        self.assertLess(made, 200)
        clock.take_turn()
        self.assertEqual(next(answers[0]), b"x")
        turns.close()

    def test_mnh_2_9_closing_cancels(self) -> None:
        """What is under way fails when the turns are closed, and no timer is left."""
        clock = Clock()
        turns = Turns(clock)
        outcome = turns.run(iter(range(10)))
        turns.close()
        self.failureResultOf(outcome)
        self.assertEqual(clock.getDelayedCalls(), [])


class OverloadTests(HouseTestCase):
    """More long work than is taken on."""

    def test_mnh_3_8_floods_of_long_work(self) -> None:
        """Invalidations that look at everything are refused beyond a thousand."""
        for number in range(1200):
            self.house.advertise(f"fill{number}", b"N = %d" % number)
        payload = update(b"Requirements = TARGET.N == -5", number=15)
        for _ in range(3000):
            self.house.udp_port.deliver(payload, ("198.51.100.1", 4000))
        turns = self.house.collector._turns
        assert turns is not None
        self.assertLessEqual(len(turns), 1000)
        # Removing what is named needs no long work, and goes on.
        self.house.udp_port.deliver(
            update(b'Name = "fill7"', number=15), ("198.51.100.1", 4000)
        )
        self.assertNotIn("fill7", self.house.names())
        self.reactor.flush()
        self.assertEqual(len(turns), 0)
        self.assertEqual(len(self.house.names()), 1201)
        self.assert_serves()

    def test_mnh_1_19_regular_expressions_never_run_here(self) -> None:
        """A bomb goes to another process, wherever it stands."""
        bomb = rb'regexp("(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!")'
        self.house.advertise("bomb", b"B = " + bomb)
        for constraint in (bomb, b"B", b"Zork || B", b'eval("B")', b"MY.B == true"):
            self.house.stream(_framed(query(b"Requirements = " + constraint)))
        self.assert_serves()
        self.house.stream(_framed(query(b"Projection = " + bomb)))
        self.assert_serves()


def _framed(payload: bytes) -> bytes:
    return b"\1" + len(payload).to_bytes(4, "big") + payload
