"""The two collectors that are driven alike: the real one, and ours.

Both run in a sandbox's network, on the same address and port, with the same policy, so
that the tools cannot tell from the outside which one they talk to.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from interop.errors import PeerDidNotStart
from interop.sandbox import HOST_NAME, Result, Sandbox, wait_until

__all__ = [
    "ADDRESS",
    "OPEN_POLICY",
    "PORT",
    "RAW",
    "REAL",
    "SEALED",
    "TWISTED",
    "Collector",
    "Kind",
    "our_environment",
    "our_tool_command",
    "start",
    "write_config",
]

PORT = 9618
ADDRESS = f"127.0.0.1:{PORT}"
_START_SECONDS = 40
_OUR_TOOL = "import sys; from condor_twisted.tools.main import main; sys.exit(main())"
_TWISTD = "from twisted.scripts.twistd import run; run()"

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
class Collector:
    """A collector that runs, and the tools that talk to it."""

    kind: Kind
    sandbox: Sandbox
    config: Path
    log: Path

    def tool(
        self,
        *command: str,
        user: str = "root",
        knobs: Mapping[str, str] | None = None,
        timeout_seconds: float = 60,
    ) -> Result:
        """Run a real tool with a configuration that points at this collector.

        Args:
            *command: The tool and its arguments.
            user: Who runs it.
            knobs: Configuration for this one call.
            timeout_seconds: How long it may take.

        Returns:
            What it did.
        """
        extra = {f"_CONDOR_{knob}": text for knob, text in (knobs or {}).items()}
        return self.sandbox.run(
            command,
            user=user,
            environment={"CONDOR_CONFIG": str(self.config), **extra},
            timeout_seconds=timeout_seconds,
        )

    def our_tool(
        self,
        *command: str,
        user: str = "root",
        knobs: Mapping[str, str] | None = None,
        timeout_seconds: float = 60,
    ) -> Result:
        """Run a command of ``condor-twisted`` with the same configuration.

        Args:
            *command: The command and its arguments.
            user: Who runs it.
            knobs: Configuration for this one call.
            timeout_seconds: How long it may take.

        Returns:
            What it did.
        """
        extra = {f"_CONDOR_{knob}": text for knob, text in (knobs or {}).items()}
        return self.sandbox.run(
            our_tool_command(*command),
            environment={
                **our_environment(),
                "CONDOR_CONFIG": str(self.config),
                **extra,
            },
            user=user,
            timeout_seconds=timeout_seconds,
            beside=True,
        )

    def log_tail(self, line_count: int = 30) -> str:
        """Give the end of what the collector wrote."""
        return _tail(self.log, line_count)


def write_config(
    sandbox: Sandbox, name: str, knobs: Mapping[str, str], *, owner: str = "condor"
) -> Path:
    """Write an HTCondor configuration for one directory of daemons.

    Args:
        sandbox: Where the daemons run.
        name: The configuration's name; its daemons live in ``work/name``.
        knobs: Assignments on top of the places and the address.
        owner: Whom the daemons' directories belong to.

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
    file.write_text("".join(f"{knob} = {text}\n" for knob, text in assignments.items()))
    return file


@contextlib.contextmanager
def start(
    kind: Kind, sandbox: Sandbox, knobs: Mapping[str, str], *, user: str = "root"
) -> Iterator[Collector]:
    """Run a collector for the length of a ``with`` block.

    Args:
        kind: `REAL` or `TWISTED`.
        sandbox: Where it listens.
        knobs: Its configuration; for ours on top of the embedded defaults.
        user: Who runs it.

    Yields:
        The collector, ready for commands.

    Raises:
        PeerDidNotStart: No address file within the time.
    """
    work = sandbox.work
    owner = "condor" if user == "root" else user
    config = write_config(sandbox, f"collector-{kind.name}", knobs, owner=owner)
    address_file = work / f"collector-{kind.name}" / "run" / "address"
    log = work / f"collector-{kind.name}.log"
    if kind.is_real:
        with config.open("a") as file:
            file.write(f"COLLECTOR_ADDRESS_FILE = {address_file}\n")
            file.write(
                f"COLLECTOR_LOG = {work}/collector-{kind.name}/log/CollectorLog\n"
            )
        log = work / f"collector-{kind.name}" / "log" / "CollectorLog"
        command = sandbox.inside(["condor_collector", "-f", "-p", str(PORT)], user)
        environment = {"CONDOR_CONFIG": str(config)}
    else:
        _, _, domain = HOST_NAME.partition(".")
        named = {"DEFAULT_DOMAIN_NAME": domain, **knobs}
        command = sandbox.beside(_our_command(address_file, named), user)
        environment = our_environment()
    stdout = work / f"collector-{kind.name}.out" if kind.is_real else log
    with sandbox.daemon(command, stdout, environment) as process:
        if not wait_until(
            lambda: _is_written(address_file) or process.poll() is not None,
            _START_SECONDS,
        ) or not _is_written(address_file):
            raise PeerDidNotStart(f"the {kind.name} collector", _tail(stdout, 30))
        yield Collector(kind, sandbox, config, log)


def _our_command(address_file: Path, knobs: Mapping[str, str]) -> list[str]:
    command = [
        sys.executable,
        "-c",
        _TWISTD,
        "-n",
        "--pidfile=",
        "condor-collector",
        "--port",
        str(PORT),
        "--http",
        "none",
        "--address-file",
        str(address_file),
    ]
    for knob, text in knobs.items():
        command += ["--set", f"{knob}={text}"]
    return command


def our_tool_command(*command: str) -> list[str]:
    """Give the command line of a command of ``condor-twisted``."""
    return [sys.executable, "-c", _OUR_TOOL, *command]


def our_environment() -> dict[str, str]:
    """Let a checkout run as it is, whoever runs it and from wherever."""
    checkout = Path(__file__).resolve().parent.parent
    return {
        "PYTHONPATH": str(checkout),
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
