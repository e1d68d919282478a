"""The table of names and raw values, and how a reader finds one in it.

A reader is a subsystem with or without a local name. For each name it asks, in
this order: local name, subsystem, plain name; at each step first what was
configured, then the compiled-in default. The first hit wins even when it is empty.

Source: config.cpp, lookup_macro and insert_macro.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from condor_twisted.config.defaults import (
    NO_DEFAULTS,
    DefaultTable,
    KnobDefault,
    compiled_in_defaults,
    same_value,
)
from condor_twisted.config.macros import MacroContext, expand, expand_self
from condor_twisted.config.surroundings import Surroundings

__all__ = ["Definition", "Definitions", "Found", "Origin"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written.

    Args:
        source: A file's name, a command, or a word in angle brackets such as
            ``<Environment>``.
        line: Line number from 1; ``None`` where lines mean nothing.
        metaknob: ``CATEGORY:NAME+LINE`` when a ``use`` statement brought it; its
            lines count from 0.
    """

    source: str
    line: int | None = None
    metaknob: str | None = None

    def __str__(self) -> str:
        where = self.source if self.line is None else f"{self.source}, line {self.line}"
        return where if self.metaknob is None else f"{where}, use {self.metaknob}"


@dataclass(frozen=True, slots=True)
class Definition:
    """One configured name.

    Args:
        name: In the spelling of the first assignment.
        value: The raw value.
        origin: Where the last assignment was.
    """

    name: str
    value: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Found:
    """What a reader found for a name.

    Args:
        name: The name that matched, with its prefix.
        value: The raw value, perhaps empty.
        definition: The assignment, or ``None`` for a compiled-in default.
    """

    name: str
    value: str
    definition: Definition | None

    @property
    def origin(self) -> Origin:
        """Where the value comes from."""
        return (
            Origin("<Default>") if self.definition is None else self.definition.origin
        )


class Definitions:
    """Names with raw values, read by one subsystem and local name.

    Args:
        subsystem: Upper-case name such as ``COLLECTOR``; may be empty.
        local_name: What ``-local-name`` gave, if anything.
        surroundings: The world that macros see.
        with_defaults: Whether the compiled-in defaults stand behind.
        keep_defaults: Store a value that equals the compiled-in default, too.

    Attributes:
        replaced: Is told of each assignment of a name that has been given a value
            before: the name, and what it had.
    """

    def __init__(
        self,
        subsystem: str,
        local_name: str | None = None,
        *,
        surroundings: Surroundings | None = None,
        with_defaults: bool = True,
        keep_defaults: bool = False,
    ) -> None:
        self.subsystem = subsystem
        self.local_name = local_name
        self.surroundings = surroundings or Surroundings()
        self.defaults: DefaultTable = (
            compiled_in_defaults() if with_defaults else NO_DEFAULTS
        )
        self.keep_defaults = keep_defaults
        self.prefixes = tuple(each for each in (local_name, subsystem) if each)
        #: Where text was read from, in order.
        self.sources: dict[str, None] = {}
        self.replaced: Callable[[str, Definition], object] | None = None
        self._table: dict[str, Definition] = {}

    def __iter__(self) -> Iterator[Definition]:
        return iter(self._table.values())

    def __len__(self) -> int:
        return len(self._table)

    def copy(
        self, subsystem: str | None = None, local_name: str | None = None
    ) -> Definitions:
        """The same names, for this reader or for another one."""
        if subsystem is None:
            subsystem, local_name = self.subsystem, self.local_name
        other = Definitions(
            subsystem,
            local_name,
            surroundings=self.surroundings,
            keep_defaults=self.keep_defaults,
        )
        other.defaults = self.defaults
        other.sources = dict(self.sources)
        other._table = dict(self._table)
        return other

    def exactly(self, name: str) -> Definition | None:
        """The assignment of this very name, no prefixes and no defaults."""
        return self._table.get(name.lower())

    def find(self, name: str) -> Found | None:
        """What this reader gets for a name."""
        for prefix in self.prefixes:
            full = f"{prefix}.{name}"
            definition = self._table.get(full.lower())
            if definition is not None:
                return Found(definition.name, definition.value, definition)
            default = self.defaults.get(full)
            if default is not None:
                return Found(default.name, default.value, None)
        definition = self._table.get(name.lower())
        if definition is not None:
            return Found(definition.name, definition.value, definition)
        default = self.defaults.get(name)
        return None if default is None else Found(default.name, default.value, None)

    def find_default(self, name: str) -> KnobDefault | None:
        """The compiled-in default that this reader gets for a name."""
        for prefix in self.prefixes:
            default = self.defaults.get(f"{prefix}.{name}")
            if default is not None:
                return default
        return self.defaults.get(name)

    def lookup(self, name: str) -> str | None:
        """The raw value that this reader gets for a name."""
        found = self.find(name)
        return None if found is None else found.value

    def context(self) -> MacroContext:
        """A fresh context for one expansion."""
        return MacroContext(self.lookup, self.surroundings)

    def expand(self, text: str) -> str:
        """Expand every macro of a text for this reader."""
        return expand(text, self.context()) if "$" in text else text

    def assign(self, name: str, value: str, origin: Origin) -> None:
        """Give a name a raw value; references to itself are expanded now.

        A value that equals the compiled-in default of a plain name is not stored,
        unless there is another one to replace.
        """
        value = expand_self(value, name, self.context(), self.prefixes)
        key = name.lower()
        present = self._table.get(key)
        if present is None and not self.keep_defaults:
            default = None if "." in name else self.defaults.get(name)
            if (
                default is not None
                and default.has_default
                and same_value(default.value, value)
            ):
                return
        if present is not None and self.replaced is not None:
            self.replaced(name, present)
        self.sources.setdefault(origin.source)
        spelling = name if present is None else present.name
        self._table[key] = Definition(spelling, value, origin)

    def forget(self, name: str) -> None:
        """Take a name's assignment away, if it has one."""
        self._table.pop(name.lower(), None)
