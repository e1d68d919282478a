"""Phase: real pools under strict policies, whose collector is ours.

Every daemon of a pool, the collector included, has one configuration. Under each of the
policies the daemons come up, find each other and prove to the collector who they are by
the method that the policy asks for; then a user's job runs.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from interop.capture import Capture, capture, read_capture
from interop.credentials import DOMAIN, CredentialFiles
from interop.peers import PORT, TWISTED, Collector, Kind, start
from interop.queries import await_own_ad
from interop.real_pool import RealPool, start_pool
from interop.report import Report
from interop.sandbox import HOST_NAME, Sandbox, wait_until

__all__ = ["POLICIES", "SecurePool", "check_pool"]

_POOL_SECONDS = 60
_JOB_SECONDS = 60
_USES = ("security:recommended",)
_DAEMONS = {"DaemonMaster", "Negotiator", "Scheduler", "StartD", "Machine"}
_LOGS = ("MasterLog", "SchedLog", "StartLog", "NegotiatorLog")
_SESSION_REFUSED = "Server rejected our session id"
_REFUSED = re.compile(f"{_SESSION_REFUSED}|DENIED")
_COLLECTOR_REFUSES = re.compile(r".*(?:DENIED|AUTHENTICATE).*")
_OF_AN_AD = b"OpSysAndVer"
_ENCRYPTED = b"CRAP\0\2"
"""What a datagram's security header begins with."""


@dataclass(frozen=True, slots=True)
class SecurePool:
    """A pool under one policy.

    Args:
        title: What it is called in the report.
        method: By which method its daemons authenticate to each other.
        user: Whom that makes of them.
        knobs: Its configuration, but for where its files are.
        with_udp: Whether updates come as datagrams.
        recovers: Whether the collector is killed after the job, and started again.
    """

    title: str
    method: str
    user: str
    knobs: Mapping[str, str]
    with_udp: bool = False
    recovers: bool = False


def _only(method: str) -> dict[str, str]:
    """Daemons prove who they are by one method, users by FS, and everybody has to."""
    return {
        "SEC_READ_AUTHENTICATION": "REQUIRED",
        "SEC_CLIENT_AUTHENTICATION": "REQUIRED",
        "SEC_DEFAULT_AUTHENTICATION_METHODS": "FS",
        "SEC_CLIENT_AUTHENTICATION_METHODS": f"{method}, FS",
        **{
            f"SEC_{level}_AUTHENTICATION_METHODS": method
            for level in ("DAEMON", "NEGOTIATOR")
        },
    }


POLICIES = (
    SecurePool(
        "use security:recommended",
        "FS",
        f"condor@{HOST_NAME}",
        {"UPDATE_COLLECTOR_WITH_TCP": "False"},
        with_udp=True,
    ),
    SecurePool(
        "SSL for daemons",
        "SSL",
        f"condor@{DOMAIN}",
        {**_only("SSL"), "COLLECTOR_HOST": f"{HOST_NAME}:{PORT}"},
        recovers=True,
    ),
    SecurePool(
        "IDTOKENS for daemons", "IDTOKENS", f"condor@{DOMAIN}", _only("IDTOKENS")
    ),
    SecurePool(
        "PASSWORD for daemons", "PASSWORD", "condor@password", _only("PASSWORD")
    ),
)


def check_pool(
    wanted: SecurePool, sandbox: Sandbox, report: Report, kind: Kind = TWISTED
) -> None:
    """Start a pool under a policy and have a job run.

    Args:
        wanted: The policy.
        sandbox: A fresh sandbox.
        report: Gets the checks.
        kind: Which collector it has.
    """
    knobs = {**_prepare_files(sandbox), **wanted.knobs}
    file = sandbox.work / "pool.pcap"
    with (
        start(kind, sandbox, knobs, uses=_USES) as collector,
        capture(sandbox, PORT, file),
    ):
        await_own_ad(collector)
        with start_pool(collector, knobs, _USES) as pool:
            run = _Run(wanted, collector, pool, report)
            if run.begin() and wanted.recovers:
                collector.kill()
                with start(kind, sandbox, knobs, uses=_USES) as again:
                    run.go_on(again)
                    run.end()
            else:
                run.end()
    run.look_at(read_capture(file, PORT))


def _prepare_files(sandbox: Sandbox) -> dict[str, str]:
    """Make what the methods need; the knobs that say where it is."""
    files = CredentialFiles(sandbox)
    files.certificates()
    files.passwords()
    files.token("server", "root", f"condor@{DOMAIN}")
    place = files.place
    (place / "map").write_text(f"SSL CN={HOST_NAME}$ condor@{DOMAIN}\n")
    keys = place / "server" / "keys"
    return {
        "TRUST_DOMAIN": DOMAIN,
        "ALLOW_DAEMON": f"$(ALLOW_DAEMON) condor@{DOMAIN}",
        "ALLOW_NEGOTIATOR": f"$(ALLOW_NEGOTIATOR) condor@{DOMAIN}",
        "SEC_PASSWORD_FILE": str(place / "server" / "password"),
        "SEC_PASSWORD_DIRECTORY": str(keys),
        "SEC_TOKEN_POOL_SIGNING_KEY_FILE": str(keys / "POOL"),
        "SEC_TOKEN_SYSTEM_DIRECTORY": str(place / "server" / "tokens"),
        "AUTH_SSL_SERVER_CERTFILE": str(place / "host.pem"),
        "AUTH_SSL_SERVER_KEYFILE": str(place / "host.key"),
        "AUTH_SSL_SERVER_CAFILE": str(place / "ca.pem"),
        "AUTH_SSL_CLIENT_CERTFILE": str(place / "host.pem"),
        "AUTH_SSL_CLIENT_KEYFILE": str(place / "host.key"),
        "AUTH_SSL_CLIENT_CAFILE": str(place / "ca.pem"),
        "CERTIFICATE_MAPFILE": str(place / "map"),
    }


class _Run:
    def __init__(
        self, wanted: SecurePool, collector: Collector, pool: RealPool, report: Report
    ) -> None:
        self._wanted = wanted
        self._collector = collector
        self._pool = pool
        self._report = report

    def begin(self) -> bool:
        """Come up and have a job run; whether the pool came up."""
        if not self._step("every daemon is listed", self._pool.is_complete):
            return False
        self._identities()
        self._job("first")
        found = {log: lines for log, lines in self._refusals().items() if lines}
        if turned_away := _COLLECTOR_REFUSES.findall(self._collector.log_tail(1000)):
            found["CollectorLog"] = turned_away
        self._report.check(self._name("nobody is refused"), not found, f"{found}")
        return True

    def go_on(self, again: Collector) -> None:
        """Recover from the collector's death: another process is in its place."""
        self._collector = again
        if self._step("all are back after SIGKILL", self._pool.is_complete):
            found = self._refusals()
            self._report.check(
                self._name("they were told that their sessions are gone"),
                all(_SESSION_REFUSED in "".join(lines) for lines in found.values()),
                f"{found}",
            )
            self._identities()
            self._job("second")

    def end(self) -> None:
        """Stop the pool."""
        self._report.check(self._name("the pool stops gracefully"), self._pool.stop())

    def look_at(self, seen: Capture) -> None:
        """Nothing of an ad went in clear; datagrams came if they were to come."""
        sent = [data for each in seen.conversations for _, data in each.data]
        readable = [data for data in (*sent, *seen.datagrams) if _OF_AN_AD in data]
        self._report.check(
            self._name(f"{len(seen.conversations)} connections, no ad in clear"),
            bool(sent) and not readable,
            "\n".join(str(data[:200]) for data in readable[:3]),
        )
        count = len(seen.datagrams)
        self._report.check(
            self._name(f"{count} encrypted datagrams"),
            bool(count) is self._wanted.with_udp
            and all(_ENCRYPTED in data for data in seen.datagrams),
            "\n".join(str(data[:60]) for data in seen.datagrams[:3]),
        )

    def _refusals(self) -> dict[str, list[str]]:
        """What each daemon has logged of having been refused."""
        return {
            name: [line for line in lines if _REFUSED.search(line)]
            for name, lines in (
                (name, self._pool.log(name).splitlines()) for name in _LOGS
            )
        }

    def _job(self, name: str) -> None:
        submitted = self._pool.submit(name, 0)
        self._report.check(
            self._name("condor_submit by an ordinary user"),
            submitted.exit_code == 0,
            submitted.errors or submitted.output,
        )
        if self._step("the job has ended", lambda: self._pool.has_ended(name)):
            self._report.check(
                self._name("the job did its work"), self._pool.did_its_work(name)
            )

    def _identities(self) -> None:
        """Every daemon's ad says who sent it, and how he proved that."""
        rows = self._pool.values(
            "-any", "-af", "MyType", "AuthenticatedIdentity", "AuthenticationMethod"
        )
        seen = {tuple(row.split()[1:]) for row in rows if row.split()[0] in _DAEMONS}
        self._report.check(
            self._name(f"daemons are {self._wanted.user} by {self._wanted.method}"),
            seen == {(self._wanted.user, self._wanted.method)},
            "\n".join(rows),
        )

    def _step(self, what: str, question: Callable[[], bool]) -> bool:
        begun = time.monotonic()
        reached = wait_until(question, _POOL_SECONDS)
        took = time.monotonic() - begun
        listed = self._pool.collector.tool("condor_status", "-any")
        return self._report.check(
            self._name(f"{what} ({took:.0f} s)"),
            reached,
            f"{listed.output}{listed.errors}\n{self._collector.log_tail(10)}",
        )

    def _name(self, what: str) -> str:
        return f"pool under {self._wanted.title}: {what}"
