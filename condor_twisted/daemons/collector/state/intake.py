"""From a message to an ad whose lines are sorted out.

Known layouts are recognized by one match; anything else is read line by line.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from typing import Final

from condor_twisted.classad.wire_ad import split_line
from condor_twisted.daemons.collector.state.layout_book import LayoutBook
from condor_twisted.daemons.collector.state.layouts import Layout
from condor_twisted.daemons.collector.state.names import (
    STAMPED_KEYS,
    is_plain_public,
    is_private_key,
)
from condor_twisted.daemons.collector.state.records import ArrivedAd
from condor_twisted.errors import LimitExceeded
from condor_twisted.wire.messages import (
    MAX_ATTRIBUTES,
    EncodedAd,
    decode_prefixed_ad,
    split_clear_ad,
)

__all__ = ["Intake", "sort_lines"]

_INT: Final = struct.Struct(">q")
_TYPE_SLOTS: Final = b"\0\0"


def sort_lines(lines: Sequence[bytes], secret_lines: Sequence[bytes] = ()) -> ArrivedAd:
    """Sort an ad's lines into public ones, private ones and the collector's.

    Of lines with one name the last value and the first spelling stay. What came as
    a secret is private only if its name says so.

    Args:
        lines: The clear lines in order.
        secret_lines: The lines that came as secrets.

    Raises:
        MalformedMessage: A line is not of the form ``Name = value``.
    """
    public: list[bytes] = []
    place: dict[bytes, int] = {}
    private: dict[bytes, bytes] = {}
    stamps: dict[bytes, bytes] = {}
    for line in (*lines, *secret_lines) if secret_lines else lines:
        name, equals, value = line.partition(b" = ")
        if equals and is_plain_public(name):
            key = name.lower()
        else:
            name, value = split_line(line)
            key = name.lower()
            if key in STAMPED_KEYS:
                stamps[key] = value
                continue
            line = name + b" = " + value
            if is_private_key(key):
                private[key] = line
                continue
        at = place.get(key)
        if at is None:
            place[key] = len(public)
            public.append(line)
        else:
            public[at] = public[at][: len(name)] + b" = " + value
    count = len(public)
    public.append(b"")
    return ArrivedAd(
        b"\0".join(public),
        count,
        tuple(private.values()),
        stamps=stamps or None,
    )


class Intake:
    """Reads ads; learns the layouts that they come in.

    Args:
        book: The layouts known so far.
    """

    def __init__(self, book: LayoutBook | None = None) -> None:
        self.book: Final = LayoutBook() if book is None else book

    def take(self, payload: bytes, offset: int) -> tuple[ArrivedAd, int]:
        """Read an ad out of a message that is not encrypted and has no key.

        Args:
            payload: One whole message.
            offset: Where the ad's count begins.

        Returns:
            The ad, and the offset behind it.

        Raises:
            RemoteProtocolError: If this is no ad, or one beyond the limits.
        """
        start = offset + 8
        if start <= len(payload):
            count = _INT.unpack_from(payload, offset)[0]
            known = self.book.find(payload, start, count)
            if known is not None:
                layout, found = known
                end = found.end()
                if payload.startswith(_TYPE_SLOTS, end):
                    if layout.secret_groups:
                        body, secrets = layout.cut(payload, found)
                    else:
                        body, secrets = payload[start:end], ()
                    ad = ArrivedAd(body, layout.public_count, secrets, layout, found)
                    return ad, end + 2
        encoded, end = split_clear_ad(payload, offset)
        arrived = sort_lines(encoded.body.split(b"\0")[:-1], encoded.secret_lines)
        if encoded.secret_lines:
            if payload.endswith(_TYPE_SLOTS, 0, end):
                self.book.note(payload[start : end - 3].split(b"\0"))
        else:
            self.book.note(encoded.body.split(b"\0")[:-1])
        return arrived, end

    def take_prefixed(self, payload: bytes, offset: int) -> tuple[ArrivedAd, int]:
        """The same out of a message that was encrypted: its strings have lengths."""
        encoded, end = decode_prefixed_ad(payload, offset)
        return self.sort(encoded), end

    def sort(self, encoded: EncodedAd) -> ArrivedAd:
        """Sort the lines of an ad that is already cut out.

        Raises:
            RemoteProtocolError: If a line is no attribute, or there are too many.
        """
        if encoded.count > MAX_ATTRIBUTES:
            raise LimitExceeded("attributes in an ad", MAX_ATTRIBUTES, encoded.count)
        known = self.find(encoded)
        if known is not None:
            layout, found, public, private_lines = known
            return ArrivedAd(public, layout.public_count, private_lines, layout, found)
        lines = encoded.body.split(b"\0")[:-1]
        arrived = sort_lines(lines, encoded.secret_lines)
        self.book.note(lines)
        return arrived

    def find(
        self, encoded: EncodedAd
    ) -> tuple[Layout, re.Match[bytes], bytes, tuple[bytes, ...]] | None:
        """The layout of an ad that is already cut out, if it is a known one.

        Returns:
            The layout, the match with the whole body, the public and the private
            lines.
        """
        body = encoded.body
        secrets = encoded.secret_lines
        known = self.book.find(body, 0, encoded.count - len(secrets))
        if known is None:
            return None
        layout, found = known
        if found.end() != len(body):
            return None
        if layout.secret_groups:
            return None if secrets else (layout, found, *layout.cut(body, found))
        if secrets:
            names = {line.partition(b" = ")[0].lower() for line in secrets}
            if len(names) != len(secrets) or not all(map(is_private_key, names)):
                return None
        return layout, found, body, secrets
