"""Runs a program to its end, in a thread: plugins that are asked something."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import tempfile
import time
from typing import Any, Final

from twisted.logger import Logger

from condor_twisted.security.host_requests import ProgramResult, RunProgram

__all__ = ["run_program"]

_log = Logger()

_MAX_OUTPUT_BYTES: Final = 64 << 10
#: What tells a child of DaemonCore who its parent is; no business of a plugin's.
_PRIVATE: Final = frozenset({"CONDOR_INHERIT", "CONDOR_PRIVATE_INHERIT"})


def run_program(step: RunProgram) -> ProgramResult | None:
    """Run a program. Blocks until it has ended, or was killed.

    Returns:
        ``None`` where it could not be run, did not end in time, or was killed.
    """
    environment = {
        name: value for name, value in os.environ.items() if name not in _PRIVATE
    }
    try:
        with tempfile.TemporaryFile() as given:
            given.write(step.standard_input)
            given.seek(0)
            process = subprocess.Popen(  # noqa: S603 -- the configuration names it
                step.command,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**environment, **step.environment},
                cwd="/",
                start_new_session=True,
                **_identity(step.user),
            )
    except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        _log.warn(
            "{program} cannot be run: {error}", program=step.command[0], error=error
        )
        return None
    until = time.monotonic() + step.timeout_seconds
    try:
        output = _read_output(process, until)
        process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        _log.warn(
            "{program} did not end within {seconds:g} s, and was killed",
            program=step.command[0],
            seconds=step.timeout_seconds,
        )
        return None
    finally:
        _kill(process)
    if process.returncode < 0:
        return None
    return ProgramResult(process.returncode, output.decode("utf-8", "replace"))


def _read_output(process: subprocess.Popen[bytes], until: float) -> bytes:
    """The beginning of what a program writes; the rest is read and dropped.

    Raises:
        subprocess.TimeoutExpired: It still may write when the time is over.
    """
    assert process.stdout is not None, "it has a pipe"
    handle = process.stdout.fileno()
    output = bytearray()
    while True:
        left = until - time.monotonic()
        if left <= 0 or not select.select([handle], [], [], left)[0]:
            raise subprocess.TimeoutExpired(process.args, left)
        data = os.read(handle, _MAX_OUTPUT_BYTES)
        if not data:
            return bytes(output)
        output += data[: _MAX_OUTPUT_BYTES - len(output)]


def _identity(user: str | None) -> dict[str, Any]:
    """As whom a child runs: never as root.

    Raises:
        KeyError: There is no such user.
    """
    if os.geteuid() != 0:
        return {}
    import pwd

    entry = pwd.getpwnam(user or "")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill what a program has left behind, and itself if it still runs."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
