"""The command line that every daemon plugin shares, and how its service is made.

A daemon's ``tap`` module is a few lines::

    class Options(DaemonOptions):
        subsystem = "GREETER"


    def makeService(options: Options) -> Service:
        return make_service(Greeter, options)
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

from twisted.logger import Logger
from twisted.python import usage

from condor_twisted.errors import ConfigError

# A command line is read without them: whoever asks for help waits for no daemon.
if TYPE_CHECKING:
    from condor_twisted.config.settings import Settings
    from condor_twisted.daemoncore.configuration.reading import (
        Configuration,
        ConfigurationRequest,
    )
    from condor_twisted.daemoncore.configuration.remote import RemoteConfiguration
    from condor_twisted.daemoncore.daemon import Daemon

__all__ = ["DaemonOptions", "make_service", "port_number"]

D = TypeVar("D", bound="Daemon")

_log = Logger()


def port_number(text: str) -> int:
    """A port number of a command line.

    Raises:
        UsageError: It is none.
    """
    if not (text.isascii() and text.isdigit()) or len(text) > 5 or int(text) > 65535:
        raise usage.UsageError(f"--port {text}: not a port number (0 to 65535)")
    return int(text)


class DaemonOptions(usage.Options):
    """Options of every daemon; a daemon adds its own."""

    #: Whose configuration is read.
    subsystem = "DAEMON"

    optFlags: ClassVar[Sequence[Sequence[Any]]] = [
        ["config-check", None, "Print every effective knob with its source, and exit."],
    ]
    optParameters: ClassVar[Sequence[Sequence[Any]]] = [
        ["config", "c", None, "HTCondor configuration to read."],
        ["port", "p", None, "Command port, TCP and UDP; 0 for any."],
        ["interface", "i", None, "Address to bind."],
        ["local-name", None, None, "Name that prefixes this daemon's own knobs."],
        ["address-file", None, None, "Where to write the daemon's address."],
        ["log-dir", None, None, "Directory for the log, instead of LOG."],
        ["http", None, None, "Twisted endpoint for page and metrics, or none."],
    ]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.assignments: list[tuple[str, str]] = []
        self._configuration: Configuration | None = None
        self._remote: RemoteConfiguration | None = None

    def opt_set(self, assignment: str) -> None:
        """One configuration assignment, KNOB=VALUE; may be repeated."""
        name, equals, value = assignment.partition("=")
        if not equals or not name.strip():
            raise usage.UsageError(f"--set {assignment}: not of the form KNOB=VALUE")
        self.assignments.append((name.strip(), value))

    opt_s = opt_set

    def parseArgs(self, *arguments: str) -> None:
        """Take no arguments."""
        if arguments:
            raise usage.UsageError(f"unexpected argument: {arguments[0]}")

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Read the command line; an error ends the process with one line."""
        try:
            super().parseOptions(options)  # type: ignore[no-untyped-call]
            if self["port"] is not None:
                self["port"] = port_number(self["port"])
        except usage.UsageError as error:
            self.fail(error, 2)
        if self["config-check"]:
            from condor_twisted.daemoncore.configuration.reading import (
                describe_configuration,
            )

            try:
                text = describe_configuration(self.configuration())
            except ConfigError as error:
                self.fail(error)
            sys.stdout.write(text)
            raise SystemExit(0)

    def request(self) -> ConfigurationRequest:
        """How the configuration is to be read, now and at every reconfiguration."""
        from condor_twisted.daemoncore.configuration.reading import (
            ConfigurationRequest,
        )

        assignments = list(self.assignments)
        if self["log-dir"] is not None:
            assignments.append(("LOG", os.path.abspath(self["log-dir"])))
        return ConfigurationRequest(
            self.subsystem,
            self["local-name"],
            self["config"],
            tuple(assignments),
        )

    def configuration(self) -> Configuration:
        """The configuration, read once.

        Raises:
            ConfigError: It cannot be used.
        """
        from condor_twisted.daemoncore.configuration.reading import read_configuration

        if self._configuration is None:
            self._configuration = read_configuration(
                self.request(), self.remote_configuration
            )
        return self._configuration

    @property
    def remote_configuration(self) -> RemoteConfiguration:
        """What is set from afar, from the first reading of the configuration on."""
        from condor_twisted.daemoncore.configuration.remote import RemoteConfiguration

        if self._remote is None:
            self._remote = RemoteConfiguration(self.subsystem)
        return self._remote

    def load_settings(self) -> Settings:
        """The settings, read anew."""
        from condor_twisted.daemoncore.configuration.reading import read_configuration

        return read_configuration(self.request(), self.remote_configuration).settings

    def fail(self, error: BaseException, status: int = 1) -> NoReturn:
        """End the process with one line on standard error."""
        text = " ".join(str(error).split()) or type(error).__name__
        name = os.path.basename(sys.argv[0] or "twistd")
        out = sys.__stderr__ or sys.stderr
        with contextlib.suppress(OSError, ValueError):
            out.write(f"{name}: {text}\n")
            out.flush()
        raise SystemExit(status)

    def announce(self, line: str) -> None:
        """Show a line to whoever started the daemon, whose log is elsewhere."""
        out = sys.__stdout__
        if out is not None:
            with contextlib.suppress(OSError, ValueError):
                out.write(f"{line}\n")
                out.flush()

    def start_failed(self, error: Exception) -> None:
        """End twistd because the daemon cannot start; leave nothing behind.

        A twistd that went into the background hears of it by the exception, and
        tells whoever started it.
        """
        parent: Any = getattr(self, "parent", None)
        if parent is not None and not parent.get("nodaemon", True):
            raise error
        if parent is not None and parent.get("pidfile"):
            with contextlib.suppress(OSError):
                os.unlink(parent["pidfile"])
        self.fail(error)


def make_service(
    daemon: Callable[..., D], options: DaemonOptions, **arguments: object
) -> D:
    """A daemon that owns its process, made from a command line.

    Args:
        daemon: The daemon's class.
        options: What was given on the command line.
        arguments: Further arguments for the class.
    """
    from condor_twisted.daemoncore.logs.setup import open_log

    before = getattr(daemon, "before_initialization", None)
    if before is not None:
        before(sys.argv)
    try:
        configuration = options.configuration()
        observer = open_log(configuration.settings)
        made = daemon(
            configuration.settings,
            load_settings=options.load_settings,
            port=options["port"],
            interface=options["interface"],
            address_file=options["address-file"],
            remote_configuration=options.remote_configuration,
            **arguments,
        )
    except (ConfigError, OSError) as error:
        options.fail(error)
    if observer is not None:
        made.log_observer = observer
        made.announce = options.announce
    for warning in configuration.warnings:
        _log.warn("{warning}", warning=warning)
    made.start_failed = options.start_failed
    made.own_process()
    return made
