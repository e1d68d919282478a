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
from condor_twisted.config.values import read_integer, read_real
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
    """A real number as a ClassAd is printed: always recognizable as a real."""
    if value != value or value in (float("inf"), float("-inf")):
        name = "NaN" if value != value else "INF" if value > 0 else "-INF"
        return f'real("{name}")'
    text = f"{value:.16G}"
    if "." not in text and "E" not in text:
        text += ".0"
    elif "." not in text:
        text = text.replace("E", ".0E")
    return text


def _items(text: str) -> list[str]:
    return [each.strip() for each in text.split(",")]


def _argument(text: str, context: MacroReader) -> str:
    """An argument that is a name to look up, or else the text itself."""
    value = context.lookup(text)
    return context.expand(text if value is None else value)


def _random_below(bound: int, context: MacroReader) -> int:
    source = context.surroundings.random_below
    if source is None:
        raise ConfigError("a random macro needs a source of entropy, and has none")
    return source(bound)


def _random_choice(function: str, body: str, context: MacroReader) -> str:
    items = body
    if "," not in body:
        if not body:
            raise ConfigError("$RANDOM_CHOICE() error: no list")
        items = _argument(body.strip(), context)
    choices = _items(items)
    return choices[_random_below(len(choices), context)]


def _random_integer(function: str, body: str, context: MacroReader) -> str:
    items = [*_items(body), "1"] if body.count(",") == 1 else _items(body)
    numbers: list[int] = []
    for position, what in enumerate(("min", "max", "step")):
        found = None
        if position < len(items):
            found = _LEADING_INTEGER.match(items[position])
        if found is None:
            raise ConfigError(f"$RANDOM_INTEGER() error: invalid {what}")
        numbers.append(int(found[1]))
    low, high, step = numbers
    if step < 1:
        raise ConfigError("$RANDOM_INTEGER() error: invalid step")
    if low > high:
        raise ConfigError("$RANDOM_INTEGER() error: min > max")
    return str(low + _random_below((step + high - low) // step, context) * step)


def _choice(function: str, body: str, context: MacroReader) -> str:
    first, comma, rest = body.partition(",")
    if not comma:
        raise ConfigError("$CHOICE() error: no list")
    index_text = _argument(first.strip(), context)
    index = read_integer(index_text, context.surroundings.evaluate)
    if index is None or not 0 <= index < _INT_MAX:
        raise ConfigError(f"$CHOICE() error: '{index_text}' is invalid index")
    choices = _items(rest)
    if len(choices) == 1:
        if not choices[0]:
            raise ConfigError("$CHOICE() error: no list")
        value = context.lookup(choices[0])
        if value is None:
            raise ConfigError(f"$CHOICE() error: no list named {choices[0]}")
        choices = _items(context.expand(value))
    if index >= len(choices):
        raise ConfigError(f"$CHOICE() error: index {index} is out of range")
    return choices[index]


def _substring(function: str, body: str, context: MacroReader) -> str:
    items = _items(body)
    text = _argument(items[0], context)
    if not text:
        return ""
    numbers: list[int] = []
    for item, what in zip(items[1:3], ("start", "length"), strict=False):
        number_text = _argument(item, context)
        number = read_integer(number_text, context.surroundings.evaluate)
        if number is None or not -_INT_MAX - 1 <= number <= _INT_MAX:
            raise ConfigError(f"$SUBSTR() error: {number_text} is invalid {what}")
        numbers.append(number)
    if not numbers:
        raise ConfigError("$SUBSTR() error: start is missing")
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
            f"${function}() error: '{text}' is not a valid format specifier"
        )
    before, flags, width, precision, conversion, after = match.groups()
    conversion = {"i": "d", "u": "d", "a": "g", "A": "G"}.get(conversion, conversion)
    dot = "" if precision is None else f".{precision or 0}"
    if conversion == "o":
        flags = flags.replace("#", "")
    return f"{before}%{flags}{width}{dot}{conversion}{after}"


def _number(function: str, body: str, context: MacroReader) -> str:
    name, comma, pattern = body.partition(",")
    pattern = pattern.partition(",")[0]
    checked = _checked_format(function, pattern) if comma else None
    text = _argument(name.strip(), context)
    if function == "INT":
        whole = read_integer(text, context.surroundings.evaluate)
        if whole is None:
            raise ConfigError(f"$INT() error: {text} does not evaluate to an integer")
        return str(whole) if checked is None else checked % whole
    real = read_real(text, context.surroundings.evaluate)
    if real is None:
        raise ConfigError(f"$REAL() error: {text} does not evaluate to a real")
    if checked is None:
        return f"{real:.16G}"
    formatted = checked % real
    return formatted if "." in formatted else formatted + ".0"


def _evaluated(text: str, context: MacroReader) -> Evaluated | None:
    try:
        return context.surroundings.evaluate(text)
    except ExpressionError:
        return None


def _string(function: str, body: str, context: MacroReader) -> str:
    name, comma, pattern = body.partition(",")
    pattern = pattern.partition(",")[0]
    checked = _checked_format(function, pattern) if comma else None
    text = _argument(name.strip(), context)
    value = _evaluated(text, context)
    if isinstance(value, str):
        text = value
    return text if checked is None else checked % text


def _evaluation(function: str, body: str, context: MacroReader) -> str:
    value = context.lookup(body)
    text = context.expand(body if value is None else value, keep_dollars=False)
    result = _evaluated(text, context)
    if result is None:
        return text
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


def _filename_parts(function: str, body: str, context: MacroReader) -> str:
    value = context.lookup(body)
    if not value:
        return ""
    flags = function[1:].lower()
    path = _unquoted(context.expand(value) if "$" in value else value)
    if "f" in flags:
        path = _absolute(path, context.surroundings.working_directory)
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
    separators = [at for at, each in enumerate(path) if each in "/\\"]
    name_at = separators[-1] + 1 if separators else 0
    dot = path.rfind(".", name_at + 1)
    extension_at = len(path) if dot < 0 else dot
    name, extension = "n" in flags, "x" in flags
    directory_count = flags.count("d")
    whole_directory = "p" in flags
    if not separators and (name or extension):
        directory_count, whole_directory = 0, False
    bare = "b" in flags
    if not (name or extension or whole_directory or directory_count):
        return path
    if not (whole_directory or directory_count):
        if not name:
            return path[extension_at + (bare and extension_at < len(path)) :]
        return path[name_at:] if extension else path[name_at:extension_at]
    if directory_count and not separators:
        return ""
    start = 0
    if directory_count:
        kept = len(separators) - 1 - directory_count
        start = separators[kept] + 1 if kept >= 0 else 0
    if extension:
        return path[start:]
    if name:
        return path[start:extension_at]
    end = name_at - 1 if bare and name_at else name_at
    return path[start : max(start, end)]


def _basename(function: str, body: str, context: MacroReader) -> str:
    return _filename_parts("Fnx", body, context)


def _dirname(function: str, body: str, context: MacroReader) -> str:
    return _filename_parts("Fp", body, context)


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
