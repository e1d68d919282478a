"""The usual slot update, the quick way.

Nine of ten updates of a pool are a slot's public and private ad from a startd that has
been heard before. When both have a known layout and nothing is out of the ordinary,
all that has to be done is here, with as few steps as possible. At the slightest doubt
the answer is ``None``, nothing has been stored, and the usual way is taken: see
``updates``, which does the same for every ad, and explains it.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from condor_twisted.classad.literals import decode_string
from condor_twisted.daemons.collector.state import kinds
from condor_twisted.daemons.collector.state.layouts import Layout, LayoutBook
from condor_twisted.daemons.collector.state.records import AdRecord
from condor_twisted.daemons.collector.state.senders import Sender
from condor_twisted.daemons.collector.state.statistics import (
    UpdateStatistics,
    dropped_between,
)
from condor_twisted.daemons.collector.state.tables import AdStore

__all__ = ["SlotReceiver"]

_TYPE_SLOTS: Final = b"\0\0"
_SLOT_TYPE: Final = b'"Machine"'
_QUOTE: Final = 0x22
#: Longer numbers and names are left to the usual way.
_MAX_DIGITS: Final = 17
_MAX_TEXT: Final = 1000

_Found: TypeAlias = "tuple[Layout, re.Match[bytes], int]"


class SlotReceiver:
    """Stores the usual slot updates.

    Args:
        store: The tables.
        statistics: Counts the updates.
        book: The layouts known.
    """

    def __init__(
        self, store: AdStore, statistics: UpdateStatistics, book: LayoutBook
    ) -> None:
        self._store = store
        self._statistics = statistics
        self._book = book
        self._public = store.table(kinds.SLOT)
        self._private = store.table(kinds.SLOT_PRIVATE)

    def receive(
        self, payload: bytes, offset: int, sender: Sender, now: float
    ) -> tuple[AdRecord, AdRecord | None] | None:
        """Store a slot's ads, if all is as usual.

        Args:
            payload: One whole message.
            offset: Where its first ad begins.
            sender: Who sent it.
            now: The time, in seconds since the epoch.

        Returns:
            The public ad and the one that it replaced; ``None`` if something was not
            as usual, and nothing was done.
        """
        public = self._find(payload, offset)
        if public is None:
            return None
        layout, found, end = public
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
        private: _Found | None = None
        if end != len(payload):
            private = self._find(payload, end)
            if private is None or private[2] != len(payload):
                return None
            groups = private[0].private_groups
            if not groups or private[1].group(*groups) != (my_type, address):
                return None
        key = decode_string(name[1:-1])
        old = self._public.records.get(key)
        if old is None or not self._store.has_room(len(payload)):
            return None
        record = self._store_public(
            layout,
            found,
            payload,
            key,
            address,
            (int(number_text), int(began_text)),
            old,
            sender,
            int(now),
        )
        if private is not None:
            self._store_private(private, payload, key, name, record, int(now))
        return record, old

    def _find(self, payload: bytes, offset: int) -> _Found | None:
        """An ad of a known layout, and where it ends."""
        start = offset + 8
        count = int.from_bytes(payload[offset:start], "big")
        known = self._book.find(payload, start, count)
        if known is None:
            return None
        layout, found = known
        end = found.end()
        if not payload.startswith(_TYPE_SLOTS, end):
            return None
        return layout, found, end + 2

    def _store_public(
        self,
        layout: Layout,
        found: re.Match[bytes],
        payload: bytes,
        key: str,
        address: bytes,
        sequence: tuple[int, int],
        old: AdRecord,
        sender: Sender,
        now: int,
    ) -> AdRecord:
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
        if layout.secret_groups:
            body, private_lines = layout.cut(payload, found)
        else:
            body, private_lines = found[0], ()
        tail = b"LastHeardFrom = %d\0" % now + updates.lines(bits) + senders
        record = AdRecord(
            kinds.SLOT,
            key,
            body,
            layout.public_count,
            layout,
            private_lines,
            tail,
            5 + senders_count,
            now,
        )
        record.sequence = sequence
        record.updates = updates
        record.identity = sender.identity or ""
        self._store.put(self._public, record)
        return record

    def _store_private(
        self,
        private: _Found,
        payload: bytes,
        key: str,
        name: bytes,
        public: AdRecord,
        now: int,
    ) -> None:
        layout, found, _ = private
        body, private_lines = layout.cut(payload, found)
        record = AdRecord(
            kinds.SLOT_PRIVATE,
            key,
            body + b"Name = " + name + b"\0",
            layout.public_count + 1,
            None,
            private_lines,
            b"LastHeardFrom = %d\0" % now,
            1,
            now,
        )
        record.identity = public.identity
        self._store.put(self._private, record)


def _is_plain_string(text: bytes) -> bool:
    """Whether a value is a string literal without a quote or backslash at its end."""
    size = len(text)
    return text[0] == _QUOTE and text.find(_QUOTE, 1) == size - 1 and size <= _MAX_TEXT
