"""The configuration of this host, as ``condor_config_val`` prints it.

Source: ``src/condor_tools/config_val.cpp: main, do_write_config``.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Final

from condor_twisted.config.definitions import Definition
from condor_twisted.config.listing import (
    dump_text,
    verbose_text,
)
from condor_twisted.config.metaknobs import compiled_in_metaknobs
from condor_twisted.config.settings import Settings
from condor_twisted.config.writing import (
    NOTHING_OBSOLETE,
    Obsolete,
    WritingOptions,
    written_text,
)
from condor_twisted.daemoncore.configuration.reading import (
    Configuration,
    ConfigurationRequest,
    read_configuration,
)
from condor_twisted.tools.beginning import DONE, FAILED, MISUSED, warn
from condor_twisted.tools.config_val.options import USE, ConfigValOptions
from condor_twisted.tools.config_val.templates import show_template
from condor_twisted.wire.versions import ANNOUNCED_VERSION

__all__ = ["read_local", "show_local"]

_DISCARDED: Final = ("DISCARD", "DISCARDX")
_DISCARDED_VALUES: Final = ("DISCARDIF", "DISCARDIFX")


def read_local(options: ConfigValOptions) -> Configuration:
    """Read this host's configuration; its warnings go to standard error.

    Raises:
        ConfigError: There is none, or it cannot be used.
    """
    request = ConfigurationRequest(
        options.subsystem,
        options.local_name,
        file=options.file,
        embedded=False,
        keep_defaults=options.summary or options.written_file is not None,
        checked=False,
        replaced=_Trace(options).replaced if options.trace else None,
    )
    configuration = read_configuration(request)
    for warning in configuration.warnings:
        warn(warning)
    return configuration


def show_local(options: ConfigValOptions) -> int:
    """Print what is asked for.

    Returns:
        The exit code: 1 where some name has no value.

    Raises:
        ConfigError: The configuration cannot be used.
    """
    configuration = read_local(options)
    settings = configuration.settings
    if options.sources:
        _show_sources(configuration)
    out = sys.stdout
    if options.summary or options.written_file is not None:
        if not _write(options, settings):
            return MISUSED
        if not options.words and not options.dump:
            return DONE
    if options.dump:
        out.write(
            dump_text(
                settings,
                options.words,
                machine=settings.text("FULL_HOSTNAME", "<unknown hostname>"),
                files=[configuration.root or "", *configuration.files]
                if configuration.root
                else configuration.files,
                expand=options.expanded,
                default=options.default,
                verbose=options.verbose,
            )
        )
        return DONE
    missing = [word for word in options.words if not _show(options, settings, word)]
    return FAILED if missing else DONE


def _write(options: ConfigValOptions, settings: Settings) -> bool:
    """Write the configuration, or a summary of it; whether that could be done."""
    writing = options.writing
    if options.summary:
        writing = WritingOptions(detected=options.detected)
    is_upgraded = options.summary or options.without_obsolete
    text = written_text(
        settings, writing, _obsolete() if is_upgraded else NOTHING_OBSOLETE
    )
    if options.summary:
        text = text and f"# condor_config_val {ANNOUNCED_VERSION}\n{text}"
    if options.written_file in (None, "-"):
        sys.stdout.write(text)
        return True
    assert options.written_file is not None, "it is a file's name"
    try:
        with open(options.written_file, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        warn(
            f"Failed to create configuration file {options.written_file}.\n"
            f"{error.strerror or error}"
        )
        return False
    return True


class _Trace:
    """Prints the values that others have replaced, of the names that are asked for."""

    def __init__(self, options: ConfigValOptions) -> None:
        self._names = {word.lower() for word in options.words}
        self._patterns: list[re.Pattern[str]] = []
        for word in options.words if options.dump else []:
            try:
                self._patterns.append(re.compile(word, re.IGNORECASE))
            except re.error as error:
                warn(f"warning: {word!r} is no pattern to trace: {error}")

    def replaced(self, name: str, before: Definition) -> None:
        """A name got another value."""
        if name.lower() in self._names or any(
            pattern.search(name) for pattern in self._patterns
        ):
            sys.stdout.write(
                f" # trace: {name}\n  # was: {before.value}\n"
                f"  # set at: {before.origin}\n"
            )


def _obsolete() -> Obsolete:
    """What a summary leaves out: old names, and old defaults of others."""
    table = compiled_in_metaknobs()
    lines: dict[bool, set[str]] = {False: set(), True: set()}
    for names, with_value in ((_DISCARDED, False), (_DISCARDED_VALUES, True)):
        for name in names:
            template = table.get("UPGRADE", name)
            if template is not None:
                lines[with_value].update(
                    each.strip() for each in template.text.split("\n") if each.strip()
                )
    return Obsolete(
        frozenset(each.upper() for each in lines[False]), frozenset(lines[True])
    )


def _show(options: ConfigValOptions, settings: Settings, word: str) -> bool:
    """Print one value; whether there is any."""
    out = sys.stdout
    if word.startswith(USE):
        show_template(
            word[len(USE) :], expand=options.expanded, verbose=options.verbose
        )
        return True
    if options.macro:
        text = settings.expand(word)
        if options.macro_path:
            text = os.path.normpath(text)
        out.write(f"{word} expands to: {text}\n" if options.verbose else f"{text}\n")
        return True
    found = settings.find(word)
    if found is None:
        warn(f"Not defined: {word.upper()}")
        if options.verbose:
            out.write("\n")
        return False
    value: str | None
    if options.default:
        value = settings.exact_default(found.name)
    elif options.raw:
        value = found.value
    else:
        value = settings.text(word)
    if value is None:
        warn(f"Not defined: {found.name}")
    if options.verbose:
        out.write(verbose_text(settings, word, value, raw=options.raw))
    elif value is not None:
        out.write(f"{value}\n")
    return value is not None


def _show_sources(configuration: Configuration) -> None:
    """Print where the configuration is read from: headings to standard error."""
    sys.stdout.flush()
    warn("Configuration source:")
    sys.stdout.write(f"\t{configuration.root or ''}\n")
    sys.stdout.flush()
    files = configuration.files
    if files:
        plural = "" if len(files) == 1 else "s"
        warn(f"Local configuration source{plural}:")
        sys.stdout.write("".join(f"\t{name}\n" for name in files))
        sys.stdout.flush()
        warn("")
