"""Phase five: the life of a daemon under a real master.

A real master starts a collector and one more daemon: HTCondor's own, then ours. Both
times it is asked how they are, and they are reconfigured, stopped and started in every
way there is, and held so that the master takes them for hung. What the tools say is
compared, once names, addresses and process ids are taken out.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from interop.compare import Difference
from interop.masters import Master, our_program, start_master
from interop.our_collector_pool import run_our_collector_pool
from interop.peers import (
    CHECKOUT,
    OPEN_POLICY,
    TWISTD,
    Kind,
    our_environment,
    write_config,
)
from interop.report import Report
from interop.sandbox import HOST_NAME, Sandbox, wait_until

__all__ = ["Lives", "compare", "run_lives"]

_STEP_SECONDS = 40
_HUNG_SECONDS = 120
_HANG_SECONDS = 20

_KNOBS: Mapping[str, str] = {
    **OPEN_POLICY,
    # Daemons know each other by the sessions that the master made, or not at all.
    "ALLOW_DAEMON": "nobody@nowhere",
    "ALLOW_NEGOTIATOR": "nobody@nowhere",
    "MASTER_ARGS": "-p 9620",
    "UPDATE_INTERVAL": "5",
    "MASTER_UPDATE_INTERVAL": "5",
    "NEGOTIATOR_UPDATE_INTERVAL": "5",
    "SKELETON_UPDATE_INTERVAL": "5",
    "SKELETON_LOG": "$(LOG)/SkeletonLog",
    "SKELETON_ADDRESS_FILE": "$(LOG)/.skeleton_address",
    "NEGOTIATOR_ADDRESS_FILE": "$(LOG)/.negotiator_address",
    "SKELETON_ATTRS": "SkeletonNote",
    "SkeletonNote": '"from the configuration"',
    "MASTER_BACKOFF_CONSTANT": "1",
    "MASTER_BACKOFF_FACTOR": "1.0",
    "MASTER_BACKOFF_CEILING": "2",
    "NOT_RESPONDING_TIMEOUT": str(_HANG_SECONDS),
    "SHUTDOWN_GRACEFUL_TIMEOUT": "20",
}
#: Both behind a shared port; signals as commands.
_SHARED: Mapping[str, str] = {
    "USE_SHARED_PORT": "True",
    "NEVER_USE_KILL_FOR_DC_SIGNALS": "True",
    "MASTER_ARGS": "",
}


@dataclass(slots=True)
class Lives:
    """What the tools said, by daemon's role and step."""

    outputs: dict[str, str] = field(default_factory=dict)


def run_lives(kind: Kind, sandbox: Sandbox, report: Report) -> Lives:
    """Take a collector and another daemon through their lives.

    Args:
        kind: Whose daemons: HTCondor's own, or ours.
        sandbox: A fresh sandbox.
        report: Gets the checks.

    Returns:
        What is to be compared with the other kind's.
    """
    lives = Lives()
    second = "NEGOTIATOR" if kind.is_real else "SKELETON"
    knobs = dict(_KNOBS)
    if not kind.is_real:
        for name in ("collector", "skeleton"):
            program = our_program(
                sandbox,
                f"condor-twisted-{name}",
                f"condor_twisted.daemons.{name}.main",
            )
            knobs[name.upper()] = str(program)
        knobs["DC_DAEMON_LIST"] = "+SKELETON"
    both = ("COLLECTOR", second)
    own = {**knobs, "DAEMON_LIST": f"MASTER, COLLECTOR, {second}"}
    with start_master(sandbox, "own-ports", own, *both) as master:
        for role, name in zip(("collector", "daemon"), both, strict=True):
            _Life(kind, role, name, master, report, lives).run()
        _hang(kind, both, master, report)
        _stay_down(kind, second, master, report)
        _stop(kind, "own ports", master, report)
    shared = {
        **knobs,
        **_SHARED,
        "DAEMON_LIST": f"MASTER, SHARED_PORT, COLLECTOR, {second}",
    }
    with start_master(sandbox, "shared-port", shared, *both) as master:
        for role, name in zip(("collector", "daemon"), both, strict=True):
            life = _Life(
                kind, f"{role} behind a shared port", name, master, report, lives
            )
            life.listed()
            life.questions()
            life.reconfigured()
            life.off_and_on()
        _stop(kind, "shared port", master, report)
    if not kind.is_real:
        run_our_collector_pool(sandbox, report)
        _readme(sandbox, report)
    return lives


def compare(report: Report, expected: Lives, actual: Lives) -> None:
    """Record one check per daemon and step."""
    for step, output in expected.outputs.items():
        other = actual.outputs.get(step)
        found = [Difference(f"life: {step}", "all", "<whole>", output, other)]
        report.differences(f"life: {step}", [] if output == other else found)


class _Life:
    """One daemon's life, step by step."""

    def __init__(
        self,
        kind: Kind,
        role: str,
        name: str,
        master: Master,
        report: Report,
        lives: Lives,
    ) -> None:
        self._kind = kind
        self._role = role
        self._name = name
        self._master = master
        self._report = report
        self._lives = lives
        self._is_second = name != "COLLECTOR"

    def run(self) -> None:
        self.listed()
        self.questions()
        self.reconfigured()
        self.off_and_on()
        self.off_and_on("-fast")
        self.off_and_on("-peaceful")
        for how in ("-graceful", "-fast", "-peaceful"):
            self.restarted(how)

    # Steps.

    def listed(self) -> None:
        """The master, the log directory and the collector know of it."""
        if not self._kind.is_real:
            self._await("is Ready", lambda: self._state("_State") == "Ready")
        self._keep("state", self._state(""))
        who = self._master.tool("condor_who", "-daemons").output
        self._check("condor_who finds it", self._pid() in who.split(), who)
        if self._is_second:
            self._await("is in the collector", lambda: self._name in self._known())

    def questions(self) -> None:
        """Anybody may ask it who he is and how it is configured."""
        levels = ("READ", "WRITE", "DAEMON", "ADMINISTRATOR")
        pinged = self._tool("condor_ping", "-address", self._address(), *levels)
        self._keep("condor_ping", pinged)
        value = self._tool(
            "condor_config_val", "-address", self._address(), "UPDATE_INTERVAL"
        )
        self._keep("condor_config_val", value)

    def reconfigured(self) -> None:
        """It reads its configuration again, and goes on."""
        before = self._pid()
        self._keep("condor_reconfig -daemon", self._daemon_tool("condor_reconfig"))
        self._keep("condor_reconfig", self._tool("condor_reconfig"))
        time.sleep(2)
        self._check(
            "goes on after condor_reconfig",
            self._master.is_alive(self._name) and self._pid() == before,
        )

    def off_and_on(self, how: str = "-graceful") -> None:
        """It stops with exit status 0, stays down, and comes back."""
        before = self._pid()
        counted = self._exits(before)
        said = self._daemon_tool("condor_off", how)
        self._keep(f"condor_off {how}", said)
        self._await(
            f"is on hold after condor_off {how}", lambda: self._state("") == ("Hold")
        )
        self._check(
            f"ended with status 0 after condor_off {how}",
            self._exits(before) == counted + 1,
            self._master.log()[-1500:],
        )
        if self._is_second:
            self._await(
                "has taken its ad back", lambda: self._name not in self._known()
            )
        self._keep(f"state after {how}", self._state(""))
        self._keep(f"condor_on after {how}", self._daemon_tool("condor_on"))
        self._await(
            f"is alive after condor_on ({how})",
            lambda: self._master.is_alive(self._name, instead_of=before),
        )

    def restarted(self, how: str) -> None:
        """``condor_restart`` gives a new process."""
        before = self._pid()
        said = self._daemon_tool("condor_restart", how)
        self._keep(f"condor_restart {how} -daemon", said)
        self._await(
            f"is alive after condor_restart {how}",
            lambda: self._master.is_alive(self._name, instead_of=before),
        )

    # Answers.

    def _state(self, what: str) -> str:
        return self._master.states().get(f"{self._name}{what}", "")

    def _pid(self) -> str:
        return self._master.pid(self._name) or "-"

    def _address(self) -> str:
        file = self._master.log_directory / f".{self._name.lower()}_address"
        return file.read_text().splitlines()[0]

    def _exits(self, pid: str) -> int:
        ended = f"The {self._name} (pid {pid}) exited with status 0"
        return self._master.log().count(ended)

    def _known(self) -> str:
        """Which of the daemons the collector knows of."""
        subsystem = "-negotiator" if self._name == "NEGOTIATOR" else "-generic"
        listed = self._master.tool("condor_status", subsystem, "-af", "Name")
        return self._name if listed.output.strip() else ""

    def _daemon_tool(self, tool: str, *options: str) -> str:
        return self._tool(tool, *options, "-daemon", self._name.lower())

    def _tool(self, *command: str) -> str:
        result = self._master.tool(*command)
        return f"{result.exit_code}\n{result.output}{result.errors}"

    # Records.

    def _keep(self, step: str, output: str) -> None:
        self._lives.outputs[f"{self._role}: {step}"] = _plain(output, self._name)

    def _check(self, what: str, holds: bool, detail: str = "") -> None:
        self._report.check(f"{self._kind.name}: {self._role} {what}", holds, detail)

    def _await(self, what: str, question: Callable[[], bool]) -> None:
        reached = wait_until(question, _STEP_SECONDS)
        self._check(what, reached, "" if reached else self._describe())

    def _describe(self) -> str:
        return f"{self._master.states()}\n{self._master.log()[-1500:]}"


def _hang(kind: Kind, names: tuple[str, ...], master: Master, report: Report) -> None:
    """Stopped daemons are killed as hung, and others take their places."""
    report.check(
        f"{kind.name}: nobody was taken for hung", "appears hung" not in master.log()
    )
    pids = {name: master.pid(name) or "-" for name in names}
    for pid in pids.values():
        master.kill("STOP", pid)
    for name, pid in pids.items():
        hung = f"Child pid {pid} appears hung"
        report.check(
            f"{kind.name}: a stopped {name} is killed as hung",
            wait_until(lambda hung=hung: hung in master.log(), _HUNG_SECONDS),
            master.log()[-1500:],
        )
        report.check(
            f"{kind.name}: another {name} takes its place",
            wait_until(
                lambda name=name, pid=pid: master.is_alive(name, instead_of=pid),
                _STEP_SECONDS,
            ),
            f"{master.states()}\n{master.log()[-1500:]}",
        )


def _stay_down(kind: Kind, name: str, master: Master, report: Report) -> None:
    """A daemon whose DAEMON_SHUTDOWN is true ends with 99, and is not started again."""
    with master.config.open("a") as file:
        file.write(f"{name}.DAEMON_SHUTDOWN = true\n")
    master.tool("condor_reconfig").checked()
    report.check(
        f"{kind.name}: {name} that wants to stay down is left alone",
        wait_until(lambda: master.states().get(name) == "Hold", _STEP_SECONDS)
        and "exited with status 99" in master.log(),
        f"{master.states()}\n{master.log()[-1500:]}",
    )


def _readme(sandbox: Sandbox, report: Report) -> None:
    """The README's daemon, in an empty folder, answers a real ``condor_ping``."""
    text = (CHECKOUT / "README.md").read_text()
    found = re.search(r"## Write a daemon\n.*?```python\n(.*?)```", text, re.DOTALL)
    assert found is not None, "the README shows a daemon"
    folder = sandbox.work / "readme"
    folder.mkdir()
    (folder / "hello.py").write_text(found[1])
    config = write_config(sandbox, "readme-tools", OPEN_POLICY)
    script = (
        f"cd {folder} && exec {shlex.join(TWISTD)} condor-daemon -p 9700 hello.Hello"
    )
    command = sandbox.beside(["sh", "-c", script])
    log = sandbox.work / "readme.log"
    with sandbox.daemon(command, log, our_environment()):
        wait_until(lambda: "hello ready at" in log.read_text(), _STEP_SECONDS)
        pinged = sandbox.run(
            ["condor_ping", "-address", "<127.0.0.1:9700>", "-table", "READ"],
            environment={"CONDOR_CONFIG": str(config)},
        )
    report.check(
        "twisted: the README's daemon answers condor_ping",
        pinged.exit_code == 0 and "ALLOW" in pinged.output,
        f"{pinged.output}{pinged.errors}{log.read_text()[-1500:]}",
    )


def _stop(kind: Kind, pool: str, master: Master, report: Report) -> None:
    ended = master.stop()
    log = master.log()
    report.check(
        f"{kind.name}: {pool}: condor_off -master ends all", ended, log[-1500:]
    )
    killed = re.findall(r".*(?:died due to signal|Sent SIGKILL).*", log)
    if pool == "shared port":
        report.check(f"{kind.name}: nobody had to be killed", not killed, str(killed))


def _plain(output: str, name: str) -> str:
    """An output without what differs from run to run."""
    for spelling in (name, name.lower(), name.capitalize()):
        output = output.replace(spelling, "NAME")
    output = re.sub(r"<[0-9.]+:[0-9]+[^>]*>", "<ADDRESS>", output)
    # Tools call a daemon of a kind that they know by the name in its ad.
    output = re.sub(rf"local NAME|NAME {re.escape(HOST_NAME)}", "the NAME", output)
    return re.sub(r"[ \t]+", " ", output).strip()
