"""Tests of `interop.explanations`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from interop.compare import Difference
from interop.explanations import explain

_LONG = "condor_status -any -long"
_POOL_LONG = "pool after the job: condor_status -any -long"
_SLOT = "Machine slot1@a a"
_OWN = "Collector My Pool - 127.0.0.1@a a"


def _explained(
    field: str,
    expected: str | None,
    actual: str | None,
    query: str = _LONG,
    row: str = _SLOT,
) -> bool:
    return explain(Difference(query, row, field, expected, actual)) is not None


class DrivenTests(SynchronousTestCase):
    """When both collectors got the same ads, almost nothing may differ."""

    def test_arrival_times_may_differ_by_minutes(self) -> None:
        """``LastHeardFrom`` is the run's clock, within a quarter of an hour."""
        self.assertTrue(_explained("LastHeardFrom", "1790000000", "1790000900"))
        self.assertFalse(_explained("LastHeardFrom", "1790000000", "1790000901"))

    def test_arrival_time_has_to_be_there(self) -> None:
        """A collector that does not stamp is at fault."""
        self.assertFalse(_explained("LastHeardFrom", "1790000000", None))
        self.assertFalse(_explained("LastHeardFrom", "1790000000", '"yesterday"'))

    def test_attributes_of_ads_have_to_be_equal(self) -> None:
        """No number, string or identity of an advertised ad may change."""
        self.assertFalse(_explained("Memory", "1", "2"))
        self.assertFalse(_explained("UpdatesTotal", "1", "2"))
        self.assertFalse(_explained("UpdatesLost", "0", "1"))
        self.assertFalse(_explained("AuthenticatedIdentity", '"a@b"', '"c@b"'))
        self.assertFalse(_explained("MyCurrentTime", "1790000000", "1790000001"))

    def test_missing_ad_is_never_explained(self) -> None:
        """Neither in a query nor in a pool."""
        for query in (_LONG, _POOL_LONG):
            self.assertFalse(_explained("<whole>", "an ad", None, query))
            self.assertFalse(_explained("<whole>", None, "an ad", query))

    def test_durations_in_tables_may_differ(self) -> None:
        """Elapsed time goes on between the two runs, but nothing else does."""
        table = "condor_status"
        self.assertTrue(_explained("column 8", "0+00:00:04", "0+00:01:00", table))
        self.assertFalse(_explained("column 8", "0+00:00:04", "1+00:00:04", table))
        self.assertFalse(_explained("column 7", "1024", "1025", table))


class OwnAdTests(SynchronousTestCase):
    """The collector's own ad measures the collector."""

    def test_measurements_may_differ(self) -> None:
        """As long as both are numbers."""
        self.assertTrue(_explained("MonitorSelfImageSize", "1", "2.5", row=_OWN))
        self.assertFalse(_explained("MonitorSelfImageSize", "1", None, row=_OWN))
        self.assertFalse(_explained("MonitorSelfImageSize", "1", '"2"', row=_OWN))

    def test_counters_have_to_be_equal(self) -> None:
        """Both have been sent the same updates."""
        self.assertFalse(_explained("UpdatesTotal", "31", "30", row=_OWN))
        self.assertFalse(_explained("MachineAds", "5", "4", row=_OWN))

    def test_what_is_not_served_is_left_out(self) -> None:
        """Counters of what our collector has not may be absent, no others."""
        self.assertTrue(_explained("CCBRequests", "0", None, row=_OWN))
        self.assertFalse(_explained("UpdatesTotal", "0", None, row=_OWN))
        self.assertFalse(_explained("CCBRequests", "0", None))

    def test_sums_of_losses_may_be_more_than_none(self) -> None:
        """Where the reference counts none, ours may count; not the other way round."""
        self.assertTrue(_explained("UpdatesLost", "0", "5", row=_OWN))
        self.assertTrue(_explained("UpdatesLostRatio", "0.0", "0.125", row=_OWN))
        self.assertFalse(_explained("UpdatesLost", "5", "0", row=_OWN))

    def test_method_goes_with_an_identity_only(self) -> None:
        """Ours may leave out a method that proved nothing, but not name another."""
        self.assertTrue(_explained("AuthenticationMethod", '"FS"', None))
        self.assertFalse(_explained("AuthenticationMethod", '"FS"', '"CLAIMTOBE"'))
        self.assertFalse(_explained("AuthenticationMethod", None, '"FS"'))
        table = "condor_status -any -af Name AuthenticatedIdentity AuthenticationMethod"
        for row, holds in (
            ("m unauthenticated@unmapped FS", True),
            ("m u@d FS", False),
        ):
            self.assertEqual(
                _explained("column 3", "FS", "undefined", table, row), holds
            )


class PoolTests(SynchronousTestCase):
    """Real daemons measure, so their numbers differ; what they say does not."""

    def test_measured_numbers_may_differ(self) -> None:
        """Any number that is not settled, but no absence and no other type."""
        self.assertTrue(_explained("LoadAvg", "0.1", "1.5E-05", _POOL_LONG))
        self.assertFalse(_explained("LoadAvg", "0.1", None, _POOL_LONG))
        self.assertFalse(_explained("LoadAvg", "0.1", "undefined", _POOL_LONG))

    def test_settled_numbers_have_to_be_equal(self) -> None:
        """Resources, job counts and lost updates are the same in every such pool."""
        for name in ("Cpus", "memory", "TotalRunningJobs", "JobsCompleted"):
            self.assertFalse(_explained(name, "1", "2", _POOL_LONG))
        self.assertFalse(_explained("UpdatesLost", "0", "1", _POOL_LONG))

    def test_strings_and_expressions_have_to_be_equal(self) -> None:
        """A changed text is the collector's doing."""
        self.assertFalse(_explained("State", '"Owner"', '"Claimed"', _POOL_LONG))
        self.assertFalse(_explained("Requirements", "Start", "true", _POOL_LONG))

    def test_moments_inside_a_text_may_differ(self) -> None:
        """Times in lists and strings are explained, if nothing else changed."""
        self.assertTrue(
            _explained("ChildX", "{ 1790000000 }", "{ 1790000030 }", _POOL_LONG)
        )
        self.assertFalse(
            _explained("ChildX", "{ 1790000000 }", "{ 1790000030,1 }", _POOL_LONG)
        )
        self.assertFalse(
            _explained("ChildX", "{ 1790000000 }", "{ 1780000000 }", _POOL_LONG)
        )

    def test_tables_may_differ_in_named_columns_only(self) -> None:
        """The load average may, the number of machines may not."""
        table = "pool after the job: condor_status -compact"
        self.assertTrue(_explained("column 9", "0.20", "0.18", table))
        self.assertFalse(_explained("column 3", "1", "2", table))

    def test_histograms_count_the_same_jobs(self) -> None:
        """A job may fall into another class, but not vanish."""
        name = "JobsCompletedSizes"
        self.assertTrue(_explained(name, '"0, 1, 0"', '"1, 0, 0"', _POOL_LONG))
        self.assertFalse(_explained(name, '"0, 1, 0"', '"0, 0, 0"', _POOL_LONG))
        self.assertFalse(_explained(name, '"0, 1, 0"', '"0, 1"', _POOL_LONG))


class PingTests(SynchronousTestCase):
    """What two pings may print differently."""

    def test_sessions_and_versions(self) -> None:
        """Ids and versions may differ, as long as they are some."""
        query = "sid ping, p: nobody wants nothing in particular"
        self.assertTrue(_explained("Session ID", "h:1:2:3", "h:4:5:6", query, "READ"))
        self.assertFalse(_explained("Session ID", "h:1:2:3", "", query, "READ"))
        version = "$CondorVersion: 25.14.1 $"
        self.assertTrue(_explained("Remote Version", version, version, query, "READ"))
        self.assertFalse(_explained("Remote Version", version, "?", query, "READ"))

    def test_facts_have_to_be_equal(self) -> None:
        """Identity, method, ciphers and decision are never explained away."""
        query = "sid ping, p: nobody wants Blowfish and integrity"
        for field in ("Remote Mapping", "Authenticated using", "Encryption", "Result"):
            self.assertFalse(_explained(field, "a", "b", query, "READ"))

    def test_reason_that_was_told_before(self) -> None:
        """A cached reason stands for the one of before, of the same refusal."""
        query = "sid ping, p: nobody wants no collector at this address: tools"
        told = "SECMAN:2009:DENIED server: reason: "
        cached = f"{told}cached result for CLIENT; see first case"
        self.assertTrue(_explained("Error", cached, f"{told}denies", query, "READ"))
        self.assertFalse(_explained("Error", cached, "SECMAN:2010:", query, "READ"))
        self.assertFalse(_explained("Error", cached, None, query, "READ"))

    def test_no_common_cipher(self) -> None:
        """An answer without a cipher may be none at all, but no success."""
        query = "sid ping, p: nobody wants 3DES and encryption"
        real = "SECMAN:2002:it provided no crypto method to use"
        self.assertTrue(_explained("Error", real, "SECMAN:2011:closed", query, "READ"))
        self.assertFalse(_explained("Error", real, None, query, "READ"))
