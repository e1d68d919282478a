"""The ads of a negotiation: literals only, read from strangers.

Layout: as every ad on the wire, a count, ``Name = value`` strings, two type strings
(empty). Only literals are values here; an expression, a list, a record, a call or
a secret marker refuses the message. Names compare without case; the last duplicate
counts. Real senders write the attributes by length of name, then by name, and the ads
that resume a session by name; so do we.

Source: ``src/condor_utils/classad_oldnew.cpp: getPODClassAd``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final

from condor_twisted.classad.literals import (
    NOT_LITERAL,
    LiteralValue,
    format_literal,
    parse_literal,
)
from condor_twisted.errors import LimitExceeded, MalformedMessage
from condor_twisted.wire.messages import MessageReader, MessageWriter

__all__ = [
    "MAX_HANDSHAKE_ATTRIBUTES",
    "PodAd",
    "parse_pod_message",
    "put_pod_ad",
    "read_pod_ad",
]

#: More attributes than this are no negotiation.
MAX_HANDSHAKE_ATTRIBUTES: Final = 100
_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")
#: A line whose value is a plain string, a short integer or a truth value.
_PLAIN_LINE: Final = (
    rb'([A-Za-z_][A-Za-z0-9_]*) *= *(?:"([^"\\\0]*)"|(-?[0-9]{1,18})|(true|false))\0'
)
_FIND_PLAIN_LINES = re.compile(_PLAIN_LINE).findall
_IS_PLAIN = re.compile(b"(?:" + _PLAIN_LINE + b")*").fullmatch
#: Longer ads take the exact path: real ones have some hundreds of bytes.
_QUICK_BYTES: Final = 8192


class PodAd:
    """A read-only ad of literals.

    Args:
        values: The values by attribute name in lower case.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, LiteralValue]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def literal(self, name: str) -> LiteralValue | None:
        """The value of an attribute, or ``None`` where there is none."""
        return self._values.get(name.lower())

    def string(self, name: str) -> str | None:
        """The value where it is a string, else ``None``."""
        value = self._values.get(name.lower())
        return value if type(value) is str else None

    def integer(self, name: str) -> int | None:
        """The value where it is an integer, else ``None``."""
        value = self._values.get(name.lower())
        return value if type(value) is int else None

    def boolean(self, name: str) -> bool | None:
        """The value where it is a truth value, else ``None``."""
        value = self._values.get(name.lower())
        return value if type(value) is bool else None

    def says_yes(self, name: str) -> bool:
        """Whether the attribute is the word ``YES``, in any case of letters."""
        value = self._values.get(name.lower())
        return type(value) is str and value.upper() == "YES"

    def bounded_string(self, name: str, limit_bytes: int) -> str | None:
        """A string of at most so many bytes.

        Raises:
            LimitExceeded: It is longer.
        """
        value = self.string(name)
        if value is not None and len(value.encode(errors="surrogateescape")) > (
            limit_bytes
        ):
            raise LimitExceeded(f"the length of {name} in bytes", limit_bytes)
        return value


def parse_pod_message(payload: bytes, offset: int = 0) -> PodAd:
    """Read a message in clear that holds one ad of literals and nothing else.

    Real ads are plain, and read with two calls of a regular expression that has one
    way to match only. Whatever is not plain goes the exact way.

    Args:
        payload: The message.
        offset: Where the ad begins in it.

    Raises:
        RemoteProtocolError: It is no such message.
    """
    lines = payload[offset + 8 : -2]
    if (
        len(lines) <= _QUICK_BYTES
        and payload.endswith(b"\0\0\0")
        and _IS_PLAIN(lines) is not None
    ):
        found = _FIND_PLAIN_LINES(lines)
        if payload[offset : offset + 8] == len(found).to_bytes(8, "big") and (
            len(found) <= MAX_HANDSHAKE_ATTRIBUTES
        ):
            return PodAd(
                {
                    name.decode("ascii").lower(): int(number)
                    if number
                    else truth == b"true"
                    if truth
                    else text.decode("utf-8", "surrogateescape")
                    for name, text, number, truth in found
                }
            )
    reader = MessageReader(payload, min(offset, len(payload)))
    ad = read_pod_ad(reader)
    reader.end_of_message()
    return ad


def read_pod_ad(reader: MessageReader) -> PodAd:
    """Read one ad of literals.

    Raises:
        RemoteProtocolError: It is no such ad.
    """
    encoded = reader.get_ad(MAX_HANDSHAKE_ATTRIBUTES)
    if encoded.secret_lines:
        raise MalformedMessage("a secret in an ad of the negotiation")
    values: dict[str, LiteralValue] = {}
    for line in encoded.body.split(b"\0")[: encoded.count]:
        name, separator, text = line.partition(b"=")
        name = name.strip()
        if not separator or _NAME.fullmatch(name) is None:
            raise MalformedMessage("an attribute without a name in a negotiation")
        value = parse_literal(text.lstrip())
        if value is NOT_LITERAL:
            raise MalformedMessage("a value that is no literal in a negotiation")
        values[name.decode("ascii").lower()] = value
    return PodAd(values)


def _by_length(name: str) -> tuple[int, str]:
    """The order in which HTCondor sends a whole ad."""
    return len(name), name.lower()


@lru_cache(maxsize=256)
def _ordered(names: tuple[str, ...], by_name: bool) -> tuple[tuple[str, bytes], ...]:
    """Names in the order in which they are sent, each with the begin of its line."""
    order = sorted(names, key=str.lower if by_name else _by_length)
    return tuple((name, name.encode("ascii") + b" = ") for name in order)


def put_pod_ad(
    writer: MessageWriter,
    pairs: Iterable[tuple[str, LiteralValue]],
    *,
    by_name: bool = False,
) -> None:
    """Write an ad of literals in the order in which HTCondor writes it.

    Args:
        writer: Where to.
        pairs: Names and values, each name once.
        by_name: The order of an ad that resumes a session.
    """
    values = dict(pairs)
    writer.put_ad(
        b"".join(
            [
                begin + format_literal(values[name]) + b"\0"
                for name, begin in _ordered(tuple(values), by_name)
            ]
        )
    )
