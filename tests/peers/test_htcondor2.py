"""Our collector serves the real client library of HTCondor."""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SkipTest, TestCase

from condor_twisted.daemoncore.configuration.reading import (
    ConfigurationRequest,
    read_configuration,
)
from condor_twisted.daemons.collector import Collector

_PEER = Path(__file__).with_name("htcondor2_peer.py")
_OPEN = (
    ("ALLOW_WRITE", "*"),
    ("ALLOW_DAEMON", "*"),
    ("ALLOW_NEGOTIATOR", "*"),
    ("SEC_DEFAULT_AUTHENTICATION", "OPTIONAL"),
)

Ad = dict[str, str]


class _Peer(ProcessProtocol):
    """Feeds a process its input and collects what it prints."""

    def __init__(self, calls: object) -> None:
        self._input = json.dumps(calls).encode()
        self._output = bytearray()
        self._errors = bytearray()
        self.ended: Deferred[Any] = Deferred()

    def connectionMade(self) -> None:
        assert self.transport is not None, "the process has been started"
        self.transport.write(self._input)
        self.transport.closeStdin()

    def outReceived(self, data: bytes) -> None:
        self._output += data

    def errReceived(self, data: bytes) -> None:
        self._errors += data

    def processEnded(self, reason: Failure) -> None:
        if reason.check(ProcessDone):
            self.ended.callback(json.loads(self._output))
            return
        reason.trap(ProcessTerminated)
        said = self._errors.decode(errors="replace")
        self.ended.errback(AssertionError(f"the library failed: {said}"))


class LibraryTestCase(TestCase):
    """A collector in this process, the library in another."""

    timeout = 60
    assignments: tuple[tuple[str, str], ...] = _OPEN

    def setUp(self) -> None:
        """Start a collector on a free port of the loopback."""
        if find_spec("htcondor2") is None:
            raise SkipTest("the htcondor wheel is not there for this platform")
        configuration = read_configuration(
            ConfigurationRequest(
                "COLLECTOR",
                assignments=(("PORT", "0"), *self.assignments),
                embedded=True,
                environment={"CONDOR_CONFIG": "ONLY_ENV"},
            )
        )
        self.collector = Collector(configuration.settings, reactor, port=0)
        self.collector.privilegedStartService()
        self.collector.startService()
        self.addCleanup(lambda: maybeDeferred(self.collector.stopService))

    def calls(self, *calls: object, **knobs: str) -> Deferred[list[dict[str, Any]]]:
        """Let the library make calls, in a process of its own.

        Args:
            *calls: See `tests.peers.htcondor2_peer`.
            **knobs: Configuration of the library.

        Returns:
            The outcomes, when the process has ended.
        """
        address = self.collector.address
        assert address is not None, "the collector has started"
        configuration = {
            "COLLECTOR_HOST": f"{address.host}:{address.port}",
            "TOOL_LOG": os.devnull,
            **knobs,
        }
        environment = {
            **os.environ,
            "CONDOR_CONFIG": "ONLY_ENV",
            **{f"_CONDOR_{knob}": text for knob, text in configuration.items()},
        }
        peer = _Peer(calls)
        reactor.spawnProcess(
            peer, sys.executable, [sys.executable, str(_PEER)], environment
        )
        return peer.ended

    def ads(self, outcome: dict[str, Any]) -> list[Ad]:
        """The ads of an outcome that is no error, by name."""
        self.assertNotIn("error", outcome)
        return sorted(outcome["ads"], key=lambda ad: str(ad.get("Name")))


def _text(**attributes: str) -> str:
    return "".join(f"{name} = {text}\n" for name, text in attributes.items())


def _slot(number: int, **further: str) -> str:
    return _text(
        MyType='"Machine"',
        Name=f'"slot{number}@exec.example"',
        Machine='"exec.example"',
        MyAddress='"<127.0.0.1:4001>"',
        State='"Unclaimed"',
        Memory=str(1000 * number),
        **further,
    )


def _schedd(name: str) -> str:
    return _text(
        MyType='"Scheduler"',
        Name=f'"{name}"',
        Machine='"submit.example"',
        MyAddress='"<127.0.0.1:4002>"',
        ScheddIpAddr='"<127.0.0.1:4002>"',
        CondorVersion='"$CondorVersion: 25.14.1 2026-10-16 $"',
        TotalIdleJobs="7",
    )


_SLOTS = ["advertise", "UPDATE_STARTD_AD", [_slot(1), _slot(2), _slot(3)], True]
_SCHEDDS = ["advertise", "UPDATE_SCHEDD_AD", [_schedd("a@s"), _schedd("b@s")], True]


class AdvertiseTests(LibraryTestCase):
    """What the library advertises is there."""

    async def test_everything_sent_comes_back(self) -> None:
        """Strings with backslashes, quotes and UTF-8, lists, ads, expressions."""
        sent = {
            "MyType": '"Frob"',
            "Name": '"frob"',
            "MyAddress": '"<127.0.0.1:4003>"',
            "Backslash": r'"C:\Users\new\table\0"',
            "Quotes": r'"say \"hi\""',
            "Unicode": '"Grüße, 世界, ☃"',
            "List": '{ 1,2.5,"three",{ "four",{  } },undefined,error,true }',
            "Inner": '[ Text = "x;y]"; Numbers = { 1,2 } ]',
            "Expression": 'ifThenElse(TARGET.Memory > 1,regexp("^a",Name),undefined)',
            "Biggest": "9223372036854775807",
            "Tiny": "1.5E-10",
        }
        _, outcome = await self.calls(
            ["advertise", "UPDATE_AD_GENERIC", [_text(**sent)], True],
            ["query", "Any", 'MyType == "Frob"', None],
        )
        (ad,) = self.ads(outcome)
        self.assertEqual({name: ad.get(name) for name in sent}, sent)
        self.assertEqual(ad["AuthenticatedIdentity"], '"unauthenticated@unmapped"')

    async def test_many_ads_on_one_connection(self) -> None:
        """Each of several updates on one connection is stored under its own name."""
        _, outcome = await self.calls(_SLOTS, ["query", "Slot", None, None])
        self.assertEqual(
            [ad["Memory"] for ad in self.ads(outcome)], ["1000", "2000", "3000"]
        )

    async def test_second_update_replaces_the_first(self) -> None:
        """An update under a known name leaves nothing of the old ad."""
        *_, outcome = await self.calls(
            ["advertise", "UPDATE_STARTD_AD", [_slot(1, Old="1")], True],
            ["advertise", "UPDATE_STARTD_AD", [_slot(1, New="1")], True],
            ["query", "Slot", None, None],
        )
        (ad,) = self.ads(outcome)
        self.assertEqual((ad.get("Old"), ad.get("New")), (None, "1"))
        self.assertEqual(ad["UpdatesTotal"], "2")


class QueryTests(LibraryTestCase):
    """What the library asks for is answered as it asks."""

    async def test_constraint_selects(self) -> None:
        """Only ads for which the constraint is true come, also with functions in it."""
        *_, simple, costly, none = await self.calls(
            _SLOTS,
            ["query", "Slot", "Memory > 1500 && Nope =?= undefined", None],
            ["query", "Slot", 'regexp("^SLOT1@", Name, "i")', None],
            ["query", "Slot", "Nope", None],
        )
        self.assertEqual(len(self.ads(simple)), 2)
        self.assertEqual(
            [ad["Name"] for ad in self.ads(costly)], ['"slot1@exec.example"']
        )
        self.assertEqual(self.ads(none), [])

    async def test_projection_cuts(self) -> None:
        """Only the attributes asked for come, and what they refer to."""
        *_, outcome = await self.calls(
            ["advertise", "UPDATE_STARTD_AD", [_slot(1, Twice="Memory * 2")], True],
            ["query", "Slot", None, ["Name", "Twice"]],
        )
        self.assertEqual(
            self.ads(outcome),
            [
                {
                    "Name": '"slot1@exec.example"',
                    "Twice": "Memory * 2",
                    "Memory": "1000",
                }
            ],
        )

    async def test_types_are_apart(self) -> None:
        """Each type has its table; `Any` is all of them, the collector included."""
        *_, schedds, own, everything = await self.calls(
            _SLOTS,
            _SCHEDDS,
            ["query", "Schedd", None, None],
            ["query", "Collector", None, None],
            ["query", "Any", None, ["MyType"]],
        )
        self.assertEqual([ad["Name"] for ad in self.ads(schedds)], ['"a@s"', '"b@s"'])
        (collector,) = self.ads(own)
        self.assertEqual(collector["MyType"], '"Collector"')
        self.assertEqual(collector["MyAddress"], f'"{self.collector.address}"')
        # The first slot of a machine without an ad of its own stands for the machine.
        kinds = sorted(ad["MyType"] for ad in self.ads(everything))
        self.assertEqual(kinds.count('"Machine"'), 3)
        self.assertEqual(kinds.count('"Scheduler"'), 2)
        self.assertEqual(kinds.count('"Collector"'), 1)

    async def test_bad_constraint_is_the_library_s_error(self) -> None:
        """A text that is no expression fails there; the collector goes on serving."""
        *_, broken, sound = await self.calls(
            _SLOTS,
            ["query", "Slot", "((", None],
            ["query", "Slot", "true", ["Name"]],
        )
        self.assertIn("error", broken)
        self.assertEqual(len(self.ads(sound)), 3)


class LocateTests(LibraryTestCase):
    """Daemons are found through the collector."""

    async def test_by_name(self) -> None:
        """The one daemon of that name, with what it takes to contact it."""
        *_, found, missing = await self.calls(
            _SCHEDDS, ["locate", "Schedd", "b@s"], ["locate", "Schedd", "c@s"]
        )
        (ad,) = self.ads(found)
        self.assertEqual(ad["Name"], '"b@s"')
        self.assertEqual(ad["MyAddress"], '"<127.0.0.1:4002>"')
        self.assertNotIn("TotalIdleJobs", ad)
        self.assertEqual(self.ads(missing), [])

    async def test_with_a_limit(self) -> None:
        """A look-up limited to one ad gives the daemon that the configuration names."""
        *_, found = await self.calls(
            _SCHEDDS, ["locate_local", "Schedd"], SCHEDD_HOST="b@s"
        )
        (ad,) = self.ads(found)
        self.assertEqual(ad["Name"], '"b@s"')
        self.assertEqual(ad["MyAddress"], '"<127.0.0.1:4002>"')


class InvalidateTests(LibraryTestCase):
    """The library takes ads out again."""

    async def test_by_name(self) -> None:
        """An invalidation with a key removes that ad, whatever it requires."""
        gone = _text(
            MyType='"Query"',
            TargetType='"Machine"',
            Name='"slot2@exec.example"',
            Requirements="false",
        )
        *_, outcome = await self.calls(
            _SLOTS,
            ["advertise", "INVALIDATE_STARTD_ADS", [gone], True],
            ["query", "Slot", None, ["Name"]],
        )
        self.assertEqual(
            [ad["Name"] for ad in self.ads(outcome)],
            ['"slot1@exec.example"', '"slot3@exec.example"'],
        )

    async def test_by_constraint(self) -> None:
        """An invalidation without a key removes what its constraint says."""
        gone = _text(
            MyType='"Query"', TargetType='"Machine"', Requirements="Memory > 1500"
        )
        *_, outcome = await self.calls(
            _SLOTS,
            ["advertise", "INVALIDATE_STARTD_ADS", [gone], True],
            ["query", "Slot", None, ["Name"]],
        )
        self.assertEqual(
            [ad["Name"] for ad in self.ads(outcome)], ['"slot1@exec.example"']
        )


class EmbeddedDefaultsTests(LibraryTestCase):
    """Under the embedded defaults only the collector's own user changes anything."""

    assignments = ()

    async def test_same_user_is_let_in_through_fs(self) -> None:
        """The library proves who runs it, and the ad says so."""
        _, outcome = await self.calls(
            _SCHEDDS, ["query", "Schedd", None, None], SEC_CLIENT_ENCRYPTION="REQUIRED"
        )
        first, _ = self.ads(outcome)
        self.assertEqual(first["AuthenticationMethod"], '"FS"')
        self.assertNotIn("unmapped", first["AuthenticatedIdentity"])

    async def test_unproved_user_is_kept_out(self) -> None:
        """Without negotiation nothing is stored, but reading goes on."""
        _, schedds, own = await self.calls(
            _SCHEDDS,
            ["query", "Schedd", None, None],
            ["query", "Collector", None, ["Name"]],
            SEC_CLIENT_NEGOTIATION="NEVER",
        )
        self.assertEqual(self.ads(schedds), [])
        self.assertEqual(len(self.ads(own)), 1)
