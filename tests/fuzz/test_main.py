"""Tests of the driver, of what it notices, and of inputs that were once faults."""

from __future__ import annotations

import contextlib
import io
import itertools
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from fuzz import __main__ as driver
from fuzz.house import Broken, House, frame, read_reply
from fuzz.targets import TARGETS, Ads, Queries, Target
from tests.counting import calls_of

CORPUS = Path(__file__).parent.parent / "corpus"


class HouseTests(SynchronousTestCase):
    """A house says so when it is not as it should be."""

    def setUp(self) -> None:
        self.house = House()
        self.house.advertise("kept")

    def tearDown(self) -> None:
        self.house.close()

    def assert_broken(self, part: str) -> None:
        """It is, and says why."""
        with self.assertRaisesRegex(Broken, part):
            self.house.check(["kept"])

    def test_well(self) -> None:
        """Nothing is wrong with a new one."""
        self.house.stream(b"\xff" * 9)
        self.house.check(["kept"])

    def test_faults(self) -> None:
        """What a handler raises by mistake is noticed."""

        def fail(*arguments: Any) -> Any:
            raise ZeroDivisionError

        self.patch(self.house.collector.state, "receive_clear", fail)
        self.house.advertise("x")
        self.assert_broken("faults were logged")
        self.flushLoggedErrors(ZeroDivisionError)

    def test_error_lines(self) -> None:
        """An error line is a fault; a warning is none."""
        Logger().warn("only a warning")
        self.house.check()
        Logger().error("an error")
        self.assert_broken("an error")

    def test_lost_ads(self) -> None:
        """An ad that is gone is missed."""
        self.house.stream(
            frame(
                (15).to_bytes(8, "big")
                + (1).to_bytes(8, "big")
                + b'Name = "kept"\0\0\0'
            )
        )
        self.assert_broken("ads are lost")

    def test_timers(self) -> None:
        """A timer that stays is noticed."""
        call = self.house.reactor.callLater(1000, lambda: None)
        self.assert_broken("timers are left")
        call.cancel()

    def test_answered_datagrams(self) -> None:
        """Whatever is sent over UDP is too much."""
        self.house.udp_port.write(b"answer", ("198.51.100.1", 4000))
        self.assert_broken("a datagram was answered")

    def test_reading_replies(self) -> None:
        """A reply is read whole, or not at all."""
        self.assertEqual(len(self.house.ask() or []), 1)
        whole = frame(bytes(8))
        self.assertEqual(read_reply(whole), [])
        self.assertIsNone(read_reply(whole[:3]))
        self.assertIsNone(read_reply(b""))


class DriverTests(SynchronousTestCase):
    def setUp(self) -> None:
        printed = contextlib.redirect_stdout(io.StringIO())
        self.output = printed.__enter__()
        self.addCleanup(printed.__exit__, None, None, None)

    def test_mnh_11_every_target(self) -> None:
        """Each target runs, and finds nothing."""
        self.assertEqual(driver.main(["--count", "60", "--seed", "3"]), 0)
        self.assertEqual(len(self.output.getvalue().splitlines()), 1 + len(TARGETS))

    def test_seconds(self) -> None:
        """The time is shared among targets."""
        ticks = itertools.count(0.0, 0.01)
        self.patch(time, "perf_counter", lambda: next(ticks))
        arguments = ["--seconds", "0.6", "--target", "streams", "--target", "ads"]
        self.assertEqual(driver.main(arguments), 0)
        self.assertLess(next(ticks), 3)

    def broken(self, give: Callable[[Ads, bytes], None]) -> Path:
        """Run a target that is broken; where the input was written."""
        folder = Path(self.mktemp())
        self.patch(Ads, "give", give)
        arguments = ["--count", "5", "--target", "ads", "--save", str(folder)]
        self.assertEqual(driver.main(arguments), 1)
        (path,) = folder.iterdir()
        return path

    def test_faults_are_found(self) -> None:
        """What raises ends the run; the input is kept, and repeats it."""
        given: list[bytes] = []

        def fail(target: Ads, data: bytes) -> None:
            given.append(data)
            raise IndexError("a mistake")

        path = self.broken(fail)
        self.assertEqual(path.read_bytes(), given[-1])
        self.assertIn("IndexError: a mistake", self.output.getvalue())

    def test_hangs_are_found(self) -> None:
        """What takes longer than a second ends the run."""
        self.patch(driver, "INPUT_SECONDS", -1.0)
        self.broken(lambda target, data: None)
        self.assertIn("an input took", self.output.getvalue())


class CorpusTests(SynchronousTestCase):
    """Inputs of faults that were repaired; their names begin with their target's."""

    def test_mnh_11_nothing_comes_back(self) -> None:
        """Each is handled at once, and harms nothing."""
        targets: dict[str, type[Target]] = {each.name: each for each in TARGETS}
        paths = sorted(CORPUS.glob("*.bin"))
        self.assertGreater(len(paths), 5)
        for path in paths:
            target = targets[path.name.partition("-")[0]](random.Random(0))
            for number in range(200):
                if isinstance(target, Queries):
                    target.house.advertise(f"m{number}", b"N = %d" % number)
            data = path.read_bytes()
            calls, _ = calls_of(partial(target.give, data))
            self.assertLess(calls, 10_000_000, path)
            target.house.ask()
            target.house.check(target.kept())
            target.house.close()
