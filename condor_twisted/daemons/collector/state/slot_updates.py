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
from condor_twisted.daemons.collector.state import kinds
from condor_twisted.daemons.collector.state.intake import Intake
from condor_twisted.daemons.collector.state.layouts import Layout
from condor_twisted.daemons.collector.state.records import AdRecord
from condor_twisted.daemons.collector.state.senders import Sender
from condor_twisted.daemons.collector.state.statistics import (
    UpdateStatistics,
    dropped_between,
)
from condor_twisted.daemons.collector.state.tables import AdStore
from condor_twisted.wire.messages import EncodedAd

__all__ = ["SlotReceiver"]

_TYPE_SLOTS: Final = b"\0\0"
_SLOT_TYPE: Final = b'"Machine"'
_QUOTE: Final = 0x22
#: Senders put short names in front.
_NAME_LINE: Final = b'\0Name = "'
_NAME_WINDOW_BYTES: Final = 512
#: Longer numbers and names are left to the usual way.
_MAX_DIGITS: Final = 17
_MAX_TEXT: Final = 1000

#: An ad's layout, the match that found it out, its public and its private lines.
_Known: TypeAlias = "tuple[Layout, re.Match[bytes], bytes, tuple[bytes, ...]]"


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

    def receive_clear(
        self, payload: bytes, offset: int, sender: Sender, now: float
    ) -> tuple[AdRecord, AdRecord | None] | None:
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
        cut = self._cut(payload, offset, self._likely(payload, offset))
        if cut is None or not cut[0][0].slot_groups:
            return None
        public, end = cut
        private: _Known | None = None
        if end != len(payload):
            cut = self._cut(payload, end)
            if cut is None or cut[1] != len(payload):
                return None
            private = cut[0]
        return self._receive(public, private, sender, int(now))

    def receive(
        self, ads: Sequence[EncodedAd], sender: Sender, now: float
    ) -> tuple[AdRecord, AdRecord | None] | None:
        """Store a slot's ads that are already cut out, if all is as usual.

        Args:
            ads: The ads of the message.
            sender: Who sent it.
            now: The time, in seconds since the epoch.

        Returns:
            As for :meth:`receive_clear`.
        """
        if not 1 <= len(ads) <= 2:
            return None
        known: list[_Known] = []
        for ad in ads:
            found = self._intake.find(ad)
            if found is None:
                return None
            known.append(found)
        private = known[1] if len(known) > 1 else None
        return self._receive(known[0], private, sender, int(now))

    def _likely(self, payload: bytes, offset: int) -> Layout | None:
        """The layout that the slot's ad had the last time."""
        at = payload.find(_NAME_LINE, offset, offset + _NAME_WINDOW_BYTES)
        if at < 0:
            return None
        at += len(_NAME_LINE)
        name = payload[at : payload.find(b'"', at, at + _MAX_TEXT)]
        old = self._public.records.get(decode_string(name))
        return None if old is None else old.layout

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
        self, public: _Known, private: _Known | None, sender: Sender, now: int
    ) -> tuple[AdRecord, AdRecord | None] | None:
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
            groups = private[0].private_groups
            if not groups or private[1].group(*groups) != (my_type, address):
                return None
        key = decode_string(name[1:-1])
        old = self._public.records.get(key)
        if old is None:
            return None
        sequence = (int(number_text), int(began_text))
        sequenced, dropped = dropped_between(old.sequence, sequence)
        statistics = self._statistics
        statistics.count_update("Slot", sequenced, dropped)
        updates = old.updates
        if updates is None or updates.is_gone or updates.address != address:
            updates = statistics.daemon("Slot", key, decode_string(address[1:-1]))
            updates.address = address
        bits = statistics.history_bits
        updates.count(sequenced, dropped, bits)
        senders, senders_count = sender.stamp
        heard = b"LastHeardFrom = %d\0" % now
        record = AdRecord(
            kinds.SLOT,
            key,
            body,
            layout.public_count,
            layout,
            private_lines,
            heard + updates.lines(bits) + senders,
            5 + senders_count,
            now,
        )
        record.sequence = sequence
        record.updates = updates
        record.values = layout.values(found)
        record.identity = sender.identity or ""
        self._store.put(self._public, record)
        if private is not None:
            layout, _, body, private_lines = private
            twin = AdRecord(
                kinds.SLOT_PRIVATE,
                key,
                body + b"Name = " + name + b"\0",
                layout.public_count + 1,
                None,
                private_lines,
                heard,
                1,
                now,
            )
            twin.identity = record.identity
            self._store.put(self._private, twin)
        return record, old


def _is_plain_string(text: bytes) -> bool:
    """Whether a value is a string literal without a quote or backslash at its end."""
    size = len(text)
    return text[0] == _QUOTE and text.find(_QUOTE, 1) == size - 1 and size <= _MAX_TEXT
