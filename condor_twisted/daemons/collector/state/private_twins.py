"""The private ad of a slot, kept as it came until somebody reads it.

A slot's private ad is replaced as often as the public one, and read once in a
negotiation cycle. So it is only proved to be one when it comes, and taken apart when it
is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

from condor_twisted.constants import attributes
from condor_twisted.daemons.collector.state import kinds
from condor_twisted.daemons.collector.state.habits import Shape, ShapeBook, heads_of
from condor_twisted.daemons.collector.state.layouts import MARKER_STRING
from condor_twisted.daemons.collector.state.names import lookup_key
from condor_twisted.daemons.collector.state.prefixed_forms import (
    LENGTH_BYTES,
    follow_prefixed,
    prefixed_shape,
)
from condor_twisted.daemons.collector.state.records import (
    NO_MEMO,
    AdRecord,
    ArrivedAd,
)
from condor_twisted.wire.messages import PREFIXED_TYPE_SLOTS, EncodedAd

__all__ = [
    "PrivateText",
    "PrivateTwin",
    "clear_text",
    "in_the_clear",
    "prefixed_text",
    "with_public_facts",
]

#: Takes an ad apart that begins at an offset; gives it and the offset behind it.
Reader: TypeAlias = Callable[[bytes, int], tuple[ArrivedAd, int]]

_MY_TYPE: Final = lookup_key(attributes.MY_TYPE)
_MY_ADDRESS: Final = lookup_key(attributes.MY_ADDRESS)
_NAME: Final = lookup_key(attributes.NAME)
#: What a private ad gets from its public one.
_COPIED: Final = (
    (_MY_TYPE, b"MyType = "),
    (_MY_ADDRESS, b"MyAddress = "),
    (_NAME, b"Name = "),
)
_TYPE_SLOTS: Final = b"\0\0"
_SEQUENCE_LINE: Final = b"\0UpdateSequenceNumber = "
_HEADS: Final = heads_of((_SEQUENCE_LINE,))
_OVERHEAD_BYTES: Final = 500
#: What is not there before the ad is read.
_UNREAD: Final = frozenset(
    ("body", "count", "layout", "private_lines", "tail", "tail_count")
)


class PrivateText(NamedTuple):
    """A private ad as it came, count and type strings included.

    Args:
        encoded: Its bytes.
        shape: Where its changing values are, if that is known.
        is_prefixed: Whether it came on an encrypted stream, with lengths.
    """

    encoded: bytes
    shape: Shape | None
    is_prefixed: bool


def clear_text(book: ShapeBook, encoded: bytes) -> PrivateText:
    """A private ad that came in clear form.

    Args:
        book: The shapes in use.
        encoded: Its bytes.
    """
    return PrivateText(encoded, book.shape_between(encoded, _needles(encoded)), False)


def prefixed_text(book: ShapeBook, ad: EncodedAd, encoded: bytes) -> PrivateText | None:
    """A private ad that came on an encrypted stream.

    Args:
        book: The shapes in use.
        ad: The ad that was read.
        encoded: Its bytes.

    Returns:
        ``None`` where more than its lines came: marked secrets, or type strings.
    """
    body = ad.body
    size = LENGTH_BYTES + len(body) + LENGTH_BYTES * ad.count + len(PREFIXED_TYPE_SLOTS)
    if ad.secret_lines or size != len(encoded):
        return None
    shape = book.shape_between(body, _needles(body))
    if shape is not None:
        behind = len(PREFIXED_TYPE_SLOTS)
        shape = prefixed_shape(book, shape, body, LENGTH_BYTES, behind)
    return PrivateText(encoded, shape, True)


def in_the_clear(
    public_count: int, body: bytes, private_lines: tuple[bytes, ...]
) -> bytes:
    """An ad as it would have come on a stream that is not encrypted."""
    secrets = b"".join([MARKER_STRING + line + b"\0" for line in private_lines])
    count = public_count + len(private_lines)
    return count.to_bytes(8, "big") + body + secrets + _TYPE_SLOTS


def with_public_facts(private: ArrivedAd, public: ArrivedAd) -> ArrivedAd:
    """A private ad that says of itself what its public one says."""
    lines = [
        line
        for line in private.body.split(b"\0")[:-1]
        if line[: line.index(b" ")].lower() not in (_MY_TYPE, _MY_ADDRESS, _NAME)
    ]
    for key, begin in _COPIED:
        value = public.raw(key)
        if value is not None:
            lines.append(begin + value)
    count = len(lines)
    lines.append(b"")
    return ArrivedAd(b"\0".join(lines), count, private.private_lines)


def _needles(text: bytes) -> tuple[bytes, ...]:
    """What stands before the changing values of a private ad in clear form."""
    return (_SEQUENCE_LINE,) if _SEQUENCE_LINE in text else ()


class PrivateTwin(AdRecord):
    """A slot's private ad.

    Args:
        key: The key of the public one.
        text: The ad as it came.
        name: The public ad's Name as it stands there; the private one has none.
        last_heard_unix: When it came.
        read: Takes an ad of that form apart.
    """

    __slots__ = ("_name", "_read", "encoded", "is_prefixed")

    def __init__(
        self,
        key: str,
        text: PrivateText,
        name: bytes,
        last_heard_unix: int,
        read: Reader,
    ) -> None:
        # Not the parent's: the rest comes when it is asked for.
        encoded, shape, is_prefixed = text
        self.kind = kinds.SLOT_PRIVATE
        self.key = key
        self.encoded: Final = encoded
        self.is_prefixed: Final = is_prefixed
        self.last_heard_unix = last_heard_unix
        self.sequence = (None, None)
        self.updates = None
        self.values = ()
        self.identity = ""
        self.is_checked = False
        self.is_behind = False
        self.was_checked = False
        self.lifetime_override_seconds = None
        self.memo = NO_MEMO
        self.prefixed = None
        self.shape = shape
        self.habit = None
        self._lifetime = -1
        self._name = name
        self._read = read
        self.size_bytes = len(encoded) + _OVERHEAD_BYTES  # type: ignore[misc]

    def follower(
        self, book: ShapeBook, payload: bytes, at: int, last_heard_unix: int
    ) -> PrivateTwin | None:
        """The next private ad of the same slot, if a message ends in one.

        Args:
            book: The shapes in use.
            payload: A message of the form that this one came in.
            at: Where an ad begins in it.
            last_heard_unix: When it came.

        Returns:
            ``None`` unless it differs from this one in its changing values only.
        """
        shape, former = self.shape, self.encoded
        if shape is None:
            return None
        if shape.same(former, payload, at) is None:
            if self.is_prefixed:
                found = follow_prefixed(book, shape, _HEADS, former, payload, at)
            else:
                found = book.follow(shape, former, payload, at)
            if found is None:
                return None
            shape = found[0]
        if at + shape.size != len(payload):
            return None
        text = PrivateText(payload[at:], shape, self.is_prefixed)
        return PrivateTwin(self.key, text, self._name, last_heard_unix, self._read)

    def __getattr__(self, name: str) -> Any:
        """Take the ad apart when one of its parts is asked for."""
        if name not in _UNREAD:
            raise AttributeError(name)
        ad, _ = self._read(self.encoded, 0)
        self.body = ad.body + b"Name = " + self._name + b"\0"
        self.count = ad.count + 1
        self.layout = None
        self.private_lines = ad.private_lines
        self.tail = b"LastHeardFrom = %d\0" % self.last_heard_unix
        self.tail_count = 1
        return getattr(self, name)
