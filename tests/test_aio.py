"""Tests of ``condor_twisted.aio``: a real loop, and a collector on the loopback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import TestCase

import condor_twisted
from condor_twisted.config.settings import Settings
from tests.client.kit import Double, ad_of
from tests.daemoncore.kit import KNOBS

ROOT = Path(condor_twisted.__file__).parents[1]

PROGRAM = """
import asyncio, sys, threading
from condor_twisted.aio import Pool
from condor_twisted.classad.wire_ad import WireAd

async def main(address):
    async with Pool(address) as pool:
        print(len(await pool.query("Any")))
        print([ad.string("Name") async for ad in pool.stream("Any")])
        async for ad in pool.stream("Any"):
            break
        print([len(each) for each in await asyncio.gather(
            *[pool.query("Any") for _ in range(3)])])
        ad = WireAd.from_pairs({"MyType": "Foo", "Name": "x"})
        print((await pool.advertise(ad))[0].sent_count)
        print((await pool.invalidate("Foo", "x"))[0].sent_count)
        print((await pool.locate("Schedd", "a")).address)
        try:
            await Pool("127.0.0.1:1").query()
        except Exception as error:
            print(type(error).__name__)
    print("twisted.internet.reactor" in sys.modules, threading.active_count())

asyncio.run(main(sys.argv[1]))
"""


class AsyncioTests(TestCase):
    timeout = 60

    async def run_program(self) -> None:
        from twisted.internet import reactor

        settings = Settings.from_assignments(KNOBS, "COLLECTOR")
        double = Double(settings, reactor, port=0)
        double.ads = [ad_of(Name="a", MyAddress="<127.0.0.1:5>"), ad_of(Name="b")]
        double.startService()
        try:
            out, err, code = await getProcessOutputAndValue(
                sys.executable,
                ("-c", PROGRAM, str(double.address)),
                env={"PYTHONPATH": str(ROOT)},
            )
        finally:
            await double.stopService()
        self.assertEqual((err.decode(), code), ("", 0))
        self.assertEqual(
            out.decode().splitlines(),
            [
                "2",
                "['a', 'b']",
                "[2, 2, 2]",
                "1",
                "1",
                "<127.0.0.1:5>",
                "CommandRefused",
                "False 1",
            ],
        )

    def test_asyncio_program(self) -> Deferred[None]:
        """An asyncio program asks and tells a pool, and nothing of ours remains."""
        return Deferred.fromCoroutine(self.run_program())

    def test_importing(self) -> None:
        """Importing it chooses no reactor."""
        code = (
            "import sys, condor_twisted.aio\n"
            "sys.exit('twisted.internet.reactor' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
        self.assertEqual(done.returncode, 0)
