"""Tests of ``condor_twisted.tools.advertise``."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import fail
from twisted.internet.error import DNSLookupError
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.constants.commands import Command
from condor_twisted.tools import advertise
from condor_twisted.tools.advertise import collector_command, main, read_ads
from condor_twisted.tools.option_table import UsageError
from tests.tools.kit import ToolTestCase

AD = b'MyType = "Foo"\nName = "f"\nX = y + 1\n'


class CommandTests(SynchronousTestCase):
    def test_names_and_numbers(self) -> None:
        """A command is named in any case, or by its number."""
        for text in ("UPDATE_AD_GENERIC", "update_ad_generic", "58"):
            self.assertEqual(collector_command(text), Command.UPDATE_AD_GENERIC)
        for text in ("FOO", "QUERY_ANY_ADS", "48", "9999", ""):
            self.assertRaises(UsageError, collector_command, text)


class ReadingTests(SynchronousTestCase):
    def test_one_ad(self) -> None:
        """A file is one ad: blank lines and comments do not count."""
        data = b"# c\n\n  A =  1 \r\n\nB = a + 1\n \t\nA = 2"
        [ad] = read_ads(data, multiple=False)
        self.assertEqual(ad.lines(), [b"A = 1", b"B = a + 1", b"A = 2"])

    def test_several_ads(self) -> None:
        """Where there may be several, a blank line separates them."""
        data = b"\n\nA = 1\n# c\nB = 2\n\n\nA = 3\r\n\r\n"
        ads = list(read_ads(data, multiple=True))
        self.assertEqual([ad.lines() for ad in ads], [[b"A = 1", b"B = 2"], [b"A = 3"]])

    def test_no_ad(self) -> None:
        """Nothing is no ad."""
        for data in (b"", b"\n\n", b"# c\n"):
            self.assertEqual(list(read_ads(data, multiple=True)), [])

    def test_bad_lines(self) -> None:
        """A line that is no attribute, or no expression, is refused."""
        for line in (b"A", b"= 1", b"A =", b"A = ((", b"A = 1\0"):
            self.assertRaises(ValueError, list, read_ads(line, multiple=False))


class AdvertiseTests(ToolTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.patch(advertise, "pool_of", self.pool_of)
        self.patch(advertise, "run", lambda start: self.code(start(self.reactor)))
        self.file = Path(self.mktemp())
        self.file.write_bytes(AD)

    def test_sending(self) -> None:
        """An ad goes to the collector with our address, and the tool says so."""
        self.assertEqual(main(["UPDATE_AD_GENERIC", str(self.file)]), 0)
        self.reactor.flush()
        self.assertEqual(self.out.text, "Sent 1 of 1 ad to 127.0.0.1:9618.\n")
        [(transport, command, [ad])] = self.collector.told
        self.assertEqual((transport, command), ("tcp", 58))
        self.assertEqual(ad.string("MyAddress"), "<127.0.0.1:0>")
        self.assertEqual(ad.expression("X"), "y + 1")

    def test_own_address_stays(self) -> None:
        """An ad that has an address keeps it."""
        self.file.write_bytes(AD + b'MyAddress = "<192.0.2.1:5>"\n')
        main(["-tcp", "58", str(self.file)])
        self.reactor.flush()
        self.assertEqual(
            self.collector.told[0][2][0].string("MyAddress"), "<192.0.2.1:5>"
        )

    def test_several(self) -> None:
        """Several ads go over one connection."""
        self.file.write_bytes(AD + b"\n" + AD)
        self.assertEqual(main(["-multiple", "58", str(self.file)]), 0)
        self.reactor.flush()
        self.assertIn("Sent 2 of 2 ads to", self.out.text)
        self.assertEqual(len(self.collector.connections), 1)

    def test_udp(self) -> None:
        """With -udp the ad is a datagram."""
        self.assertEqual(main(["-u", "58", str(self.file)]), 0)
        self.reactor.flush()
        self.assertEqual(self.collector.told[0][0], "udp")

    def test_acknowledged(self) -> None:
        """A confirmed update is always TCP; a missing confirmation is a failure."""
        arguments = ["-udp", "UPDATE_STARTD_AD_WITH_ACK", str(self.file)]
        self.assertEqual(main(arguments), 0)
        self.assertEqual(self.collector.told[0][0], "tcp")
        self.collector.acknowledges = False
        self.assertEqual(main(arguments), 1)
        self.assertIn("failed to get ack from <127.0.0.1:9618>\n", self.err.text)
        self.assertIn("Sent 0 of 1 ad to 127.0.0.1:9618.\n", self.out.text)

    def test_command_of_the_type(self) -> None:
        """Without a command the ad's type says it, as HTCondor's tool guesses."""
        for my_type, command in (
            ("Grid", Command.UPDATE_GRID_AD),
            ("Foo", Command.UPDATE_AD_GENERIC),
            ("Scheduler", Command.UPDATE_AD_GENERIC),
        ):
            self.patch(sys, "stdin", _Input(f'MyType = "{my_type}"\n'.encode()))
            self.assertEqual(main([]), 0)
            self.reactor.flush()
            self.assertEqual(self.collector.told[-1][1], command)
        self.patch(sys, "stdin", _Input(b"A = 1\n"))
        self.assertEqual(main([]), 1)
        self.assertIn("MyType not set in ad, aborting.\n", self.err.text)

    def test_nobody_there(self) -> None:
        """A collector that cannot be reached is a failure with its reason."""
        pool = "127.0.0.1:9618,127.0.0.1:1"
        self.assertEqual(main(["-pool", pool, "58", str(self.file)]), 1)
        self.assertEqual(
            self.out.text,
            "Sent 1 of 1 ad to 127.0.0.1:9618.\nSent 0 of 1 ad to 127.0.0.1:1.\n",
        )
        self.assertIn("failed to send classad to <127.0.0.1:1>\n", self.err.text)
        self.assertIn("cannot connect", self.err.text)

    def test_unknown_host(self) -> None:
        """A host without an address is said to be unknown."""

        def pool_of(address: str | None, reactor: Any) -> Any:
            pool = self.pool(address)
            pool.client.opener.open = lambda *a, **k: fail(DNSLookupError("x"))  # type: ignore[method-assign]
            return pool

        self.patch(advertise, "pool_of", pool_of)
        self.assertEqual(main(["-pool", "nohost", "58", str(self.file)]), 1)
        self.assertEqual(
            self.err.text, "couldn't locate collector: unknown host nohost\n"
        )

    def test_files(self) -> None:
        """Files that are missing, empty or no ads are failures, each with its line."""
        missing = str(self.file) + ".missing"
        for data, text in (
            (b"", f"{self.file} is empty\n"),
            (b"A = ((\n", f"couldn't parse ClassAd in {self.file}\n"),
        ):
            self.file.write_bytes(data)
            self.assertEqual(main(["58", str(self.file)]), 1)
            self.assertTrue(self.err.text.endswith(text))
        self.assertEqual(main(["58", missing]), 1)
        self.assertIn(f"couldn't open {missing}: No such file", self.err.text)

    def test_bad_usage(self) -> None:
        """What cannot be understood is bad usage, with a line that says what."""
        for arguments, text in (
            (["-foo"], "Unknown argument: -foo"),
            (["-pool"], "-pool needs a collector"),
            (["FOO"], "Unknown command name FOO"),
            (["58", "a", "b"], "Extra argument: b"),
            (["-fake-private-ad", "58"], "-fake-private-ad is not available here"),
        ):
            self.assertEqual(main(arguments), 2)
            self.assertIn(text, self.err.text)

    def test_help_and_version(self) -> None:
        """It tells how it is used, and what it is compatible with."""
        self.assertEqual(main(["-help"]), 0)
        self.assertIn("UPDATE_AD_GENERIC", self.out.text)
        self.assertNotIn("QUERY_", self.out.text)
        self.assertEqual(main(["-version"]), 0)
        self.assertIn("$CondorVersion", self.out.text)


class _Input(io.TextIOWrapper):
    """Standard input with these bytes."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
