"""The syntax of the regular expressions that map files are made of.

The common part of PCRE: literals, ``.``, classes (POSIX names too), groups, named
groups, alternation, greedy and lazy repeats, anchors, word boundaries, the flags ``i``,
``s``, ``m``, ``x`` and ``U``. What can only be matched by trying again and again, as
references back and looks around, is recognized and refused.

A parser is one thing: its node types and its descent stand in one module.

Source: pcre2syntax(3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, TypeAlias

__all__ = [
    "Alternation",
    "Assertion",
    "CharacterSet",
    "Group",
    "Node",
    "PatternError",
    "PatternFlags",
    "PatternUnsupported",
    "Place",
    "Repeat",
    "Sequence",
    "parse_pattern",
]

MAX_PATTERN_CHARACTERS: Final = 4096
_MAX_REPEAT: Final = 1000
_MAX_DEPTH: Final = 50


class PatternError(ValueError):
    """The text is no regular expression."""


class PatternUnsupported(PatternError):
    """It is one for PCRE, but cannot be matched in linear time."""


@dataclass(frozen=True, slots=True)
class PatternFlags:
    """How a pattern is read: ``caseless`` and ``ungreedy`` as a map file has them."""

    caseless: bool = False
    ungreedy: bool = False
    dot_all: bool = False
    multiline: bool = False
    extended: bool = False


@dataclass(frozen=True, slots=True)
class CharacterSet:
    """Some characters, as ranges of code points."""

    ranges: tuple[tuple[int, int], ...]
    negated: bool = False
    caseless: bool = False

    def has(self, character: str) -> bool:
        """Whether a character is one of them."""
        found = self._has(ord(character))
        if not found and self.caseless and character.isascii():
            found = self._has(ord(character.swapcase()))
        return found is not self.negated

    def _has(self, code: int) -> bool:
        return any(low <= code <= high for low, high in self.ranges)


class Place(Enum):
    """Where an assertion holds."""

    SUBJECT_START = "\\A"
    LINE_START = "^"
    SUBJECT_END = "\\z"
    END_OR_NEWLINE = "$"
    LINE_END = "$ of lines"
    WORD_BOUNDARY = "\\b"
    NO_WORD_BOUNDARY = "\\B"


@dataclass(frozen=True, slots=True)
class Assertion:
    """A place that takes no character."""

    place: Place


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alternation:
    """The first that fits."""

    choices: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A part whose text is remembered under a number."""

    number: int
    part: Node


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part again and again; ``maximum`` is ``None`` without an end."""

    part: Node
    minimum: int
    maximum: int | None
    greedy: bool


Node: TypeAlias = CharacterSet | Assertion | Sequence | Alternation | Group | Repeat

_DIGITS: Final = ((48, 57),)
_WORD: Final = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE: Final = ((9, 13), (32, 32))
_HORIZONTAL: Final = ((9, 9), (32, 32))
_ALL: Final = ((0, 0x10FFFF),)


def _complement(ranges: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """Every other code point."""
    found: list[tuple[int, int]] = []
    start = 0
    for low, high in sorted(ranges):
        if start < low:
            found.append((start, low - 1))
        start = max(start, high + 1)
    if start <= 0x10FFFF:
        found.append((start, 0x10FFFF))
    return tuple(found)


_CLASS_ESCAPES: Final = {
    "d": _DIGITS,
    "w": _WORD,
    "s": _SPACE,
    "h": _HORIZONTAL,
    "D": _complement(_DIGITS),
    "W": _complement(_WORD),
    "S": _complement(_SPACE),
    "H": _complement(_HORIZONTAL),
    "N": _complement(((10, 10),)),
}
_POSIX: Final = {
    "alnum": ((48, 57), (65, 90), (97, 122)),
    "alpha": ((65, 90), (97, 122)),
    "ascii": ((0, 127),),
    "blank": _HORIZONTAL,
    "cntrl": ((0, 31), (127, 127)),
    "digit": _DIGITS,
    "graph": ((33, 126),),
    "lower": ((97, 122),),
    "print": ((32, 126),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": _SPACE,
    "upper": ((65, 90),),
    "word": _WORD,
    "xdigit": ((48, 57), (65, 70), (97, 102)),
}
_CONTROL_ESCAPES: Final = {"t": 9, "n": 10, "r": 13, "f": 12, "e": 27, "a": 7}
_PLACE_ESCAPES: Final = {
    "A": Place.SUBJECT_START,
    "z": Place.SUBJECT_END,
    "Z": Place.END_OR_NEWLINE,
    "b": Place.WORD_BOUNDARY,
    "B": Place.NO_WORD_BOUNDARY,
}
_FLAG_NAMES: Final = {
    "i": "caseless",
    "U": "ungreedy",
    "s": "dot_all",
    "m": "multiline",
    "x": "extended",
}


def parse_pattern(text: str, flags: PatternFlags) -> tuple[Node, int]:
    """Read a regular expression.

    Args:
        text: The expression.
        flags: How it is read from its beginning on.

    Returns:
        The expression, and how many numbered groups it has.

    Raises:
        PatternError: It is none, or too long.
        PatternUnsupported: It has parts that need matching by trial and error.
    """
    if len(text) > MAX_PATTERN_CHARACTERS:
        raise PatternError(
            f"a pattern of {len(text)} characters; {MAX_PATTERN_CHARACTERS} may be"
        )
    parser = _Parser(text, flags)
    node = parser.alternation(0)
    if parser.peek():
        raise PatternError(f"a ')' too many at {parser.position}")
    return node, parser.group_count


class _Parser:
    """Reads one pattern by recursive descent."""

    def __init__(self, text: str, flags: PatternFlags) -> None:
        self.text = text
        self.flags = flags
        self.position = 0
        self.group_count = 0

    def peek(self) -> str:
        """The next character; empty at the end."""
        return self.text[self.position : self.position + 1]

    def take(self) -> str:
        """The next character, which is taken."""
        character = self.peek()
        self.position += 1
        return character

    def accept(self, text: str) -> bool:
        """Take a text if it is next."""
        if self.text.startswith(text, self.position):
            self.position += len(text)
            return True
        return False

    def alternation(self, depth: int) -> Node:
        """Everything up to a closing parenthesis or the end."""
        if depth > _MAX_DEPTH:
            raise PatternError("groups within groups within groups")
        outer = self.flags
        choices = [self._sequence(depth)]
        while self.accept("|"):
            choices.append(self._sequence(depth))
        self.flags = outer
        return choices[0] if len(choices) == 1 else Alternation(tuple(choices))

    def _sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        while self.peek() not in ("", "|", ")"):
            if self.flags.extended and self._skip_blank():
                continue
            part = self._atom(depth)
            if part is not None:
                parts.append(self._repeats(part))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _skip_blank(self) -> bool:
        if self.peek().isspace():
            self.position += 1
            return True
        if self.accept("#"):
            while self.take() not in ("", "\n"):
                pass
            return True
        return False

    def _literal(self, character: str) -> CharacterSet:
        code = ord(character)
        return CharacterSet(((code, code),), caseless=self.flags.caseless)

    def _atom(self, depth: int) -> Node | None:
        """One part; ``None`` for what is only read."""
        character = self.take()
        if character == "(":
            return self._group(depth)
        if character == "[":
            return self._class()
        if character == "\\":
            return self._escape()
        if character == ".":
            return CharacterSet(
                _ALL if self.flags.dot_all else _complement(((10, 10),))
            )
        if character == "^":
            return Assertion(
                Place.LINE_START if self.flags.multiline else Place.SUBJECT_START
            )
        if character == "$":
            return Assertion(
                Place.LINE_END if self.flags.multiline else Place.END_OR_NEWLINE
            )
        if character in "*+?":
            raise PatternError(f"nothing to repeat at {self.position - 1}")
        return self._literal(character)

    def _repeats(self, part: Node) -> Node:
        """The part with its quantifiers, if there are any."""
        while (bounds := self._bounds()) is not None:
            greedy = not self.flags.ungreedy
            if self.accept("?"):
                greedy = not greedy
            elif self.peek() == "+":
                raise PatternUnsupported("a possessive repeat")
            if self.peek() and self.peek() in "*+?":
                raise PatternError(f"nothing to repeat at {self.position}")
            if not isinstance(part, Assertion):
                part = Repeat(part, bounds[0], bounds[1], greedy)
            elif bounds[0] == 0:
                part = Sequence(())
        return part

    def _bounds(self) -> tuple[int, int | None] | None:
        if self.accept("*"):
            return 0, None
        if self.accept("+"):
            return 1, None
        if self.accept("?"):
            return 0, 1
        if self.peek() != "{":
            return None
        end = self.text.find("}", self.position)
        low, comma, high = self.text[self.position + 1 : max(end, 0)].partition(",")
        if end < 0 or not _is_number(low) or not (high == "" or _is_number(high)):
            return None  # PCRE takes such a brace for itself
        self.position = end + 1
        minimum = int(low)
        maximum = minimum if not comma else int(high) if high else None
        if max(minimum, maximum or 0) > _MAX_REPEAT:
            raise PatternError(f"a repeat of more than {_MAX_REPEAT}")
        if maximum is not None and maximum < minimum:
            raise PatternError("a repeat whose end is before its beginning")
        return minimum, maximum

    def _group(self, depth: int) -> Node | None:
        """What is behind an opening parenthesis."""
        number: int | None = None
        outer = self.flags
        if not self.accept("?"):
            if self.peek() == "*":
                raise PatternUnsupported("a verb in a pattern")
            number = self._next_number()
        elif self.accept("#"):
            end = self.text.find(")", self.position)
            if end < 0:
                raise PatternError("a comment without an end")
            self.position = end + 1
            return None
        elif self.accept(":"):
            pass
        elif self.text[self.position : self.position + 1] in ("=", "!", ">", "|"):
            raise PatternUnsupported("a look around, or an atomic group")
        elif self.accept("<") or self.accept("P<") or self.accept("'"):
            if self.peek() in ("=", "!"):
                raise PatternUnsupported("a look behind")
            self._group_name()
            number = self._next_number()
        elif not self._inline_flags():
            return None  # (?i): from here to the end of the group around
        part = self.alternation(depth + 1)
        self.flags = outer
        if not self.accept(")"):
            raise PatternError("a group without an end")
        return part if number is None else Group(number, part)

    def _next_number(self) -> int:
        self.group_count += 1
        return self.group_count

    def _group_name(self) -> None:
        start = self.position
        while self.peek().isalnum() or self.peek() == "_":
            self.position += 1
        if start == self.position or self.take() not in (">", "'"):
            raise PatternError("a group whose name has no end")

    def _inline_flags(self) -> bool:
        """Read ``i-s)`` or ``i-s:``; whether a group follows."""
        value, flags = True, self.flags
        while True:
            character = self.take()
            if character == "-" and value:
                value = False
            elif character in _FLAG_NAMES:
                flags = replace(flags, **{_FLAG_NAMES[character]: value})
            elif character in (")", ":"):
                self.flags = flags
                return character == ":"
            else:
                raise PatternUnsupported("a kind of group that is not known here")

    def _escape(self) -> Node | None:
        """What is behind a backslash."""
        character = self.take()
        if not character:
            raise PatternError("a backslash at the end")
        if character in _PLACE_ESCAPES:
            return Assertion(_PLACE_ESCAPES[character])
        if character in _CLASS_ESCAPES:
            return CharacterSet(_CLASS_ESCAPES[character])
        if character == "Q":
            end = self.text.find("\\E", self.position)
            end = len(self.text) if end < 0 else end
            quoted = self.text[self.position : end]
            self.position = min(len(self.text), end + 2)
            return Sequence(tuple(self._literal(each) for each in quoted))
        if character == "E":
            return None
        if character.isdigit() and character != "0":
            raise PatternUnsupported("a reference back to a group")
        code = self._code(character)
        return CharacterSet(((code, code),), caseless=self.flags.caseless)

    def _code(self, character: str) -> int:
        """The code point of an escape that is one character."""
        if character in _CONTROL_ESCAPES:
            return _CONTROL_ESCAPES[character]
        if character == "x":
            if self.accept("{"):
                digits, limit = self._run(_is_hexadecimal, 6), "}"
                if not self.accept(limit):
                    raise PatternError("a code without an end")
            else:
                digits = self._run(_is_hexadecimal, 2)
            code = int(digits or "0", 16)
        elif character == "0":
            code = int(self._run(_is_octal, 2) or "0", 8)
        elif character.isalnum() and character.isascii():
            raise PatternUnsupported(f"the escape \\{character}")
        else:
            code = ord(character)
        if code > 0x10FFFF:
            raise PatternError("a code beyond every character")
        return code

    def _run(self, wanted: Callable[[str], bool], limit: int) -> str:
        start = self.position
        while self.position - start < limit and wanted(self.peek()):
            self.position += 1
        return self.text[start : self.position]

    def _class(self) -> CharacterSet:
        """What is behind an opening bracket."""
        negated = self.accept("^")
        ranges: list[tuple[int, int]] = []
        first = True
        while first or self.peek() != "]":
            if not self.peek():
                raise PatternError("a class without an end")
            first = False
            low = self._class_item()
            if not isinstance(low, int):
                ranges.extend(low)
                continue
            high: int | tuple[tuple[int, int], ...] = low
            follows = self.text[self.position + 1 : self.position + 2]
            if self.peek() == "-" and follows not in ("]", ""):
                self.position += 1
                high = self._class_item()
            if not isinstance(high, int):
                ranges += [(low, low), (45, 45), *high]
            elif high < low:
                raise PatternError("a range whose end is before its beginning")
            else:
                ranges.append((low, high))
        self.position += 1
        return CharacterSet(tuple(ranges), negated, self.flags.caseless)

    def _class_item(self) -> int | tuple[tuple[int, int], ...]:
        """One character of a class, or a class within it."""
        if self.accept("[:"):
            end = self.text.find(":]", self.position)
            name = self.text[self.position : max(end, self.position)]
            self.position = end + 2
            found = _POSIX.get(name.removeprefix("^"))
            if end < 0 or found is None:
                raise PatternError("a class of a name that is not known")
            return _complement(found) if name.startswith("^") else found
        character = self.take()
        if character != "\\":
            return ord(character)
        character = self.take()
        if not character:
            raise PatternError("a backslash at the end")
        if character in _CLASS_ESCAPES:
            return _CLASS_ESCAPES[character]
        if character == "b":
            return 8
        return self._code(character)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 6


def _is_hexadecimal(character: str) -> bool:
    return character != "" and character in "0123456789abcdefABCDEF"


def _is_octal(character: str) -> bool:
    return character != "" and character in "01234567"
