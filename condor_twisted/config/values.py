"""Typed values out of a knob's expanded text.

HTCondor reads a number with ``strtoll`` or ``strtod`` and, when that does not use
up the whole text, as an expression. The readers here return ``None`` for a text
that is neither; whoever asks knows the knob's name and says so.

Source: condor_config.cpp, string_is_long_param, string_is_double_param,
string_is_boolean_param; dprintf_config.cpp, dprintf_parse_log_size.
"""

from __future__ import annotations

import re
from typing import Final

from condor_twisted.config.arithmetic import Evaluate, Evaluated, Unparsed
from condor_twisted.errors import ExpressionError

__all__ = [
    "read_boolean",
    "read_integer",
    "read_log_limit",
    "read_real",
    "split_words",
]

_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*\Z")
_REAL = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*\Z")
_LOG_LIMIT = re.compile(r"\s*([0-9]+)\s*([A-Za-z]*)\s*\Z")
_INT64_MAX: Final = (1 << 63) - 1
_INT64_DIGITS: Final = 20
_BYTES: Final = {"k": 1 << 10, "g": 1 << 30, "t": 1 << 40}
_SECONDS: Final = {"s": 1, "h": 3600, "d": 86400, "w": 604800}


def _evaluated(text: str, evaluate: Evaluate) -> Evaluated:
    try:
        return evaluate(text)
    except ExpressionError:
        return Unparsed("error")


def read_integer(text: str, evaluate: Evaluate) -> int | None:
    """A 64-bit integer: decimal digits, or an expression that gives a number."""
    if _INTEGER.match(text):
        digits = text.strip()
        if len(digits.lstrip("+-0")) > _INT64_DIGITS:
            return None
        value = int(digits)
        return value if -_INT64_MAX - 1 <= value <= _INT64_MAX else None
    result = _evaluated(text, evaluate)
    if isinstance(result, (str, Unparsed)):
        return None
    try:
        return int(result)
    except (OverflowError, ValueError):
        return None


def read_real(text: str, evaluate: Evaluate) -> float | None:
    """A floating point number: a literal, or an expression that gives a number."""
    if _REAL.match(text):
        return float(text)
    result = _evaluated(text, evaluate)
    return None if isinstance(result, (str, Unparsed)) else float(result)


def read_boolean(text: str, evaluate: Evaluate) -> bool | None:
    """``true false 1 0`` in any case, or an expression that gives a number."""
    word = text.rstrip().lower()
    if word in ("true", "1"):
        return True
    if word in ("false", "0"):
        return False
    result = _evaluated(text, evaluate)
    return None if isinstance(result, (str, Unparsed)) else bool(result)


def read_log_limit(text: str, evaluate: Evaluate) -> tuple[int, bool] | None:
    """A log's limit: bytes with an optional unit, or a time.

    Returns:
        The limit and whether it is in seconds instead of bytes: ``10 Mb`` is
        ``(10485760, False)``, ``1 day`` is ``(86400, True)``. A lone ``M`` counts
        megabytes, a lone ``m`` and ``min`` count minutes.
    """
    match = _LOG_LIMIT.match(text)
    if match is None or len(match[1]) > _INT64_DIGITS:
        number = read_integer(text, evaluate)
        return None if number is None else (number, False)
    number, unit = int(match[1]), match[2].lower()
    if unit.startswith("m"):
        if unit[1:2] not in ("", "b", "i"):
            return None
        if match[2] == "m" or (unit[1:2] == "i" and unit[2:3] != "b"):
            return number * 60, True
        return number << 20, False
    if unit[:1] in _SECONDS:
        return number * _SECONDS[unit[:1]], True
    return number * _BYTES.get(unit[:1], 1), False


def split_words(text: str) -> tuple[str, ...]:
    """Items of a list knob, which are separated by commas and blanks."""
    return tuple(re.findall(r"[^\s,]+", text))
