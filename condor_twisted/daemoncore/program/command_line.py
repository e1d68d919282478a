"""The command line that every DaemonCore daemon takes.

Options begin with a dash, and for most of them only the letter behind it counts:
``-f``, ``-foreground`` and ``-foo`` are the same. The first argument that is no option
of these ends them; it and what follows is for the daemon itself.

    -f, -b               in the foreground (the default), in the background
    -t                   log to standard error; in the foreground
    -p PORT              command port; 1 or -1 for any free one
    -pidfile FILE        write our process id there
    -k FILE              stop the daemon whose process id is there, and exit
    -l DIR, -ld          directory of the log; no log
    -a SUFFIX, -a2 FILE  a suffix for the log's name; a second log, [flags,]file
    -c FILE              configuration
    -local-name NAME     prefix of our own knobs
    -d, -dynamic         directories of our own for log, spool and execute
    -q                   say less about the configuration
    -r MINUTES           stop gracefully after that time
    -sock NAME           our name behind a shared port
    -v                   print the version, and exit

Source: ``src/condor_daemon_core.V6/daemon_core_main.cpp: dc_main``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from condor_twisted.errors import CondorTwistedError

__all__ = [
    "CommandLine",
    "CommandLineError",
    "parse_command_line",
    "take_no_options",
]

_MAX_PORT: Final = 65535
_NUMBER = re.compile(r"-?[0-9]{1,9}\Z")
_ENDPOINT = re.compile(r"[A-Za-z0-9_.-]{1,100}\Z")


class CommandLineError(CondorTwistedError):
    """A command line that a daemon does not take; one line says why."""


@dataclass(slots=True)
class CommandLine:
    """What the options of DaemonCore say.

    Args:
        foreground: Stay in the foreground; ``None`` where nothing was said.
        log_to_terminal: Log to standard error.
        port: The command port, 0 for any; ``None`` for what the daemon prefers.
        pid_file: Where our process id goes.
        kill_file: Where the process id of the daemon to stop is.
        log_directory: Instead of ``LOG``.
        without_log: Write no log.
        log_suffix: What is appended to the log's name.
        second_log: ``[flags,]file``.
        config_file: Instead of ``CONDOR_CONFIG``.
        local_name: Our local name.
        dynamic_directories: Have directories of our own.
        quiet: Say less about the configuration.
        run_minutes: Stop after that time.
        endpoint_name: Our name behind a shared port.
        wants_version: Print the version.
        rest: What is not DaemonCore's.
    """

    foreground: bool | None = None
    log_to_terminal: bool = False
    port: int | None = None
    pid_file: str | None = None
    kill_file: str | None = None
    log_directory: str | None = None
    without_log: bool = False
    log_suffix: str | None = None
    second_log: str | None = None
    config_file: str | None = None
    local_name: str | None = None
    dynamic_directories: bool = False
    quiet: bool = False
    run_minutes: int | None = None
    endpoint_name: str | None = None
    wants_version: bool = False
    rest: tuple[str, ...] = field(default_factory=tuple)


def parse_command_line(arguments: Sequence[str]) -> CommandLine:
    """Read a command line.

    Args:
        arguments: Without the program's name.

    Raises:
        CommandLineError: An argument is missing or makes no sense.
    """
    found = CommandLine()
    position = 0
    while position < len(arguments) and arguments[position].startswith("-"):
        argument = arguments[position]
        following = arguments[position + 1] if position + 1 < len(arguments) else None
        taken = _take(found, argument, following)
        if not taken:
            break
        position += taken
        if found.wants_version:
            break
    found.rest = tuple(arguments[position:])
    if found.log_to_terminal:
        found.foreground = True
    return found


def _take(found: CommandLine, argument: str, following: str | None) -> int:
    """Take one option; how many arguments it was, 0 for none of ours."""
    flag = _take_flag(found, argument)
    if flag:
        return 1
    option = _option_with_value(argument)
    if option is None:
        return 0
    name, what = option
    if following is None:
        raise CommandLineError(f"-{name} needs another argument: {what}")
    if name == "http":
        raise CommandLineError("-http is no longer accepted")
    _set(found, name, following)
    return 2


def _take_flag(found: CommandLine, argument: str) -> bool:
    letter = argument[1:2]
    if argument in ("-d", "-dynamic"):
        found.dynamic_directories = True
    elif argument == "-ld":
        found.without_log = True
    elif letter == "b":
        found.foreground = False
    elif letter == "f":
        found.foreground = True
    elif letter == "q":
        found.quiet = True
    elif letter == "t":
        found.log_to_terminal = True
    elif letter == "v":
        found.wants_version = True
    else:
        return False
    return True


def _option_with_value(argument: str) -> tuple[str, str] | None:
    """The option's name, and what its argument is."""
    letter = argument[1:2]
    if argument == "-local-name":
        return "local-name", "the local name"
    if argument == "-sock":
        return "sock", "a name of an endpoint"
    if argument.startswith("-ht"):
        return "http", "a port"
    if argument.startswith("-pi"):
        return "pidfile", "the file that the process id is written to"
    if argument.startswith("-a") and argument.endswith("2"):
        return "a2", "the second log, [flags,]file"
    return {
        "a": ("append", "a suffix for the log's name"),
        "c": ("config", "the configuration file"),
        "k": ("kill", "the file that holds the process id to stop"),
        "l": ("log", "the directory of the log"),
        "p": ("port", "the command port"),
        "r": ("runfor", "the minutes to run for"),
    }.get(letter)


def _set(found: CommandLine, name: str, value: str) -> None:
    if name == "append":
        found.log_suffix = value
    elif name == "a2":
        found.second_log = value
    elif name == "config":
        found.config_file = value
    elif name == "kill":
        found.kill_file = value
    elif name == "log":
        found.log_directory = value
    elif name == "local-name":
        found.local_name = value
    elif name == "pidfile":
        found.pid_file = value
    elif name == "port":
        found.port = _port(value)
    elif name == "runfor":
        minutes = _number(name, value)
        if minutes <= 0:
            raise CommandLineError(f"-runfor {value}: not a number of minutes")
        found.run_minutes = minutes
    elif name == "sock":
        if _ENDPOINT.match(value) is None or value.startswith("."):
            raise CommandLineError(f"-sock {value!r}: not a name of an endpoint")
        found.endpoint_name = value


def _number(name: str, text: str) -> int:
    if _NUMBER.match(text) is None:
        raise CommandLineError(f"-{name} {text!r}: not a number")
    return int(text)


def _port(text: str) -> int:
    number = _number("port", text)
    if number in (1, -1):
        return 0
    if number == 0:
        raise CommandLineError(
            "-port 0 means no command port, and this daemon cannot do without; "
            "give 1 for any free port"
        )
    if not 1 < number <= _MAX_PORT:
        raise CommandLineError(f"-port {text}: not a port number (2 to {_MAX_PORT})")
    return number


def take_no_options(rest: Sequence[str]) -> dict[str, Any]:
    """The options of a daemon that has none of its own.

    Raises:
        CommandLineError: There is one.
    """
    if rest:
        raise CommandLineError(f"unexpected argument: {rest[0]}")
    return {}
