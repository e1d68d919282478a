"""The two collectors that are driven alike: the real one, and ours.

Both run in a sandbox's network, on the same address and port, with the same policy, so
that the tools cannot tell from the outside which one they talk to.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interop.errors import PeerDidNotStart
from interop.sandbox import HOST_NAME, Result, Sandbox, wait_until

__all__ = [
    "ADDRESS",
    "CHECKOUT",
    "OPEN_POLICY",
    "PORT",
    "RAW",
    "REAL",
    "SEALED",
    "TWISTD",
    "TWISTED",
    "Collector",
    "Kind",
    "Pool",
    "our_environment",
    "our_tool_command",
    "start",
    "write_config",
]

PORT = 9618
ADDRESS = f"127.0.0.1:{PORT}"
_START_SECONDS = 40
_STOP_SECONDS = 20
_OUR_TOOL = "import sys; from condor_twisted.tools.main import main; sys.exit(main())"
CHECKOUT = Path(__file__).resolve().parent.parent
TWISTD = (
    sys.executable,
    "-c",
    "from twisted.scripts.twistd import run; run()",
    "-n",
    "--pidfile=",
)
"""How ``twistd`` is run in the foreground."""

OPEN_POLICY: Mapping[str, str] = {
    "ALLOW_READ": "*",
    "ALLOW_WRITE": "*",
    "ALLOW_DAEMON": "*",
    "ALLOW_NEGOTIATOR": "*",
    "ALLOW_ADMINISTRATOR": "*",
    "SEC_DEFAULT_AUTHENTICATION": "OPTIONAL",
}

RAW: Mapping[str, str] = {"SEC_CLIENT_NEGOTIATION": "NEVER"}
"""A tool's knobs: commands without any negotiation."""

SEALED: Mapping[str, str] = {"SEC_CLIENT_ENCRYPTION": "REQUIRED"}
"""A tool's knobs: commands within an encrypted session."""

_DIRECTORIES = ("log", "spool", "execute", "lock", "run")


@dataclass(frozen=True, slots=True)
class Kind:
    """Which collector: a name for the report, and whether it is HTCondor's own."""

    name: str
    is_real: bool


REAL = Kind("real", True)
TWISTED = Kind("twisted", False)


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool that runs, and the tools that talk to it.

    Args:
        kind: Whose its collector is.
        sandbox: Where it runs.
        config: The tools' configuration.
        log: Its collector's log, or its master's.
        environment: What the tools' environment has besides.
    """

    kind: Kind
    sandbox: Sandbox
    config: Path
    log: Path
    environment: Mapping[str, str]

    def tool(
        self,
        *command: str,
        ours: bool = False,
        user: str = "root",
        knobs: Mapping[str, str] | None = None,
        timeout_seconds: float = 60,
        standard_input: str = "",
    ) -> Result:
        """Run a tool with a configuration that points at this collector.

        Args:
            *command: The tool and its arguments.
            ours: Whether it is a command of ``condor-twisted``, not a real tool.
            user: Who runs it.
            knobs: Configuration for this one call.
            timeout_seconds: How long it may take.
            standard_input: Text for its standard input.

        Returns:
            What it did.
        """
        return self.sandbox.run(
            our_tool_command(*command) if ours else command,
            user=user,
            environment={
                **(our_environment() if ours else {}),
                "CONDOR_CONFIG": str(self.config),
                **self.environment,
                **{f"_CONDOR_{knob}": text for knob, text in (knobs or {}).items()},
            },
            timeout_seconds=timeout_seconds,
            standard_input=standard_input,
            beside=ours,
        )

    def our_tool(self, *command: str, **call: Any) -> Result:
        """Run a command of ``condor-twisted``, in everything else as `tool` does."""
        return self.tool(*command, ours=True, **call)

    def log_tail(self, line_count: int = 30) -> str:
        """Give the end of what the collector wrote."""
        return _tail(self.log, line_count)


@dataclass(frozen=True, slots=True)
class Collector(Pool):
    """A collector that runs by itself, and the tools that talk to it.

    Args:
        process: Itself; of the real one, what entered the sandbox for it.
        pid_file: Where the real one writes its process id in the sandbox.
    """

    process: subprocess.Popen[bytes]
    pid_file: Path

    def kill(self) -> None:
        """Have the collector gone from one moment to the next."""
        if not self.kind.is_real:
            self.process.kill()
        elif self.pid_file.exists():
            command = ["sh", "-c", f"kill -KILL $(cat {self.pid_file})"]
            self.sandbox.run(command).checked()
        self.process.wait(_STOP_SECONDS)


def write_config(
    sandbox: Sandbox,
    name: str,
    knobs: Mapping[str, str],
    *,
    owner: str = "condor",
    uses: Sequence[str] = (),
) -> Path:
    """Write an HTCondor configuration for one directory of daemons.

    Args:
        sandbox: Where the daemons run.
        name: The configuration's name; its daemons live in ``work/name``.
        knobs: Assignments on top of the places and the address.
        owner: Whom the daemons' directories belong to.
        uses: Templates of configuration that come before the assignments.

    Returns:
        The file.
    """
    local = sandbox.work / name
    for directory in _DIRECTORIES:
        (local / directory).mkdir(parents=True, exist_ok=True)
        os.chown(local / directory, *sandbox.ids_of(owner))
    assignments = {
        "RELEASE_DIR": "/usr",
        "LOCAL_DIR": str(local),
        **{
            directory.upper(): f"$(LOCAL_DIR)/{directory}" for directory in _DIRECTORIES
        },
        "LIBEXEC": "/usr/libexec/condor",
        "LIB": "/usr/lib/condor",
        "SBIN": "/usr/sbin",
        "BIN": "/usr/bin",
        "CONDOR_HOST": "127.0.0.1",
        "COLLECTOR_HOST": ADDRESS,
        "NETWORK_INTERFACE": "127.0.0.1",
        "USE_SHARED_PORT": "False",
        **knobs,
    }
    file = sandbox.work / f"{name}.config"
    lines = [f"use {template}" for template in uses]
    lines += [f"{knob} = {text}" for knob, text in assignments.items()]
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


@contextlib.contextmanager
def start(
    kind: Kind,
    sandbox: Sandbox,
    knobs: Mapping[str, str],
    *,
    user: str = "root",
    environment: Mapping[str, str] | None = None,
    uses: Sequence[str] | None = None,
) -> Iterator[Collector]:
    """Run a collector for the length of a ``with`` block.

    Args:
        kind: `REAL` or `TWISTED`.
        sandbox: Where it listens.
        knobs: Its configuration; for ours on top of the embedded defaults.
        user: Who runs it.
        environment: What its environment, and that of its tools, has besides.
        uses: Templates of configuration that come before the knobs. With them, be it
            none, ours reads the same file as the real one.

    Yields:
        The collector, ready for commands.

    Raises:
        PeerDidNotStart: No address file within the time.
    """
    name = f"collector-{kind.name}"
    owner = "condor" if user == "root" else user
    config = write_config(sandbox, name, knobs, owner=owner, uses=uses or ())
    local = sandbox.work / name
    address_file = local / "run" / "address"
    pid_file = address_file.with_name("pid")
    for old in (address_file, pid_file):
        old.unlink(missing_ok=True)
    stdout = sandbox.work / f"{name}.out"
    log = local / "log" / "CollectorLog"
    if kind.is_real or uses is not None:
        with config.open("a") as file:
            file.write(f"COLLECTOR_ADDRESS_FILE = {address_file}\n")
            file.write(f"COLLECTOR_LOG = {log}\n")
    if kind.is_real:
        command = sandbox.inside(
            ["condor_collector", "-f", "-p", str(PORT), "-pidfile", str(pid_file)], user
        )
        variables = {"CONDOR_CONFIG": str(config)}
    else:
        variables = our_environment()
        if uses is None:
            _, _, domain = HOST_NAME.partition(".")
            options = _assignments({"DEFAULT_DOMAIN_NAME": domain, **knobs})
            stdout = log = sandbox.work / f"{name}.log"
        else:
            options = ["--config", str(config)]
        command = sandbox.beside(_our_command(address_file, options), user)
    extra = environment or {}
    with sandbox.daemon(command, stdout, {**variables, **extra}) as process:
        if not wait_until(
            lambda: _is_written(address_file) or process.poll() is not None,
            _START_SECONDS,
        ) or not _is_written(address_file):
            raise PeerDidNotStart(f"the {kind.name} collector", _tail(stdout, 30))
        try:
            yield Collector(kind, sandbox, config, log, extra, process, pid_file)
        finally:
            if pid_file.exists():  # what ends is only what had entered the sandbox
                sandbox.run(["sh", "-c", f"kill $(cat {pid_file})"])
                wait_until(lambda: process.poll() is not None, _STOP_SECONDS)


def _our_command(address_file: Path, options: Sequence[str]) -> list[str]:
    return [
        *TWISTD,
        "condor-collector",
        "--port",
        str(PORT),
        "--http",
        "none",
        "--address-file",
        str(address_file),
        *options,
    ]


def _assignments(knobs: Mapping[str, str]) -> list[str]:
    options = []
    for knob, text in knobs.items():
        options += ["--set", f"{knob}={text}"]
    return options


def our_tool_command(*command: str) -> list[str]:
    """Give the command line of a command of ``condor-twisted``."""
    return [sys.executable, "-c", _OUR_TOOL, *command]


def our_environment() -> dict[str, str]:
    """Let a checkout run as it is, whoever runs it and from wherever."""
    return {
        "PYTHONPATH": str(CHECKOUT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": os.environ.get("PATH", os.defpath),
        "CONDOR_CONFIG": "ONLY_ENV",
    }


def _is_written(address_file: Path) -> bool:
    return address_file.exists() and address_file.read_text().startswith("<")


def _tail(file: Path, line_count: int) -> str:
    if not file.exists():
        return "(no log)"
    return "\n".join(file.read_text(errors="replace").splitlines()[-line_count:])
