"""A real master, and daemons under it of which some are ours.

The master runs in the chroot. A daemon of ours that it starts is a script there which
goes out to the machine's own files, where the interpreter and the checkout are; the
descriptors, the environment and the process stay those that the master made.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from interop.errors import InteropError
from interop.peers import (
    CHECKOUT,
    our_environment,
    our_tool_command,
    write_config,
)
from interop.sandbox import Result, Sandbox, wait_until
from interop.sandbox_init import MACHINE

__all__ = ["Master", "our_program", "start_master"]

_SCRIPT = """#!/bin/sh
export PYTHONPATH={checkout} PYTHONDONTWRITEBYTECODE=1
exec chroot /{machine} {python} -c '
import sys
from {module} import main
sys.argv[0] = "{name}"
main()
' "$@"
"""
_STATE = re.compile(r'^(\w+) = "?([^"\n]*)"?$', re.MULTILINE)
_START_SECONDS = 60
_STOP_SECONDS = 60


def our_program(sandbox: Sandbox, name: str, module: str) -> Path:
    """Write a script by which a master in the chroot starts a daemon of ours.

    Args:
        sandbox: Where the master runs.
        name: The console script that it stands for.
        module: Where that script's ``main`` is.
    """
    path = sandbox.work / name
    path.write_text(
        _SCRIPT.format(
            checkout=shlex.quote(str(CHECKOUT)),
            python=shlex.quote(sys.executable),
            machine=MACHINE,
            module=module,
            name=name,
        )
    )
    path.chmod(0o755)
    return path


@dataclass(frozen=True, slots=True)
class Master:
    """A master that runs.

    Args:
        sandbox: Where.
        config: Its configuration.
        process: What stands for it outside.
    """

    sandbox: Sandbox
    config: Path
    process: subprocess.Popen[bytes]

    @property
    def log_directory(self) -> Path:
        """Where all daemons log."""
        return self.sandbox.work / self.config.stem / "log"

    def tool(self, *command: str) -> Result:
        """Run a real tool beside the master."""
        return self.sandbox.run(
            command, environment={"CONDOR_CONFIG": str(self.config)}
        )

    def our_tool(self, *command: str) -> Result:
        """Run a command of ``condor-twisted`` beside the master."""
        return self.sandbox.run(
            our_tool_command(*command),
            environment={**our_environment(), "CONDOR_CONFIG": str(self.config)},
            beside=True,
        )

    def states(self) -> dict[str, str]:
        """What ``condor_who -quick`` says, by attribute."""
        return dict(_STATE.findall(self.tool("condor_who", "-quick").output))

    def pid(self, daemon: str) -> str | None:
        """A daemon's process id in the sandbox, if the master has one."""
        return self.states().get(f"{daemon}_PID")

    def is_alive(self, daemon: str, instead_of: str | None = None) -> bool:
        """Whether the master has heard of a daemon, and that it is a new process."""
        states = self.states()
        pid = states.get(f"{daemon}_PID")
        return states.get(daemon) == "Alive" and pid not in (None, instead_of)

    def log(self, name: str = "MasterLog") -> str:
        """What a daemon has logged."""
        path = self.log_directory / name
        return path.read_text(errors="replace") if path.exists() else ""

    def kill(self, signal_name: str, pid: str) -> None:
        """Send a signal to a process of the sandbox."""
        self.sandbox.run(["sh", "-c", f"kill -{signal_name} {pid}"]).checked()

    def stop(self) -> bool:
        """Have the master stop everything and itself; whether it did."""
        self.tool("condor_off", "-master")
        return wait_until(lambda: self.process.poll() is not None, _STOP_SECONDS)


@contextlib.contextmanager
def start_master(
    sandbox: Sandbox, name: str, knobs: Mapping[str, str], *daemons: str
) -> Iterator[Master]:
    """Run a real master for the length of a ``with`` block.

    Args:
        sandbox: Where.
        name: The pool's name; its files are in ``work/name``.
        knobs: Its configuration.
        daemons: Which of its daemons have to be alive first.

    Yields:
        The master.

    Raises:
        InteropError: A daemon did not come to life.
    """
    config = write_config(sandbox, name, knobs)
    command = sandbox.inside(["condor_master", "-f"])
    environment = {"CONDOR_CONFIG": str(config)}
    output = sandbox.work / f"{name}.out"
    with sandbox.daemon(command, output, environment) as process:
        master = Master(sandbox, config, process)
        if not wait_until(lambda: all(map(master.is_alive, daemons)), _START_SECONDS):
            raise InteropError(
                f"not every daemon came to life: {master.states()}\n"
                f"{master.log()[-2000:]}\n{output.read_text(errors='replace')[-2000:]}"
            )
        yield master
