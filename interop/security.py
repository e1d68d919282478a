"""Phase three: tools as Debian configures them, a collector that lets one user in.

The tools negotiate, authenticate through FS and encrypt, as their packages configure
them. The collector runs as an ordinary user under its embedded defaults (the real one:
under the same policy, written out), so this user may change what it knows and nobody
else may, root included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from interop import ads
from interop.compare import compare_rows
from interop.peers import ADDRESS, RAW, Collector, Kind, start
from interop.queries import await_own_ad, settle
from interop.report import Report
from interop.sandbox import Result, Sandbox, wait_until

__all__ = ["OWNER", "STRANGER", "Findings", "check_security", "compare"]

OWNER = "nobody"
STRANGER = "daemon"
"""Two users that have one number on both sides without having been made for this."""

_FS_SECONDS = 5

_REAL_POLICY: Mapping[str, str] = {
    "ALLOW_READ": "*",
    **{
        f"ALLOW_{level}": f"{OWNER}@*"
        for level in ("WRITE", "DAEMON", "NEGOTIATOR", "ADMINISTRATOR")
    },
    "SEC_DEFAULT_AUTHENTICATION": "REQUIRED",
    "SEC_READ_AUTHENTICATION": "OPTIONAL",
    "SEC_DEFAULT_AUTHENTICATION_METHODS": "FS",
}


@dataclass(slots=True)
class Findings:
    """What the tools printed under the collector's policy."""

    outputs: dict[str, str] = field(default_factory=dict)


def check_security(
    kind: Kind, sandbox: Sandbox, report: Report, work: Path
) -> Findings:
    """Run the tools as the collector's user, as another, and as root.

    Args:
        kind: Which collector.
        sandbox: A fresh sandbox.
        report: Gets the checks.
        work: Where the ads are written for the tools.

    Returns:
        What is to be compared with the other collector's.
    """
    findings = Findings()
    before = _fs_directories()
    with start(kind, sandbox, _REAL_POLICY if kind.is_real else {}, user=OWNER) as peer:
        await_own_ad(peer)
        _Checks(peer, report, work, findings).run()
    left = _fs_directories() - before
    # Others that come and go are of somebody else's, at this moment.
    wait_until(lambda: not left & _fs_directories(), _FS_SECONDS)
    left &= _fs_directories()
    report.check(f"{kind.name}: FS leaves no directory behind", not left, str(left))
    return findings


def compare(report: Report, expected: Findings, actual: Findings) -> None:
    """Record one check per tool that printed something to compare."""
    for name, output in expected.outputs.items():
        found = compare_rows(name, output, actual.outputs[name])
        report.differences(f"default configuration: {name}", found)


def _fs_directories() -> set[Path]:
    return set(Path("/tmp").glob("FS_*"))


class _Checks:
    def __init__(
        self, peer: Collector, report: Report, work: Path, findings: Findings
    ) -> None:
        self._peer = peer
        self._report = report
        self._work = work
        self._findings = findings

    def run(self) -> None:
        for user in (OWNER, STRANGER, "root"):
            listed = self._tool("condor_status", "-any", user=user)
            self._check(
                f"condor_status -any by {user} lists the collector",
                listed.exit_code == 0 and "Collector" in listed.output,
                listed,
            )
        for user, accepted in ((OWNER, True), (STRANGER, False), ("root", False)):
            for option in ("-tcp", "-udp"):
                self._advertise(user, option, accepted)
        self._unprotected("-tcp")
        self._unprotected("-udp")
        self._invalidate()
        self._record(
            "condor_status -any -af MyType Name AuthenticatedIdentity",
            self._tool(
                "condor_status",
                "-any",
                "-af",
                "MyType",
                "Name",
                "AuthenticatedIdentity",
                "AuthenticationMethod",
            ),
        )
        for user in (OWNER, STRANGER):
            levels = ("READ", "WRITE", "DAEMON", "ADVERTISE_MASTER", "ADMINISTRATOR")
            self._record(
                f"condor_ping -table by {user}",
                self._sandbox_tool(
                    "condor_ping", "-addr", f"<{ADDRESS}>", "-table", *levels, user=user
                ),
            )

    def _advertise(self, user: str, option: str, accepted: bool) -> None:
        name = f"{user}{option}.pool.example"
        sent = self._send(name, option, user, {})
        listed = self._listed(name)
        verb = "is accepted" if accepted else "is refused"
        if accepted:
            holds = sent.exit_code == 0 and listed.startswith(f"{user}@")
            holds = holds and listed.endswith(" FS")
        else:
            holds = sent.exit_code != 0 and not listed
        self._check(
            f"condor_advertise {option} by {user} {verb}",
            holds,
            sent,
            f"stored: {listed}",
        )

    def _unprotected(self, option: str) -> None:
        """The collector's own user, but without any proof of being it."""
        name = f"raw{option}.pool.example"
        sent = self._send(name, option, OWNER, RAW)
        self._check(
            f"condor_advertise {option} without negotiation is refused",
            not self._listed(name),
            sent,
        )

    def _invalidate(self) -> None:
        name = f"{OWNER}-tcp.pool.example"
        ad = ads.invalidation_ad("DaemonMaster", "true", Name=ads.string(name))
        for user, stays in ((STRANGER, True), (OWNER, False)):
            sent = self._advertise_ad(ad, "INVALIDATE_MASTER_ADS", "-tcp", user, {})
            self._check(
                f"an invalidation by {user} is {'refused' if stays else 'accepted'}",
                bool(self._listed(name)) is stays,
                sent,
            )

    def _send(
        self, name: str, option: str, user: str, knobs: Mapping[str, str]
    ) -> Result:
        ad = ads.master_ad(name) | {
            "InteropText": ads.TROUBLESOME["InteropBackslashes"]
        }
        return self._advertise_ad(ad, "UPDATE_MASTER_AD", option, user, knobs)

    def _advertise_ad(
        self, ad: ads.Ad, command: str, option: str, user: str, knobs: Mapping[str, str]
    ) -> Result:
        file = self._work / "security.ads"
        file.write_text(ads.render_ads([ad]), encoding="utf-8")
        sent = self._tool(
            "condor_advertise", option, command, str(file), user=user, knobs=knobs
        )
        settle(self._peer)
        return sent

    def _listed(self, name: str) -> str:
        return (
            self._tool(
                "condor_status",
                "-master",
                "-constraint",
                f'Name == "{name}"',
                "-af",
                "AuthenticatedIdentity",
                "AuthenticationMethod",
            )
            .checked()
            .strip()
        )

    def _tool(
        self,
        tool: str,
        *arguments: str,
        user: str = OWNER,
        knobs: Mapping[str, str] | None = None,
    ) -> Result:
        """Run a tool that takes ``-pool`` in the package's own configuration."""
        return self._sandbox_tool(
            tool, "-pool", ADDRESS, *arguments, user=user, knobs=knobs
        )

    def _sandbox_tool(
        self, *command: str, user: str = OWNER, knobs: Mapping[str, str] | None = None
    ) -> Result:
        extra = {f"_CONDOR_{knob}": text for knob, text in (knobs or {}).items()}
        return self._peer.sandbox.run(command, user=user, environment=extra)

    def _record(self, name: str, result: Result) -> None:
        self._findings.outputs[name] = result.output

    def _check(self, name: str, holds: bool, result: Result, seen: str = "") -> None:
        self._report.check(
            f"{self._peer.kind.name}: {name}",
            holds,
            f"exit code {result.exit_code}\n{result.output}{result.errors}\n{seen}\n"
            f"{'' if holds else self._peer.log_tail(8)}",
        )
