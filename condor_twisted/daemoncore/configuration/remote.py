"""Settings that an administrator made from afar.

Two kinds, each behind a knob that is read once per process, so that neither can
switch itself on: *runtime* settings live in memory (``ENABLE_RUNTIME_CONFIG``),
*persistent* ones on disk (``ENABLE_PERSISTENT_CONFIG``)::

    DIR/.config.SUBSYS        RUNTIME_CONFIG_ADMIN = a, b
    DIR/.config.SUBSYS.a      A = value

Nothing takes effect before the next reconfiguration. What decides about security,
and where files and programs are, cannot be set from afar at all.

Source: condor_config.cpp, init_dynamic_config, set_persistent_config,
set_runtime_config; daemon_core_main.cpp, handle_config.
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Sequence
from typing import Final

from condor_twisted.config.defaults import compiled_in_defaults
from condor_twisted.config.definitions import Definitions
from condor_twisted.config.language import ConfigurationParser, assignment_key
from condor_twisted.config.settings import Settings
from condor_twisted.constants.permissions import Permission
from condor_twisted.daemoncore.configuration.reading import DynamicText
from condor_twisted.daemoncore.configuration.sources import (
    sync_directory,
    write_atomically,
)
from condor_twisted.errors import ConfigError

__all__ = ["RemoteConfiguration", "is_never_settable", "settable_levels"]

RUNTIME: Final = "<runtime>"
_KEY = re.compile(r"\$?[A-Za-z0-9_.]{1,200}\Z")
_LIMIT_BYTES: Final = 1 << 20
_LIMIT_SETTINGS: Final = 1000
_NEVER = re.compile(
    r"(ALLOW|DENY|HOSTALLOW|HOSTDENY|SEC|SSL|AUTH|KERBEROS|TRUST|AUTO_USE|SETTABLE"
    r"|LOCAL_CONFIG|REQUIRE_LOCAL_CONFIG|USER_CONFIG|RUNTIME_CONFIG|ENABLE_RUNTIME"
    r"|ENABLE_PERSISTENT|PERSISTENT_CONFIG|INCLUDE|UID_DOMAIN|CONDOR_IDS"
    r"|LEGACY_ALLOW|SIGN|PASSWD|MAPFILE|CERTIFICATE_MAPFILE|EVENTD|PREEN)(_|\Z)"
    r"|.*(PASSWORD|TOKEN|SECRET|CREDENTIAL|MAPFILE|PRIVATE)"
    r"|(LOG|SPOOL|EXECUTE|LOCK|RUN|BIN|SBIN|LIB|LIBEXEC|ETC|INCLUDE|SHARE|TILDE"
    r"|RELEASE_DIR|LOCAL_DIR|DAEMON_LIST|DC_DAEMON_LIST)\Z"
    r"|(?!MAX_).*_(DIR|DIRECTORY|FILE|FILES|PATH|LOG|LOCK|EXECUTABLE|EXEC|PROGRAM|ARGS"
    r"|ARGUMENTS|ENVIRONMENT|CONFIG|LIBS|PLUGINS|SCRIPT|COMMAND|WRAPPER|HOOK|OWNER"
    r"|USERID|NAMES_TO_SET|SUPER_USERS|JOBLIST)\Z"
)


def is_never_settable(name: str) -> bool:
    """Whether a knob is beyond everybody's reach from afar.

    Security, paths, programs and the rules about this very thing; with or without
    the prefix of a subsystem or local name.
    """
    last = name.upper().rpartition(".")[2]
    default = compiled_in_defaults().for_name(last)
    if default is not None and default.type == "path":
        return True
    return _NEVER.match(last) is not None


def settable_levels(settings: Settings, key: str) -> tuple[Permission, ...]:
    """The levels for which a name is on the list ``SETTABLE_ATTRS_LEVEL``.

    Args:
        settings: The configuration in force.
        key: The name, or ``$CATEGORY.NAME`` for a metaknob.

    Returns:
        A peer may set the name if it passes one of these.

    Source: daemon_core.cpp, CheckConfigAttrSecurity.
    """
    levels: list[Permission] = []
    for permission in Permission:
        if permission.name in ("ALLOW", "DEFAULT", "CLIENT"):
            continue  # everybody and nobody hold these
        patterns = settings.words(f"SETTABLE_ATTRS_{permission.name}")
        if any(fnmatch.fnmatchcase(key.upper(), each.upper()) for each in patterns):
            levels.append(permission)
    return tuple(levels)


class RemoteConfiguration:
    """Runtime and persistent settings of one daemon.

    Args:
        subsystem: The daemon's subsystem.
        effective_user_id: Who has to own what is on disk; root only trusts root.
    """

    def __init__(self, subsystem: str, effective_user_id: int | None = None) -> None:
        self._subsystem = subsystem
        self._user_id = os.geteuid() if effective_user_id is None else effective_user_id
        self._runtime: dict[str, str] = {}
        self._started = False
        self._runtime_enabled = False
        self._persistent_enabled = False
        self._top: str | None = None

    def load(self, settings: Settings) -> Sequence[DynamicText]:
        """The texts that apply now: persistent ones first.

        Args:
            settings: What files and environment give. The first call decides
                for the life of the process what is enabled, and where.

        Raises:
            ConfigError: What is on disk belongs to somebody else, is no plain
                file or cannot be read; or there is no place for it.
        """
        if not self._started:
            self._start(settings)
        texts: list[DynamicText] = []
        if self._top is not None and os.path.lexists(self._top):
            texts.append(DynamicText(self._top, self._read(self._top)))
            for key in self._keys(self._top):
                name = f"{self._top}.{key}"
                texts.append(DynamicText(name, self._read(name)))
        if self._runtime_enabled:
            texts += [DynamicText(RUNTIME, line) for line in self._runtime.values()]
        return texts

    def set_runtime(self, key: str, line: str) -> None:
        """Set or, with an empty line, forget a setting until the process ends.

        Raises:
            ConfigError: It is not enabled, or not allowed; nothing changed.
        """
        if not self._runtime_enabled:
            raise ConfigError("ENABLE_RUNTIME_CONFIG is false")
        self._check(key, line)
        if not line.strip():
            self._runtime.pop(key.lower(), None)
        elif len(self._runtime) >= _LIMIT_SETTINGS and key.lower() not in self._runtime:
            raise ConfigError(f"there are {_LIMIT_SETTINGS} runtime settings already")
        else:
            self._runtime[key.lower()] = line.strip()

    def set_persistent(self, key: str, line: str) -> None:
        """Set or, with an empty line, forget a setting on disk.

        Raises:
            ConfigError: It is not enabled, not allowed or cannot be written;
                nothing changed.
        """
        if not self._persistent_enabled or self._top is None:
            raise ConfigError("ENABLE_PERSISTENT_CONFIG is false")
        self._check(key, line)
        directory = os.path.dirname(self._top)
        self._check_directory(directory)
        key = key.lower()
        keys = self._keys(self._top) if os.path.lexists(self._top) else []
        name = f"{self._top}.{key}"
        try:
            if line.strip():
                if key not in keys and len(keys) >= _LIMIT_SETTINGS:
                    raise ConfigError(f"there are {_LIMIT_SETTINGS} settings already")
                write_atomically(name, line.strip().encode(), 0o644)
                if key not in keys:
                    self._write_keys(sorted([*keys, key]))
            elif key in keys:
                self._write_keys([each for each in keys if each != key])
                os.unlink(name)
                sync_directory(directory)
        except OSError as error:
            raise ConfigError(
                f"cannot change {name}: {error.strerror or error}"
            ) from error

    def _start(self, settings: Settings) -> None:
        runtime = settings.boolean("ENABLE_RUNTIME_CONFIG", False)
        persistent = settings.boolean("ENABLE_PERSISTENT_CONFIG", False)
        top: str | None = None
        if persistent:
            own = f"{self._subsystem}_CONFIG"
            top = settings.text(own)
            directory = settings.text("PERSISTENT_CONFIG_DIR")
            if top is None and directory is not None:
                top = os.path.join(directory, f".config.{self._subsystem}")
            if top is None:
                raise ConfigError(
                    "ENABLE_PERSISTENT_CONFIG is TRUE, but neither "
                    f"{own} nor PERSISTENT_CONFIG_DIR is set"
                )
            if not os.path.isabs(top):
                raise ConfigError(f"{top}: persistent settings need an absolute path")
        self._runtime_enabled = runtime
        self._persistent_enabled = persistent
        self._top = top
        self._started = True

    def _check(self, key: str, line: str) -> None:
        """Refuse a setting that nobody may make, or that is not what it says."""
        if not _KEY.match(key):
            raise ConfigError(f"{key!r} is not a valid name")
        if not line.strip():
            return
        if len(line) > _LIMIT_BYTES or re.search(r"[\n\r\0]", line.strip()):
            raise ConfigError(f"the setting for {key} is not one line")
        said = assignment_key(line)
        if said is None or said.lower() != key.lower():
            raise ConfigError(f"the line for {key} is no assignment of it")
        if key.startswith("$") and not key.lower().startswith("$policy."):
            # Which names a template sets may hang on conditions; policies are safe.
            raise ConfigError(f"{key}: only POLICY templates can be used from afar")
        scratch = Definitions("", with_defaults=False)
        ConfigurationParser(scratch).parse(line, RUNTIME)
        for definition in scratch:
            if is_never_settable(definition.name):
                raise ConfigError(f"{definition.name} cannot be set from afar")

    def _check_directory(self, directory: str) -> None:
        try:
            status = os.lstat(directory)
        except OSError as error:
            raise ConfigError(
                f"PERSISTENT_CONFIG_DIR {directory}: {error.strerror or error}"
            ) from error
        if not stat.S_ISDIR(status.st_mode):
            raise ConfigError(f"PERSISTENT_CONFIG_DIR {directory} is no directory")
        if status.st_mode & 0o022:
            raise ConfigError(
                f"PERSISTENT_CONFIG_DIR {directory} is writable for group or others"
            )

    def _read(self, name: str) -> str:
        """A file of ours: a plain one, by the right owner, below our directory."""
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(descriptor, "rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise ConfigError(f"{name} is not a plain file")
                if status.st_uid != self._user_id:
                    raise ConfigError(
                        f"{name} is owned by user {status.st_uid}, "
                        f"and has to be by {self._user_id}"
                    )
                data = file.read(_LIMIT_BYTES + 1)
        except OSError as error:
            raise ConfigError(
                f"cannot read {name}: {error.strerror or error}"
            ) from error
        if len(data) > _LIMIT_BYTES:
            raise ConfigError(f"{name} is larger than {_LIMIT_BYTES} bytes")
        return data.decode("utf-8", "surrogateescape")

    def _keys(self, top: str) -> list[str]:
        """The names that have a file of their own."""
        scratch = Definitions("", with_defaults=False)
        ConfigurationParser(scratch).parse(self._read(top), top)
        keys = re.findall(r"[^\s,]+", scratch.lookup("RUNTIME_CONFIG_ADMIN") or "")
        for key in keys:
            if not _KEY.match(key):
                raise ConfigError(f"{key!r} is not a valid name", top)
        return keys

    def _write_keys(self, keys: list[str]) -> None:
        assert self._top is not None, "persistent settings are enabled"
        if keys:
            text = f"RUNTIME_CONFIG_ADMIN = {', '.join(keys)}\n"
            write_atomically(self._top, text.encode(), 0o644)
        else:
            os.unlink(self._top)
            sync_directory(os.path.dirname(self._top))
