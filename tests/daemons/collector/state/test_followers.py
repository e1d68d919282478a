"""Tests of updates that are held against the ad before, in the form that they come in.

Two pools get the same messages: one that takes what is as usual quickly, and one that
reads every line. Whatever comes, they hold the same ads.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.wire_ad import AdValue
from condor_twisted.constants.commands import Command
from condor_twisted.daemons.collector.state import kinds
from condor_twisted.daemons.collector.state.followers import (
    follow_clear,
    follow_encrypted,
)
from condor_twisted.daemons.collector.state.habits import ShapeBook
from condor_twisted.daemons.collector.state.private_twins import PrivateTwin
from condor_twisted.daemons.collector.state.records import AdRecord
from condor_twisted.daemons.collector.state.senders import Sender
from condor_twisted.daemons.collector.state.settings import CollectorSettings
from condor_twisted.daemons.collector.state.updates import with_last_heard
from condor_twisted.errors import RemoteProtocolError
from condor_twisted.wire.messages import encode_prefixed
from tests.daemons.collector.state.kit import NOW, Pool

SENDER = Sender("u@d", "FS", "u")
KEY = "slot1@host"
STEADY = [
    b'MyType = "Machine"',
    b'Name = "slot1@host"',
    b'MyAddress = "<127.0.0.1:9>"',
    b"HasStartDaemonAd = true",
    b"DaemonStartTime = 100",
    b'Long = "' + b"x" * 300 + b'"',
]


def public(
    sequence: int, load: bytes = b"0.5", state: bytes = b'"Idle"'
) -> list[bytes]:
    """The lines of a slot's ad."""
    return [
        *STEADY,
        b"UpdateSequenceNumber = %d" % sequence,
        b"LoadAvg = " + load,
        b"Activity = " + state,
        b"Memory = 2048",
        b"Minute = %d" % (sequence * 7 % 60),
    ]


def private(sequence: int, claim: bytes = b"c1") -> list[bytes]:
    """The lines of its private ad."""
    return [
        STEADY[0],
        STEADY[2],
        b"UpdateSequenceNumber = %d" % sequence,
        b'ClaimId = "' + claim + b'"',
    ]


def encrypted_ad(lines: list[bytes], count: int | None = None) -> bytes:
    """An ad as it travels on an encrypted stream."""
    body = b"".join(line + b"\0" for line in lines)
    number = len(lines) if count is None else count
    return number.to_bytes(8, "big") + encode_prefixed(body) + encode_prefixed(b"\0\0")


def clear_ad(lines: list[bytes], secret_lines: tuple[bytes, ...] = ()) -> bytes:
    """An ad as it travels in the clear."""
    strings = list(lines)
    for line in secret_lines:
        strings += [b"ZKM", line]
    count = len(lines) + len(secret_lines)
    return count.to_bytes(8, "big") + b"".join(
        line + b"\0" for line in [*strings, b"", b""]
    )


def clear_form_behind(public_ad: bytes) -> bytes:
    """A public ad, and a private one in clear form behind it."""
    lines = private(11)
    return public_ad + clear_ad(lines[:-1], (lines[-1],))


def encrypted(sequence: int, load: bytes = b"0.5", claim: bytes = b"c1") -> bytes:
    """An update of both ads on an encrypted stream."""
    lines = public(sequence, load)
    return bytes(8) + encrypted_ad(lines) + encrypted_ad(private(sequence, claim))


def contents(pool: Pool) -> dict[str, tuple[object, ...]]:
    """All that a pool holds, as text."""
    return {
        f"{table.kind.label} {key}": (
            record.count,
            record.body,
            record.private_lines,
            record.tail,
            record.identity,
            record.last_heard_unix,
        )
        for table in pool.state.store.all_tables()
        for key, record in table.records.items()
    }


class PoolsTestCase(SynchronousTestCase):
    """A pool that takes slots quickly, and one that does not."""

    cache_bytes = 1 << 20

    def setUp(self) -> None:
        """Both know a slot well."""
        self.quick = Pool(CollectorSettings(encrypted_cache_bytes=self.cache_bytes))
        # Where there are requirements every ad is read.
        self.usual = Pool(CollectorSettings(requirements="true"))
        for sequence in range(1, 11):
            self.both(encrypted(sequence, b"0.%d" % (sequence % 10)))

    def send(self, pool: Pool, message: bytes) -> AdRecord | type[Exception]:
        """The record that is stored for a message, or how it is refused."""
        try:
            return pool.state.receive_prefixed(0, message, 8, SENDER, NOW).record
        except RemoteProtocolError as error:
            return type(error)

    def both(self, message: bytes) -> AdRecord | None:
        """Send a message to both pools; the record, if there is one."""
        quick, usual = (self.send(pool, message) for pool in (self.quick, self.usual))
        if isinstance(quick, AdRecord):
            self.assertIsInstance(usual, AdRecord)
        else:
            self.assertEqual(quick, usual)
        self.assertEqual(contents(self.quick), contents(self.usual))
        self.check_kept()
        return quick if isinstance(quick, AdRecord) else None

    def check_kept(self) -> None:
        """What is kept in prefixed form is what the ads say."""
        kept = 0
        for record in self.quick.state.store.table(kinds.SLOT).records.values():
            prefixed = record.prefixed
            if prefixed is None:
                continue
            kept += prefixed.size_bytes
            if prefixed.body:
                self.assertEqual(prefixed.body, encode_prefixed(record.body))
            if prefixed.tail:
                self.assertEqual(prefixed.tail, encode_prefixed(record.tail))
            if prefixed.shape is not None:
                assert record.shape is not None
                self.assertEqual(
                    prefixed.shape.values_of(prefixed.body),
                    record.shape.values_of(record.body),
                )
        self.assertEqual(self.quick.state.store.prefixed_bytes, kept)
        self.assertLessEqual(kept, self.cache_bytes)

    def is_followed(self, record: AdRecord | None) -> bool:
        """Whether an ad was taken quickly: nobody has looked at it as a whole."""
        assert record is not None
        return record.is_behind


class EncryptedUpdateTests(PoolsTestCase):
    """Updates on encrypted streams."""

    def test_followed(self) -> None:
        """The usual update is taken quickly, and its text is at hand for answers."""
        for sequence in range(11, 15):
            record = self.both(encrypted(sequence, b"0.7"))
            self.assertTrue(self.is_followed(record))
            assert record is not None
            assert record.prefixed is not None
            self.assertIsNotNone(record.prefixed.shape)
        twins = self.quick.state.store.table(kinds.SLOT_PRIVATE).records
        twin = twins[KEY]
        assert isinstance(twin, PrivateTwin)
        self.assertTrue(twin.is_prefixed)
        self.assertNotIn("c1", repr(twin))
        (found,) = self.quick.ask(5, encrypted=True)
        self.assertIn("UpdateSequenceNumber = 14", found)
        self.assertEqual([found], self.quick.ask(5))
        (found,) = self.quick.ask(10)
        self.assertIn('ZKMClaimId = "c1"', found)
        self.assertIn("UpdateSequenceNumber = 14", found)
        self.assertIn('Name = "slot1@host"', found)

    def test_other_widths(self) -> None:
        """Values of other widths are followed, the private ad's number too."""
        for sequence, load in (
            (99, b"12.25"),
            (100, b"1"),
            (12_345, b'"' + b"y" * 300),
        ):
            record = self.both(encrypted(sequence, load))
            self.assertTrue(self.is_followed(record))
        self.assertTrue(self.is_followed(self.both(encrypted(12_346, b"z" * 300))))

    def test_news(self) -> None:
        """What has never changed before is read in the usual way, and learned."""
        for sequence, state in ((11, b'"Busy"'), (12, b'"Idle"'), (13, b'"Suspended"')):
            lines = public(sequence, b"0.1", state)
            message = bytes(8) + encrypted_ad(lines) + encrypted_ad(private(sequence))
            self.assertEqual(self.is_followed(self.both(message)), sequence > 11)

    def test_without_a_private_ad(self) -> None:
        """A public ad may come alone."""
        record = self.both(bytes(8) + encrypted_ad(public(11)))
        self.assertTrue(self.is_followed(record))

    def test_new_claim(self) -> None:
        """A private ad that says something new is read, and followed from then on."""
        self.both(encrypted(11, claim=b"c2"))
        twin = self.quick.state.store.table(kinds.SLOT_PRIVATE).records[KEY]
        self.assertEqual(twin.private_lines, (b'ClaimId = "c2"',))
        self.assertTrue(self.is_followed(self.both(encrypted(12, claim=b"c2"))))

    def test_either_stream(self) -> None:
        """A slot that comes in the clear and encrypted by turns is always right."""
        for sequence in range(11, 21):
            self.both(encrypted(sequence))
            lines = private(sequence)
            message = bytes(8) + clear_ad(public(sequence, b"0.6"))
            message += clear_ad(lines[:-1], (lines[-1],))
            for pool in (self.quick, self.usual):
                pool.state.receive_clear(0, message, 8, SENDER, NOW)
            self.assertEqual(contents(self.quick), contents(self.usual))
            self.check_kept()
            self.assertEqual(
                self.quick.ask(5, encrypted=True), self.quick.ask(5, encrypted=False)
            )

    def test_mnh_5_5_secrets_and_private_lines(self) -> None:
        """What is private goes into no text that is kept for public answers."""
        for extra in (
            [b"ZKM", b'ClaimId = "secret"'],
            [b'Capability = "secret"'],
            [b'_condor_privX = "secret"'],
        ):
            for sequence in range(11, 19):
                lines = [*public(sequence), *extra]
                count = len(lines) - lines.count(b"ZKM")
                message = bytes(8) + encrypted_ad(lines, count)
                record = self.both(message)
                assert record is not None
                if record.prefixed is not None:
                    self.assertNotIn(b"secret", record.prefixed.body)
                (found,) = self.quick.ask(5, encrypted=True)
                self.assertNotIn("secret", repr(found))

    def test_lines_that_do_not_parse(self) -> None:
        """A line that no answer may have is in none, whatever form it came in."""
        self.both(encrypted(11, b"((x"))
        for form in (True, False):
            (found,) = self.quick.ask(5, encrypted=form)
            self.assertFalse([line for line in found if line.startswith("LoadAvg")])
        for sequence in (12, 13):
            self.quick.state.receive_prefixed(0, encrypted(sequence), 8, SENDER, NOW)
            self.check_kept()
            (found,) = self.quick.ask(5, encrypted=True)
            self.assertIn("LoadAvg = 0.5", found)

    def test_only_where_the_same(self) -> None:
        """Neither form of an ad is taken for the other."""
        record = self.quick.state.store.table(kinds.SLOT).records[KEY]
        book = ShapeBook()
        clear, other = clear_ad(public(11)), encrypted_ad(public(11))
        self.assertIsNotNone(follow_clear(book, record, clear, 0))
        self.assertIsNone(follow_clear(book, record, other, 0))
        self.assertIsNotNone(follow_encrypted(book, record, other, 0))
        self.assertIsNone(follow_encrypted(book, record, clear, 0))

    def test_type_strings(self) -> None:
        """What stands in the type strings, which nobody reads, is no line of the ad."""
        for strings in (b"Job\0Machine\0", b"A = 1\0B = 2\0", b"\0x\0", b"\0\0"):
            slots = encode_prefixed(strings)
            for at in (0, 1):
                for sequence in range(11, 15):
                    ads = [
                        encrypted_ad(public(sequence)),
                        encrypted_ad(private(sequence)),
                    ]
                    ads[at] = ads[at][:-18] + slots
                    self.both(bytes(8) + b"".join(ads))
                    for end in range(1, 20):
                        self.both((bytes(8) + b"".join(ads))[:-end])
                    (found,) = self.quick.ask(5, encrypted=True)
                    self.assertEqual([found], self.quick.ask(5))

    def test_private_ad_of_the_other_form(self) -> None:
        """A private ad in the form of another stream is none, though it was before."""
        record = self.both(bytes(8) + clear_form_behind(encrypted_ad(public(11))))
        self.assertIsNotNone(record)
        message = bytes(8) + clear_ad(public(12)) + encrypted_ad(private(12))
        for pool in (self.quick, self.usual):
            pool.state.receive_clear(0, message, 8, SENDER, NOW)
        self.assertEqual(contents(self.quick), contents(self.usual))
        twin = self.quick.state.store.table(kinds.SLOT_PRIVATE).records[KEY]
        self.assertIn(b"UpdateSequenceNumber = 10\0", twin.body)

    def test_mnh_1_18_long_numbers(self) -> None:
        """A sequence number of any length is read as the usual way reads it."""
        line = b"UpdateSequenceNumber = "
        for digits in (17, 18, 19, 20, 400, 5000):
            lines = [
                line + b"7" * digits if each.startswith(line) else each
                for each in public(11)
            ]
            self.both(bytes(8) + encrypted_ad(lines) + encrypted_ad(private(11)))

    def test_mnh_0_1_cut_short(self) -> None:
        """A message that ends anywhere is refused, or its public ad alone is taken."""
        whole = encrypted(11)
        for size in range(8, len(whole)):
            self.both(whole[:size])

    def test_mnh_0_1_any_byte_changed(self) -> None:
        """One byte that is different makes no difference between the two ways."""
        randomly = random.Random(1)
        for at in range(8, len(encrypted(11))):
            message = bytearray(encrypted(11, b"0.%d" % (at % 10)))
            message[at] = randomly.choice(
                (0, 1, message[at] ^ 1, 0x20, 0x22, 0xAD, 0xFF)
            )
            self.both(bytes(message))

    def test_mnh_0_1_damaged_at_random(self) -> None:
        """Whatever is done to a message, both ways say the same of it."""
        for seed in range(600):
            randomly = random.Random(seed)
            message = encrypted(seed, b"0.%d" % (seed % 130))
            for _ in range(randomly.randint(1, 3)):
                message = randomly.choice(DAMAGES)(message, randomly)
            self.both(message)
            if seed % 3 == 0:
                self.both(encrypted(seed + 1))


def _insert(message: bytes, randomly: random.Random) -> bytes:
    at = randomly.randrange(8, len(message) + 1)
    return message[:at] + randomly.choice((b"\0", b"7", b" ", b'"')) + message[at:]


def _drop(message: bytes, randomly: random.Random) -> bytes:
    at = randomly.randrange(8, len(message))
    return message[:at] + message[at + 1 :]


def _change(message: bytes, randomly: random.Random) -> bytes:
    at = randomly.randrange(8, len(message))
    return message[:at] + bytes((randomly.randrange(256),)) + message[at + 1 :]


def _other_value(message: bytes, randomly: random.Random) -> bytes:
    """A value of another width, with a length that fits, or nearly."""
    for name in (b"LoadAvg", b"Minute", b"UpdateSequenceNumber", b"Memory"):
        at = message.find(name + b" = ")
        if at >= 8 and randomly.random() < 0.5:
            end = message.find(b"\0", at)
            value = randomly.choice((b"1", b"22.5", b"", b" 1", b"x\0y", b"9" * 18))
            line = name + b" = " + value
            size = len(line) + 1 + randomly.choice((0, 0, 0, 1, -1, 256))
            return message[: at - 8] + size.to_bytes(8, "big") + line + message[end:]
    return message


def _other_length(message: bytes, randomly: random.Random) -> bytes:
    """Some length is another number."""
    at = message.find(bytes(6), randomly.randrange(8, len(message)))
    if at < 0:
        return message
    length = randomly.choice((0, 1, 2, 255, 256, 65_535, 2**31, 2**63, 2**64 - 1))
    return message[:at] + length.to_bytes(8, "big") + message[at + 8 :]


def _repeat(message: bytes, randomly: random.Random) -> bytes:
    start = randomly.randrange(8, len(message))
    piece = message[start : start + randomly.randint(1, 60)]
    at = randomly.randrange(8, len(message))
    return message[:at] + piece + message[at:]


Damage = Callable[[bytes, random.Random], bytes]
DAMAGES: tuple[Damage, ...] = (
    _insert,
    _drop,
    _change,
    _other_value,
    _other_length,
    _repeat,
)


class WithoutRoomTests(EncryptedUpdateTests):
    """The same where no prefixed text may be kept."""

    cache_bytes = 0

    def test_followed(self) -> None:
        """The usual update is cut out of its message, and then held to the old one."""
        for sequence in range(11, 15):
            record = self.both(encrypted(sequence, b"0.7"))
            self.assertTrue(self.is_followed(record))
            assert record is not None
            self.assertIsNone(record.prefixed)


class KeepingTests(PoolsTestCase):
    """What is kept in prefixed form."""

    def records(self) -> dict[str, AdRecord]:
        """The slots."""
        return self.quick.state.store.table(kinds.SLOT).records

    def test_given_back(self) -> None:
        """With the ad its text goes."""
        self.both(encrypted(11))
        self.assertGreater(self.quick.state.store.prefixed_bytes, 0)
        self.quick.invalidate(Command.INVALIDATE_STARTD_ADS, {"Name": KEY})
        self.assertEqual(self.quick.state.store.prefixed_bytes, 0)

    def test_asked_between_updates(self) -> None:
        """Answers and updates in turns keep one text of each ad."""
        for sequence in range(11, 16):
            self.both(encrypted(sequence))
            for _ in range(2):
                (found,) = self.quick.ask(5, encrypted=True)
                self.assertIn(f"UpdateSequenceNumber = {sequence}", found)
                self.check_kept()
            for pool in (self.quick, self.usual):
                pool.ask(5)

    def test_answer_while_ads_are_replaced(self) -> None:
        """An ad that was replaced while its answer waits leaves nothing behind."""
        form = self.quick.state.reply_form(True)
        old = self.records()[KEY]
        self.both(encrypted(11))
        pieces: list[bytes] = []
        form.public_ads([old], pieces)
        self.assertIn(encode_prefixed(old.body), pieces)
        self.assertIsNone(old.prefixed)
        self.check_kept()

    def test_changed_in_its_place(self) -> None:
        """What changes in a stored ad changes on encrypted streams as well."""
        self.both(encrypted(11))
        self.quick.ask(5, encrypted=True)
        record = self.records()[KEY]
        record.tail = with_last_heard(record.tail, 1)
        record.forget()
        for _ in range(2):
            (found,) = self.quick.ask(5, encrypted=True)
            self.assertIn("LastHeardFrom = 1", found)
            self.assertEqual([found], self.quick.ask(5))
            self.check_kept()

    def test_own_ad(self) -> None:
        """The collector's own ad, made anew for each answer, is not kept."""
        before = self.quick.state.store.prefixed_bytes
        record = self.records()[KEY]
        for _ in range(3):
            copy = AdRecord(
                kinds.SLOT, KEY, record.body, record.count, None, (), b"A = 1\0", 1, NOW
            )
            self.quick.state.reply_form(True).public_ads([copy], [])
        self.assertEqual(self.quick.state.store.prefixed_bytes, before)

    def test_generic_ads(self) -> None:
        """An ad of a generic type is kept as others are, and given back."""
        before = self.quick.state.store.prefixed_bytes
        self.quick.update(Command.UPDATE_AD_GENERIC, {"MyType": "Thing", "Name": "t"})
        asked: dict[str, AdValue] = {"TargetType": "Thing"}
        for _ in range(2):
            clear = self.quick.ask(Command.QUERY_GENERIC_ADS, asked)
            found = self.quick.ask(Command.QUERY_GENERIC_ADS, asked, encrypted=True)
            self.assertEqual(found, clear)
            self.assertGreater(self.quick.state.store.prefixed_bytes, before)
        self.quick.invalidate(
            Command.INVALIDATE_ADS_GENERIC,
            {"MyType": "Query", "TargetType": "Thing", "Name": "t"},
        )
        self.assertEqual(self.quick.state.store.prefixed_bytes, before)

    def test_less_room(self) -> None:
        """A new limit counts from the next text on."""
        self.quick.state.reconfigure(CollectorSettings(encrypted_cache_bytes=10))
        self.both(encrypted(11))
        self.assertEqual(self.quick.state.store.prefixed_bytes, 0)
