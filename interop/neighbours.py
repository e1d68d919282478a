"""Phase: a daemon of ours beside a real one under one real master, and tools of both.

The skeleton and a startd have the same master. Both are asked the same, changed,
stopped and started in the same ways, by the real tool and by ours: for either daemon
both tools have to say the same, and of both daemons the real tool has to say the same.
Everything is done on ports of their own and behind the master's shared port.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from interop.administration import check_same_log
from interop.configurations import check_same
from interop.masters import Master, our_program, start_master
from interop.peers import OPEN_POLICY
from interop.report import Report
from interop.sandbox import HOST_NAME, Result, Sandbox, wait_until
from interop.who import without_users

__all__ = ["check_neighbours"]

_STEP_SECONDS = 40
_TOOLS = {
    "config-val": "condor_config_val",
    "fetch-log": "condor_fetchlog",
    "off": "condor_off",
    "on": "condor_on",
    "ping": "condor_ping",
    "reconfig": "condor_reconfig",
    "restart": "condor_restart",
    "status": "condor_status",
    "who": "condor_who",
}
_HOW = ("-graceful", "-fast", "-peaceful")
_KNOBS: Mapping[str, str] = {
    **OPEN_POLICY,
    # Daemons know each other by the sessions that the master made, or not at all.
    "ALLOW_DAEMON": "nobody@nowhere",
    "ALLOW_NEGOTIATOR": "nobody@nowhere",
    "ALLOW_CONFIG": "*",
    "SETTABLE_ATTRS_CONFIG": "GREETING*, FAREWELL*",
    "SETTABLE_ATTRS_ADMINISTRATOR": "GUEST_*",
    "ENABLE_RUNTIME_CONFIG": "True",
    "ENABLE_PERSISTENT_CONFIG": "True",
    "DC_DAEMON_LIST": "+SKELETON",
    "UPDATE_INTERVAL": "3",
    "MASTER_UPDATE_INTERVAL": "3",
    "SKELETON_UPDATE_INTERVAL": "3",
    "SKELETON_LOG": "$(LOG)/SkeletonLog",
    "SKELETON_ADDRESS_FILE": "$(LOG)/.skeleton_address",
    "MASTER_BACKOFF_CONSTANT": "1",
    "MASTER_BACKOFF_FACTOR": "1.0",
    "SHUTDOWN_GRACEFUL_TIMEOUT": "20",
    "RUNBENCHMARKS": "False",
}
_NOT_SETTABLE_ANY_MORE = """
ENABLE_RUNTIME_CONFIG = False
ENABLE_PERSISTENT_CONFIG = False
"""
_TYPES = frozenset({"Collector", "DaemonMaster", "Generic", "Machine", "StartD"})
_MADE = "Successfully set"
_REFUSED = "failed."
#: What the ads of both daemons tell in the same way.
_COMMON_ATTRIBUTES = (
    *("Machine", "MyAddress", "CondorVersion", "UpdateSequenceNumber >= 0"),
    *("MonitorSelfAge >= 0", "DaemonLastReconfigTime > 0", "MyCurrentTime > 0"),
    "DaemonStartTime <= DaemonLastReconfigTime",
)

Daemon = tuple[str, str]
_DAEMONS: tuple[Daemon, Daemon] = (("startd", "STARTD"), ("skeleton", "SKELETON"))
"""HTCondor's own and ours; each with its name on command lines, and its subsystem."""


@dataclass(frozen=True, slots=True)
class _Pool:
    """One way to run both daemons.

    Args:
        title: For the report.
        name: The pool's name.
        knobs: What its configuration has besides.
        first: What stands in front of the daemons in DAEMON_LIST.
        ends_by_ours: Whether our tool ends it.
    """

    title: str
    name: str
    knobs: Mapping[str, str]
    first: str
    ends_by_ours: bool


_POOLS = (
    _Pool(
        "on own ports",
        "own-ports",
        {"MASTER_ARGS": "-p 9620"},
        "MASTER, COLLECTOR",
        True,
    ),
    _Pool(
        "behind a shared port",
        "shared-port",
        {"USE_SHARED_PORT": "True", "NEVER_USE_KILL_FOR_DC_SIGNALS": "True"},
        "MASTER, SHARED_PORT, COLLECTOR",
        False,
    ),
)


def check_neighbours(sandbox: Sandbox, report: Report) -> None:
    """Run both daemons in both ways.

    Args:
        sandbox: A fresh sandbox.
        report: Gets the checks.
    """
    program = our_program(
        sandbox, "condor-twisted-skeleton", "condor_twisted.daemons.skeleton.main"
    )
    for pool in _POOLS:
        settings = sandbox.work / f"{pool.name}-settings"
        settings.mkdir(mode=0o755)
        knobs = {
            **_KNOBS,
            **pool.knobs,
            "SKELETON": str(program),
            "PERSISTENT_CONFIG_DIR": str(settings),
            "DAEMON_LIST": f"{pool.first}, STARTD, SKELETON",
        }
        subsystems = (subsystem for _, subsystem in _DAEMONS)
        with start_master(sandbox, pool.name, knobs, "COLLECTOR", *subsystems) as one:
            _Neighbours(pool, one, report).run()


class _Neighbours:
    """Both daemons under one master."""

    def __init__(self, pool: _Pool, master: Master, report: Report) -> None:
        self._pool = pool
        self._master = master
        self._report = report
        self._kept: dict[tuple[str, Daemon], list[Result]] = {}

    def run(self) -> None:
        """Do everything."""
        self._await("both are Ready", lambda: set(self._states("_State")) == {"Ready"})
        self._listed()
        self._questions()
        self._settings()
        self._logs()
        for how in _HOW:
            for ours in (False, True):
                self._off_and_on(how, ours=ours)
        with self._master.config.open("a") as file:
            file.write(_NOT_SETTABLE_ANY_MORE)
        for how in _HOW:
            for ours in (False, True):
                self._restarted(how, ours=ours)
        self._compare_kept()
        self._refused()
        self._stop()

    # Steps.

    def _listed(self) -> None:
        """The master, the logs and the collector know of them."""
        for question in ("-quick", "-wait-for-ready:5 IsReady", "-daemons"):
            real, ours = self._by_both("who", tuple(question.split()))
            self._same_tools(f"who {question}", real, ours)
            startd, skeleton = (_of_one(real.output, *daemon) for daemon in _DAEMONS)
            self._same_daemons(f"who {question}", startd, skeleton)
            self._check(f"who {question} lists both", bool(startd and skeleton))
        self._await(
            "both are in the collector, as everybody is",
            lambda: set(self._types()) >= _TYPES,
        )
        self._same_tools("status -any", *self._by_both("status", ("-any",)))
        is_this = 'MyAddress == "{address}" && SlotID is undefined'
        words = ("-any", "-constraint", is_this, "-af:h", *_COMMON_ATTRIBUTES)
        title = "status -any of its ad"
        self._both("status", *words, title=title, says=f"\n{HOST_NAME} <ADDRESS> ")

    def _questions(self) -> None:
        """Anybody may ask them who he is and how they are configured."""
        levels = ("READ", "WRITE", "DAEMON", "ADMINISTRATOR")
        self._both("ping", "-address", "{address}", *levels, says="READ command using")
        names = ("UPDATE_INTERVAL", "NO_SUCH_KNOB", "LOCAL_DIR")
        self._both("config-val", "-addr", "{address}", *names, says="3\nNot defined\n/")

    def _settings(self) -> None:
        """Settings from afar, allowed and not; seen after a reconfiguration only."""
        at = ("-addr", "{address}")
        names = (
            *("GREETING", "GREETING2", "GUEST_BOOK", "FAREWELL", "FAREWELL2"),
            "UNLISTED",
        )
        settings: tuple[tuple[tuple[str, ...], str], ...] = (
            (("-set", "GREETING = hello $(GUEST_BOOK)", "GREETING2 = hi"), _MADE),
            (("-set", "GREETING3 = stays"), _MADE),
            (("-rset", "GUEST_BOOK = here"), _MADE),
            (("-rset", "FAREWELL = bye", "FAREWELL2 = good bye"), _MADE),
            (("-set", "UNLISTED = 1"), _REFUSED),
            (("-rset", "UNLISTED = 1"), _REFUSED),
        )
        pids = self._pids()
        for setting, says in settings:
            self._both("config-val", *at, *setting, says=says)
        asked = ("config-val", *at, *names)
        undefined = "Not defined\n" * len(names)
        self._both(*asked, title="config-val before reconfig", says=undefined)
        self._both("reconfig", *at, says="Reconfig")
        self._both(
            *asked, title="config-val after reconfig", says="hello here\nhi\nhere"
        )
        self._both("config-val", *at, "-verbose", *names, says="<runtime>, line 0")
        self._forget("-unset", "GREETING2", "GREETING")
        self._forget("-runset", "FAREWELL2", "FAREWELL")
        self._both("reconfig", "-daemon", "{name}", says="to local NAME")
        title = "config-val after -unset, -runset"
        self._both(*asked, title=title, says="Not defined\nNot defined\nhere\nNot")
        self._same_tools("reconfig of all", *self._by_both("reconfig", ()))
        self._check("both go on after all that", self._pids() == pids)

    def _forget(self, edit: str, *names: str) -> None:
        """Forget one setting with each tool, the newest first; others stay."""
        told = []
        for daemon in _DAEMONS:
            done = [
                self._do(
                    "config-val", ("-addr", "{address}", edit, name), daemon, ours=ours
                )
                for name, ours in zip(names, (False, True), strict=True)
            ]
            texts = (
                _text(each).replace(f'"{name}"', '"NAME"')
                for each, name in zip(done, names, strict=True)
            )
            label = self._label(f"config-val {edit}", daemon)
            check_same(self._report, label, *texts)
            told.append(self._plain(done[0], daemon))
        self._same_daemons(f"config-val {edit}", *told)

    def _logs(self) -> None:
        """Their logs come from themselves and from their master."""
        for words, comes in (
            (("{address}", "{subsystem}"), True),
            ((HOST_NAME, "{subsystem}"), True),
            (("{address}", "NO_SUCH"), False),
        ):
            title = f"fetch-log {' '.join(words)}"
            came = []
            for daemon in _DAEMONS:
                real, ours = self._by_both("fetch-log", words, daemon)
                label = self._label(title, daemon)
                check_same_log(self._report, label, real, ours)
                what = f"{title} {'comes' if comes else 'does not come'}"
                self._check(what, bool(real.output) is comes, _text(real))
                came.append(f"{real.exit_code}\n{real.errors}")
            self._same_daemons(title, *came)

    def _off_and_on(self, how: str, *, ours: bool) -> None:
        """They stop with exit status 0, stay down, and come back."""
        before = self._pids()
        by = "ours" if ours else "the real one"
        self._keep("off", how, ours=ours)
        self._await(
            f"both are on hold after off {how} by {by}",
            lambda: self._states() == ["Hold", "Hold"],
        )
        log = self._master.log()
        ends = [
            log.count(f"The {subsystem} (pid {pid}) exited with status 0")
            for (_, subsystem), pid in zip(_DAEMONS, before, strict=True)
        ]
        self._check(f"both ended with status 0 after {how}", ends == [1, 1], log[-900:])
        self._keep("on", how, ours=ours)
        self._await(
            f"both are Ready after on by {by} ({how})", lambda: self._are_new(before)
        )

    def _restarted(self, how: str, *, ours: bool) -> None:
        before = self._pids()
        self._keep("restart", how, ours=ours)
        by = "ours" if ours else "the real one"
        self._await(
            f"both are new and Ready after restart {how} by {by}",
            lambda: self._are_new(before),
        )

    def _refused(self) -> None:
        """Where settings from afar are switched off, nobody makes any."""
        for edit, setting in (("-set", "GREETING = x"), ("-rset", "FAREWELL = x")):
            words = ("-addr", "{address}", edit, setting)
            title = f"config-val {edit}, switched off"
            self._both("config-val", *words, title=title, says=_REFUSED)

    def _stop(self) -> None:
        """The master ends all, and nobody has to be killed."""
        ours = self._pool.ends_by_ours
        self._do("off", ("-master",), ours=ours)
        ended = wait_until(
            lambda: self._master.process.poll() is not None, _STEP_SECONDS
        )
        log = self._master.log()
        killed = re.findall(r".*(?:died due to signal|Sent SIGKILL).*", log)
        by = "ours" if ours else "the real one"
        self._check(f"off -master by {by} ends all", ended and not killed, log[-1500:])
        # Only our tool says by its exit code that there is no master.
        real, mine = self._by_both("who", ("-quick",))
        label = f"{self._pool.title}: who -quick when all have ended"
        check_same(self._report, label, real.output, mine.output)
        self._check("who -quick says so", "Exited with code=0" in real.output)

    # What the tools say.

    def _do(
        self,
        tool: str,
        words: tuple[str, ...],
        daemon: Daemon = ("", ""),
        *,
        ours: bool,
    ) -> Result:
        """Run a tool; ``{address}``, ``{name}``, ``{subsystem}`` are the daemon's."""
        name, subsystem = daemon
        values = {"name": name, "subsystem": subsystem}
        if "{address}" in "".join(words):
            file = self._master.log_directory / f".{name}_address"
            values["address"] = file.read_text().splitlines()[0]
        filled = []
        for word in words:
            for key, value in values.items():
                word = word.replace(f"{{{key}}}", value)
            filled.append(word)
        if ours:
            return self._master.our_tool(tool, *filled)
        return self._master.tool(_TOOLS[tool], *filled)

    def _by_both(
        self, tool: str, words: tuple[str, ...], daemon: Daemon = ("", "")
    ) -> tuple[Result, Result]:
        return (
            self._do(tool, words, daemon, ours=False),
            self._do(tool, words, daemon, ours=True),
        )

    def _both(self, tool: str, *words: str, title: str = "", says: str = "") -> None:
        """Take a step with either daemon and both tools, and compare.

        Args:
            tool: Ours; the real one has another name.
            *words: Its command line; see `_do`.
            title: What the report calls the step.
            says: What either daemon has to bring about, so that two failures are not
                taken for agreement.
        """
        told_of = words[2:] if "{address}" in words else words
        title = title or " ".join((tool, *told_of))
        told = []
        for daemon in _DAEMONS:
            real, ours = self._by_both(tool, words, daemon)
            self._same_tools(self._label(title, daemon), real, ours, labelled=True)
            told.append(self._plain(real, daemon))
        self._same_daemons(title, *told)
        is_said = all(says in each for each in told)
        self._check(f"{title} says {says!r}", is_said, "\n".join(told))

    def _keep(self, tool: str, how: str, *, ours: bool) -> None:
        """Take a step with either daemon and one tool, and compare it later."""
        words = ("-daemon", "{name}") if tool == "on" else (how, "-daemon", "{name}")
        for daemon in _DAEMONS:
            said = self._do(tool, words, daemon, ours=ours)
            self._kept.setdefault((f"{tool} {how}", daemon), []).append(said)

    def _compare_kept(self) -> None:
        for title in dict.fromkeys(title for title, _ in self._kept):
            told = []
            for daemon in _DAEMONS:
                real, ours = self._kept[title, daemon]
                self._same_tools(self._label(title, daemon), real, ours, labelled=True)
                told.append(self._plain(real, daemon))
            self._same_daemons(title, *told)

    # Comparisons.

    def _label(self, title: str, daemon: Daemon) -> str:
        return f"{self._pool.title}: {_readable(title)}, of {daemon[0]}"

    def _same_tools(
        self, title: str, real: Result, ours: Result, *, labelled: bool = False
    ) -> None:
        label = title if labelled else f"{self._pool.title}: {title}"
        # A user beside a process moves the columns behind it.
        texts = (
            _with_single_blanks(without_users(_text(each))) for each in (real, ours)
        )
        check_same(self._report, f"{label}: both tools", *texts)

    def _same_daemons(self, title: str, real: str, ours: str) -> None:
        label = f"{self._pool.title}: {_readable(title)}: ours as the real daemon"
        check_same(self._report, label, real, ours)

    def _plain(self, said: Result, daemon: Daemon) -> str:
        return _without_names(_text(said), *daemon)

    # How the daemons are.

    def _states(self, what: str = "") -> list[str]:
        states = self._master.states()
        return [states.get(f"{subsystem}{what}", "") for _, subsystem in _DAEMONS]

    def _pids(self) -> list[str]:
        return self._states("_PID")

    def _are_new(self, before: list[str]) -> bool:
        pids = zip(self._pids(), before, strict=True)
        are_others = all(now not in ("", old) for now, old in pids)
        return are_others and set(self._states("_State")) == {"Ready"}

    def _types(self) -> list[str]:
        listed = self._master.tool("condor_status", "-any", "-af", "MyType")
        return listed.output.split()

    def _check(self, what: str, holds: bool, detail: str = "") -> None:
        self._report.check(f"{self._pool.title}: {_readable(what)}", holds, detail)

    def _await(self, what: str, question: Callable[[], bool]) -> None:
        reached = wait_until(question, _STEP_SECONDS)
        detail = f"{self._master.states()}\n{self._master.log()[-1500:]}"
        self._check(what, reached, "" if reached else detail)


def _readable(title: str) -> str:
    """A title without the braces of what each daemon fills in."""
    return title.translate({ord("{"): None, ord("}"): None})


def _text(said: Result) -> str:
    return f"exit code {said.exit_code}\n{said.output}{said.errors}"


def _with_single_blanks(text: str) -> str:
    return re.sub(r"[ \t]+", " ", text)


def _of_one(text: str, name: str, subsystem: str) -> str:
    """The lines that are about one daemon, of a listing of all."""
    lines = [
        without_users(line)
        for line in text.splitlines()
        if re.match(rf"{name}\b|{subsystem}(_|\b)", line, re.IGNORECASE)
    ]
    return _without_names("\n".join(lines), name, subsystem)


#: What differs between two daemons of one master that are the same otherwise.
_OF_EACH: tuple[tuple[str, str], ...] = (
    # Where it listens, by port or by the name of its endpoint.
    (r"<[0-9.]+:[0-9]+[^>]*>", "<ADDRESS>"),
    # Its process: of the two numbers in a row the second is the parent's.
    (r"(NAME_PID =|NAME yes) \d+", r"\1 PID"),
    # Its program.
    (r"/\S*/(condor-twisted-|condor_)NAME", "PROGRAM"),
    # A startd has a peaceful way of its own and is told before; others are not.
    (r'Sent "Set-Peaceful-Shutdown" command to local NAME\n', ""),
    # Ads of kinds that HTCondor does not know share one table: their names say which.
    (rf"NAME@{re.escape(HOST_NAME)}", HOST_NAME),
    # The real one counts the one line of a persistent setting's file from 0, and lines
    # of all other files from 1, as ours does everywhere.
    (r"(\.config\.NAME\.\w+), line [01]", r"\1, line 1"),
)


def _without_names(text: str, name: str, subsystem: str) -> str:
    for spelling in (name, subsystem, name.capitalize()):
        text = text.replace(spelling, "NAME")
    text = _with_single_blanks(text)
    for pattern, instead in _OF_EACH:
        text = re.sub(pattern, instead, text)
    return text
