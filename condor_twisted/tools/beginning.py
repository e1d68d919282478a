"""How every tool begins: its command line, its exit codes, what it says when it fails.

Nothing here needs a reactor, and many a tool does without; `running` has the rest.

Source: none.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from condor_twisted.tools.option_table import UsageError
from condor_twisted.wire.versions import ANNOUNCED_PLATFORM, ANNOUNCED_VERSION

__all__ = ["DONE", "FAILED", "MISUSED", "begin", "warn"]

DONE: Final = 0
FAILED: Final = 1
MISUSED: Final = 2


class CommandLine(Protocol):
    """What every tool's options tell."""

    @property
    def help(self) -> bool:
        """Whether only the usage is shown."""

    @property
    def version(self) -> bool:
        """Whether only the version is shown."""


_Options = TypeVar("_Options", bound=CommandLine)


def warn(text: str) -> None:
    """Say something on standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def begin(
    parse: Callable[[], _Options],
    usage: str,
    perform: Callable[[_Options], int],
    *,
    prefix: str = "",
    hint: str = "Use -help for details",
) -> int:
    """Begin a tool: understand its command line, and do what it says.

    Args:
        parse: Reads the command line; may raise `UsageError`.
        usage: What ``-help`` shows.
        perform: Does everything else; its result is the exit code.
        prefix: What stands before the text of a usage error.
        hint: What stands below it.

    Returns:
        The exit code.
    """
    try:
        options = parse()
    except UsageError as error:
        warn(f"{prefix}{error}\n{hint}")
        return MISUSED
    if options.help:
        sys.stdout.write(usage)
        return DONE
    if options.version:
        sys.stdout.write(f"{ANNOUNCED_VERSION}\n{ANNOUNCED_PLATFORM}\n")
        return DONE
    return perform(options)
