"""What attackers make us log, in memory."""

from __future__ import annotations

from condor_twisted.constants.commands import Command
from fuzz import seeds
from fuzz.house import frame
from tests.robustness.kit import HouseTestCase, query, update

#: What would begin a line of ours in a log file.
FORGED = (
    b"\n11/24/26 07:00:00 ** condor_collector (CONDOR_COLLECTOR) STARTING UP\r\n\x1b[2J"
)


class LogTests(HouseTestCase):
    def test_mnh_7_2_no_line_of_a_peer(self) -> None:
        """No value of a peer makes a second line, nor a control character."""
        self.house.lines.clear()
        self.house.stream(
            frame(update(b"N = 1", b'MyType = "' + FORGED + b'"', number=55))
        )
        for payload in (
            update(b'Name = "a' + FORGED + b'"', b"Bad" + FORGED + b" = (("),
            update(b'Name = "b"', b"Bad = ((" + FORGED),
            update(b'MyType = "' + FORGED + b'"', number=Command.UPDATE_AD_GENERIC),
            update(b'TargetType = "' + FORGED + b'"', number=56),
            query(b"Requirements = ((" + FORGED),
            query(b'TargetType = "' + FORGED + b'"', number=Command.QUERY_MULTIPLE_ADS),
            update(b"Requirements = " + FORGED, number=Command.INVALIDATE_MASTER_ADS),
        ):
            self.house.stream(frame(payload))
            self.house.datagram(payload)
            self.reactor.advance(2)
        self.house.ask(number=Command.QUERY_ANY_ADS)
        handshake = seeds.handshakes()["security-claimtobe 0"][0]
        for value in (b'"TOOL"', b'"READ"', b"25.14.1"):
            forged = handshake[5:].replace(value, FORGED)
            self.house.stream(frame(forged))
        self.assertGreater(len(self.house.lines), 3)
        for line in self.house.lines:
            self.assertTrue(line.isprintable(), repr(line))
            self.assertFalse(line.startswith("11/24/26"))

    def test_mnh_7_2_long_values(self) -> None:
        """At most a kilobyte of a value is in a line."""
        self.house.lines.clear()
        name = b"n" * 100_000
        self.house.stream(frame(update(b'Name = "%s"' % name, b"Bad = ((")))
        self.house.stream(frame(query(b'TargetType = "%s"' % name, number=78)))
        self.house.stream(
            frame(update(b'MyType = "%s"' % name, b'Name = "x"', number=58))
        )
        self.house.ask()
        for line in self.house.lines:
            self.assertLess(len(line), 4096)

    def test_mnh_7_4_identical_lines(self) -> None:
        """A thousand bad connections in a second are some ten lines, then a count."""
        self.house.lines.clear()
        for _ in range(1000):
            self.house.stream(b"\xff" * 5)
        self.assertLessEqual(len(self.house.lines), 12)
        for _ in range(3):
            self.reactor.advance(1)
            self.reactor.flush()
        self.house.stream(b"\xff" * 5)
        self.assertTrue(any("more lines" in line for line in self.house.lines))

    def test_mnh_0_5_debugging_shows_no_payload(self) -> None:
        """The text of an error about an ad has none of its private values."""
        self.house.lines.clear()
        for lines in (
            (b'ClaimId = "s3cr3t"',),
            (b'ClaimId = "s3cr3t', b"Name = (("),
            (b'Capability = "s3cr3t"', b"x" * 5000 + b" = 1"),
            (b'_condor_priv_x = "s3cr3t"', b"no equals sign s3cr3t"),
        ):
            for number in (Command.UPDATE_STARTD_AD, Command.UPDATE_MASTER_AD):
                payload = update(*lines, number=number)
                self.house.stream(frame(payload))
                self.house.datagram(payload)
                self.reactor.advance(2)
        self.assertGreater(len(self.house.lines), 0)
        self.assertNotIn("s3cr3t", "\n".join(self.house.lines))
