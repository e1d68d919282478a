r"""CERTIFICATE_MAPFILE: from the name that a method knows to the name in the pool.

Layout: lines of three fields that blanks separate: a method, a principal, a canonical
name. A field may be in double quotes, in which ``\"`` and ``\\`` stand for
themselves. Empty lines and lines that begin with ``#`` are left out. The principal is a
regular expression that matches anywhere in the name; the first line that matches
counts. ``\0`` to ``\9`` in the canonical name stand for the match and its groups.
``@include path`` reads another file, or every file of a directory, in which nothing is
included.

With CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS a principal is the whole name, and only
``/.../`` is a regular expression, with ``i`` and ``U`` behind it.

A line that makes no sense is left out and reported. A regular expression that has a
sense but cannot be matched in linear time is an error of the configuration: leaving it
out would let a later line speak for those whom it was written for.

Source: ``src/condor_utils/MapFile.cpp``.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Protocol

from condor_twisted.errors import ConfigError
from condor_twisted.security.patterns.linear import LinearPattern, compile_pattern
from condor_twisted.security.patterns.syntax import PatternError, PatternUnsupported

__all__ = ["IdentityMap", "MapFiles", "MapLine", "read_identity_map"]

_BLANKS: Final = " \t\n\r"
_REMEMBERED_COUNT: Final = 4096
_MAX_NAME_CHARACTERS: Final = 4096
_INCLUDE: Final = "@include"


class MapFiles(Protocol):
    """Reads map files, when a configuration is taken over."""

    def read_text(self, path: str) -> str | None:
        """A file's text; ``None`` if it cannot be read."""

    def directory_files(self, path: str, exclude: str) -> tuple[str, ...] | None:
        """The paths of a directory's files, in order; ``None`` if it is none.

        Args:
            path: The directory.
            exclude: Names that this regular expression matches are left out.
        """


@dataclass(frozen=True, slots=True)
class MapLine:
    """One line of a map file.

    Args:
        canonical: Its canonical name, groups not filled in.
        path: The file.
        number: Which line, counted from 1.
    """

    canonical: str
    path: str
    number: int

    def __str__(self) -> str:
        return f"{self.path}, line {self.number}"


@dataclass(slots=True)
class _Literals:
    """Lines in a row whose principals are whole names; the first of a name counts."""

    names: dict[str, MapLine]

    def find(self, name: str) -> tuple[MapLine, tuple[str, ...]] | None:
        line = self.names.get(name)
        return None if line is None else (line, (name,))


@dataclass(frozen=True, slots=True)
class _Pattern:
    """One line whose principal is a regular expression."""

    pattern: LinearPattern
    line: MapLine

    def find(self, name: str) -> tuple[MapLine, tuple[str, ...]] | None:
        groups = self.pattern.search(name)
        return None if groups is None else (self.line, groups)


class IdentityMap:
    """A map file, read by :func:`read_identity_map`; call it with a method and a name.

    Attributes:
        problems: What was wrong with the file, a line each.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._lines: dict[str, list[_Literals | _Pattern]] = {}
        self._remembered: OrderedDict[tuple[str, str], str | None] = OrderedDict()

    def __call__(self, method: str, name: str) -> str | None:
        """The canonical name of a method's authenticated name; ``None`` without one.

        Args:
            method: The method's name once it was used, in any case of letters.
            name: The name; one of more than 4,096 characters has no canonical name.
        """
        if len(name) > _MAX_NAME_CHARACTERS:
            return None
        key = (method.upper(), name)
        if key in self._remembered:
            self._remembered.move_to_end(key)
            return self._remembered[key]
        found = self._find(*key)
        self._remembered[key] = found
        if len(self._remembered) > _REMEMBERED_COUNT:
            self._remembered.popitem(last=False)
        return found

    def __len__(self) -> int:
        return sum(
            len(line.names) if isinstance(line, _Literals) else 1
            for lines in self._lines.values()
            for line in lines
        )

    def line_of(self, method: str, name: str) -> MapLine | None:
        """The line that maps a method's authenticated name, for who has to explain it.

        Args:
            method: As for a call.
            name: As for a call.
        """
        if len(name) > _MAX_NAME_CHARACTERS:
            return None
        found = self._search(method.upper(), name)
        return None if found is None else found[0]

    def _search(self, method: str, name: str) -> tuple[MapLine, tuple[str, ...]] | None:
        for line in self._lines.get(method, ()):
            found = line.find(name)
            if found is not None:
                return found
        return None

    def _find(self, method: str, name: str) -> str | None:
        found = self._search(method, name)
        return None if found is None else _fill_in(found[0].canonical, found[1])

    def add_name(self, method: str, name: str, line: MapLine) -> None:
        """Add a line for one name."""
        lines = self._lines.setdefault(method.upper(), [])
        if not lines or not isinstance(lines[-1], _Literals):
            lines.append(_Literals({}))
        last = lines[-1]
        assert isinstance(last, _Literals)
        last.names.setdefault(name, line)

    def add_pattern(self, method: str, pattern: LinearPattern, line: MapLine) -> None:
        """Add a line for all names that a pattern matches."""
        self._lines.setdefault(method.upper(), []).append(_Pattern(pattern, line))


def _fill_in(canonical: str, groups: tuple[str, ...]) -> str:
    r"""The canonical name with the groups in place of ``\0`` to ``\9``."""
    parts: list[str] = []
    at = 0
    while at < len(canonical):
        character = canonical[at]
        behind = canonical[at + 1 : at + 2]
        if character == "\\" and behind:
            at += 1
            if behind in "0123456789" and int(behind) < len(groups):
                parts.append(groups[int(behind)])
            else:
                parts.append(character + behind)
        else:
            parts.append(character)
        at += 1
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class _Field:
    """One field of a line; ``flags`` is ``None`` where it is no ``/.../``."""

    text: str
    end: int
    flags: str | None = None


def _read_field(line: str, at: int, *, slashes: bool = False) -> _Field:
    """Read a field.

    Args:
        line: The line.
        at: Where to begin.
        slashes: Whether ``/.../`` is a regular expression.

    Source: ``src/condor_utils/MapFile.cpp: MapFile::ParseField``.
    """
    while at < len(line) and line[at] in _BLANKS:
        at += 1
    quote = line[at : at + 1]
    if not (quote == '"' or (quote == "/" and slashes)):
        end = at
        while end < len(line) and line[end] not in _BLANKS:
            end += 1
        return _Field(line[at:end], end)
    parts: list[str] = []
    at += 1
    while at < len(line) and line[at] != quote:
        if line[at] == "\\" and at + 1 < len(line):
            at += 1
            parts.append(line[at] if line[at] in (quote, "\\") else "\\" + line[at])
        else:
            parts.append(line[at])
        at += 1
    at += 1
    flags: str | None = None
    if quote == "/":
        start = at
        while line[at : at + 1] in ("i", "U"):
            at += 1
        flags = line[start:at]
    return _Field("".join(parts), min(at, len(line)), flags)


class _Reader:
    """Reads map files into a map."""

    def __init__(self, files: MapFiles, assume_names: bool, exclude: str) -> None:
        self.files = files
        self.exclude = exclude
        self.assume_names = assume_names
        self.map = IdentityMap()

    def read(self, path: str, *, may_include: bool) -> bool:
        """Read one file; whether it could be read."""
        text = self.files.read_text(path)
        if text is None:
            self.map.problems.append(f"{path} cannot be read")
            return False
        for number, line in enumerate(text.splitlines(), 1):
            where = f"{path}, line {number}"
            method = _read_field(line, 0)
            if method.text == _INCLUDE:
                self._include(path, line, method.end, where, may_include)
            elif method.text and not method.text.startswith("#"):
                self._line(path, number, line, method)
        return True

    def _line(self, path: str, number: int, line: str, method: _Field) -> None:
        where = f"{path}, line {number}"
        principal = _read_field(line, method.end, slashes=self.assume_names)
        canonical = _read_field(line, principal.end).text
        if not principal.text or not canonical:
            self.map.problems.append(f"{where}: not method, principal and name")
            return
        found = MapLine(canonical, path, number)
        if self.assume_names and principal.flags is None:
            self.map.add_name(method.text, principal.text, found)
            return
        flags = principal.flags or ""
        try:
            pattern = compile_pattern(
                principal.text, caseless="i" in flags, ungreedy="U" in flags
            )
        except PatternUnsupported as error:
            raise ConfigError(
                f"{error} cannot be matched in linear time; write the regular "
                "expression without it",
                path,
                number,
            ) from error
        except PatternError as error:
            self.map.problems.append(f"{where}: {error}")
            return
        self.map.add_pattern(method.text, pattern, found)

    def _include(
        self, path: str, line: str, at: int, where: str, may_include: bool
    ) -> None:
        named = _read_field(line, at).text
        if not may_include or not named:
            self.map.problems.append(f"{where}: nothing is included here")
            return
        if not named.startswith("/"):
            named = path[: path.rfind("/") + 1] + named
        listed = self.files.directory_files(named, self.exclude)
        for each in (named,) if listed is None else listed:
            self.read(each, may_include=False)


def read_identity_map(
    path: str, files: MapFiles, assume_names: bool = False, exclude: str = ""
) -> IdentityMap:
    """Read a map file and what it includes.

    Args:
        path: CERTIFICATE_MAPFILE.
        files: Reads files.
        assume_names: CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS.
        exclude: LOCAL_CONFIG_DIR_EXCLUDE_REGEXP.

    Returns:
        The map; one that maps nothing where the file cannot be read.

    Raises:
        ConfigError: A line has a regular expression that cannot be matched here.
    """
    reader = _Reader(files, assume_names, exclude)
    reader.read(path, may_include=True)
    return reader.map
