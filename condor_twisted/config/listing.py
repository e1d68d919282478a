"""Configurations as text: what ``condor_config_val`` prints, and ``--config-check``.

Source: condor_config_val.cpp, main and dump_config.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from condor_twisted.config.definitions import Definition, Found
from condor_twisted.config.settings import Settings
from condor_twisted.errors import ConfigError

__all__ = [
    "assignment_text",
    "comment_text",
    "describe_settings",
    "dump_text",
    "is_secret",
    "names_by_source",
    "names_of",
    "verbose_text",
]

_LATE_SOURCES: Final = ("<Environment>", "<runtime>", "<Command line>")

_SECRET: Final = re.compile(
    r"PASSWORD(?!_(DIRECTORY|FILE|DOMAIN|AUTH))|PASSPHRASE|SECRET|PRIVATE_KEY"
    r"|CREDENTIAL(?!_DIRECTORY|_PRODUCER|_MONITOR|_STORER)|API_?KEY|COOKIE"
    r"|TOKEN\Z|TOKEN_VALUE",
    re.IGNORECASE,
)


def is_secret(name: str) -> bool:
    """Whether a knob's name says that its value is nobody else's business."""
    return _SECRET.search(name) is not None


def _indented(value: str, indent: str) -> str:
    """The lines of a value, trimmed, without those that are blank."""
    lines = (line.strip() for line in value.split("\n"))
    return "".join(f"{indent}{line}\n" for line in lines if line)


def assignment_text(name: str, value: str) -> str:
    """A value as a statement; several lines become a ``@=`` value."""
    if "\n" not in value:
        return f"{name} = {value}"
    return f"{name} @=end\n{_indented(value, '   ')}@end"


def comment_text(label: str, value: str, indent: str) -> str:
    """A value behind ``#``; several lines are commented one by one."""
    if "\n" not in value:
        return f" # {label}: {value}\n"
    return f" # {label}: \n{_indented(value, f' # {indent}')}"


def _expanded(settings: Settings, found: Found) -> str:
    """The expanded value; where that fails, why."""
    try:
        return settings.expand(found.value)
    except ConfigError as error:
        return f"(cannot be expanded: {error.problem})"


def verbose_text(
    settings: Settings, name: str, value: str | None, *, raw: bool = False
) -> str:
    """One knob with value, origin and raw value: ``condor_config_val -verbose``.

    Args:
        settings: The reader's settings.
        name: The knob; the settings have an entry for it.
        value: What is shown as its value; nothing if ``None``.
        raw: The value is the raw one, which is not shown again.

    Returns:
        Lines with an empty one at the end.
    """
    found = settings.find(name)
    assert found is not None, f"{name} has an entry"
    text = "" if value is None else assignment_text(found.name, value) + "\n"
    text += f" # at: {found.origin}\n"
    if not raw:
        text += comment_text("raw", f"{found.name} = {found.value}", "  ")
    return text + "\n"


def names_of(settings: Settings) -> list[str]:
    """Every name there is, configured or with a compiled-in entry, sorted."""
    names = {
        each.name.lower(): each.name
        for each in settings.compiled_in()
        if "." not in each.name
    }
    for definition in settings:
        names.setdefault(definition.name.lower(), definition.name)
    return [name for _, name in sorted(names.items())]


def names_by_source(settings: Settings) -> list[tuple[str, list[str]]]:
    """The configured names, by source and in the order of its lines.

    Sources come in the order in which they were read; what counts more than files,
    the environment and what was set from afar, comes last. What equals the
    compiled-in default is left out. Names of one template keep its order.
    """
    found: dict[str, list[Definition]] = {each: [] for each in settings.sources()}
    for definition in settings:
        if not settings.is_default(definition):
            found.setdefault(definition.origin.source, []).append(definition)

    def place(definition: Definition) -> tuple[int, int, str]:
        origin = definition.origin
        offset = (origin.metaknob or "").rpartition("+")[2]
        counted = int(offset) if offset else 0
        return (origin.line or 0, counted, definition.name.lower())

    late = [each for each in _LATE_SOURCES if each in found]
    order = [*(each for each in found if each not in late), *late]
    return [
        (source, [each.name for each in sorted(found[source], key=place)])
        for source in order
        if found[source]
    ]


def _dumped(
    settings: Settings, name: str, *, expand: bool, default: bool, verbose: bool
) -> str:
    found = settings.find(name)
    assert found is not None, f"{name} was listed"
    default_value = settings.exact_default(found.name)
    if default:
        return assignment_text(name, default_value or "") + "\n"
    expanded = _expanded(settings, found)
    value = expanded if expand else found.value
    several = "\n" in found.value
    shown = name if expand else found.name
    text = (assignment_text(shown, value) if several else f"{shown} = {value}") + "\n"
    if verbose:
        text += f" # at: {found.origin}\n"
        if expand:
            text += comment_text("raw", found.value, "    ")
        elif several:
            text += comment_text("expanded", expanded, "    ")
        else:
            # Kept for compatibility: lines that a macro brought are not comments.
            text += f" # expanded: {expanded}\n"
        if default_value is not None:
            text += comment_text("default", default_value, "    ")
    return text


def dump_text(
    settings: Settings,
    patterns: Sequence[str] = (),
    *,
    machine: str,
    files: Iterable[str] = (),
    expand: bool = False,
    default: bool = False,
    verbose: bool = False,
) -> str:
    """Every knob, or those that match: ``condor_config_val -dump``.

    Args:
        settings: The reader's settings.
        patterns: Regular expressions for names, in any case of letters; each has
            its own part of the output.
        machine: The machine to name in the first line.
        files: What the configuration was read from; not shown with ``verbose``.
        expand: Show expanded values, not raw ones.
        default: Show compiled-in defaults, not values.
        verbose: Show where each value comes from, too.
    """
    text = f"# Configuration from machine: {machine}\n"
    names = names_of(settings)
    for pattern in patterns or [""]:
        chosen = names
        if pattern:
            text += f"\n# Parameters with names that match {pattern}:\n"
            try:
                matching = re.compile(pattern, re.IGNORECASE)
            except re.error:
                chosen = []
            else:
                chosen = [name for name in names if matching.search(name)]
        for name in chosen:
            text += _dumped(
                settings, name, expand=expand, default=default, verbose=verbose
            )
    if not verbose:
        text += "# Contributing configuration file(s):\n"
        text += "".join(f"#\t{name}\n" for name in files)
    return text


def describe_settings(settings: Settings) -> list[str]:
    """Every effective knob with where it came from, one line each.

    A knob that looks like a secret is named, and its value is not; nor does it
    show in a value that refers to it.

    Returns:
        Lines ``NAME = value  # origin``: configured knobs, a separating comment,
        the compiled-in defaults that have a value.
    """
    configured = {each.name.lower(): each.name for each in settings}
    secrets = [each.name for each in settings if is_secret(each.name) and each.value]
    shown = settings.with_assignments(dict.fromkeys(secrets, "(not shown)"))
    lines = [
        _described(settings, shown, name) for _, name in sorted(configured.items())
    ]
    lines.append("# Compiled-in defaults")
    for entry in sorted(settings.compiled_in(), key=lambda each: each.name.lower()):
        if entry.name.lower() not in configured and entry.value:
            lines.append(_described(settings, shown, entry.name))
    return lines


def _described(settings: Settings, shown: Settings, name: str) -> str:
    """One knob: the value it has when it is asked for by exactly this name."""
    found = settings.find(name)
    assert found is not None, f"{name} was listed"
    try:
        value = shown.text(name, "").replace("\n", "\\n")
    except ConfigError as error:
        value = f"(cannot be expanded: {error.problem})"
    used = "" if found.name.lower() == name.lower() else f", as {found.name}"
    return f"{name} = {value}  # {found.origin}{used}"
