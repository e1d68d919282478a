"""The usual slot update, the quick way.

Nine of ten updates of a pool are a slot's public and private ad from a startd that has
been heard before. When both have a known layout and nothing is out of the ordinary,
all that has to be done is here, with as few steps as possible. At the slightest doubt
the answer is ``None``, nothing has been stored, and the usual way is taken: see
``updates``, which does the same for every ad, and explains it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, TypeAlias

from condor_twisted.classad.literals import decode_string
from condor_twisted.constants import attributes
from condor_twisted.daemons.collector.state import kinds
from condor_twisted.daemons.collector.state.followers import (
    Followed,
    follow_clear,
    follow_encrypted,
    follow_lines,
)
from condor_twisted.daemons.collector.state.habits import ShapeBook, changed_keys
from condor_twisted.daemons.collector.state.intake import Intake
from condor_twisted.daemons.collector.state.layouts import Layout
from condor_twisted.daemons.collector.state.names import lookup_key
from condor_twisted.daemons.collector.state.prefixed_forms import (
    LENGTH_BYTES,
    PrefixedText,
)
from condor_twisted.daemons.collector.state.private_twins import (
    PrivateText,
    PrivateTwin,
    clear_text,
    in_the_clear,
    prefixed_text,
)
from condor_twisted.daemons.collector.state.records import AdRecord
from condor_twisted.daemons.collector.state.senders import Sender
from condor_twisted.daemons.collector.state.statistics import (
    DaemonUpdates,
    UpdateStatistics,
    dropped_between,
)
from condor_twisted.daemons.collector.state.tables import AdStore
from condor_twisted.wire.messages import (
    EncodedAd,
)

__all__ = ["SlotReceiver"]

_TYPE_SLOTS: Final = b"\0\0"
_NAME: Final = lookup_key(attributes.NAME)
_MY_ADDRESS: Final = lookup_key(attributes.MY_ADDRESS)
_SLOT_TYPE: Final = b'"Machine"'
_QUOTE: Final = 0x22
#: Senders put short names in front.
_NAME_LINE: Final = b'\0Name = "'
_NAME_WINDOW_BYTES: Final = 512
#: The same where the name's line is not longer than 255 bytes.
_PREFIXED_NAME: Final = re.compile(rb'\0\0\0\0\0\0\0.Name = "([^"\0]*)"', re.DOTALL)
#: Longer numbers and names are left to the usual way.
_MAX_DIGITS: Final = 17
_MAX_TEXT: Final = 1000

#: The ad that was stored, and the one that it replaced.
_Stored: TypeAlias = tuple[AdRecord, AdRecord | None]
#: An ad's layout, the match that found it out, its public and its private lines.
_Known: TypeAlias = "tuple[Layout, re.Match[bytes], bytes, tuple[bytes, ...]]"
#: The same of a private ad, and what is kept of it.
_Private: TypeAlias = "tuple[_Known, PrivateText]"


class SlotReceiver:
    """Stores the usual slot updates.

    Args:
        store: The tables.
        statistics: Counts the updates.
        intake: Knows the layouts.
    """

    def __init__(
        self, store: AdStore, statistics: UpdateStatistics, intake: Intake
    ) -> None:
        self._store = store
        self._statistics = statistics
        self._intake = intake
        self._public = store.table(kinds.SLOT)
        self._private = store.table(kinds.SLOT_PRIVATE)
        self._shapes = ShapeBook()

    def receive_clear(
        self, payload: bytes, offset: int, sender: Sender, now: float
    ) -> _Stored | None:
        """Store a slot's ads out of a clear message, if all is as usual.

        Args:
            payload: One whole message.
            offset: Where its first ad begins.
            sender: Who sent it.
            now: The time, in seconds since the epoch.

        Returns:
            The public ad and the one that it replaced; ``None`` if something was not
            as usual, and nothing was done.
        """
        old = self._named(payload, offset)
        if old is not None:
            followed = follow_clear(self._shapes, old, payload, offset)
            if followed is not None:
                done = self._store_ads(old, payload, followed, sender, int(now), False)
                if done is not None:
                    return done
        cut = self._cut(payload, offset, None if old is None else old.layout)
        if cut is None or not cut[0][0].slot_groups:
            return None
        public, end = cut
        private: _Private | None = None
        if end != len(payload):
            cut = self._cut(payload, end)
            if cut is None or cut[1] != len(payload):
                return None
            private = cut[0], clear_text(self._shapes, payload[end:])
        return self._receive(public, private, sender, int(now))

    def receive_prefixed(
        self, payload: bytes, offset: int, sender: Sender, now: float
    ) -> _Stored | None:
        """Store a slot's ads out of an encrypted message, if they are as before.

        Args:
            payload: One whole message, decrypted.
            offset: Where its first ad begins.
            sender: Who sent it.
            now: The time, in seconds since the epoch.

        Returns:
            As for :meth:`receive_clear`.
        """
        name = _PREFIXED_NAME.search(payload, offset, offset + _NAME_WINDOW_BYTES)
        if name is None:
            return None
        old = self._public.records.get(str(name[1], "utf-8", "surrogateescape"))
        if old is None:
            return None
        former = self._private.records.get(old.key)
        if isinstance(former, PrivateTwin) and not former.is_prefixed:
            return None  # it came in the clear: this time all is read
        found = follow_encrypted(self._shapes, old, payload, offset)
        if found is None:
            return None
        followed, text = found
        done = self._store_ads(old, payload, followed, sender, int(now), True)
        if done is not None:
            self._store.keep_prefixed(done[0], text)
        return done

    def receive(
        self,
        ads: Sequence[EncodedAd],
        sender: Sender,
        now: float,
        forms: Sequence[bytes] = (),
    ) -> _Stored | None:
        """Store a slot's ads that are already cut out, if all is as usual.

        Args:
            ads: The ads of the message.
            sender: Who sent it.
            now: The time, in seconds since the epoch.
            forms: The ads as they came on an encrypted stream, if they did.

        Returns:
            As for :meth:`receive_clear`.
        """
        if not 1 <= len(ads) <= 2:
            return None
        private: _Private | None = None
        if len(ads) > 1:
            known = self._intake.find(ads[1])
            if known is None:
                return None
            private = known, self._private_text(known, ads, forms)
        done = self._follow_cut(ads[0], private, sender, int(now))
        if done is None:
            public = self._intake.find(ads[0])
            if public is None:
                return None
            done = self._receive(public, private, sender, int(now))
        if done is not None and forms:
            self._keep_form(done[0], ads[0], forms[0])
        return done

    def _named(self, payload: bytes, offset: int) -> AdRecord | None:
        """The slot's ad that is there, if the name is found at a glance."""
        at = payload.find(_NAME_LINE, offset, offset + _NAME_WINDOW_BYTES)
        if at < 0:
            return None
        at += len(_NAME_LINE)
        name = payload[at : payload.find(b'"', at, at + _MAX_TEXT)]
        return self._public.records.get(str(name, "utf-8", "surrogateescape"))

    def _store_ads(
        self,
        old: AdRecord,
        payload: bytes,
        followed: Followed,
        sender: Sender,
        now: int,
        is_prefixed: bool,
    ) -> _Stored | None:
        """Store an ad that was followed, and the private one behind it."""
        private_at = followed[3]
        if private_at == len(payload):
            return self._store_followed(old, followed, sender, now), old
        former = self._private.records.get(old.key)
        if not isinstance(former, PrivateTwin) or former.is_prefixed is not is_prefixed:
            return None
        twin = former.follower(self._shapes, payload, private_at, now)
        if twin is None:
            return None
        record = self._store_followed(old, followed, sender, now)
        twin.identity = record.identity
        self._store.replace(self._private, former, twin)
        return record, old

    def _follow_cut(
        self, ad: EncodedAd, private: _Private | None, sender: Sender, now: int
    ) -> _Stored | None:
        """The same for ads that are already cut out."""
        old = self._named(ad.body, 0)
        if old is None or ad.secret_lines:
            return None
        count = ad.count.to_bytes(8, "big")
        followed = follow_lines(self._shapes, old, ad.body, count)
        if followed is None:
            return None
        if private is not None:
            layout, found, *_ = private[0]
            groups = layout.private_groups
            facts = (_SLOT_TYPE, old.raw(_MY_ADDRESS))
            if not groups or found.group(*groups) != facts:
                return None
        record = self._store_followed(old, followed, sender, now)
        if private is not None:
            self._store_private(record, private[1], old.raw(_NAME) or b"")
        return record, old

    def _store_followed(
        self,
        old: AdRecord,
        followed: Followed,
        sender: Sender,
        now: int,
    ) -> AdRecord:
        """Store a public ad that is like the old one but for its changing values."""
        body, shape, number, _ = followed
        layout, habit = old.layout, old.habit
        assert layout is not None, "an ad was followed that has no layout"
        assert habit is not None, "an ad was followed that has no habit"
        newest = self._intake.book.newest(layout)
        record = self._record(
            old, body, newest, (), (number, old.sequence[1]), old.updates, sender, now
        )
        record.follow(old, habit, shape)
        if newest is not layout:
            # What the newer one has at hand is looked up when a query wants it.
            record.habit = newest.habit_of(habit.keys)
            record.values = ()
        self._store.replace(self._public, old, record, habit)
        return record

    def _cut(
        self, payload: bytes, offset: int, likely: Layout | None = None
    ) -> tuple[_Known, int] | None:
        """An ad of a known layout, and where it ends."""
        start = offset + 8
        count = int.from_bytes(payload[offset:start], "big")
        known = self._intake.book.find(payload, start, count, likely)
        if known is None:
            return None
        layout, found = known
        end = found.end()
        if not payload.startswith(_TYPE_SLOTS, end):
            return None
        if layout.secret_groups:
            body, private_lines = layout.cut(payload, found)
        else:
            body, private_lines = payload[start:end], ()
        return (layout, found, body, private_lines), end + 2

    def _receive(
        self,
        public: _Known,
        private: _Private | None,
        sender: Sender,
        now: int,
    ) -> _Stored | None:
        layout, found, body, private_lines = public
        groups = layout.slot_groups
        if not groups:
            return None
        my_type, name, address, number_text, began_text, _ = found.group(*groups)
        if (
            my_type != _SLOT_TYPE
            or not _is_plain_string(name)
            or not _is_plain_string(address)
            or not number_text.isdigit()
            or not began_text.isdigit()
            or len(number_text) > _MAX_DIGITS
            or len(began_text) > _MAX_DIGITS
        ):
            return None
        if private is not None:
            private_layout, private_found, *_ = private[0]
            groups = private_layout.private_groups
            if not groups or private_found.group(*groups) != (my_type, address):
                return None
        old = self._public.records.get(decode_string(name[1:-1]))
        if old is None:
            return None
        sequence = (int(number_text), int(began_text))
        updates = old.updates
        if updates is not None and updates.address != address:
            updates = None
        record = self._record(
            old, body, layout, private_lines, sequence, updates, sender, now, address
        )
        record.values = layout.values(found)
        if not layout.secret_groups and layout.is_like(old.layout):
            self._learn(layout, old, record)
        self._store.replace(self._public, old, record)
        if private is not None:
            self._store_private(record, private[1], name)
        return record, old

    def _record(
        self,
        old: AdRecord,
        body: bytes,
        layout: Layout,
        private_lines: tuple[bytes, ...],
        sequence: tuple[int, int | None],
        updates: DaemonUpdates | None,
        sender: Sender,
        now: int,
        address: bytes = b"",
    ) -> AdRecord:
        """Count the update of an ad that is there, and make the new one.

        Args:
            old: The ad that is there.
            body: The new one's public lines.
            layout: Its layout.
            private_lines: Its private lines.
            sequence: Its sequence number and its daemon's start time.
            updates: The counters, if they are known.
            sender: Who sent it.
            now: The time, in seconds since the epoch.
            address: What to find other counters by; the old one's by default.
        """
        key = old.key
        sequenced, dropped = dropped_between(old.sequence, sequence)
        statistics = self._statistics
        statistics.count_update("Slot", sequenced, dropped)
        if updates is None or updates.is_gone:
            if not address and updates is not None:
                address = updates.address
            updates = statistics.daemon("Slot", key, decode_string(address[1:-1]))
            updates.address = address
        bits = statistics.history_bits
        updates.count(sequenced, dropped, bits)
        senders, senders_count = sender.stamp
        record = AdRecord(
            kinds.SLOT,
            key,
            body,
            layout.public_count,
            layout,
            private_lines,
            b"LastHeardFrom = %d\0%b%b" % (now, updates.lines(bits), senders),
            5 + senders_count,
            now,
        )
        record.sequence = sequence
        record.updates = updates
        record.identity = sender.identity or ""
        return record

    def _private_text(
        self, known: _Known, ads: Sequence[EncodedAd], forms: Sequence[bytes]
    ) -> PrivateText:
        """A private ad that was cut out, as it is kept."""
        if len(forms) == len(ads):
            text = prefixed_text(self._shapes, ads[1], forms[1])
            if text is not None:
                return text
        layout, _, body, private_lines = known
        encoded = in_the_clear(layout.public_count, body, private_lines)
        return clear_text(self._shapes, encoded)

    def _store_private(self, record: AdRecord, text: PrivateText, name: bytes) -> None:
        """Store the private ad of a public one."""
        intake = self._intake
        read = intake.take_prefixed if text.is_prefixed else intake.take
        twin = PrivateTwin(record.key, text, name, record.last_heard_unix, read)
        twin.identity = record.identity
        self._store.put(self._private, twin)

    def _keep_form(self, record: AdRecord, ad: EncodedAd, form: bytes) -> None:
        """Keep an ad as it came on an encrypted stream: the next one is held to it."""
        if record.shape is None or record.body is not ad.body or ad.secret_lines:
            return  # then these are not all of the lines, or more than those
        end = LENGTH_BYTES + len(ad.body) + LENGTH_BYTES * ad.count
        self._store.keep_prefixed(record, PrefixedText(form[LENGTH_BYTES:end]))

    def _learn(self, layout: Layout, old: AdRecord, new: AdRecord) -> None:
        """See what changed, and know where that is the next time."""
        habit = layout.habit
        if habit is None:
            return
        if old.habit is habit or habit.sequence_at < 0:
            # The habit was held against this ad and was too narrow; or there is none.
            layout.changes.add(changed_keys(layout, old.body, new.body))
            habit = layout.habit
        if habit is not None and habit.sequence_at >= 0:
            new.habit = habit
            new.shape = self._shapes.shape_between(new.body, habit.needles)


def _is_plain_string(text: bytes) -> bool:
    """Whether a value is a string literal without a quote or backslash at its end."""
    size = len(text)
    return text[0] == _QUOTE and text.find(_QUOTE, 1) == size - 1 and size <= _MAX_TEXT
