"""Tests of updates: keys, stamps, refusals, merges."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.wire_ad import AdValue
from condor_twisted.constants.commands import Command
from condor_twisted.daemons.collector.state import kinds
from condor_twisted.daemons.collector.state.refusals import UpdateRefused
from condor_twisted.daemons.collector.state.senders import LOCAL, Sender
from condor_twisted.daemons.collector.state.settings import CollectorSettings
from condor_twisted.errors import ConfigError, RemoteProtocolError
from condor_twisted.wire.messages import EncodedAd
from tests.daemons.collector.state.kit import (
    NOW,
    RAW,
    Pool,
    X,
    ad,
    message,
    recorded,
    values_of,
    vectors,
)

ADDRESS = "<10.0.0.1:9618>"


class KeyTests(SynchronousTestCase):
    """Which key an ad gets, and what is refused for want of one."""

    def _key(self, command: int, values: dict[str, AdValue]) -> str:
        return Pool().update(command, values).record.key

    def test_keys(self) -> None:
        """Each kind of ad is keyed by its own rule, in exact text."""
        cases: list[tuple[int, dict[str, AdValue], str]] = [
            (0, {"Name": "slot1@Mach"}, "slot1@Mach"),
            (0, {"Machine": "MACH", "SlotID": 3}, "MACH:3"),
            (0, {"Machine": "mach"}, "mach"),
            (0, {"Machine": "mach", "SlotID": "x"}, "mach"),
            (0, {"Name": X('strcat("a", "b")')}, "ab"),
            (0, {"Name": 5, "Machine": "m"}, "m"),
            (60, {"Name": "n"}, "n"),
            (1, {"Name": "s", "MyAddress": "junk"}, "s"),
            (1, {"Machine": "m", "ScheddIpAddr": ADDRESS}, "m"),
            (1, {"Name": "s", "ScheddName": "t", "MyAddress": ADDRESS}, "st"),
            (11, {"Name": "u@d", "ScheddName": "s1", "MyAddress": "<a>"}, "u@ds1"),
            (2, {"Machine": "m"}, "m"),
            (2, {"Name": "n", "Machine": "m"}, "n"),
            (4, {"Machine": "m", "Name": "n"}, "m"),
            (19, {"Machine": "m"}, "m"),
            (42, {"Name": "l", "MyAddress": ADDRESS}, "l"),
            (45, {"Name": "st"}, "st"),
            (49, {"Name": "ne"}, "ne"),
            (55, {"Name": "h"}, "h"),
            (58, {"MyType": "Frob", "Name": "f"}, "f"),
            (58, {"Name": "f"}, "f"),
            (70, {"HashName": "h", "Owner": "o", "ScheddName": "s"}, "hos"),
            (70, {"HashName": "h", "Owner": "o", "ScheddIpAddr": "<a>"}, "ho"),
            (
                70,
                {
                    "HashName": "h",
                    "Owner": "o",
                    "ScheddName": "s",
                    "GridmanagerSelectionValue": "g",
                },
                "hosg",
            ),
            (77, {"Name": "u", "NegotiatorName": "n"}, "un"),
            (77, {"Name": "u"}, "u"),
        ]
        for command, values, expected in cases:
            with self.subTest(command=command, values=values):
                self.assertEqual(self._key(command, values), expected)

    def test_refused_without_key(self) -> None:
        """An ad that lacks what its key is made of is refused, and nothing changes."""
        cases: list[tuple[int, dict[str, AdValue]]] = [
            (0, {"MyType": "Machine"}),
            (1, {"Name": "s"}),
            (1, {"Name": "s", "MyAddress": ""}),
            (1, {"MyAddress": ADDRESS}),
            (2, {"X": 1}),
            (4, {"Name": "n"}),
            (11, {"Name": "s"}),
            (42, {"Name": "l"}),
            (45, {"Machine": "m"}),
            (49, {"Machine": "m"}),
            (55, {"Machine": "m"}),
            (58, {"MyType": "Frob"}),
            (60, {"MyType": "Machine"}),
            (70, {"HashName": "h", "ScheddName": "s"}),
            (70, {"HashName": "h", "Owner": "o"}),
            (77, {"NegotiatorName": "n"}),
        ]
        for command, values in cases:
            pool = Pool()
            with self.subTest(command=command, values=values):
                with self.assertRaises(UpdateRefused):
                    pool.update(command, values)
                self.assertEqual(pool.state.store.count, 0)

    def test_the_command_chooses_the_table(self) -> None:
        """A schedd's update is a schedd's ad, whatever its MyType says."""
        pool = Pool()
        for my_type in ("Zork", "Machine", "StartD"):
            pool.update(1, {"MyType": my_type, "Name": my_type, "MyAddress": "<a>"})
        self.assertEqual(len(pool.state.store.table(kinds.SCHEDD)), 3)

    def test_startd_ads_go_to_their_own_table(self) -> None:
        """MyType StartD decides, in any case of letters."""
        pool = Pool()
        pool.update(0, {"MyType": "startd", "Name": "d"})
        self.assertEqual(len(pool.state.store.table(kinds.STARTD)), 1)
        self.assertEqual(len(pool.state.store.table(kinds.SLOT)), 0)

    def test_not_an_update(self) -> None:
        """What is no update is refused."""
        for command in (5, 13, 3, 60011, -1, 1 << 33):
            with self.assertRaises(UpdateRefused):
                Pool().update(command, {"Name": "n"})


class StampTests(SynchronousTestCase):
    """What the collector writes into ads."""

    def setUp(self) -> None:
        """An empty pool."""
        self.pool = Pool()

    def _master(self, values: dict[str, AdValue], sender: Sender = RAW) -> list[str]:
        self.pool.update(2, {"Name": "m", **values}, sender)
        (lines,) = self.pool.ask(Command.QUERY_MASTER_ADS)
        return lines

    def test_stamps(self) -> None:
        """An ad gets its age, its sender and its statistics, each once."""
        sender = Sender("condor@pool", "FS", "condor")
        values = values_of(self._master({"MyAddress": ADDRESS}, sender))
        self.assertEqual(values["LastHeardFrom"], str(NOW))
        self.assertEqual(values["AuthenticatedIdentity"], '"condor@pool"')
        self.assertEqual(values["AuthenticationMethod"], '"FS"')
        self.assertEqual(values["UpdatesTotal"], "1")
        self.assertEqual(values["UpdatesHistory"], '"' + "0" * 32 + '"')

    def test_raw_senders_are_named_so(self) -> None:
        """Without authentication there is an identity that says so, and no method."""
        values = values_of(self._master({}))
        self.assertEqual(values["AuthenticatedIdentity"], '"unauthenticated@unmapped"')
        self.assertNotIn("AuthenticationMethod", values)

    def test_no_address_no_statistics(self) -> None:
        """An ad without MyAddress gets no Updates attributes at all."""
        lines = self._master({})
        self.assertEqual([line for line in lines if line.startswith("Updates")], [])

    def test_no_daemon_name_no_statistics(self) -> None:
        """An ad with a key but neither Name nor Machine gets none either."""
        sent: dict[str, AdValue] = {
            "HashName": "h",
            "Owner": "o",
            "ScheddName": "s",
            "MyAddress": ADDRESS,
        }
        pool = Pool()
        pool.update(70, sent)
        (record,) = pool.state.store.table(kinds.GRID).records.values()
        self.assertIsNone(record.raw(b"updatestotal"))
        pool.update(70, {**sent, "Machine": "m", "SlotID": 1})
        (record,) = pool.state.store.table(kinds.GRID).records.values()
        self.assertEqual(record.raw(b"updatestotal"), b"1")

    def test_mnh_5_9_sent_stamps_are_replaced(self) -> None:
        """What a client sends under the collector's names is nowhere to be seen."""
        forged: dict[str, AdValue] = {
            "authenticatedidentity": "root@pool",
            "AuthenticationMethod": "FS",
            "UPDATESTOTAL": 99,
            "UpdatesSequenced": 99,
            "UpdatesLost": 99,
            "updatesHistory": "ff",
            "LastHeardFrom": 5,
        }
        for extra in ({}, {"MyAddress": ADDRESS}):
            lines = self._master({**forged, **extra})
            names = [line.partition(" = ")[0].lower() for line in lines]
            self.assertEqual(len(names), len(set(names)))
            self.assertNotIn("root", str(lines))
            self.assertNotIn("99", str(lines))
            self.assertNotIn("authenticationmethod", names)

    def test_mnh_5_10_last_heard_from(self) -> None:
        """Only a forwarding collector may say when an ad was heard, within reason."""
        forwarder = Sender("view@pool", "FS", "view", is_forwarder=True)
        for sent, sender, expected in (
            (NOW - 500, RAW, NOW),
            (NOW - 500, forwarder, NOW - 500),
            (NOW + 120, forwarder, NOW + 120),
            (NOW + 121, forwarder, NOW),
            (-1, forwarder, NOW),
            ("x", forwarder, NOW),
            (X("time()"), forwarder, NOW),
        ):
            values = values_of(self._master({"LastHeardFrom": sent}, sender))
            self.assertEqual(values["LastHeardFrom"], str(expected))

    def test_acknowledged_updates_are_not_stamped_with_the_sender(self) -> None:
        """Command 60 stores the ad without identity, and asks for an answer."""
        accepted = self.pool.update(60, {"MyType": "Machine", "Name": "s"})
        self.assertTrue(accepted.wants_ack)
        (lines,) = self.pool.ask(Command.QUERY_STARTD_ADS)
        self.assertNotIn("AuthenticatedIdentity", str(lines))

    def test_measured_statistics(self) -> None:
        """The recorded sequence of updates gives the recorded counters."""
        columns = vectors()["tables"]["update_statistics"]["columns"][2:]
        rows = vectors()["tables"]["update_statistics"]["rows"]
        for number, start, *expected in rows:
            sent: dict[str, AdValue] = {"MyAddress": ADDRESS}
            if number is not None:
                sent.update(UpdateSequenceNumber=number, DaemonStartTime=start)
            values = values_of(self._master(sent))
            found = [values[name].strip('"') for name in columns]
            self.assertEqual(found, expected)

    def test_counters_survive_the_ad(self) -> None:
        """An invalidated ad that comes again is counted on."""
        self._master({"MyAddress": ADDRESS})
        self.pool.invalidate(Command.INVALIDATE_MASTER_ADS, {"Name": "m"})
        values = values_of(self._master({"MyAddress": ADDRESS}))
        self.assertEqual(values["UpdatesTotal"], "2")

    def test_mnh_5_11_any_sequence_number(self) -> None:
        """No sequence number does more than disturb the statistics."""
        for number in (1, -(1 << 63), (1 << 63) - 1, 0, 1):
            values = values_of(
                self._master(
                    {
                        "MyAddress": ADDRESS,
                        "UpdateSequenceNumber": number,
                        "DaemonStartTime": 1,
                    }
                )
            )
            self.assertLess(int(values["UpdatesLost"]), 1 << 63)
            self.assertEqual(len(values["UpdatesHistory"]), 34)

    def test_mnh_10_4_endless_numbers(self) -> None:
        """A number of a hundred thousand digits is neither computed nor an error."""
        digits = b"9" * 100_000
        for name in (b"UpdateSequenceNumber", b"DaemonStartTime", b"SlotID"):
            lines = [b'Machine = "m"', b'MyAddress = "<a>"', name + b" = " + digits]
            self.pool.send(0, ad({"MyType": "Machine"}, lines=lines))
        lines = [
            b'Name = "m"',
            b"LastHeardFrom = " + digits,
            b"ClassAdLifetime = 5" + digits,
        ]
        forwarder = Sender("view@pool", "FS", "view", is_forwarder=True)
        self.pool.send(2, ad(lines=lines), sender=forwarder)
        (found,) = self.pool.ask(
            Command.QUERY_MASTER_ADS, {"Projection": "LastHeardFrom"}
        )
        self.assertEqual(found, [f"LastHeardFrom = {NOW}"])
        self.assertEqual(self.pool.sweep(900), [])

    def test_mnh_5_12_change_of_identity_is_told(self) -> None:
        """When an ad's sender changes, the caller learns it."""
        first = self.pool.update(2, {"Name": "m"}, Sender("a@p", "FS", "a"))
        same = self.pool.update(2, {"Name": "m"}, Sender("a@p", "FS", "a"))
        other = self.pool.update(2, {"Name": "m"}, Sender("b@p", "FS", "b"))
        self.assertIsNone(first.identity_change)
        self.assertIsNone(same.identity_change)
        self.assertEqual(other.identity_change, ("a@p", "b@p"))


class LineTests(SynchronousTestCase):
    """What happens to odd lines."""

    def setUp(self) -> None:
        """An empty pool."""
        self.pool = Pool()

    def _stored(self, *lines: bytes) -> list[str]:
        self.pool.send(2, ad({"Name": "m"}, lines=lines))
        (found,) = self.pool.ask(Command.QUERY_MASTER_ADS)
        return [line for line in found if not line.startswith(("Name", "Last", "Auth"))]

    def test_own_text_comes_back(self) -> None:
        """Text that parses comes back as it was sent, bytes and all."""
        for line in (
            b'A = "tab\\tq\\"\\\\ end"',
            b'A = "C:\\dir\\x"',
            'A = "\u00fcml\u00e4ut"'.encode(),
            b'A = "\x01\x7f\xff"',
            b"A =  !b",
            b"1x = 1",
            b"a-b = 2",
            b"A = { 1,2,{ 3 } }",
        ):
            with self.subTest(line=line):
                expected = [line.decode("utf-8", "surrogateescape")]
                self.assertEqual(self._stored(line), expected)

    def test_duplicates(self) -> None:
        """Of one name the last value and the first spelling stay."""
        self.assertEqual(
            self._stored(b"Foo = 1", b"X = 0", b"FOO = 2"), ["Foo = 2", "X = 0"]
        )

    def test_spacing_is_evened_out(self) -> None:
        """Lines with other blanks are the same attributes."""
        self.assertEqual(
            self._stored(b" A=1", b"\tB  =  2", b"C= 3"), ["A = 1", "B = 2", "C = 3"]
        )
        self.assertEqual(self.pool.dropped, [])

    def test_name_with_other_blanks_is_the_key(self) -> None:
        """A key is found however its line is spaced, and the last of it counts."""
        accepted = self.pool.send(2, ad(lines=[b'Name = "a"', b'NAME="b"']))
        self.assertEqual(accepted.record.key, "b")

    def test_broken_lines_are_dropped_and_reported(self) -> None:
        """A line that does not parse is stored away from readers, the rest is sent."""
        self.assertEqual(
            self._stored(b"Bad = ((", b"Good = 1", b"Hex = 0x + "), ["Good = 1"]
        )
        self.assertEqual(self.pool.dropped, [b"Bad = ((", b"Hex = 0x + "])

    def test_odd_numbers_are_spelled_out(self) -> None:
        """A number that only some readers take is sent as all take it."""
        self.assertEqual(
            self._stored(b"A = 010", b"B = 3.", b"C = 10K"),
            ["A = 10", "B = 3.0", "C = 10K"],
        )

    def test_malformed_ads_are_refused_whole(self) -> None:
        """A line without name, value or = refuses the ad; nothing is stored."""
        for line in (b"nothing", b" = 1", b"A =", b"A = ", b""):
            body = b'Name = "m"\0' + line + b"\0"
            with self.subTest(line=line), self.assertRaises(RemoteProtocolError):
                self.pool.send(2, EncodedAd(2, body))
        self.assertEqual(self.pool.state.store.count, 0)

    def test_mnh_1_7_attribute_counts(self) -> None:
        """A count that is negative, absurd or wrong is refused before it is used."""
        good = message(2, ad({"Name": "m"}))
        for count in (-1, 2, 100_001, 1 << 62, -(1 << 63)):
            payload = good[:8] + count.to_bytes(8, "big", signed=True) + good[16:]
            with self.subTest(count=count), self.assertRaises(RemoteProtocolError):
                self.pool.state.receive_clear(2, payload, 8, RAW, NOW)
        with self.assertRaises(RemoteProtocolError):
            self.pool.state.receive_clear(2, good[:12], 8, RAW, NOW)
        many = EncodedAd(100_000, b'Name = "m"\0' + b"A = 1\0" * 99_999)
        self.assertEqual(self.pool.state.receive(2, [many], RAW, NOW).record.count, 2)
        more = EncodedAd(100_001, b'Name = "m"\0' + b"A = 1\0" * 100_000)
        with self.assertRaises(RemoteProtocolError):
            self.pool.state.receive(2, [more], RAW, NOW)

    def test_truncation_at_each_byte(self) -> None:
        """No cut of a recorded update is stored or raises anything undocumented."""
        payload = recorded("daemon: master update")
        for end in range(8, len(payload) - 1):
            with self.assertRaises(RemoteProtocolError):
                self.pool.state.receive_clear(2, payload[:end], 8, RAW, NOW)
        self.assertEqual(self.pool.state.store.count, 0)
        for _ in range(4):
            self.pool.state.receive_clear(2, payload, 8, RAW, NOW)
        for end in range(8, len(payload) - 1, 7):
            with self.assertRaises(RemoteProtocolError):
                self.pool.state.receive_clear(2, payload[:end], 8, RAW, NOW)
        self.assertEqual(self.pool.state.store.count, 1)

    def test_mnh_10_8_bytes_survive(self) -> None:
        """Bytes that are no UTF-8 come back as they came, keys included."""
        accepted = self.pool.send(2, ad(lines=[b'Name = "\xff\xfe"', b'A = "\xf0"']))
        self.assertEqual(accepted.record.key, "\udcff\udcfe")
        (found,) = self.pool.ask(Command.QUERY_MASTER_ADS, {"Projection": "A Name"})
        self.assertEqual(found, ['A = "\udcf0"', 'Name = "\udcff\udcfe"'])


class SlotTests(SynchronousTestCase):
    """Slots, their private ads, and the startd's own ad."""

    def setUp(self) -> None:
        """An empty pool."""
        self.pool = Pool()

    def test_recorded_update(self) -> None:
        """A real startd's update is stored whole, public and private ad."""
        payload = recorded("daemon: startd slot update (public + private ad)")
        for _ in range(5):  # the first ones are read line by line
            accepted = self.pool.state.receive_clear(0, payload, 8, RAW, NOW)
            self.assertFalse(accepted.is_shed)
            self.assertIsNone(accepted.problem)
            self.assertEqual(accepted.record.count, 175)
            (private,) = self.pool.ask(Command.QUERY_STARTD_PVT_ADS)
            self.assertEqual(len([x for x in private if x.startswith("ZKM")]), 2)
            self.assertEqual(values_of(private)["Name"], '"slot1@127-0-0-1.test.dom"')
            (public,) = self.pool.ask(Command.QUERY_STARTD_ADS)
            self.assertEqual(len(public), 175 + 6)
            sent = payload[16:].split(b"\0")[:175]
            self.assertEqual([line.encode() for line in public[:175]], sent)
        self.assertEqual(self.pool.dropped, [])
        self.assertEqual(self.pool.ask(5, {"TargetType": "StartD"}), [])

    def test_recorded_updates_of_all_daemons(self) -> None:
        """Every recorded update is stored with all its lines, read either way."""
        for name, command, query in (
            ("daemon: schedd update", 1, 6),
            ("daemon: submitter update", 11, 12),
            ("daemon: master update", 2, 7),
            ("daemon: accounting update", 77, 78),
            ("daemon: negotiator update", 49, 50),
        ):
            payload = recorded(name)
            count = int.from_bytes(payload[8:16], "big")
            sent = [line.decode() for line in payload[16:].split(b"\0")[:count]]
            for _ in range(5):
                self.pool.state.receive_clear(command, payload, 8, RAW, NOW)
                (found,) = self.pool.ask(query)
                public = [line for line in found if line in sent]
                self.assertEqual(public, sent, name)

    def test_layouts_change_nothing(self) -> None:
        """An ad of a known layout is stored just as one that is read line by line."""
        payload = recorded("daemon: startd slot update (public + private ad)")
        changed = payload.replace(b"Memory = 24105", b"Memory =  -1 + 2")
        for _ in range(5):
            self.pool.state.receive_clear(0, payload, 8, RAW, NOW)
        self.assertIsNotNone(
            self.pool.state.receive_clear(0, payload, 8, RAW, NOW).record.layout
        )
        fresh = Pool()
        for sent in (payload, changed):
            known = self.pool.state.receive_clear(0, sent, 8, RAW, NOW)
            new = fresh.state.receive_clear(0, sent, 8, RAW, NOW)
            self.assertEqual(known.record.body, new.record.body)
            self.assertEqual(known.record.key, new.record.key)
            self.assertEqual(known.record.private_lines, new.record.private_lines)
        key = known.record.key
        twins = [
            each.state.store.table(kinds.SLOT_PRIVATE).records[key]
            for each in (self.pool, fresh)
        ]
        self.assertEqual(
            sorted(twins[0].body.split(b"\0")), sorted(twins[1].body.split(b"\0"))
        )
        self.assertEqual(twins[0].private_lines, twins[1].private_lines)

    def test_private_ad_may_be_missing(self) -> None:
        """A slot's update without second ad, or with a broken one, is stored."""
        slot = ad({"MyType": "Machine", "Name": "s"})
        self.assertIsNone(self.pool.send(0, slot).problem)
        payload = message(0, slot) + b"\0\0\0"
        accepted = self.pool.state.receive_clear(0, payload, 8, RAW, NOW)
        self.assertIsNotNone(accepted.problem)
        self.assertEqual(self.pool.names(Command.QUERY_STARTD_ADS), ["s"])

    def test_more_than_expected_is_shed(self) -> None:
        """A further ad is ignored, and the caller learns that something was left."""
        slot = ad({"MyType": "Machine", "Name": "s"})
        private = ad({"MyType": "Machine"})
        self.assertTrue(self.pool.send(0, slot, private, private).is_shed)
        self.assertTrue(self.pool.send(2, ad({"Name": "m"}), private).is_shed)
        self.assertTrue(self.pool.send(60, slot, private).is_shed)
        startd = ad({"MyType": "StartD", "Name": "d"})
        self.assertTrue(self.pool.send(0, startd, private).is_shed)
        self.assertEqual(len(self.pool.state.store.table(kinds.SLOT_PRIVATE)), 1)

    def test_encoded_ads_are_stored_alike(self) -> None:
        """Ads that were cut out before are stored as those of a clear message."""
        slot = ad({"MyType": "Machine", "Name": "s", "A": 1}, secrets={"ClaimId": "x"})
        private = ad({"MyType": "Machine"}, secrets={"ClaimIds": "y"})
        other = Pool()
        for _ in range(5):
            self.pool.send(0, slot, private)
            other.state.receive(0, [slot, private], RAW, NOW)
        for command in (5, 10):
            self.assertEqual(other.ask(command), self.pool.ask(command))
        with self.assertRaises(RemoteProtocolError):
            other.state.receive(0, [], RAW, NOW)
        self.assertTrue(other.state.receive(2, [slot, private], RAW, NOW).is_shed)

    def test_startd_ad_is_made_from_the_first_slot(self) -> None:
        """An old startd's first slot speaks for the startd, without matchmaking."""
        self.pool.update(
            0,
            {
                "MyType": "Machine",
                "Name": "s",
                "SlotID": 1,
                "State": "Owner",
                "Requirements": X("true"),
                "Memory": 5,
                "MyAddress": ADDRESS,
            },
        )
        (lines,) = self.pool.ask(5, {"TargetType": "StartD"})
        values = values_of(lines)
        self.assertEqual(values["MyType"], '"StartD"')
        self.assertEqual(values["Memory"], "5")
        self.assertEqual(values["UpdatesTotal"], "1")
        for name in ("State", "Requirements", "SlotID"):
            self.assertNotIn(name, values)
        others: list[dict[str, AdValue]] = [
            {"SlotID": 2},
            {"SlotID": 1, "DynamicSlot": True},
            {"SlotID": 1, "HasStartDaemonAd": True},
        ]
        for other in others:
            pool = Pool()
            pool.update(0, {"MyType": "Machine", "Name": "t", **other})
            self.assertEqual(pool.ask(5, {"TargetType": "StartD"}), [])

    def test_one_negotiator(self) -> None:
        """Where configured, a new negotiator's ad removes all others."""
        pool = Pool(CollectorSettings(allow_only_one_negotiator=True))
        pool.update(49, {"Name": "a"})
        pool.update(49, {"Name": "b"})
        self.assertEqual(pool.names(Command.QUERY_NEGOTIATOR_ADS), ["b"])
        self.pool.update(49, {"Name": "a"})
        self.pool.update(49, {"Name": "b"})
        self.assertEqual(self.pool.names(Command.QUERY_NEGOTIATOR_ADS), ["a", "b"])

    def test_going_to_sleep(self) -> None:
        """With a log of offline ads, command 60 stores what a sleeping machine is."""
        values: dict[str, AdValue] = {"MyType": "Machine", "Name": "s", "State": "Busy"}
        self.pool.update(60, values)
        (lines,) = self.pool.ask(5, {"Projection": "State Offline"})
        self.assertEqual(lines, ['State = "Busy"'])
        pool = Pool(CollectorSettings(persistent_ad_log="/spool/offline"))
        pool.update(60, values)
        (lines,) = pool.ask(5, {"Projection": "State Offline KeyboardIdle LoadAvg"})
        self.assertEqual(
            lines,
            [
                "KeyboardIdle = 2147483647",
                "LoadAvg = 0.0",
                "Offline = true",
                'State = "Unclaimed"',
            ],
        )
        pool.update(60, {**values, "Offline": False})
        (lines,) = pool.ask(5, {"Projection": "State"})
        self.assertEqual(lines, ['State = "Busy"'])


class MergeTests(SynchronousTestCase):
    """Merging into a slot's ad."""

    def setUp(self) -> None:
        """One slot."""
        self.pool = Pool()
        self.pool.update(
            0, {"MyType": "Machine", "Name": "s", "A": 1, "MyAddress": ADDRESS}
        )

    def test_merge(self) -> None:
        """Attributes are overwritten or added; some are not touched."""
        self.pool.now += 50
        self.pool.send(
            73,
            ad(
                {
                    "Name": "s",
                    "MyType": "Other",
                    "TargetType": "Job",
                    "a": 2,
                    "B": X("undefined"),
                    "AuthenticatedIdentity": "x@y",
                },
                secrets={"ClaimId": "c"},
            ),
        )
        (lines,) = self.pool.ask(5)
        values = values_of(lines)
        self.assertEqual(values["MyType"], '"Machine"')
        self.assertEqual(values["A"], "2")
        self.assertEqual(values["B"], "undefined")
        self.assertNotIn("TargetType", values)
        self.assertEqual(values["UpdatesTotal"], "1")
        self.assertEqual(values["LastHeardFrom"], str(NOW))
        self.assertNotIn("x@y", str(lines))
        record = self.pool.state.store.table(kinds.SLOT).records["s"]
        self.assertEqual(record.private_lines, (b'ClaimId = "c"',))

    def test_merged_age(self) -> None:
        """An age that is merged makes the ad expire."""
        self.pool.update(73, {"Name": "s", "LastHeardFrom": 7})
        self.assertEqual(self.pool.sweep(), ["s"])

    def test_nothing_to_merge_into(self) -> None:
        """Without an ad to merge into, the merge is refused."""
        with self.assertRaises(UpdateRefused):
            self.pool.update(73, {"Name": "t", "A": 1})
        with self.assertRaises(UpdateRefused):
            self.pool.update(73, {"A": 1})


class ValidationTests(SynchronousTestCase):
    """What is refused for what it says."""

    def test_own_submitter_ads(self) -> None:
        """Command 80 takes only the ads of the user who sends them."""
        pool = Pool()
        nobody = Sender("nobody@d", "FS", "nobody")

        def send(name: AdValue, sender: Sender) -> None:
            pool.update(80, {"Name": name, "MyAddress": "<a>"}, sender)

        for name in ("nobody@d", "group.a.nobody@d", "nobody"):
            send(name, nobody)
        refused: list[tuple[AdValue, Sender]] = [
            ("other@d", nobody),
            ("nobody.x@d", nobody),
            ("Nobody@d", nobody),
            (5, nobody),
            ("unmapped@d", Sender("unmapped@d", "FS", "unmapped")),
            ("@d", Sender("x", "FS", "")),
            ("nobody@d", RAW),
        ]
        for value, sender in refused:
            with self.subTest(name=value), self.assertRaises(UpdateRefused):
                send(value, sender)
        self.assertEqual(len(pool.state.store.table(kinds.SUBMITTER)), 3)

    def test_own_submitter_name_cannot_be_doubled(self) -> None:
        """A second Name line does not smuggle another user's name in."""
        pool = Pool()
        nobody = Sender("nobody@d", "FS", "nobody")
        address = b'MyAddress = "<a>"'
        for lines in (
            [b'Name = "nobody@d"', b'Name = "other@d"', address],
            [b'Name = "nobody@d"', b'NAME="other@d"', address],
            [b'Name = "nobody@d"', b' name = "other@d"', address],
        ):
            with self.assertRaises(UpdateRefused):
                pool.send(80, ad(lines=lines), sender=nobody)
        pool.send(
            80,
            ad(lines=[b'Name="other@d"', b'Name = "nobody@d"', address]),
            sender=nobody,
        )
        self.assertEqual(pool.names(Command.QUERY_SUBMITTOR_ADS), ["nobody@d"])

    def test_requirements(self) -> None:
        """COLLECTOR_REQUIREMENTS decides, with the ad as target or by bare names."""
        for expression, good, bad in (
            ("N > 1", {"N": 2}, {"N": 1}),
            ("TARGET.N > 1", {"N": 2}, {}),
            ('regexp("^a", Site)', {"Site": "abc"}, {"Site": "xbc"}),
            ('regexp("^a", Site)', {"Site": "abc"}, {"Site": X('regexp("a","b")')}),
        ):
            pool = Pool(CollectorSettings(requirements=expression))
            pool.update(2, {"Name": "m", **good})
            with self.subTest(expression=expression), self.assertRaises(UpdateRefused):
                pool.update(2, {"Name": "n", **bad})
            self.assertEqual(pool.names(Command.QUERY_MASTER_ADS), ["m"])
        for odd in ('"true"', "Nope", "{1}"):
            pool = Pool(CollectorSettings(requirements=odd))
            with self.assertRaises(UpdateRefused):
                pool.update(2, {"Name": "m"})

    def test_addresses_must_agree(self) -> None:
        """Where ads are validated, an older spelling of the address must agree."""
        pool = Pool(CollectorSettings(requirements="true"))
        for command, name in (
            (0, "StartdIpAddr"),
            (1, "ScheddIpAddr"),
            (2, "MasterIpAddr"),
            (11, "ScheddIpAddr"),
            (19, "CollectorIpAddr"),
            (49, "NegotiatorIpAddr"),
        ):
            pool.update(command, {"Name": "n", "MyAddress": "<a>", name: "<a>"})
            with self.assertRaises(UpdateRefused):
                pool.update(command, {"Name": "n", "MyAddress": "<a>", name: "<b>"})
        pool.update(73, {"Name": "n", "MyAddress": "<a>", "StartdIpAddr": "<a>"})
        with self.assertRaises(UpdateRefused):
            pool.update(73, {"Name": "n", "StartdIpAddr": "<b>"})
        Pool().update(2, {"Name": "n", "MyAddress": "<a>", "MasterIpAddr": "<b>"})

    def test_unparsable_knob(self) -> None:
        """A knob that does not parse is an error of the configuration."""
        with self.assertRaises(ConfigError):
            Pool(CollectorSettings(requirements="(("))


class LimitTests(SynchronousTestCase):
    """Bounds on what is stored."""

    def test_mnh_1_28_generic_types(self) -> None:
        """No more types than allowed, no longer names; known ones still work."""
        pool = Pool(CollectorSettings(max_generic_types=3, max_type_name_bytes=10))
        for number in range(3):
            pool.update(58, {"MyType": f"T{number}", "Name": "n"})
        with self.assertRaises(UpdateRefused) as caught:
            pool.update(58, {"MyType": "T3", "Name": "n"})
        self.assertTrue(caught.exception.is_overload)
        pool.update(58, {"MyType": "t1", "Name": "m"})
        pool = Pool(CollectorSettings(max_type_name_bytes=10))
        pool.update(58, {"MyType": "x" * 10, "Name": "n"})
        with self.assertRaises(UpdateRefused):
            pool.update(58, {"MyType": "y" * 11, "Name": "n"})

    def test_refused_types_leave_no_table(self) -> None:
        """An ad that is refused does not make a table."""
        pool = Pool(CollectorSettings(max_generic_types=1))
        for number in range(5):
            with self.assertRaises(UpdateRefused):
                pool.update(58, {"MyType": f"T{number}"})
        pool.update(58, {"MyType": "T9", "Name": "n"})

    def test_mnh_1_29_stored_ads(self) -> None:
        """At the limit new names are refused, known ones are updated."""
        pool = Pool(CollectorSettings(max_ads=2))
        pool.update(2, {"Name": "a"})
        pool.update(2, {"Name": "b"})
        with self.assertRaises(UpdateRefused) as caught:
            pool.update(2, {"Name": "c"})
        self.assertTrue(caught.exception.is_overload)
        pool.update(2, {"Name": "a", "X": 1})
        pool.invalidate(Command.INVALIDATE_MASTER_ADS, {"Name": "b"})
        pool.update(2, {"Name": "c"})
        self.assertEqual(pool.names(Command.QUERY_MASTER_ADS), ["a", "c"])

    def test_mnh_1_29_stored_bytes(self) -> None:
        """The size of all ads is bounded, and accounted for to the last byte."""
        pool = Pool(CollectorSettings(max_stored_bytes=10_000))
        pool.update(2, {"Name": "a", "Pad": "x" * 8000})
        with self.assertRaises(UpdateRefused):
            pool.update(2, {"Name": "b", "Pad": "x" * 2000})
        pool.update(2, {"Name": "a"})
        pool.update(2, {"Name": "b", "Pad": "x" * 2000})
        pool.invalidate(Command.INVALIDATE_MASTER_ADS, {"Requirements": X("true")})
        self.assertEqual(pool.state.store.stored_bytes, 0)
        self.assertEqual(pool.state.store.count, 0)

    def test_mnh_6_3_refused_means_not_stored(self) -> None:
        """An acknowledged update that is refused raises, and stores nothing."""
        pool = Pool(CollectorSettings(max_ads=0))
        with self.assertRaises(UpdateRefused):
            pool.update(60, {"Name": "s"})
        self.assertEqual(pool.state.store.count, 0)

    def test_own_ad_is_always_stored(self) -> None:
        """The collector's own ad needs a name, and no sender."""
        pool = Pool()
        with self.assertRaises(UpdateRefused):
            pool.state._updates.store_own(ad({"X": 1}), NOW)
        self.assertEqual(LOCAL.stamp, (b"", 0))
