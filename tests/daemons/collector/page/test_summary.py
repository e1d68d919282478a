"""Tests of the summary, as JSON and for Prometheus."""

from __future__ import annotations

import re

from twisted.trial.unittest import SkipTest

from condor_twisted.constants.commands import Command
from tests.daemons.collector.page.kit import PageTestCase
from tests.daemons.collector.state.kit import X


class SummaryTests(PageTestCase):
    """Counts and counters."""

    def fill(self) -> None:
        """Some ads, odd ones among them."""
        for number, state in enumerate(["Claimed", "Claimed", "Owner", "zebra"]):
            self.slot(f"s{number}@a", State=state, Cpus=4)
        self.slot("odd@a", State=X('strcat("Own","er")'), Cpus=-5)
        self.slot("none@a", Cpus="many")
        for name in ("alice", "bob"):
            self.pool.update(
                Command.UPDATE_SUBMITTOR_AD,
                {
                    "MyType": "Submitter",
                    "Name": name,
                    "MyAddress": "<127.0.0.1:1>",
                    "RunningJobs": 3,
                    "IdleJobs": 1 << 40,
                },
            )
        odd = {"MyType": 'a"b\\c\nd', "Name": "x"}
        self.pool.update(Command.UPDATE_AD_GENERIC, odd)
        self.pool.state.statistics.count_query("TOOL", in_process=True)
        self.pool.state.statistics.count_query("TOOL", in_process=False)

    def test_summary(self) -> None:
        """The summary counts what there is; what is no number counts nothing."""
        self.fill()
        answer = self.request("/api/v1/summary")
        self.assertEqual(answer.headers["content-type"], "application/json")
        found = answer.json
        self.assertEqual(found["name"], "Pool")
        self.assertEqual(found["status"], "warming-up")
        self.assertEqual(found["slots"], {"Claimed": 2, "Owner": 1, "Other": 3})
        self.assertEqual(found["cpus"], {"Claimed": 8, "Owner": 4, "Other": 4})
        self.assertEqual((found["running_jobs"], found["idle_jobs"]), (6, 0))
        self.assertEqual(found["ads"]["Machine"], 6)
        self.assertNotIn("Scheduler", found["ads"])
        self.assertEqual(found["counters"]["UpdatesTotal"], 9)

    def test_streams(self) -> None:
        """Streams that are open are counted."""
        self.send("/api/v1/changes")
        self.reactor.flush()
        self.assertEqual(self.request("/api/v1/summary").json["streams"], 1)

    def samples(self) -> dict[str, str]:
        """The metrics: values by name and labels."""
        answer = self.request("/metrics")
        self.assertTrue(answer.headers["content-type"].startswith("text/plain"))
        found = {}
        for line in answer.body.decode().splitlines():
            if not line.startswith("#"):
                sample, _, value = line.rpartition(" ")
                found[sample.removeprefix("condor_collector_")] = value
        return found

    def test_metrics(self) -> None:
        """The metrics say the same."""
        self.fill()
        found = self.samples()
        self.assertEqual(found["ready"], "0")
        self.assertEqual(found["start_time_seconds"], str(int(self.pool.now)))
        self.assertEqual(found['ads{type="Machine"}'], "6")
        self.assertEqual(found['slots{state="Claimed"}'], "2")
        self.assertEqual(found['updates_total{type="Slot"}'], "6")
        for where in ("in_process", "by_worker"):
            sample = f'queries_total{{subsystem="TOOL",evaluated="{where}"}}'
            self.assertEqual(found[sample], "1")
        self.pool.now += 1000
        self.assertEqual(self.samples()["ready"], "1")

    def test_form(self) -> None:
        """Every line has the form of the format, whatever ads are called."""
        self.fill()
        label = r'[a-z]+="(?:[^"\\\n]|\\[\\n"])*"'
        sample = re.compile(
            rf"condor_collector_[a-z_]+(?:\{{{label}(?:,{label})*\}})? [-0-9.e]+"
        )
        for line in self.request("/metrics").body.decode().splitlines():
            if not line.startswith(("# HELP condor_", "# TYPE condor_")):
                self.assertIsNotNone(sample.fullmatch(line), line)
        self.assertIn('ads{type="a\\"b\\\\c\\nd"}', self.samples())

    def test_client_library(self) -> None:
        """Prometheus's own reader takes it."""
        try:
            from prometheus_client.parser import text_string_to_metric_families
        except ImportError:
            raise SkipTest("prometheus-client is not installed") from None
        self.fill()
        text = self.request("/metrics").body.decode()
        families = {each.name: each for each in text_string_to_metric_families(text)}
        ads = families["condor_collector_ads"]
        types = {each.labels["type"]: each.value for each in ads.samples}
        self.assertEqual(types['a"b\\c\nd'], 1)
        self.assertEqual(families["condor_collector_updates"].type, "counter")
