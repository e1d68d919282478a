"""Phase seven: one port for all daemons of a host, with either side of it ours.

First the shared port is HTCondor's, and a collector and a skeleton of ours are behind
it; then it is ours, in front of HTCondor's own daemons. Both times a real master starts
everything, and everybody is asked through the one port, by name and, where the
collector is meant, without.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from interop.masters import Master, our_program, start_master
from interop.our_collector_pool import run_job
from interop.peers import OPEN_POLICY, REAL, SEALED, Pool
from interop.pool import POOL_KNOBS
from interop.report import Report
from interop.sandbox import Sandbox, wait_until

__all__ = ["check_shared_port"]

_PORT = 9618
_STEP_SECONDS = 30
_RECONFIGURED = "configuration was read again"
_KNOBS: Mapping[str, str] = {
    **OPEN_POLICY,
    # Daemons know each other by the sessions that the master made, or not at all.
    "ALLOW_DAEMON": "nobody@nowhere",
    "ALLOW_NEGOTIATOR": "nobody@nowhere",
    "USE_SHARED_PORT": "True",
    "SHARED_PORT_PORT": str(_PORT),
    "UPDATE_INTERVAL": "3",
    "MASTER_UPDATE_INTERVAL": "3",
    "NEGOTIATOR_UPDATE_INTERVAL": "3",
    "SKELETON_UPDATE_INTERVAL": "3",
    "SKELETON_LOG": "$(LOG)/SkeletonLog",
    "SKELETON_ADDRESS_FILE": "$(LOG)/.skeleton_address",
    "NEGOTIATOR_ADDRESS_FILE": "$(LOG)/.negotiator_address",
    "SHARED_PORT_ADDRESS_FILE": "$(LOG)/.shared_port_address",
    "MASTER_BACKOFF_CONSTANT": "1",
    "MASTER_BACKOFF_FACTOR": "1.0",
    "SHUTDOWN_GRACEFUL_TIMEOUT": "20",
    "ALLOW_ADVERTISE_MASTER": "*",
}
_POOL_TYPES = ("Collector", "DaemonMaster", "Machine", "Negotiator", "Scheduler")
#: A tool's knobs: the address that was dialled, and all that went in clear, are proved.
_PROVED = {
    **SEALED,
    "SEC_CLIENT_AUTHENTICATION": "REQUIRED",
    "SEC_CLIENT_AUTHENTICATION_METHODS": "FS",
}


def check_shared_port(sandbox: Sandbox, report: Report) -> None:
    """Run both pools.

    Args:
        sandbox: A fresh sandbox.
        report: Gets the checks.
    """
    _behind_the_real_one(sandbox, report)
    _ours_in_front(sandbox, report)


def _programs(sandbox: Sandbox, *names: str) -> dict[str, str]:
    found = {}
    for name in names:
        module = name.replace("-", "_")
        program = our_program(
            sandbox,
            f"condor-twisted-{name}",
            f"condor_twisted.daemons.{module}.main",
        )
        found[module.upper()] = str(program)
    return found


def _behind_the_real_one(sandbox: Sandbox, report: Report) -> None:
    daemons = ("COLLECTOR", "SKELETON", "NEGOTIATOR")
    knobs = {
        **_KNOBS,
        **_programs(sandbox, "collector", "skeleton"),
        "DAEMON_LIST": f"MASTER, SHARED_PORT, {', '.join(daemons)}",
        "DC_DAEMON_LIST": "+SKELETON",
    }
    with start_master(sandbox, "behind-real", knobs, *daemons) as master:
        checks = _Checks(master, report, "behind the real shared port")
        checks.listed("Collector", "DaemonMaster", "Generic", "Negotiator")
        checks.address("SKELETON", "skeleton_")
        checks.address("COLLECTOR", "collector")
        checks.ready("SKELETON", "COLLECTOR")
        for name in daemons:
            checks.pinged(name)
        checks.without_a_name()
        checks.itself()
        checks.by_datagram()
        checks.reconfigured("SKELETON", "SkeletonLog")
        checks.reconfigured("COLLECTOR", "CollectorLog")
        checks.off_and_on("SKELETON")
        checks.off_and_on("COLLECTOR")
        checks.listed("Collector", "DaemonMaster", "Generic", "Negotiator")
        checks.stopped()


def _ours_in_front(sandbox: Sandbox, report: Report) -> None:
    daemons = ("SHARED_PORT", "COLLECTOR", "NEGOTIATOR", "SCHEDD", "STARTD")
    knobs = {
        **POOL_KNOBS,
        **{f"{name}_ARGS": "" for name in ("MASTER", *daemons)},
        **_KNOBS,
        "SEC_USE_FAMILY_SESSION": "True",
        **_programs(sandbox, "shared-port"),
        "DAEMON_LIST": f"MASTER, {', '.join(daemons)}",
    }
    with start_master(sandbox, "ours-in-front", knobs, *daemons) as master:
        checks = _Checks(master, report, "our shared port")
        checks.listed(*_POOL_TYPES)
        checks.address("COLLECTOR", "collector")
        for name in ("COLLECTOR", "NEGOTIATOR"):
            checks.pinged(name)
        checks.without_a_name()
        checks.reconfigured("SHARED_PORT", "SharedPortLog")
        checks.counted()
        run_job(master, report, "our shared port: a job runs", "job")
        checks.itself()
        checks.replaced("SHARED_PORT")
        checks.listed(*_POOL_TYPES)
        checks.stopped()


class _Checks:
    """What is asked in either pool."""

    def __init__(self, master: Master, report: Report, title: str) -> None:
        self._master = master
        self._report = report
        self._title = title
        log = master.log_directory / "MasterLog"
        self._tools = Pool(REAL, master.sandbox, master.config, log, {})

    def listed(self, *types: str) -> None:
        """Everybody's ad is in the collector, whichever tool asks."""
        wanted = set(types)

        def found() -> set[str]:
            listed = self._master.tool("condor_status", "-any", "-af", "MyType")
            return set(listed.output.split())

        self._await("everybody is in the collector", lambda: found() >= wanted)
        ours = self._tools.our_tool("status", "-any", "-af", "MyType")
        self._check(
            "condor-twisted status lists them", set(ours.output.split()) >= wanted, ours
        )

    def address(self, name: str, endpoint: str) -> None:
        """A daemon's address is the shared port's, with its endpoint."""
        text = self._address(name)
        self._check(
            f"{name} is at the shared port",
            f":{_PORT}?" in text and f"sock={endpoint}" in text and "noUDP" in text,
            text,
        )

    def ready(self, *names: str) -> None:
        """The master has heard that daemons of ours are ready."""
        for name in names:
            self._await(
                f"{name} is Ready",
                lambda name=name: (  # type: ignore[misc]
                    self._master.states().get(f"{name}_State") == "Ready"
                ),
            )

    def pinged(self, name: str) -> None:
        """A daemon answers pings, real and ours, that come through the port."""
        self._pinged(name, self._address(name))

    def _pinged(
        self, name: str, address: str, knobs: Mapping[str, str] = _PROVED
    ) -> None:
        real = self._tools.tool(
            "condor_ping",
            "-address",
            address,
            "-table",
            "READ",
            "WRITE",
            knobs=knobs,
        )
        self._check(
            f"condor_ping reaches {name}",
            real.exit_code == 0
            and real.output.count("ALLOW") == 2
            and (knobs is not _PROVED or real.output.count(" FS ") == 2),
            real,
        )
        ours = self._tools.our_tool(
            "ping", "-addr", address, "READ", "WRITE", knobs=knobs
        )
        self._check(
            f"condor-twisted ping reaches {name}",
            ours.exit_code == 0 and ours.output.count("succeeded") == 2,
            ours,
        )

    def without_a_name(self) -> None:
        """What names no daemon is for the collector, negotiated or not."""
        address = f"<127.0.0.1:{_PORT}>"
        for knobs in ({}, {"SEC_CLIENT_NEGOTIATION": "NEVER"}):
            asked = self._tools.tool(
                "condor_status",
                "-pool",
                address,
                "-collector",
                "-af",
                "MyType",
                knobs=knobs,
            )
            how = "raw" if knobs else "negotiated"
            # A shared port takes a command that it does not know for the collector's.
            self._check(
                f"a query without a name ({how}) is the collector's",
                asked.output.split() == ["Collector"],
                asked,
            )

    def itself(self) -> None:
        """The shared port daemon has a name, too; an unknown one is nobody's."""
        own = f"<127.0.0.1:{_PORT}?sock=self>"
        self._pinged("the shared port itself", own, SEALED)  # it is no name for FS
        for name in ("nobody_1_2", "..%2f..%2fcollector", "a" * 80):
            address = f"<127.0.0.1:{_PORT}?sock={name}>"
            real = self._master.tool("condor_ping", "-address", address, "READ")
            ours = self._tools.our_tool("ping", "-addr", address, "READ")
            self._check(
                f"nobody answers for {name[:24]}",
                real.exit_code != 0 and ours.exit_code == 1,
                f"{real}\n{ours}",
            )

    def replaced(self, name: str) -> None:
        """A daemon that ends is started again, and everybody finds it."""
        before = self._master.pid(name) or "-"
        self._master.kill("TERM", before)
        self._await(f"another {name} is there", lambda: self._is_new(name, before))

    def _is_new(self, name: str, before: str) -> bool:
        return self._master.is_alive(name, instead_of=before)

    def by_datagram(self) -> None:
        """The collector has the UDP port of the same number besides."""
        config = self._master.config.parent / "datagrams.config"
        config.write_text(
            self._master.config.read_text()
            + "UPDATE_COLLECTOR_WITH_TCP = False\nSEC_CLIENT_NEGOTIATION = NEVER\n"
        )
        self._master.sandbox.run(
            ["condor_advertise", "-udp", "UPDATE_MASTER_AD"],
            environment={"CONDOR_CONFIG": str(config)},
            standard_input='MyType = "DaemonMaster"\nName = "by-datagram"\n',
        )

        def names() -> list[str]:
            listed = self._master.tool("condor_status", "-master", "-af", "Name")
            return listed.output.split()

        self._await("the collector takes datagrams", lambda: "by-datagram" in names())

    def reconfigured(self, name: str, log: str) -> None:
        """``condor_reconfig`` reaches a daemon, which goes on."""
        before = self._master.log(log).count(_RECONFIGURED)
        pid = self._master.pid(name)
        self._master.tool("condor_reconfig", "-daemon", name.lower())
        self._master.tool("condor_reconfig")
        self._await(
            f"{name} is reconfigured",
            lambda: self._master.log(log).count(_RECONFIGURED) > before,
        )
        self._check(f"{name} goes on", self._master.pid(name) == pid)

    def off_and_on(self, name: str) -> None:
        """A daemon stops, and comes back behind the port."""
        before = self._master.pid(name)
        self._master.tool("condor_off", "-daemon", name.lower())
        self._await(f"{name} stops", lambda: self._master.states().get(name) == "Hold")
        self._master.tool("condor_on", "-daemon", name.lower())
        self._await(f"{name} comes back", lambda: self._master.is_alive(name, before))

    def counted(self) -> None:
        """The shared port's file says how it does."""
        path = self._master.log_directory.parent / "lock" / "shared_port_ad"
        lines = dict(
            line.split(" = ", 1) for line in path.read_text().splitlines() if line
        )
        self._check(
            "its file counts connections", int(lines["RequestsSucceeded"]) > 0, lines
        )
        self._check(
            "its file has what a real one has",
            set(lines)
            == {
                "ForkedChildrenCurrent",
                "ForkedChildrenPeak",
                "MyAddress",
                "RequestsBlocked",
                "RequestsFailed",
                "RequestsPendingCurrent",
                "RequestsPendingPeak",
                "RequestsSucceeded",
                "SharedPortCommandSinfuls",
            },
            lines,
        )

    def stopped(self) -> None:
        """``condor_off -master`` ends all, and nobody has to be killed."""
        ended = self._master.stop()
        log = self._master.log()
        killed = [
            line
            for line in log.splitlines()
            if "died due to signal" in line or "Sent SIGKILL" in line
        ]
        self._check("condor_off -master ends all", ended and not killed, killed)

    # Answers and records.

    def _address(self, name: str) -> str:
        file = self._master.log_directory / f".{name.lower()}_address"
        return file.read_text().splitlines()[0]

    def _check(self, what: str, holds: bool, detail: object = "") -> None:
        self._report.check(f"{self._title}: {what}", holds, str(detail))

    def _await(self, what: str, question: Callable[[], bool]) -> None:
        started = time.monotonic()
        reached = wait_until(question, _STEP_SECONDS)
        detail = "" if reached else self._describe(time.monotonic() - started)
        self._check(what, reached, detail)

    def _describe(self, seconds: float) -> str:
        logs = [self._master.states().__str__(), f"after {seconds:.0f} s"]
        return "\n".join([*logs, self._master.log()[-1500:]])
