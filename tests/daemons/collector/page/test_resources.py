"""Tests of the resources: lists of ads, the summary, the metrics."""

from __future__ import annotations

import json
from urllib.parse import quote

from twisted.internet.defer import Deferred

from condor_twisted.classad.library import expressions_available
from condor_twisted.constants.commands import Command
from condor_twisted.daemons.collector.page import PageLimits, json_ads
from condor_twisted.daemons.collector.state.own_ad import OwnFacts
from condor_twisted.daemons.collector.state.queries import QueryPlan
from condor_twisted.daemons.collector.workers import NoRoom
from tests.daemons.collector.page.kit import PRIVATE, PageTestCase
from tests.daemons.collector.state.kit import X, ad


class AdsTests(PageTestCase):
    """``/api/v1/ads``."""

    def names(self, query: str) -> list[str]:
        """The names of the ads that a query gives."""
        answer = self.request(f"/api/v1/ads?{query}")
        self.assertEqual(answer.status, 200, answer.body)
        self.assertTrue(answer.is_complete)
        return sorted(found["Name"] for found in answer.json)

    def problem(self, query: str) -> tuple[int, str]:
        """The status and the error that a query gives."""
        answer = self.request(f"/api/v1/ads?{query}")
        self.assertEqual(answer.headers["content-type"], "application/json")
        return answer.status, answer.json["error"]

    def test_empty(self) -> None:
        """An empty pool is an empty array."""
        answer = self.request("/api/v1/ads?type=Machine")
        self.assertEqual((answer.status, answer.json), (200, []))
        self.assertEqual(answer.headers["content-type"], "application/json")

    def test_values(self) -> None:
        """Values are JSON values; expressions are marked as such."""
        self.slot(Cpus=4, LoadAvg=0.5, Start=X('Owner =?= "x"'), Tags=X('{"a",1}'))
        (found,) = self.request("/api/v1/ads?type=Machine").json
        self.assertEqual((found["Cpus"], found["LoadAvg"]), (4, 0.5))
        self.assertEqual(found["Start"], '/Expr(Owner =?= "x")/')
        self.assertEqual(found["Tags"], ["a", 1])
        self.assertEqual(found["LastHeardFrom"], int(self.pool.now))

    def test_mnh_10_8_not_utf8(self) -> None:
        """Bytes that are no text come through."""
        line = b'Odd = "\xff\xe4"'
        public = ad({"MyType": "Machine", "Name": "a"}, lines=[line])
        self.pool.send(Command.UPDATE_STARTD_AD, public)
        (found,) = self.request("/api/v1/ads?type=Machine").json
        odd = found["Odd"].encode("utf-8", "surrogateescape")
        self.assertEqual(odd, b"\xff\xe4")

    def test_types(self) -> None:
        """A type, several, all of them; in any case of letters."""
        self.slot("s1@a")
        self.pool.update(
            Command.UPDATE_MASTER_AD, {"MyType": "DaemonMaster", "Name": "m"}
        )
        self.pool.update(Command.UPDATE_AD_GENERIC, {"MyType": "Defrag", "Name": "d"})
        self.assertEqual(self.names("type=machine"), ["s1@a"])
        self.assertEqual(self.names("type=DaemonMaster"), ["m"])
        self.assertEqual(self.names("type=DEFRAG"), ["d"])
        self.assertEqual(self.names("type=Defrag,Machine"), ["d", "s1@a"])
        for everything in ("", "type=Any", "type=", "type=Machine,any"):
            self.assertEqual(self.names(everything), ["d", "m", "s1@a"])

    def test_unknown_type(self) -> None:
        """A type that nobody knows is an error that names those that there are."""
        status, error = self.problem("type=Machines")
        self.assertEqual(status, 404)
        self.assertIn("Scheduler", error)
        self.assertNotIn("Private", error)

    def test_constraint(self) -> None:
        """A constraint selects, whatever its form."""
        for number in range(5):
            self.slot(f"s{number}@a", Cpus=number, State="Owner")
        self.assertEqual(self.names("constraint=" + quote("Cpus > 3")), ["s4@a"])
        self.assertEqual(self.names("constraint=" + quote('Name == "S1@A"')), ["s1@a"])
        self.assertEqual(self.names("constraint=true&limit=2"), ["s0@a", "s1@a"])

    def test_projection(self) -> None:
        """Only what is named is told."""
        self.slot(Cpus=4, Memory=10)
        for names in ("Name,Cpus", "Name%20Cpus", "name,%20CPUS"):
            (found,) = self.request(f"/api/v1/ads?type=Machine&projection={names}").json
            self.assertEqual(
                {key.lower(): value for key, value in found.items()},
                {"name": "slot1@a", "cpus": 4},
            )
        (found,) = self.request("/api/v1/ads?type=Machine&projection=%20,").json
        self.assertEqual(found["Memory"], 10)

    def test_errors(self) -> None:
        """What is wrong is said, in our words."""
        for query, part in (
            ("limit=0", "limit"),
            ("limit=-1", "limit"),
            ("limit=1e3", "limit"),
            ("limit=%D9%A1", "limit"),
            ("limit=" + "9" * 5000, "limit"),
            ("constraint=%28", "constraint"),
            ("constraint=a%0Ab", "control"),
            ("constraint=a%00b", "control"),
            ("projection=a%0D%0Ab", "control"),
            ("projection=" + ",".join(f"a{n}" for n in range(501)), "projection"),
            ("type=Machine&type=Machine", "more than once"),
            ("types=Machine", "unknown"),
            ("%ff=1", "unknown"),
            ("type=" + ",".join(["Machine"] * 65), "type"),
        ):
            status, error = self.problem(query)
            self.assertEqual(status, 400, query)
            self.assertIn(part, error)

    def test_mnh_6_4_no_exception_texts(self) -> None:
        """Errors repeat nothing that the client sent and nothing of the inside."""
        _, error = self.problem("constraint=" + quote('"zebra'))
        self.assertNotIn("zebra", error)
        self.assertNotIn("Error", error)

    def test_mnh_5_5_private_nowhere(self) -> None:
        """Private attributes are in no answer, whoever asks how."""
        self.secretive_slot()
        names = ",".join(PRIVATE)
        for path in (
            "/api/v1/ads",
            "/api/v1/ads?type=Machine",
            f"/api/v1/ads?projection=Name,{names}",
            f"/api/v1/ads?type=Machine,Machine&projection={names}",
            "/metrics",
            "/api/v1/summary",
            f"/api/v1/changes?snapshot=true&projection={names}",
            "/api/v1/changes?snapshot=true",
        ):
            answer = self.request(path)
            self.assertEqual(answer.status, 200)
            self.assertNotIn(b"topsecret", answer.received, path)
            for name in PRIVATE:
                quoted = f'"{name}"'.encode().lower()
                self.assertNotIn(quoted, answer.received.lower(), path)

    def test_mnh_5_7_no_oracle(self) -> None:
        """To a constraint private attributes are undefined, however it asks."""
        self.secretive_slot()
        forms = ['{0} == "topsecret"', "{0} =!= undefined", "MY.{0} =!= undefined"]
        if expressions_available():
            forms += [
                'eval("{0}") =!= undefined',
                'regexp("topsecret", unparse(MY))',
                'size({0}) > 0 || {0} > ""',
            ]
        for form in forms:
            for name in PRIVATE:
                query = quote(form.format(name))
                answer = self.request(f"/api/v1/ads?type=Machine&constraint={query}")
                if answer.status == 200:
                    self.assertEqual(answer.json, [], form.format(name))
                else:
                    self.assertEqual(answer.status, 400)  # not without a worker

    def test_mnh_5_8_private_table(self) -> None:
        """No spelling of a type leads to the private ads."""
        self.secretive_slot()
        for name in (
            *("MachinePrivate", "machineprivate", "Machine,MachinePrivate"),
            *("Any,MACHINEPRIVATE", "MachinePvt", "Machine%20MachinePrivate"),
        ):
            answer = self.request(f"/api/v1/ads?type={name}")
            if answer.status == 200:
                self.assertEqual(len(answer.json), 2)  # the slot and its startd
            self.assertNotIn(b"topsecret", answer.received)

    def test_own_ad(self) -> None:
        """The collector's own ad shows its latest counters."""
        facts = OwnFacts("Pool", "host", "<127.0.0.1:9618>")
        for _ in self.pool.state.publish_own_ad(facts, self.pool.now):
            pass
        self.slot()
        (found,) = self.request("/api/v1/ads?type=Collector").json
        self.assertEqual(found["UpdatesTotal_Slot"], 1)

    def test_expensive(self) -> None:
        """Without workers an expensive constraint is refused, not evaluated."""
        self.slot()
        status, error = self.problem("constraint=" + quote('regexp("(a+)+$", Name)'))
        self.assertEqual(status, 400)
        self.assertIn("constraint", error)

    def test_mnh_1_21_no_room(self) -> None:
        """Where all workers are busy the client may come again."""
        self.select_fails(NoRoom("too many"))
        answer = self.request("/api/v1/ads")
        self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "5"))

    def test_mnh_3_3_failure(self) -> None:
        """A fault of ours is a 500 in JSON without details, and is logged."""
        self.select_fails(RuntimeError("a secret path"))
        status, error = self.problem("")
        self.assertEqual(status, 500)
        self.assertNotIn("secret", error)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def select_fails(self, error: Exception) -> None:
        """From now on selections fail."""

        def select(plan: QueryPlan) -> Deferred[None]:
            failing: Deferred[None] = Deferred()
            failing.errback(error)
            return failing

        self.patch(self.view, "select", select)

    def test_client_goes(self) -> None:
        """A selection for a client that hung up is given up."""
        waiting: Deferred[None] = Deferred()
        self.patch(self.view, "select", lambda plan: waiting)
        client, _ = self.send("/api/v1/ads")
        self.reactor.flush()
        assert client.transport is not None
        client.transport.loseConnection()
        self.reactor.flush()
        self.assertTrue(waiting.called)
        self.assertEqual(self.request("/healthz").status, 200)


class ManyAdsTests(PageTestCase):
    """Answers that are long."""

    limits = PageLimits(answers=2)

    def setUp(self) -> None:
        """Fill a pool."""
        super().setUp()
        for number in range(1500):
            self.slot(f"slot{number}@a", Filler="x" * 400, Number=number)

    def test_all(self) -> None:
        """Every ad arrives, once, and the array is whole."""
        answer = self.request("/api/v1/ads?type=Machine")
        numbers = sorted(found["Number"] for found in answer.json)
        self.assertEqual(numbers, list(range(1500)))
        self.assertTrue(answer.is_complete)

    def test_mnh_1_20_back_pressure(self) -> None:
        """A client that takes nothing makes us hold little, and not for long."""
        _, server = self.send("/api/v1/ads?type=Machine")
        server.stalled = True
        self.reactor.flush()
        self.assertTrue(0 < len(server.outgoing) < 1 << 18)
        self.reactor.advance(self.limits.stall_seconds - 1)
        self.assertFalse(server.aborted)
        self.reactor.advance(1)
        self.assertTrue(server.aborted)

    def test_mnh_2_4_slow_reader(self) -> None:
        """A client that takes something now and then gets all of it."""
        client, server = self.send("/api/v1/ads?type=Machine")
        for _ in range(100):
            server.stalled = True
            self.reactor.flush()
            self.reactor.advance(self.limits.stall_seconds - 1)
            server.stalled = False
            self.reactor.flush()
        self.assertEqual(len(client.json), 1500)

    def test_mnh_6_2_cut(self) -> None:
        """An answer that fails in the middle does not look like a whole one."""
        client, server = self.send("/api/v1/ads?type=Machine")
        server.stalled = True
        self.reactor.flush()

        def explode(*arguments: object) -> bytes:
            raise RuntimeError("no more")

        self.patch(json_ads, "json_of_name", explode)
        server.stalled = False
        self.reactor.flush()
        self.assertTrue(client.is_closed)
        self.assertFalse(client.is_complete)
        with self.assertRaises(json.JSONDecodeError):
            client.json  # noqa: B018
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_mnh_0_6_answers(self) -> None:
        """So many answers at once; each gives its place back, however it ends."""
        first, server = self.send("/api/v1/ads?type=Machine")
        server.stalled = True
        second, other = self.send("/api/v1/ads?type=Machine")
        other.stalled = True
        self.reactor.flush()
        for path in ("/api/v1/ads", "/metrics", "/api/v1/summary"):
            self.assertEqual(self.request(path).status, 503)
        self.assertEqual(self.request("/healthz").status, 200)
        server.stalled = False
        self.reactor.flush()
        self.assertEqual(len(first.json), 1500)
        assert second.transport is not None
        second.transport.abortConnection()  # type: ignore[attr-defined]
        self.reactor.flush()
        for _ in range(3):
            self.assertEqual(self.request("/metrics").status, 200)
