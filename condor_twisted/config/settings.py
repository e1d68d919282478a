"""Typed answers for one reader of a configuration."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeVar, overload

from condor_twisted.config.defaults import KnobDefault, same_value
from condor_twisted.config.definitions import Definition, Definitions, Found, Origin
from condor_twisted.config.macros import expand
from condor_twisted.config.surroundings import Surroundings
from condor_twisted.config.values import (
    read_boolean,
    read_integer,
    read_log_limit,
    read_real,
    split_words,
)
from condor_twisted.errors import ConfigError

__all__ = ["Settings"]

T = TypeVar("T", int, float, bool)
Number = TypeVar("Number", int, float)

_INT32: Final = (-(1 << 31), (1 << 31) - 1)


class Settings:
    """A finished configuration as one subsystem and local name read it.

    Nothing changes after construction: a reconfiguration makes new settings, so
    that nobody sees half of each.

    A default given with a question counts only where the compiled-in table has
    none for that knob; that is HTCondor's rule.

    Args:
        definitions: The names and raw values; copied.
    """

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions.copy()
        self._uses: Counter[str] = Counter()
        self._references: Counter[str] = Counter()

    @classmethod
    def from_assignments(
        cls,
        assignments: Mapping[str, str] | Iterable[tuple[str, str]],
        subsystem: str = "TOOL",
        local_name: str | None = None,
        *,
        surroundings: Surroundings | None = None,
        source: str = "<assignments>",
    ) -> Settings:
        """Settings out of names and raw values, without any file.

        Args:
            assignments: Raw values by name, in order.
            subsystem: The reader, such as ``COLLECTOR``.
            local_name: The reader's local name, if any.
            surroundings: The world that macros see.
            source: What ``source_of`` answers for these names.
        """
        definitions = Definitions(subsystem, local_name, surroundings=surroundings)
        pairs = assignments.items() if isinstance(assignments, Mapping) else assignments
        for name, value in pairs:
            definitions.assign(name, value, Origin(source))
        return cls(definitions)

    def with_assignments(
        self, assignments: Mapping[str, str], source: str = "<assignments>"
    ) -> Settings:
        """The same configuration with some names set anew."""
        changed = self._definitions.copy()
        for name, value in assignments.items():
            changed.assign(name, value, Origin(source))
        return Settings(changed)

    def for_reader(self, subsystem: str, local_name: str | None = None) -> Settings:
        """The same configuration as another subsystem reads it."""
        return Settings(self._definitions.copy(subsystem, local_name))

    @property
    def subsystem(self) -> str:
        """The reading subsystem."""
        return self._definitions.subsystem

    @property
    def local_name(self) -> str | None:
        """The reader's local name."""
        return self._definitions.local_name

    @property
    def surroundings(self) -> Surroundings:
        """The world that macros see."""
        return self._definitions.surroundings

    @property
    def definitions(self) -> Definitions:
        """A copy of the names and raw values, to build upon."""
        return self._definitions.copy()

    def __iter__(self) -> Iterator[Definition]:
        """Every configured name; compiled-in defaults are not among them."""
        return iter(self._definitions)

    def compiled_in(self) -> Iterator[KnobDefault]:
        """Every entry of the default table behind this configuration."""
        return iter(self._definitions.defaults)

    def find(self, name: str) -> Found | None:
        """The raw value and its origin, as this reader finds them."""
        return self._definitions.find(name)

    def default_of(self, name: str) -> KnobDefault | None:
        """The compiled-in default of a name for this reader."""
        return self._definitions.find_default(name)

    def exactly(self, name: str) -> Definition | None:
        """The assignment of this very name, without prefixes and defaults."""
        return self._definitions.exactly(name)

    def is_default(self, definition: Definition) -> bool:
        """Whether an assignment says what the compiled-in table says anyway."""
        entry = self._definitions.defaults.for_name(definition.name)
        return (
            entry is not None
            and entry.has_default
            and same_value(entry.value, definition.value)
        )

    def exact_default(self, name: str) -> str | None:
        """The raw default of exactly this name, prefix included, if it has one.

        It is what listings show beside the value of a name.
        """
        entry = self._definitions.defaults.get(name)
        return None if entry is None or not entry.has_default else entry.value

    def raw(self, name: str) -> str | None:
        """The value as it was written; ``None`` when there is none or it is empty."""
        return self._definitions.lookup(name) or None

    def expand(self, text: str) -> str:
        """Expand every macro of a text for this reader.

        Raises:
            ConfigError: A macro function failed, or a macro never ends.
        """
        if "$" not in text:
            return text
        context = self._definitions.context()
        context.lookup = self._referenced
        return expand(text, context)

    def expand_uncounted(self, text: str) -> str:
        """Expand as `expand` does, for somebody who only looks.

        Raises:
            ConfigError: A macro function failed, or a macro never ends.
        """
        return self._definitions.expand(text)

    def _referenced(self, name: str) -> str | None:
        found = self.find(name)
        if found is None:
            return None
        self._references[found.name.lower()] += 1
        return found.value

    def use_counts(self, name: str) -> tuple[int, int]:
        """How often somebody asked for a name's value, and another value used it.

        Args:
            name: The name in full, prefix included.
        """
        return self._uses[name.lower()], self._references[name.lower()]

    def statistics(self) -> dict[str, int]:
        """How large the configuration is, and how much of it is used."""
        configured = list(self)
        keys = {each.name.lower() for each in configured}
        return {
            "Macros": len(configured),
            "Used": len(keys & self._uses.keys()),
            "Referenced": len(keys & self._references.keys()),
            "Files": len({each.origin.source for each in configured}),
            "StringBytes": sum(
                len(each.name) + len(each.value) + 2 for each in configured
            ),
            "TablesBytes": sum(map(sys.getsizeof, configured)),
            "Sorted": len(configured),
        }

    def sources(self) -> list[str]:
        """Where the configuration was read from, in order."""
        return list(self._definitions.sources)

    def source_of(self, name: str) -> str | None:
        """Where a name's value comes from, as ``condor_config_val -verbose`` says it.

        Returns:
            ``FILE, line N``, ``<Environment>``, ``<Default>``, ...; ``None`` for
            a name without a value.
        """
        found = self.find(name)
        return None if found is None or not found.value else str(found.origin)

    def spelling_of(self, name: str) -> str | None:
        """A name as it was written, with the prefix that made it count.

        Returns:
            ``COLLECTOR.ALLOW_READ``, ``ALLOW_READ``, ...; ``None`` for a name
            without a value.
        """
        found = self.find(name)
        return None if found is None or not found.value else found.name

    def defined(self, name: str) -> bool:
        """Whether a name has a value that is not empty."""
        return self.text(name) is not None

    @overload
    def text(self, name: str, default: str) -> str: ...
    @overload
    def text(self, name: str, default: None = None) -> str | None: ...
    def text(self, name: str, default: str | None = None) -> str | None:
        """The expanded value; an empty one is no value."""
        found = self.find(name)
        if found is None or not found.value:
            return default
        self._uses[found.name.lower()] += 1
        if "$" not in found.value:
            return found.value
        try:
            return self.expand(found.value) or default
        except ConfigError as error:
            raise self._invalid(name, error.problem) from error

    def words(self, name: str, default: Iterable[str] = ()) -> tuple[str, ...]:
        """The items of a list, separated by commas or blanks."""
        value = self.text(name)
        return tuple(default) if value is None else split_words(value)

    @overload
    def boolean(self, name: str, default: bool) -> bool: ...
    @overload
    def boolean(self, name: str, default: None = None) -> bool | None: ...
    def boolean(self, name: str, default: bool | None = None) -> bool | None:
        """A truth value: ``true false 1 0`` or an expression.

        Raises:
            ConfigError: The value is neither.
        """
        return self._typed(name, default, read_boolean, "True or False")

    @overload
    def integer(
        self,
        name: str,
        default: int,
        *,
        minimum: int | None = None,
        maximum: int | None = None,
    ) -> int: ...
    @overload
    def integer(
        self,
        name: str,
        default: None = None,
        *,
        minimum: int | None = None,
        maximum: int | None = None,
    ) -> int | None: ...
    def integer(
        self,
        name: str,
        default: int | None = None,
        *,
        minimum: int | None = None,
        maximum: int | None = None,
    ) -> int | None:
        """An integer: digits or an expression.

        Args:
            name: The knob.
            default: The answer when neither it nor the table has a value.
            minimum: Lowest value; the default table's own range counts as well.
            maximum: Highest value, likewise.

        Raises:
            ConfigError: The value is no number or out of range.
        """
        value = self._typed(name, default, read_integer, "an integer expression")
        entry = self.default_of(name)
        if value is not None and entry is not None and entry.type == "int":
            self._check(name, value, *_INT32)
        return self._in_range(name, value, minimum, maximum)

    @overload
    def real(self, name: str, default: float) -> float: ...
    @overload
    def real(self, name: str, default: None = None) -> float | None: ...
    def real(self, name: str, default: float | None = None) -> float | None:
        """A floating point number: digits or an expression.

        Raises:
            ConfigError: The value is no number or out of range.
        """
        value = self._typed(name, default, read_real, "a numeric expression")
        return self._in_range(name, value, None, None)

    @overload
    def seconds(self, name: str, default: float) -> float: ...
    @overload
    def seconds(self, name: str, default: None = None) -> float | None: ...
    def seconds(self, name: str, default: float | None = None) -> float | None:
        """A duration in seconds; HTCondor's knobs hold whole ones.

        Raises:
            ConfigError: The value is no number or out of range.
        """
        return self.real(name, default)

    @overload
    def size_bytes(self, name: str, default: int) -> int: ...
    @overload
    def size_bytes(self, name: str, default: None = None) -> int | None: ...
    def size_bytes(self, name: str, default: int | None = None) -> int | None:
        """A size: a number of bytes, or a number with a unit such as ``10 Mb``.

        Raises:
            ConfigError: The value is no size, negative, or a time.
        """

        def read(text: str, _: object) -> int | None:
            limit = read_log_limit(text, self.surroundings.evaluate)
            return None if limit is None or limit[1] or limit[0] < 0 else limit[0]

        value = self._typed(name, default, read, "a size such as 1000000 or 10 Mb")
        return self._in_range(name, value, None, None)

    def check_types(self, wanted: Callable[[str], bool] = lambda name: True) -> None:
        """Read the configured numbers and truth values of the default table once.

        Args:
            wanted: Which knobs to look at, by upper-case name. Not every reader
                can judge every knob: some numbers of other daemons are
                expressions over ads.

        Raises:
            ConfigError: One of them is not what its type says.
        """
        for entry in self._definitions.defaults:
            if "." in entry.name or not wanted(entry.name.upper()):
                continue
            found = self.find(entry.name)
            if found is None or found.definition is None:
                continue
            if entry.type in ("int", "long"):
                self.integer(entry.name)
            elif entry.type == "bool":
                self.boolean(entry.name)
            elif entry.type == "double":
                self.real(entry.name)

    def _typed(
        self,
        name: str,
        default: T | None,
        read: Callable[..., T | None],
        wanted: str,
    ) -> T | None:
        text = self.text(name)
        if text is None:
            entry = self.default_of(name)
            if entry is None or not entry.value:
                return default
            text = self.expand(entry.value)
            if not text:
                return default
        value = read(text, self.surroundings.evaluate)
        if value is None:
            raise self._invalid(name, f"is {text!r}; please set it to {wanted}")
        return value

    def _in_range(
        self,
        name: str,
        value: Number | None,
        minimum: float | None,
        maximum: float | None,
    ) -> Number | None:
        if value is None:
            return None
        self._check(name, value, minimum, maximum)
        entry = self.default_of(name)
        if entry is not None:
            self._check(name, value, entry.minimum, entry.maximum)
        return value

    def _check(
        self, name: str, value: float, minimum: float | None, maximum: float | None
    ) -> None:
        if minimum is not None and value < minimum:
            raise self._invalid(name, f"is {value}; the lowest value is {minimum:g}")
        if maximum is not None and value > maximum:
            raise self._invalid(name, f"is {value}; the highest value is {maximum:g}")

    def _invalid(self, name: str, problem: str) -> ConfigError:
        found = self.find(name)
        if found is None:
            return ConfigError(f"{name} {problem}")
        return ConfigError(f"{name} {problem}", found.origin.source, found.origin.line)
