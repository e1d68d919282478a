"""Seeded changes of bytes: small ones, and such as know frames, ads and integers."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from typing import Final

__all__ = ["each_byte_flipped", "expression", "mutate", "truncations"]

#: Numbers that parsers stumble over.
_INTEGERS: Final = (
    0,
    1,
    -1,
    2,
    5,
    127,
    128,
    255,
    256,
    100_000,
    100_001,
    1 << 20,
    (1 << 20) + 1,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    (1 << 32) + 5,
    (1 << 63) - 1,
    -(1 << 63),
)
_TOKENS: Final = (
    b"\0",
    b"\n",
    b" = ",
    b"ZKM\0",
    b'"',
    b"\\",
    b"(" * 600,
    b"[a=",
    b"{",
    b"}",
    b"]",
    b"\xad",
    b"\xff\xfe",
    b"CRAP",
    b"MaGic6.0",
    b"undefined",
    b"A" * 5000,
    b"1" * 5000,
    b"1e999",
    b"-9223372036854775808",
    b"||true",
    b'regexp("(a+)+$",Name)',
    b"Name",
    b"LastHeardFrom = 9\0",
    b'AuthenticatedIdentity = "root@x"\0',
    b'ClaimId = "x"\0',
    b"Requirements = true\0",
    b"ServerTime = time()\0",
)
_OPERATORS: Final = (
    "||", "&&", "==", "!=", "=?=", "=!=", "<", ">=", "+", "-", "*", "/", "%",
    "&", "|", "^", "<<", ">>", "?:",
)  # fmt: skip
_LEAVES: Final = (
    "Name", "MY.Name", "TARGET.N", "N", "Zork", "1", "-1", "1.5e300", "1e999", '"m1"',
    "true", "undefined", "error", "9223372036854775807", "{1,2}", "[a=1]", "[a=1].a",
    "ClaimId", "_condor_privX", "CurrentTime", '"\\""',
)  # fmt: skip
_CALLS: Final = (
    "strcat", "size", "time", "regexp", "isUndefined", "eval", "unparse", "split",
    "pow", "int", "string", "ifThenElse", "stringListMember", "zork", "substr",
)  # fmt: skip


def mutate(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Change a few things.

    Args:
        chance: What decides.
        data: What to change.
        others: What to take pieces from.
    """
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        chance.choice(_MUTATIONS)(chance, changed, others)
    return bytes(changed)


def each_byte_flipped(data: bytes, step: int = 1) -> list[bytes]:
    """The data once per byte, with all bits of this byte turned."""
    flipped = []
    for at in range(0, len(data), step):
        changed = bytearray(data)
        changed[at] ^= 0xFF
        flipped.append(bytes(changed))
    return flipped


def truncations(data: bytes, step: int = 1) -> list[bytes]:
    """Every beginning of the data that is shorter."""
    return [data[:length] for length in range(0, len(data), step)]


def expression(chance: random.Random, depth: int = 4) -> str:
    """An expression of the ClassAd language, mostly a good one."""
    kind = chance.random()
    if depth == 0 or kind < 0.3:
        return chance.choice(_LEAVES)
    if kind < 0.6:
        left = expression(chance, depth - 1)
        return f"{left} {chance.choice(_OPERATORS)} {expression(chance, depth - 1)}"
    if kind < 0.8:
        items = [expression(chance, depth - 1) for _ in range(chance.randrange(4))]
        return f"{chance.choice(_CALLS)}({', '.join(items)})"
    if kind < 0.9:
        return f"({expression(chance, depth - 1)})"
    if kind < 0.95:
        return f"{chance.choice('-!~+')}{expression(chance, depth - 1)}"
    parts = [expression(chance, depth - 1) for _ in range(3)]
    return f"{parts[0]} ? {parts[1]} : {parts[2]}"


def _place(chance: random.Random, data: bytearray) -> int:
    return chance.randrange(len(data) + 1)


def _range(chance: random.Random, data: bytearray) -> slice:
    start = _place(chance, data)
    return slice(start, start + chance.choice((1, 2, 4, 8, 20, 300)))


def _flip(chance: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _set(chance: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    if data:
        data[chance.randrange(len(data))] = chance.choice((0, 1, 10, 127, 128, 255))


def _cut(chance: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    del data[_place(chance, data) :]


def _delete(chance: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    del data[_range(chance, data)]


def _repeat(chance: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    piece = data[_range(chance, data)]
    at = _place(chance, data)
    data[at:at] = piece * chance.choice((1, 2, 50))


def _splice(chance: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    other = bytearray(chance.choice(others))
    at = _place(chance, data)
    data[at:] = other[_place(chance, other) :]


def _insert(chance: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    at = _place(chance, data)
    data[at:at] = chance.choice(_TOKENS)


def _integer(chance: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    """Overwrite a 64 bit integer, often where one stands."""
    at = chance.choice((0, 5, 8, 13, 16, _place(chance, data)))
    if at + 8 <= len(data):
        data[at : at + 8] = struct.pack(">q", chance.choice(_INTEGERS))


def _header(chance: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    """Overwrite a frame's header."""
    if len(data) >= 5:
        length = chance.choice((*_INTEGERS, len(data) - 5)) & 0xFFFFFFFF
        data[:5] = struct.pack(">BI", chance.choice((0, 1, 1, 2, 10, 11, 255)), length)


def _reframe(chance: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    """Make the header right again, so that what is inside gets read."""
    if len(data) > 5:
        data[:5] = struct.pack(">BI", 1, len(data) - 5)


_Mutation = Callable[[random.Random, bytearray, Sequence[bytes]], None]
_MUTATIONS: Final[tuple[_Mutation, ...]] = (
    _flip, _set, _cut, _delete, _repeat, _splice, _insert, _integer, _header, _reframe,
    _reframe,
)  # fmt: skip
