"""The functions a value may call: ``$CHOICE``, ``$SUBSTR``, ``$INT``, ``$F...``.

Each takes its own spelling, the text between the parentheses and the reader's
view, and gives the text that takes the call's place. A function that cannot do
what it is asked raises ConfigError, as a daemon of HTCondor then refuses to start.

Source: config.cpp, evaluate_macro_func.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from condor_twisted.config.arithmetic import Evaluated, Unparsed
from condor_twisted.config.surroundings import MacroReader
from condor_twisted.config.values import read_integer, read_real, split_words
from condor_twisted.errors import ConfigError, ExpressionError

__all__ = ["FUNCTIONS", "format_real", "is_filename_function"]

MacroFunction: TypeAlias = Callable[[str, str, MacroReader], str]

_INT_MAX: Final = (1 << 31) - 1
_FORMAT = re.compile(
    r"((?:[^%]|%%)*)%([-+ #0]*)([0-9]{0,4})(?:\.([0-9]{0,4}))?"
    r"(?:hh|h|ll|l|L|q|j|z|t)?([A-Za-z])((?:[^%]|%%)*)\Z"
)
_LEADING_INTEGER = re.compile(r"\s*([+-]?[0-9]{1,19})")
_CONVERSIONS: Final = {"INT": "dioxXu", "REAL": "eEfFgGaA", "STRING": "s"}


def is_filename_function(function: str) -> bool:
    """Whether ``$function(X)`` is one of the ``$F`` family."""
    return function[:1] == "F" and not function[1:].lower().strip("pnxdqabfwu")


def format_real(value: float) -> str:
    """A real number as ClassAds print it: ``2.500000000000000E-01``."""
    if value != value or value in (float("inf"), float("-inf")):
        name = "NaN" if value != value else "INF" if value > 0 else "-INF"
        return f'real("{name}")'
    return str(value) if value == 0 else f"{value:.15E}"


def _items(text: str) -> list[str]:
    """The items of a list as they count for ``$CHOICE``: empty ones, too."""
    return [each.strip() for each in text.split(",")]


def _value_or_text(text: str, reader: MacroReader) -> str:
    """The expanded value of a name, or of the text itself where it is no name."""
    value = reader.lookup(text)
    return reader.expand(text if value is None else value)


def _random_below(bound: int, reader: MacroReader) -> int:
    source = reader.surroundings.random_below
    if source is None:
        raise ConfigError("a random macro needs a source of entropy, and has none")
    return source(bound)


def _random_choice(function: str, body: str, reader: MacroReader) -> str:
    choices = [each for each in _items(body) if each]
    if len(choices) == 1:
        value = reader.lookup(choices[0])
        if value is not None:
            choices = list(split_words(reader.expand(value)))
    if not choices:
        raise ConfigError("$RANDOM_CHOICE() macro is empty")
    return choices[_random_below(len(choices), reader)]


def _random_integer(function: str, body: str, reader: MacroReader) -> str:
    items = [each for each in _items(body) if each]
    numbers = [0, 0, 1]
    for position, what in enumerate(("min", "max", "step")):
        if position >= len(items) and what == "step":
            continue
        found = None
        if position < len(items):
            found = _LEADING_INTEGER.match(items[position])
        if found is None:
            raise ConfigError(f"$RANDOM_INTEGER() config macro: invalid {what}")
        numbers[position] = int(found[1])
    low, high, step = numbers
    if step < 1:
        raise ConfigError("$RANDOM_INTEGER() config macro: invalid step")
    if low > high:
        raise ConfigError("$RANDOM_INTEGER() config macro: min > max")
    return str(low + _random_below((step + high - low) // step, reader) * step)


def _choice(function: str, body: str, reader: MacroReader) -> str:
    first, comma, rest = body.partition(",")
    index_text = _value_or_text(first.strip(), reader)
    index = read_integer(index_text, reader.surroundings.evaluate)
    if index is None or not 0 <= index < _INT_MAX:
        raise ConfigError(f"$CHOICE() error: '{index_text}' is invalid index")
    if not comma:
        raise ConfigError("$CHOICE() error: no list")
    choices = _items(rest)
    if len(choices) == 1:
        value = reader.lookup(choices[0])
        if value is None:
            raise ConfigError(f'$CHOICE() macro: no list named "{choices[0]}"')
        choices = _items(reader.expand(value))
    if index >= len(choices):
        raise ConfigError(f"$CHOICE() config macro: index {index} is out of range")
    return choices[index]


def _substring(function: str, body: str, reader: MacroReader) -> str:
    name, comma, rest = body.partition(",")
    if not comma:
        raise ConfigError("$SUBSTR() macro: no start specified")
    numbers: list[int] = []
    for item, what in zip(rest.split(",", 1), ("start index", "length"), strict=False):
        number_text = _value_or_text(item, reader)
        number = read_integer(number_text, reader.surroundings.evaluate)
        if number is None or not -_INT_MAX - 1 <= number <= _INT_MAX:
            raise ConfigError(f"$SUBSTR() macro: {number_text} is invalid {what}")
        numbers.append(number)
    value = reader.lookup(name)
    if value is None:
        return ""
    text = reader.expand(value)
    start = numbers[0] + len(text) if numbers[0] < 0 else numbers[0]
    tail = text[max(start, 0) :]
    if len(numbers) == 1:
        return tail
    length = numbers[1] + len(tail) if numbers[1] < 0 else numbers[1]
    return tail[: max(length, 0)]


def _checked_format(function: str, text: str) -> str:
    """A printf format with one conversion, in Python's spelling."""
    match = _FORMAT.match(text)
    if match is None or match[5] not in _CONVERSIONS[function]:
        raise ConfigError(
            f"${function} macro: '{text}' is not a valid format specifier"
        )
    before, flags, width, precision, conversion, after = match.groups()
    conversion = {"i": "d", "u": "d", "a": "g", "A": "G"}.get(conversion, conversion)
    dot = "" if precision is None else f".{precision or 0}"
    if conversion == "o":
        flags = flags.replace("#", "")
    return f"{before}%{flags}{width}{dot}{conversion}{after}"


def _number(function: str, body: str, reader: MacroReader) -> str:
    name, comma, pattern = body.partition(",")
    checked = _checked_format(function, pattern) if comma else None
    text = _value_or_text(name, reader)
    if function == "INT":
        whole = read_integer(text, reader.surroundings.evaluate)
        if whole is None:
            raise ConfigError(f"$INT() macro: {text} does not evaluate to an integer")
        return str(whole) if checked is None else checked % whole
    real = read_real(text, reader.surroundings.evaluate)
    if real is None:
        raise ConfigError(f"$REAL() macro: {text} does not evaluate to a real")
    if checked is None:
        return f"{real:.16G}"
    formatted = checked % real
    return formatted if "." in formatted else formatted + ".0"


def _evaluated(text: str, reader: MacroReader) -> Evaluated | None:
    try:
        return reader.surroundings.evaluate(text)
    except ExpressionError:
        return None


def _string(function: str, body: str, reader: MacroReader) -> str:
    name, comma, pattern = body.partition(",")
    checked = _checked_format(function, pattern) if comma else None
    text = _value_or_text(name, reader)
    value = _evaluated(text, reader)
    if isinstance(value, str):
        text = value
    return text if checked is None else checked % text


def _evaluation(function: str, body: str, reader: MacroReader) -> str:
    value = reader.lookup(body)
    raw = body if value is None else value
    text = reader.expand(raw)
    result = _evaluated(text, reader)
    if result is None:
        # What does not parse vanishes, unless a macro in it was expanded.
        return text if "$" in raw else ""
    if isinstance(result, Unparsed):
        return result.text
    if isinstance(result, bool):
        return "true" if result else "false"
    return format_real(result) if isinstance(result, float) else str(result)


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text


def _absolute(path: str, directory: str | None) -> str:
    if path.startswith("/") or not directory:
        return path
    if len(path) > 2 and path.startswith("./"):
        path = path[2:]
    return directory.rstrip("/") + "/" + path


def _filename_parts(function: str, body: str, reader: MacroReader) -> str:
    flags = function[1:].lower()
    path = _unquoted(_value_or_text(body, reader))
    if "f" in flags:
        path = _absolute(path, reader.surroundings.working_directory)
    slashes = [each for each in flags if each in "uw"]
    if slashes:
        old, new = ("\\", "/") if slashes[-1] == "u" else ("/", "\\")
        path = path.replace(old, new)
    part = _selected_part(path, flags)
    if "q" in flags:
        quote = "'" if "a" in flags else '"'
        return f"{quote}{part}{quote}"
    return part


def _selected_part(path: str, flags: str) -> str:
    """The parts of ``path`` that the letters ``p d n x b`` ask for."""
    name_at = path.rfind("/") + 1
    dot = path.rfind(".", name_at + 1)
    extension_at = len(path) if dot < 0 else dot
    name, extension = "n" in flags, "x" in flags
    directory_count = flags.count("d")
    whole_directory = "p" in flags
    if not name_at and (name or extension):
        directory_count, whole_directory = 0, False
    bare = "b" in flags
    if not (name or extension or whole_directory or directory_count):
        return path
    if not (whole_directory or directory_count):
        if not name:
            return path[extension_at + (bare and extension_at < len(path)) :]
        return path[name_at:] if extension else path[name_at:extension_at]
    if directory_count and not name_at:
        return ""
    start = 0
    if directory_count:
        separators = [at for at, each in enumerate(path) if each in "/\\"]
        kept = len(separators) - 1 - directory_count
        start = separators[kept] + 1 if kept >= 0 else 0
    if extension:
        return path[start:]
    if name:
        return path[start:extension_at]
    end = name_at - 1 if bare and name_at else name_at
    return path[start : max(start, end)]


def _basename(function: str, body: str, reader: MacroReader) -> str:
    """``$BASENAME(X)``, or ``$BASENAME(X, SUFFIX)`` without that suffix."""
    name, comma, suffix = body.rpartition(",")
    if not comma:
        return _filename_parts("Fnx", body, reader)
    path = _filename_parts("Fnx", name, reader)
    suffix = suffix.lstrip()
    if suffix and path.lower().endswith(suffix.lower()):
        return path[: -len(suffix)]
    return path


def _dirname(function: str, body: str, reader: MacroReader) -> str:
    return _filename_parts("Fp", body, reader)


FUNCTIONS: Final[dict[str, MacroFunction]] = {
    "RANDOM_CHOICE": _random_choice,
    "RANDOM_INTEGER": _random_integer,
    "CHOICE": _choice,
    "SUBSTR": _substring,
    "INT": _number,
    "REAL": _number,
    "STRING": _string,
    "EVAL": _evaluation,
    "BASENAME": _basename,
    "DIRNAME": _dirname,
    "F": _filename_parts,
}
