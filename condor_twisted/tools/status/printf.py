r"""C's ``printf`` for one value, with the conversions that HTCondor adds.

``%v`` and ``%V`` show any value (``%V`` with quotes), ``%r`` shows an expression as it
stands, ``%T`` a duration, ``%Y`` a date.

Source: ``src/condor_utils/printf_format.cpp: parsePrintfFormat``,
``src/condor_utils/format_time.cpp``.
"""

from __future__ import annotations

import enum
import re
import time
from dataclasses import dataclass
from typing import Final

__all__ = ["Conversion", "PrintfFormat", "collapse_escapes", "duration", "short_date"]

_CONVERSION = re.compile(
    r"%(?P<flags>[#0\- +']*)(?P<width>\*|[0-9]*)"
    r"(?:\.(?P<precision>\*|[0-9]*))?(?P<length>[hlLqjzt]*)(?P<letter>.)",
    re.DOTALL,
)
_ESCAPE = re.compile(
    r"\\(?:x(?P<hex>[0-9a-fA-F]+)|(?P<octal>[0-7]{1,3})|(?P<one>.))", re.S
)
_SIMPLE_ESCAPES: Final = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
}


class Conversion(enum.Enum):
    """What kind of value a format asks for."""

    NONE = "none"
    INTEGER = "integer"
    REAL = "real"
    CHARACTER = "character"
    STRING = "string"
    VALUE = "value"
    RAW = "raw"
    TIME = "time"
    DATE = "date"


_KINDS: Final = {
    **dict.fromkeys("diouxX", Conversion.INTEGER),
    **dict.fromkeys("eEfFgGaA", Conversion.REAL),
    **dict.fromkeys("cC", Conversion.CHARACTER),
    **dict.fromkeys("sS", Conversion.STRING),
    **dict.fromkeys("vV", Conversion.VALUE),
    **dict.fromkeys("rR", Conversion.RAW),
    "T": Conversion.TIME,
    "Y": Conversion.DATE,
}


def collapse_escapes(text: str) -> str:
    r"""Backslash escapes of C: ``\n``, ``\t``, ``\x41``, ``\101``, ...

    Source: ``src/condor_utils/condor_string.cpp: collapse_escapes``.
    """

    def replace(match: re.Match[str]) -> str:
        if match["hex"] is not None:
            return chr(int(match["hex"], 16) & 0xFF)
        if match["octal"] is not None:
            return chr(int(match["octal"], 8) & 0xFF)
        return _SIMPLE_ESCAPES.get(match["one"], match["one"])

    return _ESCAPE.sub(replace, text)


def _truncated(value: int, divisor: int) -> tuple[int, int]:
    """Quotient and remainder as C has them: towards zero."""
    quotient = abs(value) // divisor
    if value < 0:
        quotient = -quotient
    return quotient, value - quotient * divisor


def duration(seconds: int) -> str:
    """``days+hours:minutes:seconds``."""
    days, rest = _truncated(seconds, 86400)
    hours, rest = _truncated(rest, 3600)
    minutes, seconds = _truncated(rest, 60)
    return f"{days:3d}+{hours:02d}:{minutes:02d}:{seconds:02d}"


def short_date(unix_time: int) -> str:
    """``month/day hour:minute`` in local time."""
    if unix_time < 0:
        return "    ???    "
    try:
        local = time.localtime(unix_time)
    except (OverflowError, ValueError, OSError):
        return "    ???    "
    return (
        f"{local.tm_mon:2d}/{local.tm_mday:<2d} {local.tm_hour:02d}:{local.tm_min:02d}"
    )


@dataclass(frozen=True, slots=True)
class PrintfFormat:
    """A format with one conversion.

    Args:
        text: All of it, escapes collapsed.
        kind: What it converts; ``NONE`` where it converts nothing.
        letter: The conversion's letter.
        width: The width that it names; 0 for none.
        left: Whether it aligns to the left.
        unsafe: It wants a width or precision from elsewhere, which nobody has.
        before: What stands before the conversion.
        spec: Flags, width and precision of the conversion.
        after: What stands behind it.
        bits: The size of the integer it takes.
    """

    text: str
    kind: Conversion = Conversion.NONE
    letter: str = ""
    width: int = 0
    left: bool = False
    unsafe: bool = False
    before: str = ""
    spec: str = ""
    after: str = ""
    bits: int = 32

    @classmethod
    def parse(cls, text: str) -> PrintfFormat:
        """Read a format, escapes included; never fails."""
        text = collapse_escapes(text)
        start = 0
        while (match := _CONVERSION.search(text, start)) is not None:
            if match["letter"] != "%":
                return cls._of_match(text, match)
            start = match.end()
        return cls(text)

    @classmethod
    def _of_match(cls, text: str, match: re.Match[str]) -> PrintfFormat:
        letter = match["letter"]
        kind = _KINDS.get(letter, Conversion.NONE)
        width, precision = match["width"], match["precision"]
        if kind is Conversion.NONE:
            return cls(text)
        spec = match["flags"].replace("'", "")
        unsafe = "*" in (width, precision)
        if not unsafe:
            spec += width + ("" if precision is None else f".{precision}")
        length = match["length"]
        bits = 32
        if "hh" in length:
            bits = 8
        elif "h" in length:
            bits = 16
        elif length and length != "L":
            bits = 64
        return cls(
            text,
            kind,
            letter,
            int(width) if width.isdigit() else 0,
            "-" in match["flags"],
            unsafe,
            text[: match.start()].replace("%%", "%"),
            spec,
            text[match.end() :].replace("%%", "%"),
            bits,
        )

    @property
    def is_plain_string(self) -> bool:
        """Whether it shows a string and nothing else."""
        return self.text in ("", "%s")

    def of_integer(self, value: int) -> str:
        """The text of a number."""
        if self.kind is Conversion.REAL:
            return self.of_real(float(value))
        mask = (1 << self.bits) - 1
        if self.kind is Conversion.CHARACTER:
            # A text ends where its NUL is.
            text = self._wrap("%" + self.spec + "c", chr(value & 0xFF))
            return text.partition("\0")[0]
        if self.letter in "di":
            half = 1 << (self.bits - 1)
            return self._wrap("%" + self.spec + "d", ((value + half) & mask) - half)
        value &= mask
        if self.letter == "o" and "#" in self.spec:
            return self._wrap("%" + self.spec.replace("#", "") + "s", f"0{value:o}")
        letter = "d" if self.letter == "u" else self.letter
        return self._wrap("%" + self.spec + letter, value)

    def of_real(self, value: float) -> str:
        """The text of a real."""
        if self.kind is not Conversion.REAL:
            return self.of_integer(int(value) if abs(value) < 2.0**63 else 0)
        if self.letter in "aA":
            text = value.hex()
            return self._wrap(
                "%" + self.spec.partition(".")[0] + "s",
                text.upper() if self.letter == "A" else text,
            )
        return self._wrap("%" + self.spec + self.letter, value)

    def of_text(self, value: str) -> str:
        """The text of text."""
        spec = self.spec.replace("0", "", 1) if self.spec.startswith("0") else self.spec
        return self._wrap("%" + spec + "s", value)

    def _wrap(self, conversion: str, value: object) -> str:
        return f"{self.before}{conversion % value}{self.after}"
