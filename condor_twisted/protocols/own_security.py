"""This process's security, out of its configuration and the files that this names."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

from condor_twisted.config.settings import Settings
from condor_twisted.protocols.clocks import monotonic_seconds
from condor_twisted.protocols.secret_files import SecretFiles
from condor_twisted.protocols.this_host import host_facts
from condor_twisted.security.commands import CommandRules
from condor_twisted.security.context import SecurityState

__all__ = ["log_file_problems", "open_security"]

_log = Logger()


def open_security(
    settings: Settings,
    rules: CommandRules,
    reactor: Any,
    unix_time: Callable[[], int],
) -> SecurityState:
    """The security of this process.

    Args:
        settings: The configuration.
        rules: The commands that are served.
        reactor: Whose clock times sessions.
        unix_time: Gives seconds since 1970, for tokens and names of sessions.

    Raises:
        ConfigError: The configuration has no sense.
    """
    security = SecurityState(
        settings,
        rules,
        host_facts(settings),
        random_bytes=os.urandom,
        now=monotonic_seconds(reactor),
        unix_time=unix_time,
        files=SecretFiles(),
    )
    log_file_problems(security)
    return security


def log_file_problems(security: SecurityState) -> None:
    """Log what was wrong with the files that were read last."""
    for problem in security.file_problems:
        _log.warn("{problem}", problem=problem)
