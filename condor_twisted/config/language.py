r"""The statements of a configuration file.

Text comes in, assignments go into ``Definitions``. Files and commands that the text
includes are asked for through ``SourceAccess``, so this module opens nothing.

Lines are trimmed; ``\`` at the end continues a line; ``#`` as the first character
makes a comment, which does not continue. A statement is one of::

    NAME = value            NAME += value         NAME @=tag ... @tag
    if C / elif C / else / endif
    include [ifexist] [command [into CACHE]] : FILE-OR-COMMAND
    use CATEGORY : NAME[(arguments)], ...
    warning : text          error : text

Source: config.cpp, Parse_macros, Parse_config_string and getline_implementation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from condor_twisted.config.conditions import ConditionStack, evaluate_condition
from condor_twisted.config.definitions import Definitions, Origin
from condor_twisted.config.metaknobs import (
    MetaknobTable,
    apply_arguments,
    compiled_in_metaknobs,
    parse_uses,
)
from condor_twisted.errors import ConfigError

__all__ = [
    "ClosedSources",
    "CommandOutput",
    "ConfigurationParser",
    "SourceAccess",
    "assignment_key",
    "logical_lines",
]

_LIMIT_DEPTH: Final = 20
_BLANKS: Final = " \t\v\f\r\n"
_VALID_NAME = re.compile(r"[A-Za-z0-9_./]+\Z")
_FIRST_WORD = re.compile(r"[^\s:=]*")
_PLUS = re.compile(r"\+(?:([,;|&*])(\1)?)?=")
_INCLUDE_OPTIONS = re.compile(
    r"(?:(ifexists?)(?:\s+|\Z))?(?:(command|output)(?:\s+into\s+(\S+))?\s*)?\Z"
)


@dataclass(frozen=True, slots=True)
class CommandOutput:
    """What a command wrote, and how it ended."""

    text: str
    exit_code: int = 0


class SourceAccess(Protocol):
    """How the parser gets at what a configuration includes."""

    def read_file(self, name: str) -> str:
        """The text of a file; ``OSError`` when it cannot be read."""

    def write_file(self, name: str, text: str) -> None:
        """Keep a command's output in a file; ``OSError`` when that fails."""

    def run_command(self, command: str) -> CommandOutput:
        """Run a command line; ``OSError`` when it cannot be started."""


class ClosedSources:
    """No files and no commands: every include is refused."""

    def read_file(self, name: str) -> str:
        """Refuse."""
        raise ConfigError(f"include of {name} is not possible here")

    def write_file(self, name: str, text: str) -> None:
        """Refuse."""
        raise ConfigError(f"include into {name} is not possible here")

    def run_command(self, command: str) -> CommandOutput:
        """Refuse."""
        raise ConfigError(f"include of the command {command} is not possible here")


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    r"""Put continued lines together.

    A comment inside a continuation is skipped, but has to end in ``\`` itself to
    keep the continuation going.

    Yields:
        The number of the last physical line, counted from 1, and the trimmed text.
    """
    parts: list[str] = []
    continuing = False
    number = 0
    for number, physical in enumerate(text.removesuffix("\n").split("\n"), 1):
        line = physical.strip(_BLANKS)
        comment = line.startswith("#")
        continues = line.endswith("\\")
        if comment and not continuing:
            yield number, line
            continue
        if comment:
            # Differs from HTCondor: it leaks the comment's last character.
            line = ""
        elif continues:
            line = line[:-1]
        parts.append(line)
        continuing = continues
        if not continuing:
            yield number, "".join(parts)
            parts = []
    if continuing:
        yield number, "".join(parts)


def assignment_key(line: str, metaknobs: MetaknobTable | None = None) -> str | None:
    """The name under which a remotely set line is kept.

    Args:
        line: ``NAME = value``, or ``use CATEGORY : NAME`` with one name.
        metaknobs: The templates there are.

    Returns:
        The name, or ``$CATEGORY.NAME`` for a metaknob; ``None`` if the line is
        neither.

    Source: config.cpp, is_valid_config_assignment.
    """
    line = line.strip(_BLANKS)
    if "\n" in line:
        return None
    if line[:4].lower() == "use ":
        category, colon, names = line[4:].partition(":")
        table = compiled_in_metaknobs() if metaknobs is None else metaknobs
        name, category = names.strip(), category.strip()
        if not colon or table.get(category, name) is None:
            return None
        return f"${category}.{name}"
    name, operator, _ = line.partition("=")
    name = name.rstrip()
    return name if operator and _VALID_NAME.match(name) else None


@dataclass(slots=True)
class _HereValue:
    """A value of several lines that is being collected."""

    name: str
    tag: str
    origin: Origin
    lines: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the parser is: for errors, origins and nesting."""

    source: str
    depth: int
    line: int | None = None
    metaknob: str | None = None


class ConfigurationParser:
    """Reads texts, one after the other, into the same definitions.

    Args:
        definitions: Where assignments go; also what ``if`` and names look at.
        sources: Files and commands; without it includes are refused.
        metaknobs: The templates for ``use``.
    """

    def __init__(
        self,
        definitions: Definitions,
        sources: SourceAccess | None = None,
        metaknobs: MetaknobTable | None = None,
    ) -> None:
        self.definitions = definitions
        self.sources: SourceAccess = ClosedSources() if sources is None else sources
        self.metaknobs = compiled_in_metaknobs() if metaknobs is None else metaknobs
        self.warnings: list[str] = []
        """What ``warning`` statements and obsolete spellings said."""
        self.included: list[str] = []
        """Files and commands that were read on the way, in order."""

    def parse(
        self, text: str, source: str, depth: int = 0, *, first_line: int = 1
    ) -> None:
        """Read one text.

        Args:
            text: Statements.
            source: What errors and origins call the text.
            depth: How deep in includes the text is.
            first_line: The number of its first line.

        Raises:
            ConfigError: A statement is wrong; the error names source and line.
        """
        self._parse(text, _Place(source, depth), first_line)

    def apply_metaknob(self, category: str, use: str, source: str) -> None:
        """Apply templates, as ``use CATEGORY : USE`` in ``source`` would.

        Raises:
            ConfigError: There is no such template, or it is wrong.
        """
        self._use(category, use, _Place(source, 1, 0))

    def _parse(self, text: str, place: _Place, first_line: int = 1) -> None:
        self.definitions.sources.setdefault(place.source)
        conditions = ConditionStack()
        here: _HereValue | None = None
        number = 0
        for counted, line in logical_lines(text):
            number = counted - 1 + first_line
            if not line or line.startswith("#"):
                continue
            at = self._at(place, number)
            if here is not None:
                if line == "@" + here.tag:
                    value = "\n".join(here.lines)
                    self._assign(here.name, value, at)
                    here = None
                else:
                    here.lines.append(line)
                continue
            try:
                here = self._line(line, at, conditions)
            except ConfigError as error:
                raise self._located(error, at) from error
        at = self._at(place, number)
        if here is not None:
            raise self._located(ConfigError(f"@{here.tag} is missing"), at)
        if conditions.depth:
            raise self._located(ConfigError("endif is missing"), at)

    @staticmethod
    def _at(place: _Place, number: int) -> _Place:
        """The place of a line; in a template the ``use`` statement's line stays."""
        if place.metaknob is None:
            return _Place(place.source, place.depth, number)
        return _Place(
            place.source, place.depth, place.line, f"{place.metaknob}+{number - 1}"
        )

    @staticmethod
    def _located(error: ConfigError, at: _Place) -> ConfigError:
        if error.source is not None:
            return error
        problem = error.problem
        if at.metaknob is not None:
            problem += f" (in use {at.metaknob})"
        return ConfigError(problem, at.source, at.line)

    def _line(
        self, line: str, at: _Place, conditions: ConditionStack
    ) -> _HereValue | None:
        if line.startswith(":") and (conditions.depth or re.match(r":if(\s|\Z)", line)):
            line = line[1:]

        def holds(condition: str) -> bool:
            return evaluate_condition(condition, self.definitions, self.metaknobs)

        if conditions.take(line, holds) or not conditions.enabled:
            return None
        return self._statement(line, at)

    def _statement(self, line: str, at: _Place) -> _HereValue | None:
        first = _FIRST_WORD.match(line)
        assert first is not None, "the pattern matches the empty text"
        word, position = first[0], first.end()
        if position == len(line):
            if line.startswith("["):
                return None
            raise ConfigError(
                f"{line!r} is no statement; is there an operator missing?"
            )
        between = ""
        if line[position] not in ":=":
            operator_at = re.compile(r"[:=@+]").search(line, position)
            if operator_at is None:
                raise ConfigError(
                    f"{line!r} is no statement; is there an operator missing?"
                )
            between = line[position : operator_at.start()].strip()
            position = operator_at.start()
        sign = line[position]
        if sign == ":" and word.lower().removeprefix("@") in (
            "use",
            "include",
            "error",
            "warning",
        ):
            rest = line[position + 1 :].strip()
            self._keyword(word.lower().removeprefix("@"), between, rest, at)
            return None
        return self._assignment(line, word, position, at)

    def _assignment(
        self, line: str, word: str, position: int, at: _Place
    ) -> _HereValue | None:
        name = self.definitions.expand(word)
        sign = line[position]
        plus = _PLUS.match(line, position)
        if sign == "@" and line[position : position + 2] != "@=":
            raise ConfigError(f"{line!r}: @ has to be followed by =")
        if sign == "+" and plus is None:
            raise ConfigError(f"{line!r}: + has to be followed by =")
        end = position + 1
        if sign == "@":
            end = position + 2
        elif plus is not None:
            end = plus.end()
        value = line[end:].lstrip(_BLANKS)
        if not _VALID_NAME.match(name):
            raise ConfigError(f"{name!r} is an illegal identifier")
        if sign == "@":
            return _HereValue(name, value, self._origin(at))
        if plus is not None:
            value = self._appended(name, plus, value)
        elif sign == ":" and name.lower() != "runbenchmarks":
            self._warn(
                f"obsolete use of ':' for parameter assignment at {name} : {value}", at
            )
        self._assign(name, value, at)
        return None

    def _appended(self, name: str, plus: re.Match[str], value: str) -> str:
        """The old value, a separator and the new one."""
        present = self.definitions.lookup(name)
        if not present:
            return value
        separator = plus[1] or " "
        if plus[2]:
            separator = f" {separator * 2} "
        return present + separator + value

    @staticmethod
    def _origin(at: _Place) -> Origin:
        return Origin(at.source, at.line, at.metaknob)

    def _assign(self, name: str, value: str, at: _Place) -> None:
        self.definitions.assign(name, value, self._origin(at))

    def _warn(self, text: str, at: _Place) -> None:
        self.warnings.append(
            f'Config source Warning "{at.source}", Line {at.line or 0}: {text}'
        )

    def _keyword(self, keyword: str, between: str, rest: str, at: _Place) -> None:
        if keyword == "use":
            self._use(self.definitions.expand(between), rest, at)
        elif keyword == "include":
            self._include(between, self.definitions.expand(rest).strip(), at)
        elif keyword == "warning" and at.metaknob is not None:
            self.warnings.append(f"Warning : {self.definitions.expand(rest)}")
            # Kept for compatibility: in a template it is an assignment, too.
            self._assign(keyword, rest, at)
        elif keyword == "warning":
            self._warn(self.definitions.expand(rest), at)
        else:
            raise ConfigError(self.definitions.expand(rest))

    def _use(self, category: str, names: str, at: _Place) -> None:
        if not category:
            raise ConfigError(f"use needs a category in front of : {names}")
        if not self.metaknobs.has_category(category):
            raise ConfigError(f"use {category}: there is no such category")
        for use in parse_uses(names):
            metaknob = self.metaknobs.get(category, use.name)
            if metaknob is None:
                raise ConfigError(f"use {category}: does not recognise {use.name}")
            if at.depth + 1 >= _LIMIT_DEPTH:
                raise ConfigError(f"use {category}: {use.name} is nested too deep")
            text = apply_arguments(metaknob.text, use.arguments)
            label = f"{metaknob.category}:{metaknob.name}"
            self._parse(text, _Place(at.source, at.depth + 1, at.line, label))

    def _include(self, options: str, target: str, at: _Place) -> None:
        match = _INCLUDE_OPTIONS.match(options)
        if match is None:
            raise ConfigError(f"unexpected keyword(s) {options!r} after include")
        optional, is_command = match[1] is not None, match[2] is not None
        command = target.rstrip("| ") if "|" in target else target
        if "|" in target:
            if not target.endswith("|"):
                raise ConfigError(f"{target!r} is not a command: | must be at the end")
            is_command = True
        if not command:
            raise ConfigError("include names no file and no command")
        if at.depth + 1 >= _LIMIT_DEPTH:
            raise ConfigError("includes are nested too deep")
        try:
            if match[3] is not None:
                text = self._cached(match[3], command)
            elif is_command:
                text = self.sources.run_command(command).text
            else:
                text = self.sources.read_file(target)
        except OSError as error:
            if optional:
                return
            raise ConfigError(
                f"cannot include {target}: {error.strerror or error}"
            ) from error
        source = f"{command} |" if is_command else target
        self.included.append(source)
        self._parse(text, _Place(source, at.depth + 1))

    def _cached(self, cache: str, command: str) -> str:
        """A command's output from an earlier time, or from now and kept."""
        if cache.endswith("|"):
            raise ConfigError("the destination of include into may not be a command")
        cache = self.definitions.expand(cache)
        if not cache:
            raise ConfigError("the destination of include into is empty")
        try:
            return self.sources.read_file(cache)
        except OSError:
            output = self.sources.run_command(command)
        if output.exit_code:
            raise OSError(f"the command ended with exit code {output.exit_code}")
        self.sources.write_file(cache, output.text)
        return output.text
