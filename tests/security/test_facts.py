"""`condor_twisted.security.facts`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.security.facts import ChannelEnds, dialled_host


class DialledHostTests(SynchronousTestCase):
    """The name under which a server was dialled."""

    def test_names(self) -> None:
        """An alias is a name; an address alone, or what is none, has no name."""
        for address, name in (
            ("<192.0.2.1:9618?alias=cm.example>", "cm.example"),
            ("<192.0.2.1:9618>", None),
            ("junk", None),
            ("", None),
            (None, None),
        ):
            self.assertEqual(dialled_host(address), name)
            ends = ChannelEnds("192.0.2.2", 1, "192.0.2.1", 2, dialled=address)
            self.assertEqual(ends.dialled_host, name)
