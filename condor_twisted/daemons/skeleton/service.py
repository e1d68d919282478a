"""The daemon: one command, what happens in its life, and what its ad says.

What a daemon does not have to write: ports, security, signals, reconfiguration, its
log (``SKELETON_LOG``, ``SKELETON_DEBUG``, ``MAX_SKELETON_LOG``), its address file
(``SKELETON_ADDRESS_FILE``), heartbeats to a master, its ad in the collector
(``SKELETON_UPDATE_INTERVAL``, ``SKELETON_ATTRS``, ``SKELETON_NAME``), and every
command that all daemons answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from condor_twisted.classad.wire_ad import AdValue
from condor_twisted.daemoncore import CommandRequest, Daemon, Permission, command
from condor_twisted.errors import ConfigError

__all__ = ["GREET", "Skeleton"]

_log = Logger()

#: The number of our command; HTCondor's own are below.
GREET: Final = 90_000
_DEFAULT_GREETING: Final = "good day"
_MAX_NAME_BYTES: Final = 256


class Skeleton(Daemon):
    """Greets whoever may read."""

    subsystem: ClassVar[str] = "SKELETON"
    ad_type: ClassVar[str | None] = "Generic"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: How many were greeted.
        self.greeted_count = 0
        self._greeting = _DEFAULT_GREETING

    @command(GREET, Permission.READ, answers=True, max_payload_bytes=_MAX_NAME_BYTES)
    def greet(self, request: CommandRequest) -> None:
        """Answer a name with a greeting.

        Layout: request: string, a name. Answer: string.
        """
        reader = request.reader()
        name = reader.get_string()
        reader.end_of_message()
        self.greeted_count += 1
        writer = request.writer()
        writer.put_string(f"{self._greeting}, {name}")
        request.reply(writer.end_of_message())

    # A daemon's life. None of these has to be there.

    def before_command_sockets(self) -> None:
        """There are settings and a log; what is wrong with them shows here."""
        self._greeting = self._read_greeting()

    def started(self) -> None:
        """Commands are served: begin what the daemon does by itself."""
        _log.info("The skeleton greets with {greeting}", greeting=self._greeting)

    def reconfigured(self) -> None:
        """There are new settings: check first, then take them."""
        self._greeting = self._read_greeting()

    def shutdown_gracefully(self) -> Deferred[Any] | None:
        """Finish what is under way; a `Deferred` says when that is done."""
        return None

    def shutdown_fast(self) -> Deferred[Any] | None:
        """Give up what is under way."""
        return None

    def ad_attributes(self) -> Mapping[str, AdValue]:
        """What ``condor_status -any -long`` shows of us, besides the usual."""
        return {"SkeletonGreeted": self.greeted_count}

    def _read_greeting(self) -> str:
        greeting = self.settings.text("SKELETON_GREETING", _DEFAULT_GREETING)
        if not greeting.isprintable():
            raise ConfigError(
                "SKELETON_GREETING is to be one line of printable text",
                self.settings.source_of("SKELETON_GREETING"),
            )
        return greeting
