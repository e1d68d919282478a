"""A configuration as a file: what ``condor_config_val -writeconfig`` writes.

Names stand under the source that set them, in the order of its lines, so that the file
can take the place of all that it was read from.

Source: ``src/condor_tools/config_val.cpp: do_write_config, write_config_callback``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from condor_twisted.config.definitions import Definition, Origin
from condor_twisted.config.listing import assignment_text
from condor_twisted.config.settings import Settings

__all__ = ["NOTHING_OBSOLETE", "Obsolete", "WritingOptions", "written_text"]

_DETECTED = "<Detected>"
_DEFAULT = "<Default>"
_ENVIRONMENT = "<Environment>"
_FIRST_SOURCES = (_DETECTED, _DEFAULT)
_LATE_SOURCES = (_ENVIRONMENT, "<runtime>", "<Command line>")


@dataclass(frozen=True, slots=True)
class Obsolete:
    """What is left out of a configuration that was written for an older version.

    Args:
        names: In upper case.
        settings: ``NAME=VALUE``, the name in upper case.
    """

    names: frozenset[str] = frozenset()
    settings: frozenset[str] = frozenset()

    def covers(self, definition: Definition) -> bool:
        """Whether a setting is left out."""
        name = definition.name.upper()
        return name in self.names or f"{name}={definition.value}" in self.settings


NOTHING_OBSOLETE = Obsolete()


@dataclass(frozen=True, slots=True, kw_only=True)
class WritingOptions:
    """What is written. What files and the environment set is, unless they say not.

    Args:
        only: Only what the next ones say.
        defaults: Compiled-in defaults, and what was detected.
        matching: What was set to its default.
        detected: What was found out about the host.
        environment: What the environment sets.
        duplicates: Defaults also of names that are written with another value.
        comment_defaults: Defaults as comments.
        comment_matching: What was set to its default as comments.
        comment_detected: What was detected as comments.
        comment_environment: What the environment sets as comments.
        origins: Where each was set, as comments.
        by_name: In the order of the names, not of the sources.
    """

    only: bool = False
    defaults: bool = False
    matching: bool = False
    detected: bool = False
    environment: bool = False
    duplicates: bool = False
    comment_defaults: bool = False
    comment_matching: bool = False
    comment_detected: bool = False
    comment_environment: bool = False
    origins: bool = False
    by_name: bool = False

    @property
    def files(self) -> bool:
        """Whether what files set is written."""
        others = (self.defaults, self.matching, self.detected, self.environment)
        return not (self.only and (any(others) or self.duplicates))


def written_text(
    settings: Settings,
    options: WritingOptions,
    obsolete: Obsolete = NOTHING_OBSOLETE,
) -> str:
    """Write a configuration.

    Args:
        settings: A configuration that was read with its defaults kept.
        options: What is written of it, and how.
        obsolete: What is left out of what files set.
    """
    entries = list(_entries(settings, options, obsolete))
    if options.by_name:
        entries.sort(key=lambda each: each[0].name.lower())
        return "".join(text for _, text in entries)
    by_source: dict[str, list[tuple[Definition, str]]] = {
        each: [] for each in (*_FIRST_SOURCES, *settings.sources())
    }
    for definition, text in entries:
        by_source.setdefault(definition.origin.source, []).append((definition, text))
    for late in _LATE_SOURCES:
        if late in by_source:
            by_source[late] = by_source.pop(late)
    written = ""
    for source, lines in by_source.items():
        if lines:
            lines.sort(
                key=lambda each: (each[0].origin.line or 0, each[0].name.lower())
            )
            written += f"\n#\n# from {source}\n#\n"
            written += "".join(text for _, text in lines)
    return written


def _entries(
    settings: Settings, options: WritingOptions, obsolete: Obsolete
) -> Iterator[tuple[Definition, str]]:
    """What is written, each with its text."""
    written: set[str] = set()
    for definition in settings:
        if not definition.origin.source.startswith("<") and obsolete.covers(definition):
            continue
        prefix = _prefix(settings, definition, options)
        if prefix is not None:
            written.add(definition.name.lower())
            if settings.is_default(definition):
                # As HTCondor, which then keeps the default's own spelling.
                default_text = settings.exact_default(definition.name)
                if default_text is not None:
                    definition = replace(definition, value=default_text)
            yield definition, _entry_text(definition, prefix, options)
    if not options.defaults:
        return
    prefix = "#def#" if options.comment_defaults else ""
    for entry in settings.compiled_in():
        is_written = entry.name.lower() in written
        if "." in entry.name or (is_written and not options.duplicates):
            continue
        default = Definition(entry.name, entry.value, Origin(_DEFAULT))
        yield default, _entry_text(default, prefix, options)


def _prefix(
    settings: Settings, definition: Definition, options: WritingOptions
) -> str | None:
    """What stands in front of an entry; ``None`` for one that is not written."""
    source = definition.origin.source
    is_of_file = not source.startswith("<")
    if settings.is_default(definition) or (
        is_of_file and _is_nothing(settings, definition)
    ):
        if not options.matching:
            return None
        return "#" if options.comment_matching else ""
    if source == _DETECTED:
        if not (options.detected or options.defaults):
            return None
        if options.comment_detected:
            return "#detected#"
        return "#def#" if options.comment_defaults else ""
    if source == _ENVIRONMENT:
        if options.only and not options.environment:
            return None
        return "#env#" if options.comment_environment else ""
    return "" if options.files else None


def _is_nothing(settings: Settings, definition: Definition) -> bool:
    """Whether nothing was set where there is no default either."""
    entry = settings.default_of(definition.name)
    return not definition.value and entry is not None and not entry.value


def _entry_text(definition: Definition, prefix: str, options: WritingOptions) -> str:
    lines = assignment_text(definition.name, definition.value).split("\n")
    text = "".join(f"{prefix}{line}\n" for line in lines)
    # Differs from HTCondor, which writes sources by source without the # in front.
    origin = Origin(definition.origin.source, definition.origin.line)
    return f"{text} # at: {origin}\n" if options.origins else text
