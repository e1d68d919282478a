"""``condor-twisted COMMAND``: one program for all tools.

Every command is one row here; its module is imported when the command is used. A
command's module has ``main(arguments) -> exit code``.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from importlib import import_module
from typing import Final

from condor_twisted import __version__
from condor_twisted.daemoncore.program.garbage import collect_rarely

__all__ = ["COMMANDS", "main"]

#: Command, module, and what it does.
COMMANDS: Final = (
    ("status", "condor_twisted.tools.status.command", "show what a collector knows"),
    ("advertise", "condor_twisted.tools.advertise", "tell a collector of ads"),
    (
        "config-val",
        "condor_twisted.tools.config_val.command",
        "show or change configurations",
    ),
    ("fetch-log", "condor_twisted.tools.fetch_log", "fetch a daemon's log"),
    ("off", "condor_twisted.tools.off", "turn daemons off"),
    ("on", "condor_twisted.tools.on", "turn daemons on"),
    ("reconfig", "condor_twisted.tools.reconfig", "have configurations read again"),
    ("restart", "condor_twisted.tools.restart", "restart daemons"),
    ("who", "condor_twisted.tools.who.command", "show this host's jobs and daemons"),
    (
        "ping",
        "condor_twisted.tools.ping.command",
        "ask a daemon whether it would do something for us, and why not",
    ),
    ("token", "condor_twisted.tools.token.command", "make, fetch and approve tokens"),
)


def _usage() -> str:
    lines = ["Usage: condor-twisted COMMAND [OPTIONS]", "", "Commands:"]
    lines += [f"  {name:<12}{what}" for name, _, what in COMMANDS]
    lines += ["", "condor-twisted COMMAND -help tells more."]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: The command line behind the program's name; the process's own by
            default.

    Returns:
        The exit code: 0 done, 1 refused or failed, 2 bad usage.
    """
    if arguments is None:
        _be_quick()
    given = sys.argv[1:] if arguments is None else arguments
    command = given[0] if given else ""
    if command.lstrip("-") in ("help", "h"):
        sys.stdout.write(_usage())
        return 0
    if command.startswith("-") and command.lstrip("-") == "version":
        sys.stdout.write(f"condor_twisted {__version__}\n")
        return 0
    for name, module, _ in COMMANDS:
        if name == command:
            return _run(module, given[1:])
    sys.stderr.write(f"There is no command {command!r}.\n\n" if command else "")
    sys.stderr.write(_usage())
    return 2


def _be_quick() -> None:
    """Look for garbage rarely, and at the end not at all.

    A tool lives for a second, a quarter of which would go into looking.
    """
    collect_rarely()
    atexit.register(gc.freeze)


def _run(module: str, arguments: list[str]) -> int:
    try:
        code: int = import_module(module).main(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has had enough; Python would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code
