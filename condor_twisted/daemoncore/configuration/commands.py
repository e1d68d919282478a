"""The ``DC_CONFIG_`` commands: configuration asked for, and changed, from afar.

``CONFIG_VAL`` answers one value. ``DC_CONFIG_VAL`` also says how it was written, where
it is from, its default and how often it was used, and has queries of its own::

    ?names               every name, one string each
    ?names:PATTERN       those that match, in any case of letters
    ?names:.*|.summary   what the sources set, each source in front of its names
    ?stats               how large the configuration is

``DC_CONFIG_PERSIST`` and ``DC_CONFIG_RUNTIME`` set or forget one name; both need a
``SETTABLE_ATTRS_<LEVEL>`` that lists it, and that the peer holds that level.

Source: ``src/condor_daemon_core.V6/daemon_core_main.cpp: handle_config_val,
handle_config``; ``daemon_core.cpp: CheckConfigSecurity``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.config.language import assignment_key
from condor_twisted.config.listing import names_by_source, names_of
from condor_twisted.config.settings import Settings
from condor_twisted.constants.commands import Command
from condor_twisted.constants.permissions import Permission
from condor_twisted.daemoncore.configuration.remote import settable_levels
from condor_twisted.errors import ConfigError
from condor_twisted.protocols.log_text import escaped
from condor_twisted.protocols.requests import CommandRequest
from condor_twisted.security.patterns.linear import LinearPattern, compile_pattern
from condor_twisted.security.patterns.syntax import PatternError
from condor_twisted.wire.messages import MessageWriter
from condor_twisted.wire.versions import ANNOUNCED_VERSION

if TYPE_CHECKING:
    from condor_twisted.daemoncore.daemon import Daemon

__all__ = ["ConfigurationCommands"]

_log = Logger()

_ADMINISTRATOR: Final = Permission.ADMINISTRATOR
_MAX_NAME: Final = 1024
_MAX_PATTERN: Final = 4096
_MAX_STEPS: Final = 500
_TURN_SECONDS: Final = 0.02
_MAX_TURNS: Final = 50
_SUMMARY: Final = ".*|.summary"
#: What the tool prints of a pattern that cannot be used is PCRE's number for it.
_BAD_PATTERN: Final = 100
_MATCH_LIMIT: Final = -47
#: Knobs whose values are secrets, or say where they are.
_SECRET_KNOB = re.compile(r"PASSWORD|KEY|TOKEN|SECRET", re.IGNORECASE)


def _without_secrets(settings: Settings) -> Settings:
    """The settings for somebody who may not see secrets, nor refer to them."""
    hidden = [each.name for each in settings if _SECRET_KNOB.search(each.name)]
    return settings.with_assignments(dict.fromkeys(hidden, "")) if hidden else settings


def _compiled(pattern: str) -> LinearPattern | None:
    """A peer's pattern; ``None`` if it is none, or costs too much."""
    if len(pattern) > _MAX_PATTERN:
        return None
    try:
        compile_pattern(pattern, caseless=True)
        # Around it, so that a match is never empty: an empty one would not count.
        matching = compile_pattern(f"^.*(?:{pattern}).*$", caseless=True)
    except PatternError:
        return None
    return matching if matching.steps_count <= _MAX_STEPS else None


class ConfigurationCommands:
    """The commands of one daemon.

    Args:
        daemon: Whose configuration it is.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._queries_count = 0
        self._censored: tuple[Settings, Settings] | None = None

    # Asking.

    def config_val(self, request: CommandRequest) -> Deferred[None] | None:
        """Answer the value of one knob, or one of the queries."""
        reader = request.reader()
        name = reader.get_string()
        reader.end_of_message()
        self._queries_count += 1
        writer = request.writer()
        if request.command != Command.DC_CONFIG_VAL:
            settings = self._settings_for(request)
            value = (
                self._value(settings, name) if self._may_see(request, name) else None
            )
            writer.put_string("Not defined" if value is None else value)
        elif name.partition(":")[0] == "?names":
            return request.reply_parts(self._names(name.partition(":")[2], writer))
        elif name.startswith("?"):
            self._query(name, writer)
        else:
            self._describe(request, name, writer)
        request.reply(writer.end_of_message())
        return None

    def _may_see(self, request: CommandRequest, name: str) -> bool:
        return len(name) <= _MAX_NAME and (
            not _SECRET_KNOB.search(name) or request.holds(_ADMINISTRATOR)
        )

    def _settings_for(self, request: CommandRequest) -> Settings:
        """What the peer may see of the configuration."""
        settings = self._daemon.settings
        if request.holds(_ADMINISTRATOR):
            return settings
        if self._censored is None or self._censored[0] is not settings:
            self._censored = settings, _without_secrets(settings)
        return self._censored[1]

    @staticmethod
    def _value(settings: Settings, name: str) -> str | None:
        found = settings.find(name)
        if found is None or not found.value:
            return None
        try:
            return settings.expand_uncounted(found.value) or None
        except ConfigError:
            return None

    def _describe(
        self, request: CommandRequest, name: str, writer: MessageWriter
    ) -> None:
        settings = self._settings_for(request)
        found = settings.find(name) if self._may_see(request, name) else None
        if found is None:
            writer.put_nullstr(None)
            return
        default = settings.exact_default(found.name)
        uses, references = self._daemon.settings.use_counts(found.name)
        value = self._value(settings, name)
        if value is None and found.definition is not None:
            value = ""
        writer.put_nullstr(value)
        writer.put_string(f"{found.name.upper()} = {found.value}")
        writer.put_string(str(found.origin))
        writer.put_nullstr(default)
        writer.put_string(f"{uses} / {references}" if references else str(uses))

    def _query(self, text: str, writer: MessageWriter) -> None:
        if text.partition(":")[0] == "?stats":
            writer.put_string(str(self._queries_count))
            ad = WireAd.from_pairs({**self._daemon.settings.statistics()})
            writer.put_ad(ad.body)
        else:
            said = escaped(text[:64])
            writer.put_string(f"!error:unsup:1: '{said}' is not supported")

    def _names(self, pattern: str, writer: MessageWriter) -> Iterator[bytes]:
        """The answer with the names that match, in turns; at the end the whole."""
        settings = self._daemon.settings
        if pattern.startswith(_SUMMARY):
            reader = settings.local_name or settings.subsystem
            writer.put_string(f"#{reader} {ANNOUNCED_VERSION}")
            for source, names in names_by_source(settings):
                for each in (f"#{source}", *names):
                    writer.put_string(each)
        else:
            yield from self._matching(pattern, writer)
        yield writer.end_of_message()

    def _matching(self, pattern: str, writer: MessageWriter) -> Iterator[bytes]:
        """Write the names that match; gives ``b""`` whenever others get a turn."""
        found: list[str] = []
        names = names_of(self._daemon.settings)
        if pattern in ("", ".*"):
            found = names
        else:
            matching = _compiled(pattern)
            if matching is None:
                writer.put_string(f"!error:regex:0: error code {_BAD_PATTERN}")
                return
            turn_ends = time.monotonic() + _TURN_SECONDS
            turns_left = _MAX_TURNS
            for name in names:
                if matching.search(name):
                    found.append(name)
                if time.monotonic() <= turn_ends:
                    continue
                turns_left -= 1
                if not turns_left:
                    writer.put_string(f"!error:regex:0: error code {_MATCH_LIMIT}")
                    return
                yield b""
                turn_ends = time.monotonic() + _TURN_SECONDS
        for each in found or [""]:
            writer.put_string(each)

    # Changing.

    def change(self, request: CommandRequest) -> None:
        """Set or forget one name; it counts from the next reconfiguration on."""
        reader = request.reader()
        key, line = reader.get_string(), reader.get_string()
        reader.end_of_message()
        refusal = self._refusal(request, key, line)
        if refusal is not None:
            _log.warn(
                'WARNING: Someone at {host} is trying to modify "{key}": {why}',
                host=request.peer.address,
                key=escaped(key[:_MAX_NAME]),
                why=refusal,
            )
            _log.warn("WARNING: Potential security problem, request refused")
        else:
            _log.info(
                '{verb} of {kind} setting "{key}" by {user}',
                verb="Change" if line.strip() else "Removal",
                kind=(
                    "persistent"
                    if request.command == Command.DC_CONFIG_PERSIST
                    else "runtime"
                ),
                key=escaped(key),
                user=escaped(str(request.peer.user)),
            )
        writer = request.writer()
        writer.put_int(0 if refusal is None else -1)
        request.reply(writer.end_of_message())

    def _refusal(self, request: CommandRequest, key: str, line: str) -> str | None:
        """Why a change is refused; ``None`` where it was made."""
        remote = self._daemon.remote_configuration
        if remote is None:
            return "this daemon keeps no settings from afar"
        said = assignment_key(line) if line.strip() else key
        if said is None:
            return "the line is no assignment"
        levels = settable_levels(self._daemon.settings, said)
        if not any(request.holds(level) for level in levels):
            return "no SETTABLE_ATTRS list of a level that the peer holds has it"
        try:
            if request.command == Command.DC_CONFIG_PERSIST:
                remote.set_persistent(key, line)
            else:
                remote.set_runtime(key, line)
        except ConfigError as error:
            return escaped(str(error))
        return None
