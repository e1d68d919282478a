"""Phase six: a daemon of ours is the parent of a real startd.

The startd takes commands on the sockets that its parent has bound, sends heartbeats in
the session that the parent made, gets signals of both kinds, and is killed as hung when
it is held. A thousand further children end at once.
"""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from interop.parent_daemon import HANG_SECONDS, STORM_COUNT
from interop.peers import OPEN_POLICY, our_environment, write_config
from interop.report import Report
from interop.sandbox import Sandbox, wait_until
from interop.sandbox_init import MACHINE

__all__ = ["check_children"]

_STEP_SECONDS = 150
_PROGRAM = """
import sys
from interop.parent_daemon import main
main(9, sys.argv[1], sys.argv[2])
"""
_KNOBS = {
    **OPEN_POLICY,
    "ALLOW_DAEMON": "nobody@nowhere",
    "ALLOW_ADMINISTRATOR": "nobody@nowhere",
    "STARTD_DEBUG": "D_FULLDEBUG, D_COMMAND, D_DAEMONCORE",
    "NOT_RESPONDING_TIMEOUT": str(HANG_SECONDS),
    "RUNBENCHMARKS": "False",
}


def check_children(sandbox: Sandbox, report: Report) -> None:
    """Run the parent, and look at what it and its startd say.

    Args:
        sandbox: A fresh sandbox.
        report: Gets the checks.
    """
    _Checks(sandbox, report).run()


class _Checks:
    def __init__(self, sandbox: Sandbox, report: Report) -> None:
        self._sandbox = sandbox
        self._report = report
        self._work = sandbox.work
        self._config = write_config(sandbox, "startd", _KNOBS)
        self._output = self._work / "parent.out"

    def run(self) -> None:
        inner = [
            "chroot",
            f"/{MACHINE}",
            sys.executable,
            "-c",
            _PROGRAM,
            str(self._config),
            str(self._work),
        ]
        script = f"exec 9</; exec {shlex.join(inner)}"
        command = self._sandbox.inside(["sh", "-c", script])
        with self._sandbox.daemon(command, self._output, our_environment()) as process:
            alive = self._step("alive")
            if alive is None:
                return
            self._serves(alive["address"])
            self._is_ready(alive["address"])
            (self._work / "looked").touch()
            self._signals()
            self._ends()
            self._shares()
            self._storm()
            ended = wait_until(lambda: process.poll() is not None, 30)
            self._check("the parent ends", ended)

    def _serves(self, address: str) -> None:
        self._asked("a real tool reaches it on the sockets its parent bound", address)
        log = self._log()
        self._check("it inherits them", "Inheriting Command Sockets" in log)
        self._check("it has the family's session", "family security session" in log)

    def _is_ready(self, startd_address: str) -> None:
        """A real tool asks our daemon as it asks a master."""
        ready = self._step("ready")
        if ready is None:
            return
        self._check("it says that it is ready", ready["state"] == "Ready", str(ready))
        place = self._work / "as-a-master"
        place.mkdir(mode=0o755)
        (place / ".master_address").write_text(f"{ready['address']}\n")
        for words, has_sense in (
            (("-quick",), True),
            (("-wait-for-ready:9", 'IsReady && STARTD_State == "Ready"'), True),
            (("-wait-for-ready:3", "NumDaemons > 2"), True),
            (("-wait-for-ready:9", "NO_SUCH"), False),
        ):
            begun = time.monotonic()
            asked = self._sandbox.run(
                ["condor_who", "-logdir", str(place), *words],
                environment={"CONDOR_CONFIG": str(self._config)},
            )
            took = time.monotonic() - begun
            lines = {
                f"STARTD_PID = {ready['pid']}",
                'STARTD = "Alive"',
                'STARTD_State = "Ready"',
                "IsReady = true",
                "NumAlive = 2",
            }
            if words == ("-quick",):
                lines.add(f'STARTD_Addr = "{startd_address}"')
            has_all = lines <= set(asked.output.splitlines())
            is_error = "Error = " in asked.output
            waited = 2 <= took < 6 if "NumDaemons" in words[-1] else took < 2
            self._check(
                f"condor_who {' '.join(words)} asks our daemon",
                has_all and is_error is not has_sense and waited,
                f"after {took:.1f} s: {asked}",
            )

    def _signals(self) -> None:
        sent = self._step("signals")
        self._check(
            "signals leave by the system and as commands",
            sent is not None and sent["sent"] == [True, True, True],
            str(sent),
        )
        self._check(
            "SIGHUP arrives both ways",
            self._logs(lambda log: log.count("Got SIGHUP") == 2),
            self._log()[-2000:],
        )
        self._check(
            "a signal that only DaemonCore has arrives, from its parent",
            self._logs(lambda log: "unregistered Signal 101" in log)
            and "(DC_RAISESIGNAL) from condor@parent" in self._log(),
            self._log()[-2000:],
        )

    def _ends(self) -> None:
        begun = time.monotonic()
        hung = self._step("hung")
        took = time.monotonic() - begun
        self._check(
            f"held, it is killed as hung ({took:.0f} s)",
            hung is not None
            and (hung["status"], hung["calls"]) == ("died on signal 9", 1)
            and hung["was_not_responding"] == [True],
            str(hung),
        )
        stopped = self._step("stopped")
        self._check(
            "asked to end, it ends, and the reaper is told so",
            stopped is not None
            and (stopped["status"], stopped["calls"]) == ("exited with status 0", 1)
            and stopped["was_not_responding"] == [False],
            str(stopped),
        )

    def _asked(self, what: str, address: str) -> None:
        """A real tool asks the startd for a setting."""
        asked = self._sandbox.run(
            ["condor_config_val", "-address", address, "STARTD_DEBUG"],
            environment={"CONDOR_CONFIG": str(self._config)},
        )
        said = f"{address}: {asked.output}{asked.errors}"
        self._check(what, "D_FULLDEBUG" in asked.output, said)

    def _shares(self) -> None:
        shared = self._step("shared")
        if shared is None:
            return
        self._asked("a real tool reaches one behind a shared port", shared["address"])
        (self._work / "looked-again").touch()
        unshared = self._step("unshared")
        self._check(
            "a signal reaches it there, and it ends",
            unshared is not None
            and (unshared["sent"], unshared["status"])
            == (True, "exited with status 0"),
            str(unshared),
        )

    def _storm(self) -> None:
        storm = self._step("storm")
        self._check(
            f"{STORM_COUNT} children are reaped once each",
            storm is not None and storm["once"] and storm["left"] == 0,
            str(storm),
        )

    def _step(self, name: str) -> dict[str, Any] | None:
        """What the parent says of a step, once it says it."""
        file = self._work / "steps"

        def find() -> dict[str, Any] | None:
            lines = file.read_text().splitlines() if file.exists() else []
            steps: list[dict[str, Any]] = [json.loads(line) for line in lines]
            return next((each for each in steps if each["step"] == name), None)

        reached = wait_until(lambda: find() is not None, _STEP_SECONDS)
        if not reached:
            self._check(f"step {name}", False, _tail(self._output))
        return find()

    def _log(self) -> str:
        path = self._work / "startd" / "log" / "StartLog"
        return path.read_text(errors="replace") if path.exists() else ""

    def _logs(self, question: Callable[[str], bool]) -> bool:
        return wait_until(lambda: question(self._log()), 10)

    def _check(self, what: str, holds: bool, detail: str = "") -> None:
        self._report.check(f"children: {what}", holds, detail)


def _tail(file: Path) -> str:
    return file.read_text(errors="replace")[-3000:] if file.exists() else "(nothing)"
