"""The private ad of a slot, kept as it came until somebody reads it.

A slot's private ad is replaced as often as the public one, and read once in a
negotiation cycle. So it is only proved to be one when it comes, and taken apart when it
is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from condor_twisted.daemons.collector.state import kinds
from condor_twisted.daemons.collector.state.habits import Shape
from condor_twisted.daemons.collector.state.records import (
    NO_MEMO,
    AdRecord,
    ArrivedAd,
)

__all__ = ["PrivateTwin", "changing_needles"]

#: Takes an ad apart that begins at an offset; gives it and the offset behind it.
Reader: TypeAlias = Callable[[bytes, int], tuple[ArrivedAd, int]]

_SEQUENCE_LINE: Final = b"\0UpdateSequenceNumber = "
_OVERHEAD_BYTES: Final = 500
#: What is not there before the ad is read.
_UNREAD: Final = frozenset(
    ("body", "count", "layout", "private_lines", "tail", "tail_count")
)


def changing_needles(encoded: bytes) -> tuple[bytes, ...]:
    """What stands before the changing values of a private ad as it came."""
    return (_SEQUENCE_LINE,) if _SEQUENCE_LINE in encoded else ()


class PrivateTwin(AdRecord):
    """A slot's private ad.

    Args:
        key: The key of the public one.
        encoded: The ad as it came, its count and type strings included.
        shape: Where its changing values are, if that is known.
        name: The public ad's Name as it stands there; the private one has none.
        last_heard_unix: When it came.
        read: Takes it apart.
    """

    __slots__ = ("_name", "_read", "encoded")

    def __init__(
        self,
        key: str,
        encoded: bytes,
        shape: Shape | None,
        name: bytes,
        last_heard_unix: int,
        read: Reader,
    ) -> None:
        # Not the parent's: the rest comes when it is asked for.
        self.kind = kinds.SLOT_PRIVATE
        self.key = key
        self.encoded: Final = encoded
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
        self, encoded: bytes, shape: Shape | None, last_heard_unix: int
    ) -> PrivateTwin:
        """The next private ad of the same slot.

        Args:
            encoded: As it came; it differs from this one in its changing values.
            shape: Where these are, if that is known.
            last_heard_unix: When it came.
        """
        return PrivateTwin(
            self.key, encoded, shape, self._name, last_heard_unix, self._read
        )

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
