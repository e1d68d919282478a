"""Reading the syntax of expressions: tokens, limits, references, new-syntax text.

No value is computed here. A text is recognized in one pass with a stack of open
brackets instead of recursion, so neither nesting nor length can exhaust the stack,
and every limit is checked before the ClassAd library sees the text. As in HTCondor
the longest expression at the beginning counts, and what follows it is ignored.

The recognizer is a machine of three states: it expects an operand, or an operator,
or, inside a record, an attribute's name. Brackets and ``?`` are put on the stack with
the number of frames that HTCondor's parser would hold at this place, because its limit
is one of frames.

Source: ``src/classad/source.cpp: ClassAdParser``, ``src/classad/lexer.cpp: Lexer``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from condor_twisted.classad.literals import MAX_NUMBER_CHARACTERS, scan_quoted
from condor_twisted.errors import ExpressionError

__all__ = [
    "MAX_EXPRESSION_BYTES",
    "MAX_NESTING",
    "MAX_OPERATORS",
    "MAX_TOKENS",
    "Syntax",
    "Token",
    "quote_name",
    "quote_string",
    "read_syntax",
]

MAX_EXPRESSION_BYTES: Final = 1 << 20
#: Frames of HTCondor's recursive parser; a parenthesis takes three of them.
MAX_NESTING: Final = 500
MAX_OPERATORS: Final = 20_000
MAX_TOKENS: Final = 60_000

NUMBER: Final = "number"
STRING: Final = "string"
WORD: Final = "word"
NAME: Final = "name"
OPERATOR: Final = "operator"

_SKIPPED = re.compile(rb"(?:[ \t\n\v\f\r]+|//[^\n]*|/\*(?s:.*?)\*/)+")
_NUMBER = re.compile(
    rb"-?(?:[0-9]+\.[0-9]+(?:[eE][-+]?[0-9]+)?"
    rb"|\.[0-9]+(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|(?:0|[1-9][0-9]*))"
)
_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(
    rb"\?[ \t\n\v\f\r]*:|=\?=|=!=|=\?|>>>|\|\||&&|==|!=|<=|>=|<<|>>"
    rb"|[-+*/%~^?:;,\[\](){}<>=!&|.]"
)
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)

#: What may not stand directly behind an integer, a real, a zero.
_BROKEN: Final = (b".", b"e", b"E")
_EXPONENT: Final = (b"e", b"E")
_HEX: Final = (b"x", b"X")

_WORDS: Final = frozenset((b"true", b"false", b"undefined", b"error"))
_NAMED_OPERATORS: Final = {b"is": b"=?=", b"isnt": b"=!="}
_BINARY: Final = frozenset(
    b"|| && | ^ & == != =?= =!= < > <= >= << >> >>> + - * / %".split()
)
_UNARY: Final = frozenset(b"- + ~ !".split())
_CLOSING: Final = frozenset(
    ((b"(", b")"), (b"call", b")"), (b"[", b"]"), (b"{", b"}"), (b"record", b"]"))
)

#: Names that stand for the ad itself, and for the other ad of a match.
_OWN_SCOPES: Final = frozenset((b"my", b"self"))
_TARGET_SCOPES: Final = frozenset((b"target",))


class Token(NamedTuple):
    """One token.

    Args:
        kind: ``NUMBER``, ``STRING``, ``WORD`` (true, false, undefined, error), ``NAME``
            or ``OPERATOR``.
        text: As written; a string's or quoted name's content; a word in lower case.
        quoted: Whether a name was quoted.
    """

    kind: str
    text: bytes
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Syntax:
    """What one pass over an expression tells.

    Args:
        end: Where the expression ends; what follows is ignored.
        tokens: Its tokens.
        converted: The same in new syntax, with ``MY`` written as ``self``.
        references: Attributes of the ad that it names, in lower case, as often as it
            names them.
        target_references: Attributes of the other ad, ``TARGET.x``.
        functions: Functions that it calls, in lower case.
        frames: How deep HTCondor's parser goes.
    """

    end: int
    tokens: tuple[Token, ...]
    converted: bytes
    references: tuple[str, ...]
    target_references: frozenset[str]
    functions: frozenset[str]
    frames: int


def quote_string(content: bytes) -> bytes:
    """A string literal in new syntax."""
    return b'"' + content.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def quote_name(name: str) -> str:
    """An attribute's lower-case name in new syntax, in quotes where it needs them."""
    reserved = name.encode("utf-8", "replace")
    if (
        _PLAIN_NAME.fullmatch(name)
        and reserved not in _WORDS
        and reserved not in _NAMED_OPERATORS
    ):
        return name
    return "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"


def read_syntax(text: bytes) -> Syntax:
    """Recognize an expression in old syntax.

    Raises:
        ExpressionError: The text is no expression, or beyond a limit.
    """
    if len(text) > MAX_EXPRESSION_BYTES:
        raise ExpressionError("an expression is too long")
    return _Reader(text).read()


class _Reader:
    """One pass over one text."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._at = 0
        self._end = 0
        self._tokens: list[Token] = []
        self._output: list[bytes] = []
        self._references: list[bytes] = []
        self._targets: set[bytes] = set()
        self._functions: set[bytes] = set()
        # Open brackets: which one, and the frames of the level it interrupts.
        self._open: list[tuple[bytes, int]] = []
        self._held = 0
        self._level = 0
        self._frames = 0
        self._operators = 0
        # The name just read, as long as it may turn out to be a function's.
        self._name: bytes | None = None
        self._subscripts_self = False

    def read(self) -> Syntax:
        """Run the machine until no further token belongs to the expression."""
        state: _State = self._operand
        while True:
            # A minus behind an operand is an operator, never a number's sign.
            token = self._next(negative_number=state != self._operator)
            following = state(token)
            if following is None:
                break
            assert token is not None
            self._end = self._at
            self._tokens.append(token)
            if len(self._tokens) > MAX_TOKENS:
                raise ExpressionError("an expression has too many tokens")
            state = following
        references = list(self._references)
        if self._subscripts_self:
            references += [
                token.text.lower() for token in self._tokens if token.kind == STRING
            ]
        return Syntax(
            end=self._end,
            tokens=tuple(self._tokens),
            converted=b" ".join(self._output),
            references=tuple(_text(name) for name in references),
            target_references=frozenset(map(_text, self._targets)),
            functions=frozenset(map(_text, self._functions)),
            frames=self._frames,
        )

    # Tokens.

    def _next(self, *, negative_number: bool) -> Token | None:
        """The next token, or ``None`` at the end and before anything unreadable."""
        text, at = self._text, self._at
        skipped = _SKIPPED.match(text, at)
        if skipped is not None:
            at = skipped.end()
        token = None
        first = text[at : at + 1]
        if first == b'"' or first == b"'":
            scanned = scan_quoted(text, at)
            if scanned is not None:
                content, at = scanned
                kind = STRING if first == b'"' else NAME
                token = Token(kind, content, quoted=True)
        elif first.isalpha() or first == b"_":
            match = _NAME.match(text, at)
            assert match is not None
            at = match.end()
            token = _word_token(match[0])
        elif first:
            token, at = self._sign_token(at, negative_number)
        self._at = at
        return token

    def _sign_token(self, at: int, negative_number: bool) -> tuple[Token | None, int]:
        """A number or an operator at a place."""
        text = self._text
        if negative_number or text[at : at + 1] != b"-":
            number = _NUMBER.match(text, at)
            if number is not None:
                behind = text[number.end() : number.end() + 1]
                if _is_broken_number(number[0], behind):
                    return None, at
                return Token(NUMBER, number[0]), number.end()
        operator = _OPERATOR.match(text, at)
        if operator is None or operator[0] == b"=?" or text.startswith(b"/*", at):
            # Half an operator, and a comment without an end, are no tokens.
            return None, at
        sign = b"?:" if operator[0].startswith(b"?") and operator[0] != b"?" else None
        return Token(OPERATOR, sign or operator[0]), operator.end()

    # States: each takes a token and names the next state, or ends with None.

    def _operand(self, token: Token | None) -> _State | None:
        """Where an operand is expected."""
        if token is None:
            raise ExpressionError("an expression ends where an operand should be")
        kind, text = token.kind, token.text
        if kind == OPERATOR:
            return self._operand_sign(text)
        self._reach(1)
        if kind == NAME:
            self._emit_name(token)
            self._name = text
        else:
            self._output.append(quote_string(text) if kind == STRING else text)
        return self._operator

    def _operand_sign(self, text: bytes) -> _State:
        """A sign where an operand is expected."""
        if text == b"(":
            self._push(b"(")
            self._output.append(text)
            return self._operand
        if text in (b"{", b"["):
            self._push(text if text == b"{" else b"record")
            self._output.append(text)
            return self._first_item if text == b"{" else self._attribute
        if text == b".":
            self._reach(1)
            return self._absolute
        if text in _UNARY:
            self._level += 1
            self._reach(0)
            self._output.append(text)
            return self._operand
        raise ExpressionError("an expression has an operator in place of an operand")

    def _elvis_operand(self, token: Token | None) -> _State | None:
        """Behind ``?:`` stands anything but a unary operator."""
        if token is not None and token.kind == OPERATOR and token.text in _UNARY:
            raise ExpressionError("an expression has an unary operator behind ?:")
        return self._operand(token)

    def _first_item(self, token: Token | None) -> _State | None:
        """Behind an opening bracket that may close at once."""
        bracket = self._open[-1][0]
        closer = b"}" if bracket == b"{" else b")"
        if token == (OPERATOR, closer, False):
            self._close(bracket)
            self._output.append(closer)
            return self._operator
        return self._operand(token)

    def _absolute(self, token: Token | None) -> _State | None:
        """Behind a leading dot: an attribute's name, looked up from the outside."""
        if token is None or token.kind != NAME:
            raise ExpressionError("an expression has a dot without a name")
        self._references.append(token.text.lower())
        self._output.append(b"." + _quoted(token))
        return self._operator

    def _selection(self, token: Token | None) -> _State | None:
        """Behind ``operand.``: a name."""
        if token is None or token.kind != NAME:
            raise ExpressionError("an expression has a dot without a name")
        scope, self._name = self._name, None
        if scope is not None:
            if scope.lower() in _OWN_SCOPES:
                self._references.append(token.text.lower())
            elif scope.lower() in _TARGET_SCOPES:
                self._targets.add(token.text.lower())
            else:
                self._references.append(scope.lower())
        self._output.append(_quoted(token))
        return self._operator

    def _attribute(self, token: Token | None) -> _State | None:
        """Inside a record, where a name is expected."""
        if token is not None and token.kind == NAME:
            self._output.append(_quoted(token))
            return self._binding
        if token == (OPERATOR, b";", False):
            return self._attribute
        if token == (OPERATOR, b"]", False):
            self._close(b"record")
            self._output.append(b"]")
            return self._operator
        raise ExpressionError("a record in an expression has something but a name")

    def _binding(self, token: Token | None) -> _State | None:
        """Between a record's name and its value."""
        if token != (OPERATOR, b"=", False):
            raise ExpressionError("a record in an expression lacks an equals sign")
        self._output.append(b"=")
        return self._operand

    def _operator(self, token: Token | None) -> _State | None:
        """Where an operator or an end is expected."""
        text = token.text if token is not None and token.kind == OPERATOR else b""
        if text == b".":
            self._output.append(b".")
            return self._selection
        name, self._name = self._name, None
        if text == b"(" and name is not None:
            self._functions.add(name.lower())
            self._push(b"call")
            self._output.append(b"(")
            return self._first_item
        if name is not None:
            self._finish_name(name, text)
        if text == b"[":
            self._push(b"[")
            self._output.append(b"[")
            return self._operand
        if text == b"?:":
            self._level += 1
            self._output.append(b"?:")
            return self._elvis_operand
        if text in _BINARY:
            self._operators += 1
            if self._operators > MAX_OPERATORS:
                raise ExpressionError("an expression has too many operators")
            self._level = 0
            self._output.append(text)
            return self._operand
        if text == b"?":
            self._level = 0
            self._push(b"?", frames=1)
            self._output.append(b"?")
            return self._operand
        return self._end_of_part(text)

    def _end_of_part(self, text: bytes) -> _State | None:
        """What ends an expression: a bracket, a separator, or anything else."""
        while self._open and self._open[-1][0] == b":":
            self._close(b":")
        bracket = self._open[-1][0] if self._open else b""
        if text == b":" and bracket == b"?":
            self._close(b"?")
            self._push(b":", frames=1)
            self._output.append(b":")
            return self._operand
        if not bracket:
            return None
        if text == b";" and bracket == b"record":
            self._output.append(b";")
            self._level = 0
            return self._attribute
        if text in (b",", b";") and bracket == b"call":
            # Old semantics allow a semicolon between arguments.
            text = b","
        if text == b"," and bracket in (b"call", b"{"):
            self._output.append(b",")
            self._level = 0
            return self._operand
        if (bracket, text) in _CLOSING:
            self._close(bracket)
            self._output.append(text)
            return self._operator
        raise ExpressionError("an expression has an open bracket")

    # Bookkeeping.

    def _emit_name(self, token: Token) -> None:
        own = not token.quoted and token.text.lower() == b"my"
        self._output.append(b"self" if own else _quoted(token))

    def _finish_name(self, name: bytes, following: bytes) -> None:
        """A name turned out to be a reference."""
        lowered = name.lower()
        if lowered in _OWN_SCOPES and following == b"[":
            self._subscripts_self = True
        self._references.append(lowered)

    def _reach(self, more: int) -> None:
        """Count the frames that HTCondor's parser holds here."""
        frames = self._held + 2 + self._level + more
        if frames > MAX_NESTING:
            raise ExpressionError("an expression is nested too deep")
        self._frames = max(self._frames, frames)

    def _push(self, bracket: bytes, frames: int = 3) -> None:
        self._open.append((bracket, self._level))
        self._held += frames + self._level
        self._level = 0
        self._reach(0)

    def _close(self, bracket: bytes) -> None:
        opened, level = self._open.pop()
        assert opened == bracket
        self._level = level
        self._held -= level + (1 if bracket in (b"?", b":") else 3)


_State: TypeAlias = Callable[["Token | None"], Any]


def _text(name: bytes) -> str:
    """A name as text."""
    return name.decode("utf-8", "surrogateescape")


def _quoted(token: Token) -> bytes:
    """A name in new syntax."""
    if not token.quoted:
        return token.text
    return b"'" + token.text.replace(b"\\", b"\\\\").replace(b"'", b"\\'") + b"'"


def _is_broken_number(number: bytes, behind: bytes) -> bool:
    """Whether a number and the character behind it make no token at all."""
    if len(number) > MAX_NUMBER_CHARACTERS:
        return True
    if number.lstrip(b"-").isdigit():
        # 1. and 1e and 01 are broken; 0x1 is, since there are no hexadecimal ones.
        is_zero = number in (b"0", b"-0")
        return behind.isdigit() or behind in _BROKEN or (is_zero and behind in _HEX)
    return behind in _EXPONENT and b"e" not in number.lower()


def _word_token(word: bytes) -> Token:
    """A word that is a literal, an operator or a name."""
    lowered = word.lower()
    if lowered in _WORDS:
        return Token(WORD, lowered)
    operator = _NAMED_OPERATORS.get(lowered)
    return Token(NAME, word) if operator is None else Token(OPERATOR, operator)
