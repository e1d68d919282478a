"""Tests of ``condor_twisted.client.pool``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectingCancelledError

import condor_twisted
from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.client import Advertised, Pool
from condor_twisted.constants.commands import Command
from condor_twisted.errors import (
    CommandRefused,
    ConfigError,
    LocalProtocolError,
)
from condor_twisted.wire.sinful import SinfulAddress
from tests.client.kit import PoolTestCase, ad_of

NAMES = [f"slot{number}@host" for number in range(40)]


class QueryTests(PoolTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.collector.ads = [ad_of(MyType="Machine", Name=name) for name in NAMES]

    def names(self, ads: list[WireAd]) -> list[str | None]:
        """The ads' names."""
        return [ad.string("Name") for ad in ads]

    def test_query(self) -> None:
        """A query brings the collector's ads, and the collector gets the query."""
        ads = self.done(
            self.pool().query("Machine", "Memory > 10", ["Name", "Memory"], 5)
        )
        self.assertEqual(self.names(ads), NAMES)
        [(command, query)] = self.collector.queries
        self.assertEqual(command, Command.QUERY_STARTD_ADS)
        self.assertEqual(
            query.lines(),
            [
                b'MyType = "Query"',
                b'Projection = "Name Memory"',
                b'TargetType = "Machine"',
                b"LimitResults = 5",
                b"Requirements = Memory > 10",
            ],
        )

    def test_no_ads(self) -> None:
        """An answer without ads is an empty list."""
        self.collector.ads = []
        self.assertEqual(self.done(self.pool().query()), [])

    def test_pieces_of_every_size(self) -> None:
        """However the answer is cut, the ads are the same."""
        self.collector.ads = self.collector.ads[:3]
        for piece_bytes in (1, 2, 7, 64, 100_000):
            self.collector.piece_bytes = piece_bytes
            ads = self.done(self.pool().query("Machine"))
            self.assertEqual(self.names(ads), NAMES[:3])

    def test_encrypted(self) -> None:
        """Under a session with encryption the same ads come; secrets come too."""
        secure = self.start_secure()
        secure.ads = [WireAd(b'Name = "a"\0', [b'ClaimId = "secret"'])]
        pool = self.pool(
            "127.0.0.1:9700", SEC_CLIENT_AUTHENTICATION_METHODS="CLAIMTOBE"
        )
        pool.client.settings = secure.settings.for_reader("TOOL")
        [ad] = self.done(pool.query("Machine"))
        self.assertEqual(ad.string("Name"), "a")
        self.assertIn(b'ClaimId = "secret"', [*ad.secret_lines, *ad.lines()])

    def test_secrets_that_are_encrypted_alone(self) -> None:
        """A stream with single encrypted secrets is read whole, and rightly."""
        secure = self.start_secure()
        knobs = {
            "SEC_DEFAULT_ENCRYPTION": "NEVER",
            "SEC_DEFAULT_CRYPTO_METHODS": "BLOWFISH",
        }
        secure.settings = secure.settings.with_assignments(knobs)
        assert secure.security is not None
        secure.security.reconfigure(secure.settings)
        secure.ads = [
            WireAd(b'Name = "a"\0', [b'ClaimId = "first"']),
            WireAd(b'Name = "b"\0', [b'ClaimId = "second"']),
        ]
        pool = self.pool("127.0.0.1:9700")
        pool.client.settings = secure.settings.for_reader("TOOL")
        ads = self.done(pool.query("Machine"))
        self.assertEqual(
            [ad.secret_lines for ad in ads],
            [(b'ClaimId = "first"',), (b'ClaimId = "second"',)],
        )

    def test_each_ad_as_it_comes(self) -> None:
        """A callback gets each ad; the result is their number."""
        seen: list[WireAd] = []
        count = self.done(self.pool().query_each(seen.append, "Machine"))
        self.assertEqual((count, self.names(seen)), (40, NAMES))

    def test_callback_that_fails(self) -> None:
        """What a callback raises is the result, and the connection is closed."""

        def refuse(ad: WireAd) -> None:
            raise ZeroDivisionError

        self.failed(self.pool().query_each(refuse, "Machine"), ZeroDivisionError)
        self.reactor.flush()
        self.assertEqual(self.open_connections(), 0)

    def open_connections(self) -> int:
        """How many connections the collector still has."""
        server = self.collector.server
        assert server is not None
        return len(server.connections)

    def test_stream(self) -> None:
        """A stream gives the ads one by one."""

        async def collect() -> list[str | None]:
            return [ad.string("Name") async for ad in self.pool().stream("Machine")]

        self.assertEqual(self.done(Deferred.fromCoroutine(collect())), NAMES)

    def test_stream_that_is_left(self) -> None:
        """Leaving a stream early closes the connection."""

        async def first() -> str | None:
            ads = self.pool().stream("Machine")
            try:
                async for ad in ads:
                    return ad.string("Name")
            finally:
                await ads.aclose()  # type: ignore[attr-defined]
            return None

        self.assertEqual(self.done(Deferred.fromCoroutine(first())), NAMES[0])
        self.reactor.flush()
        self.assertEqual(self.open_connections(), 0)

    def test_several_kinds(self) -> None:
        """Several kinds are one query."""
        self.done(self.pool().query(["Machine", "Submitter"]))
        [(command, query)] = self.collector.queries
        self.assertEqual(command, Command.QUERY_MULTIPLE_ADS)
        self.assertEqual(query.string("TargetType"), "Machine,Submitter")
        self.assertNotIn("Requirements", query)

    def test_cancelling(self) -> None:
        """A query that is cancelled is over."""
        self.reactor.silent.add(("127.0.0.1", 9618))
        outcome = self.pool().query()
        outcome.cancel()
        self.failureResultOf(outcome, CancelledError, ConnectingCancelledError)

    def test_address_forms(self) -> None:
        """A pool is named by a sinful string, an address object or COLLECTOR_HOST."""
        for pool in (
            self.pool("<127.0.0.1:9618>"),
            self.pool(None, COLLECTOR_HOST="127.0.0.1"),
            Pool(SinfulAddress.of("127.0.0.1", 9618), self.settings(), self.reactor),
        ):
            self.assertEqual(len(self.done(pool.query())), 40)
            self.done(pool.close())

    def test_two_identities(self) -> None:
        """Two pools in one process have their own sessions and policies."""
        secure = self.start_secure()
        one = self.pool("127.0.0.1:9700")
        one.client.settings = secure.settings.for_reader("TOOL")
        other = self.pool("127.0.0.1:9700", SEC_CLIENT_NEGOTIATION="NEVER")
        self.done(one.query())
        error = self.failed(other.query(), CommandRefused)
        self.assertIn("closed without an answer", str(error))
        self.assertEqual(len(one.client.opener.security.outgoing), 1)
        self.assertEqual(len(other.client.opener.security.outgoing), 0)


class FailureTests(PoolTestCase):
    def test_nobody_there(self) -> None:
        """An error names the command, the address, the cause, and what to look at."""
        error = self.failed(self.pool("127.0.0.1:9619").query("Schedd"), CommandRefused)
        for part in ("6", "QUERY_SCHEDD_ADS", "<127.0.0.1:9619>", "running there"):
            self.assertIn(part, str(error))

    def test_no_collector_named(self) -> None:
        """Without any collector the error says how to name one."""
        pool = self.pool(None, COLLECTOR_HOST="")
        error = self.failed(pool.query(), LocalProtocolError)
        self.assertIn("COLLECTOR_HOST", str(error))

    def test_second_collector(self) -> None:
        """Where the first collector is down, the second is asked."""
        pool = self.pool("127.0.0.1:9619, 127.0.0.1:9618")
        self.assertEqual(self.done(pool.query()), [])
        self.assertEqual(len(self.collector.queries), 1)

    def test_all_collectors_down(self) -> None:
        """Where all are down, the error names them all."""
        error = self.failed(
            self.pool("127.0.0.1:9619,127.0.0.1:9620").query(), CommandRefused
        )
        self.assertIn("<127.0.0.1:9619>", str(error))
        self.assertIn("<127.0.0.1:9620>", str(error))

    def test_order(self) -> None:
        """Collectors are asked at random, or in order with HAD_USE_PRIMARY."""
        names = [f"127.0.0.1:{port}" for port in range(9600, 9650)]
        shuffled = Pool(",".join(names), self.settings(), self.reactor)
        self.assertNotEqual([name for name, _ in shuffled.collectors()], names)
        settings = self.settings(HAD_USE_PRIMARY="true")
        ordered = Pool(",".join(names), settings, self.reactor)
        self.assertEqual([name for name, _ in ordered.collectors()], names)

    def test_collector_that_closes(self) -> None:
        """A close instead of an answer is explained."""
        self.collector.answer = b""
        error = self.failed(self.pool().query(), CommandRefused)
        self.assertIn("closed without an answer", str(error))

    def test_collector_that_is_silent(self) -> None:
        """An answer that does not come within QUERY_TIMEOUT is an error."""
        self.collector.stalls = True
        pool = self.pool(QUERY_TIMEOUT="7")
        outcome = pool.query()
        self.reactor.flush()
        self.assertNoResult(outcome)
        self.reactor.pump([1.0] * 9)
        error = self.failed(outcome, CommandRefused)
        self.assertIn("7 s", str(error))

    def test_answer_that_breaks_off(self) -> None:
        """Where the answer stops in the middle, no other collector is asked."""
        other = self.start_double(9619)
        self.collector.answer = b"\0" * 7 + b"\1" + b"\0" * 7 + b"\2" + b"A = 1\0"
        self.collector.piece_bytes = 10
        pool = self.pool("127.0.0.1:9618,127.0.0.1:9619")
        error = self.failed(pool.query(), CommandRefused)
        self.assertIn("broke off", str(error))
        self.assertEqual(other.queries, [])

    def test_answer_that_is_wrong_from_the_start(self) -> None:
        """Where not even the beginning is right, the next collector is asked."""
        other = self.start_double(9619)
        self.collector.answer = b"\1"
        pool = self.pool("127.0.0.1:9618,127.0.0.1:9619")
        self.assertEqual(self.done(pool.query()), [])
        self.assertEqual(len(other.queries), 1)

    def test_answer_that_is_none(self) -> None:
        """Bytes that are no answer are an error that says so."""
        for answer in (b"\1", b"\0" * 7 + b"\1" + b"\xff" * 8, b"\0" * 8 + b"more"):
            self.collector.answer = answer
            error = self.failed(self.pool().query(), CommandRefused)
            self.assertIn("QUERY_ANY_ADS", str(error))


class LocateTests(PoolTestCase):
    def test_locating(self) -> None:
        """The place of a daemon is what its ad says."""
        self.collector.ads = [
            ad_of(
                Name="s", Machine="host", MyAddress="<192.0.2.3:4>", CondorVersion="v"
            )
        ]
        place = self.done(self.pool().locate("Schedd", "s"))
        self.assertEqual(
            (place.name, place.machine, place.address, place.version, place.platform),
            ("s", "host", "<192.0.2.3:4>", "v", ""),
        )
        [(command, query)] = self.collector.queries
        self.assertEqual(command, Command.QUERY_SCHEDD_ADS)
        self.assertEqual(query.string("LocationQuery"), "s")
        self.assertEqual(query.expression("Requirements"), '((Name == "s"))')

    def test_unknown_daemon(self) -> None:
        """A daemon that the collector does not know is an error with its name."""
        self.collector.ads = [ad_of(Name="without address")]
        error = self.failed(self.pool().locate("Schedd", "sx"), CommandRefused)
        self.assertIn("Schedd sx", str(error))
        error = self.failed(self.pool().locate("Negotiator"), CommandRefused)
        self.assertIn("any Negotiator", str(error))


class AdvertiseTests(PoolTestCase):
    def test_one_connection(self) -> None:
        """Several updates go over one connection."""
        ads = [ad_of(MyType="Machine", Name=name) for name in NAMES[:3]]
        [outcome] = self.done(self.pool().advertise(ads))
        self.assertEqual(outcome, Advertised("127.0.0.1:9618", "<127.0.0.1:9618>", 3))
        self.reactor.flush()
        self.assertEqual(
            [(command, each) for _, command, each in self.collector.told],
            [(Command.UPDATE_STARTD_AD, [ad]) for ad in ads],
        )
        self.assertEqual(len(self.collector.connections), 1)
        server = self.collector.server
        assert server is not None
        self.assertEqual(len(server.connections), 0)

    def test_everything_has_left(self) -> None:
        """When the result is there, the collector has all updates: a tool may end."""
        outcome = self.pool().advertise(ad_of(MyType="Machine", Name="a"))
        for _ in range(100):
            if outcome.called:
                break
            self.reactor.traffic.step()
            self.reactor.advance(0)
        self.successResultOf(outcome)
        self.assertEqual(len(self.collector.told), 1)

    def test_under_a_session(self) -> None:
        """Updates behind the first need no further negotiation."""
        secure = self.start_secure()
        pool = self.pool("127.0.0.1:9700")
        pool.client.settings = secure.settings.for_reader("TOOL")
        ads = [ad_of(MyType="Scheduler", Name=name) for name in NAMES[:3]]
        [outcome] = self.done(pool.advertise(ads))
        self.reactor.flush()
        self.assertEqual(outcome.sent_count, 3)
        self.assertEqual([each for _, _, each in secure.told], [[ad] for ad in ads])
        self.assertEqual(len(secure.connections), 1)

    def test_private_ads(self) -> None:
        """A slot's private ad goes behind its public one."""
        public, private = ad_of(Name="a"), ad_of(ClaimId="x")
        command = Command.UPDATE_STARTD_AD
        self.done(self.pool().advertise(public, command, private_ads=[private]))
        self.reactor.flush()
        self.assertEqual(self.collector.told, [("tcp", 0, [public, private])])
        outcome = self.pool().advertise([public] * 2, command, private_ads=[private])
        self.failed(outcome, LocalProtocolError)

    def test_acknowledgement(self) -> None:
        """UPDATE_STARTD_AD_WITH_ACK waits for the collector; its close is a refusal."""
        command = Command.UPDATE_STARTD_AD_WITH_ACK
        ads = [ad_of(Name="a"), ad_of(Name="b")]
        [outcome] = self.done(self.pool().advertise(ads, command))
        self.assertEqual((outcome.sent_count, outcome.errors), (2, ()))
        self.assertEqual(len(self.collector.connections), 2)
        self.collector.acknowledges = False
        [outcome] = self.done(self.pool().advertise(ads, command))
        self.assertEqual((outcome.sent_count, len(outcome.errors)), (0, 2))
        self.assertIsInstance(outcome.errors[0], CommandRefused)

    def test_every_collector(self) -> None:
        """All collectors are told; one that is down does not keep the others."""
        other = self.start_double(9620)
        pool = self.pool("127.0.0.1:9618,127.0.0.1:9619,127.0.0.1:9620")
        outcomes = self.done(pool.advertise(ad_of(MyType="Foo", Name="a")))
        self.reactor.flush()
        self.assertEqual([each.sent_count for each in outcomes], [1, 0, 1])
        self.assertIn("UPDATE_AD_GENERIC", str(outcomes[1].errors[0]))
        self.assertEqual([len(self.collector.told), len(other.told)], [1, 1])

    def test_datagrams(self) -> None:
        """Updates go by UDP where that is wanted, or UPDATE_COLLECTOR_WITH_TCP says."""
        pool = self.pool(UPDATE_COLLECTOR_WITH_TCP="false")
        ads = [ad_of(MyType="Foo", Name="a"), ad_of(MyType="Foo", Name="b")]
        [outcome] = self.done(pool.advertise(ads))
        self.done(self.pool().advertise(ads[0], use_tcp=False))
        self.reactor.flush()
        self.assertEqual(outcome.sent_count, 2)
        self.assertEqual([each[0] for each in self.collector.told], ["udp"] * 3)

    def test_address_without_udp(self) -> None:
        """A collector that takes no datagrams is an error for each update."""
        pool = self.pool("<127.0.0.1:9618?noUDP>")
        [outcome] = self.done(pool.advertise(ad_of(MyType="Foo"), use_tcp=False))
        self.assertEqual((outcome.sent_count, len(outcome.errors)), (0, 1))
        self.assertIn("no datagrams", str(outcome.errors[0]))

    def test_ad_without_a_type(self) -> None:
        """An ad that names no command needs one."""
        self.failed(self.pool().advertise(ad_of(Name="a")), LocalProtocolError)

    def test_invalidating(self) -> None:
        """Taking an ad back names its table and its key."""
        self.done(self.pool().invalidate("Schedd", "s", extra={"MyAddress": "<x>"}))
        self.reactor.flush()
        [(_, command, [ad])] = self.collector.told
        self.assertEqual(command, Command.INVALIDATE_SCHEDD_ADS)
        self.assertEqual(ad.string("TargetType"), "Scheduler")
        self.assertEqual(ad.string("Name"), "s")
        self.assertEqual(ad.string("MyAddress"), "<x>")
        self.assertEqual(ad.expression("Requirements"), 'TARGET.Name == "s"')


class ImportTests(PoolTestCase):
    def test_mnh_importing_changes_nothing(self) -> None:
        """Importing the client chooses no reactor and needs no ClassAd library."""
        code = (
            "import sys, condor_twisted.client, condor_twisted.aio\n"
            "condor_twisted.client.Pool('host')\n"
            "bad = [name for name in ('twisted.internet.reactor', 'classad2',"
            " 'htcondor2', 'condor_twisted.daemoncore') if name in sys.modules]\n"
            "sys.exit(str(bad) if bad else 0)"
        )
        root = Path(condor_twisted.__file__).parents[1]
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=root,
            capture_output=True,
            check=False,
            text=True,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_from_configuration(self) -> None:
        """A pool can be what a configuration file says."""
        file = Path(self.mktemp())
        file.write_text("COLLECTOR_HOST = 127.0.0.1:9618\n")
        pool = Pool.from_configuration(str(file), self.reactor)
        self.assertEqual(
            pool.collectors(), [("127.0.0.1:9618", SinfulAddress.of("127.0.0.1", 9618))]
        )
        with self.assertRaises(ConfigError):
            Pool.from_configuration(str(file) + ".missing")
