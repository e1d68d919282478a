"""Tests of ``condor_twisted.security.rate_limit``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.security.rate_limit import RateLimit


class RateLimitTests(SynchronousTestCase):
    def test_share(self) -> None:
        """Ten seconds' worth at once, then as it comes back, for each address."""
        limit = RateLimit(2, 10)
        for _ in range(20):
            self.assertFalse(limit.is_reached("a", 100.0))
            limit.count("a", 100.0)
        self.assertTrue(limit.is_reached("a", 100.4))
        self.assertFalse(limit.is_reached("b", 100.4))
        self.assertFalse(limit.is_reached("a", 100.5))
        limit.count("a", 100.5)
        self.assertTrue(limit.is_reached("a", 100.5))
        self.assertFalse(limit.is_reached("a", 1000.0))

    def test_mnh_0_6_addresses_are_bounded(self) -> None:
        """The address that was seen longest ago is forgotten."""
        limit = RateLimit(1, 2)
        for address in ("a", "b", "c"):
            for _ in range(10):
                limit.count(address, 1.0)
        self.assertEqual(
            [limit.is_reached(each, 1.0) for each in "abc"], [False, True, True]
        )
