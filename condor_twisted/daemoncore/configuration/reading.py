"""Reading the whole configuration of one process.

Order, later wins (HTCondor's; the last step is ours):

1.  detected macros: architecture, processors, memory, ...
2.  the root file: ``-c``, ``CONDOR_CONFIG``, or the first that can be read of the
    usual places; else the embedded defaults
3.  ``LOCAL_CONFIG_DIR``, ``LOCAL_CONFIG_FILE``, the user's own file
4.  ``_CONDOR_NAME`` variables of the environment
5.  host name, user, process id and the like, which nothing else replaces
6.  what was set from afar, kept on disk and then in memory
7.  ``--set NAME=VALUE`` of the command line
8.  templates that an ``AUTO_USE_CATEGORY_NAME`` knob asks for

Everything is read and checked before anything of it is used: the caller gets new
settings or a ``ConfigError``, and keeps what it had in the second case. This module is
long because each step above is a function of the one reading.

Source: condor_config.cpp, real_config.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from condor_twisted.config.arithmetic import Evaluate
from condor_twisted.config.conditions import evaluate_condition
from condor_twisted.config.definitions import Definition, Definitions, Origin
from condor_twisted.config.language import ConfigurationParser
from condor_twisted.config.listing import describe_settings
from condor_twisted.config.package_data import package_text
from condor_twisted.config.settings import Settings
from condor_twisted.config.surroundings import Surroundings
from condor_twisted.daemoncore.configuration.expressions import evaluate_expression
from condor_twisted.daemoncore.configuration.host_facts import HostFacts
from condor_twisted.daemoncore.configuration.sources import FileSources
from condor_twisted.errors import ConfigError

__all__ = [
    "Configuration",
    "ConfigurationRequest",
    "DynamicText",
    "RemoteTexts",
    "describe_configuration",
    "read_configuration",
]

SEARCH_ORDER: Final = (
    "/etc/condor/condor_config",
    "/usr/local/etc/condor_config",
    "~condor/condor_config",
)
EMBEDDED: Final = "<Embedded>"
DETECTED: Final = "<Detected>"
ENVIRONMENT: Final = "<Environment>"
COMMAND_LINE: Final = "<Command line>"
_PREFIX: Final = "_condor_"
_NAME = re.compile(r"[A-Za-z0-9_./]+\Z")
_AUTO_USE = re.compile(r"AUTO_USE_([A-Za-z]+)_(.+)\Z", re.IGNORECASE)
_FILES_OF_A_DAEMON: Final = ("LOG", "ADDRESS_FILE", "SUPER_ADDRESS_FILE")
# Knobs whose values a daemon of ours uses whatever it is called; a bad one is
# refused on reading. Others are judged by whoever asks for them.
_CHECKED = re.compile(
    r"(SEC|CCB|SHARED_PORT|DNS|STATISTICS|OFFLINE|POOL_HISTORY|NETWORK|TCP"
    r"|ENABLE_IPV[46]|IPV4|PREFER|MAX_\w+_PER_CYCLE|MAX_TIME_SKIP|PIPE_BUFFER_MAX"
    r"|QUERY_TIMEOUT|CLIENT_TIMEOUT|CLASSAD_LIFETIME|USE_SHARED_PORT|UPDATE_INTERVAL"
    r"|LOWPORT|HIGHPORT|IN_LOWPORT|IN_HIGHPORT|OUT_LOWPORT|OUT_HIGHPORT"
    r"|BIND_ALL_INTERFACES|NO_DNS|KEEP_POOL_HISTORY)(_|\Z)"
)


@dataclass(frozen=True, slots=True)
class DynamicText:
    """A configuration text that was set from afar."""

    source: str
    text: str


class RemoteTexts(Protocol):
    """What was set from afar, in the order in which it applies."""

    def load(self, settings: Settings) -> Sequence[DynamicText]:
        """The texts, given the configuration that files and environment make.

        Raises:
            ConfigError: What is kept on disk cannot be used.
        """


@dataclass(frozen=True, slots=True)
class ConfigurationRequest:
    """How a process wants its configuration read; the same at every reconfig.

    Args:
        subsystem: ``COLLECTOR``, ``MASTER``, ``TOOL``, ...
        local_name: What ``-local-name`` gave.
        file: What ``-c`` gave: a path, or a command that ends in ``|``.
        assignments: What ``--set`` gave, in order.
        embedded: Use the embedded defaults where nothing else is there; without
            it that is an error, as it is for HTCondor's own tools.
        host: Facts to use instead of the machine's.
        environment: Used instead of the process's.
        evaluate: The evaluator for expressions.
        search_order: Where to look when nothing names a file.
        keep_defaults: Keep assignments that equal the compiled-in default.
        checked: Refuse values that make no sense; who only shows them need not.
        replaced: Is told of each assignment that replaces another one; see
            `Definitions.replaced`.
    """

    subsystem: str
    local_name: str | None = None
    file: str | None = None
    assignments: tuple[tuple[str, str], ...] = ()
    embedded: bool = True
    host: HostFacts | None = None
    environment: Mapping[str, str] | None = None
    evaluate: Evaluate = evaluate_expression
    search_order: tuple[str, ...] = SEARCH_ORDER
    keep_defaults: bool = False
    checked: bool = True
    replaced: Callable[[str, Definition], object] | None = None


@dataclass(frozen=True, slots=True)
class Configuration:
    """What reading gave.

    Args:
        settings: The finished settings.
        root: The root file or command; ``None`` when there is none.
        files: Further files and commands, in the order they were read.
        warnings: For the log; none of them stops anything.
        is_embedded: Whether the embedded defaults are in use.
    """

    settings: Settings
    root: str | None
    files: tuple[str, ...]
    warnings: tuple[str, ...]
    is_embedded: bool


def read_configuration(
    request: ConfigurationRequest, remote: RemoteTexts | None = None
) -> Configuration:
    """Read and check a configuration; the process's state stays as it is.

    Args:
        request: Reader, command line and surroundings.
        remote: What was set from afar.

    Raises:
        ConfigError: A file is missing or wrong, or a value is not what it has to
            be; the text fits on one line and names file and line.
    """
    return _Reading(request, remote).run()


class _Reading:
    """One pass over all sources."""

    def __init__(
        self, request: ConfigurationRequest, remote: RemoteTexts | None
    ) -> None:
        self._request = request
        self._remote = remote
        environment = request.environment
        self._environment = dict(os.environ if environment is None else environment)
        self._root = self._find_root()
        self._host = request.host or HostFacts.detect(resolve=self._root is not None)
        self._sources = FileSources(self._environment)
        self._definitions = Definitions(
            request.subsystem,
            request.local_name,
            surroundings=Surroundings(
                environment=self._environment,
                evaluate=request.evaluate,
                random_below=random.SystemRandom().randrange,
            ),
            keep_defaults=request.keep_defaults,
        )
        self._definitions.replaced = request.replaced
        self._parser = ConfigurationParser(self._definitions, self._sources)
        self._files: list[str] = []

    def run(self) -> Configuration:
        self._insert(self._host.detected(), DETECTED)
        self._insert(self._reader(), DETECTED)
        self._insert(self._host.names(), DETECTED)
        only_environment = self._root is None
        embedded = only_environment and self._request.embedded
        if embedded:
            self._embed()
        elif self._root is not None:
            directory = os.path.dirname(self._root) or "."
            self._insert([("CONFIG_ROOT", directory)], DETECTED)
            self._read(self._root, "global config source", 0)
        self._insert(self._host.names(), DETECTED)
        if not only_environment:
            self._read_local_sources()
            self._read_user_file()
        self._read_environment()
        self._insert_specials()
        self._read_remote()
        self._read_assignments()
        self._insert_specials()
        self._insert_domains()
        self._apply_auto_use()
        if embedded:
            self._without_directories()
        settings = Settings(self._definitions)
        if self._request.checked:
            self._check(settings)
        return Configuration(
            settings,
            self._root,
            tuple(self._files),
            tuple(self._parser.warnings),
            embedded,
        )

    def _find_root(self) -> str | None:
        """The root file or command, or ``None`` for no files at all."""
        given = self._request.file
        origin = "-c"
        if given is None:
            given = self._environment.get("CONDOR_CONFIG")
            origin = "CONDOR_CONFIG"
        if given is not None:
            if given.lower() == "only_env":
                return None
            if "|" not in given and not os.access(given, os.R_OK):
                raise ConfigError(
                    f"{origin} names {given!r}, which is not there or not readable"
                )
            if os.path.isdir(given):
                raise ConfigError(f"{origin} names {given!r}, which is a directory")
            return given
        for candidate in self._request.search_order:
            path = os.path.expanduser(candidate)
            if os.access(path, os.R_OK) and not os.path.isdir(path):
                return path
        if self._request.embedded:
            return None
        raise ConfigError(
            "there is no configuration: neither CONDOR_CONFIG nor any of "
            + ", ".join(self._request.search_order)
        )

    def _insert(self, pairs: Iterable[tuple[str, str]], source: str) -> None:
        for name, value in pairs:
            self._definitions.assign(name, value, Origin(source))

    def _reader(self) -> list[tuple[str, str]]:
        subsystem = self._request.subsystem
        local_name = self._request.local_name or subsystem
        return [("SUBSYSTEM", subsystem), ("LOCALNAME", local_name)]

    def _insert_specials(self) -> None:
        specials = dict(self._host.specials())
        interface = self._definitions.expand(
            self._definitions.lookup("NETWORK_INTERFACE") or ""
        )
        if re.match(r"[0-9]+(\.[0-9]+){3}\Z", interface):
            specials["IPV4_ADDRESS"] = specials["IP_ADDRESS"] = interface
            specials["IP_ADDRESS_IS_IPV6"] = "false"
            specials.pop("IPV6_ADDRESS", None)
        for family in ("4", "6"):
            enabled = self._text(f"ENABLE_IPV{family}").lower()
            if enabled.startswith(("f", "0")):
                specials.pop(f"IPV{family}_ADDRESS", None)
        domain = self._definitions.lookup("DEFAULT_DOMAIN_NAME")
        if domain and "." not in specials["FULL_HOSTNAME"]:
            specials["FULL_HOSTNAME"] += "." + self._definitions.expand(domain)
        self._insert(specials.items(), DETECTED)
        self._insert(self._reader(), DETECTED)

    def _insert_domains(self) -> None:
        for name in ("FILESYSTEM_DOMAIN", "UID_DOMAIN"):
            if not self._definitions.lookup(name):
                self._definitions.assign(name, "$(FULL_HOSTNAME)", Origin(DETECTED))

    def _embed(self) -> None:
        # CondorIsAdmin and USERNAME have to be known before the text is read.
        if self._host.user_name is not None:
            self._insert([("USERNAME", self._host.user_name)], DETECTED)
        package = "condor_twisted.daemoncore.configuration"
        self._parser.parse(package_text(package, "embedded.config"), EMBEDDED)

    def _without_directories(self) -> None:
        """Files whose place hangs on a directory that is not set are not written."""
        if self._definitions.lookup("LOG"):
            return
        names = {self._request.subsystem, self._request.local_name or ""}
        for name in sorted(each for each in names if each):
            for suffix in _FILES_OF_A_DAEMON:
                knob = f"{name}_{suffix}"
                found = self._definitions.find(knob)
                if found is not None and found.definition is None:
                    self._definitions.assign(knob, "", Origin(EMBEDDED))

    def _read(self, source: str, what: str, depth: int) -> None:
        """Read one file or command; it has to be there."""
        included = len(self._parser.included)
        try:
            if "|" in source:
                command = source.rstrip("| ")
                output = self._sources.run_command(command)
                if output.exit_code:
                    raise ConfigError(
                        f"the command ended with exit code {output.exit_code}", source
                    )
                text = output.text
            else:
                text = self._sources.read_file(source)
        except OSError as error:
            raise ConfigError(
                f"cannot read {what} {source}: {error.strerror or error}"
            ) from error
        self._parser.parse(text, source, depth)
        if depth:
            self._files.append(source)
        self._files.extend(self._parser.included[included:])

    def _text(self, name: str) -> str:
        return self._definitions.expand(self._definitions.lookup(name) or "")

    def _read_local_sources(self) -> None:
        directories = self._text("LOCAL_CONFIG_DIR")
        self._read_directories(directories)
        self._read_local_files()
        changed = self._text("LOCAL_CONFIG_DIR")
        if changed and changed != directories:
            self._read_directories(changed)

    def _required(self) -> bool:
        value = self._text("REQUIRE_LOCAL_CONFIG_FILE").lower()
        return not value.startswith(("f", "0"))

    def _read_directories(self, directories: str) -> None:
        pattern = self._text("LOCAL_CONFIG_DIR_EXCLUDE_REGEXP")
        try:
            excluded = re.compile(pattern) if pattern else None
        except re.error as error:
            raise ConfigError(
                f"LOCAL_CONFIG_DIR_EXCLUDE_REGEXP is no regular expression: {error}"
            ) from error
        required = self._required()
        for directory in re.findall(r"[^\s,]+", directories):
            try:
                names = os.listdir(directory)
            except OSError:
                continue
            paths = [
                os.path.join(directory, name)
                for name in names
                if excluded is None or excluded.search(name) is None
            ]
            for path in sorted(paths, key=os.fsencode):
                if not os.path.isdir(path):
                    self._read_local(path, required)

    def _read_local(self, source: str, required: bool) -> None:
        if not required and "|" not in source and not os.access(source, os.R_OK):
            return
        self._read(source, "config source", 1)

    @staticmethod
    def _list_of_files(value: str) -> list[str]:
        return [value] if "|" in value else re.findall(r"[^\s,]+", value)

    def _read_local_files(self) -> None:
        """Read LOCAL_CONFIG_FILE, which what it names may change."""
        value = self._text("LOCAL_CONFIG_FILE")
        pending, done = self._list_of_files(value), set[str]()
        required = self._required()
        while pending:
            source = pending.pop(0)
            self._read_local(source, required)
            done.add(source)
            changed = self._text("LOCAL_CONFIG_FILE")
            if changed and changed != value:
                value = changed
                pending = [
                    each for each in self._list_of_files(value) if each not in done
                ]

    def _read_user_file(self) -> None:
        name = self._text("USER_CONFIG_FILE")
        if not name or self._host.effective_user_id == 0:
            return
        if not os.path.isabs(name):
            if self._host.user_home is None:
                return
            name = os.path.join(self._host.user_home, ".condor", name)
        if os.access(name, os.R_OK) and not os.path.isdir(name):
            self._read(name, "user_config source", 1)

    def _read_environment(self) -> None:
        for variable, value in self._environment.items():
            if variable[: len(_PREFIX)].lower() != _PREFIX:
                continue
            name = variable[len(_PREFIX) :].rstrip()
            if _NAME.match(name):
                self._definitions.assign(name, value.lstrip(), Origin(ENVIRONMENT))
            elif name:
                self._parser.warnings.append(
                    f"{variable} in the environment is ignored: not a valid name"
                )

    def _read_remote(self) -> None:
        if self._remote is None:
            return
        settings = Settings(self._definitions)
        given = settings.with_assignments(dict(self._request.assignments))
        lines_count = 0
        for each in self._remote.load(given):
            first = 1
            if each.source.startswith("<"):
                # Lines that are in no file are counted from 0, as HTCondor does.
                first, lines_count = lines_count, lines_count + 1
            self._parser.parse(each.text, each.source, first_line=first)

    def _read_assignments(self) -> None:
        for name, value in self._request.assignments:
            if not _NAME.match(name):
                raise ConfigError(f"--set {name}={value}: {name!r} is no valid name")
            self._definitions.assign(name, value.strip(), Origin(COMMAND_LINE))

    def _apply_auto_use(self) -> None:
        names = {each.name for each in self._definitions}
        names.update(each.name for each in self._definitions.defaults)
        for name in sorted(names, key=str.lower):
            match = _AUTO_USE.match(name)
            if match is None:
                continue
            trigger = self._text(name)
            try:
                if not trigger or not evaluate_condition(
                    trigger, self._definitions, self._parser.metaknobs
                ):
                    continue
                if self._parser.metaknobs.get(match[1], match[2]) is None:
                    raise ConfigError(f"no template named {match[1]}:{match[2]}")
            except ConfigError as error:
                self._parser.warnings.append(
                    f"Configuration error while interpreting {name} : {error.problem}"
                )
                continue
            self._parser.apply_metaknob(match[1], match[2], name)

    def _check(self, settings: Settings) -> None:
        """Refuse values that some part of a daemon would trip over later."""
        own = self._request.subsystem.upper() + "_"

        def is_ours(name: str) -> bool:
            return name.startswith(own) or _CHECKED.match(name) is not None

        settings.check_types(is_ours)
        for name, read in _UNLISTED.items():
            read(settings, name)
        for definition in settings:
            name = definition.name.upper()
            if name.startswith(("ALLOW_", "DENY_", "SEC_")) or is_ours(name):
                settings.text(definition.name)


def _integer(settings: Settings, name: str) -> object:
    return settings.integer(name, minimum=0)


_UNLISTED: Final[dict[str, Callable[[Settings, str], object]]] = {
    "CLASSAD_LIFETIME": _integer,
    "CLIENT_TIMEOUT": _integer,
}
"""Knobs that the default table does not type and every daemon of ours reads."""


def describe_configuration(configuration: Configuration) -> str:
    """Every effective knob with where it came from, for ``--config-check``.

    Returns:
        Comments on reader, sources and warnings, then the lines of
        ``describe_settings``, which shows no secrets.
    """
    settings = configuration.settings
    reader = settings.subsystem
    if settings.local_name:
        reader += f", local name {settings.local_name}"
    root = configuration.root or "none"
    if configuration.is_embedded:
        root += ", the embedded defaults apply"
    lines = [f"# Subsystem: {reader}", f"# Root: {root}"]
    lines += [f"# Read: {name}" for name in configuration.files]
    lines += [f"# Warning: {text}" for text in configuration.warnings]
    return "\n".join([*lines, *describe_settings(settings)]) + "\n"
