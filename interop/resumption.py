"""Phase: the second command of a client costs one round trip, seen in a capture.

The real client library and ours each query a collector twice, and then tell it of an ad
twice, every time on a connection of its own. What went over the network says how often
the two sides took turns: the first command of a level is a whole negotiation, the
second one resumes its session. Real to real is what the others are held against.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from twisted.internet import task
from twisted.internet.defer import Deferred, inlineCallbacks

from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.client import Pool
from interop.capture import capture, read_capture
from interop.compare import Difference
from interop.peers import PORT, Collector, Kind, our_environment, start
from interop.queries import await_own_ad
from interop.report import Report
from interop.sandbox import Result, Sandbox

__all__ = ["Turns", "compare", "observe"]

_POLICY: Mapping[str, str] = {
    **{f"ALLOW_{level}": "*" for level in ("READ", "WRITE", "DAEMON")},
    **{
        f"SEC_DEFAULT_{feature}": "REQUIRED"
        for feature in ("AUTHENTICATION", "ENCRYPTION", "INTEGRITY")
    },
    "SEC_DEFAULT_AUTHENTICATION_METHODS": "FS",
    "SEC_FS_ENFORCE_CHANNEL_BINDING": "False",  # 23.9 does without
}
_COMMANDS = ("first query", "second query", "first update", "second update")
_RESUMED = {"second query": "CSCS", "second update": "CSC"}
"""A round trip that resumes the session, and then the command itself."""
_REAL_CLIENT = """
import classad2, htcondor2
collector = htcondor2.Collector()
for number in range(2):
    collector.query(htcondor2.AdType.Any)
ad = classad2.ClassAd({"MyType": "Generic", "Name": "interop"})
for number in range(2):
    collector.advertise([ad], "UPDATE_AD_GENERIC", True)
"""


@dataclass(slots=True)
class Turns:
    """Who spoke when, for each command of each client.

    Args:
        collector: Which collector.
        clients: By client and command: a letter per turn.
    """

    collector: str
    clients: dict[str, dict[str, str]] = field(default_factory=dict)


def observe(kind: Kind, sandbox: Sandbox, report: Report) -> Turns:
    """Have both clients send their commands, and record the network.

    Args:
        kind: Which collector.
        sandbox: A fresh sandbox.
        report: Gets one check per client.
    """
    turns = Turns(kind.name)
    with start(kind, sandbox, _POLICY, uses=()) as collector:
        await_own_ad(collector)
        for client, run in (("real", _run_real), ("twisted", _run_ours)):
            file = sandbox.work / f"{client}.pcap"
            with capture(sandbox, PORT, file):
                done = run(collector)
            seen = [each.turns for each in read_capture(file, PORT).conversations]
            report.check(
                f"{client} client, {kind.name} collector: a connection per command",
                done.exit_code == 0 and len(seen) == len(_COMMANDS),
                f"{seen}\n{done.output}{done.errors}\n{collector.log_tail(5)}",
            )
            turns.clients[client] = dict(zip(_COMMANDS, seen, strict=False))
    return turns


def compare(report: Report, real: Turns, ours: Turns) -> None:
    """Record one check per client and collector.

    Args:
        report: Gets the checks.
        real: What was seen of the real collector.
        ours: The same of ours.
    """
    pattern = real.clients["real"]
    report.check(
        "the real pair: a second command takes one round trip more than it needs",
        all(pattern.get(name) == turns for name, turns in _RESUMED.items()),
        f"{pattern}",
    )
    for findings in (real, ours):
        for client, seen in findings.clients.items():
            if seen is pattern:
                continue
            name = f"{client} client, {findings.collector} collector: turns"
            found = [
                Difference(name, command, "turns", turns, seen.get(command))
                for command, turns in pattern.items()
                if seen.get(command) != turns
            ]
            shown = ", ".join(f"{command} {seen.get(command)}" for command in pattern)
            report.differences(f"{name} as the real pair's: {shown}", found)


def _run_real(collector: Collector) -> Result:
    return collector.tool("python3", "-c", _REAL_CLIENT)


def _run_ours(collector: Collector) -> Result:
    return collector.sandbox.run(
        [sys.executable, "-m", "interop.resumption"],
        environment={**our_environment(), "CONDOR_CONFIG": str(collector.config)},
        beside=True,
    )


@inlineCallbacks
def _main(reactor: Any) -> Generator[Deferred[Any], Any, None]:
    """Be our client: what the real one does."""
    pool = Pool.from_configuration(reactor=reactor)
    for _ in range(2):
        yield pool.query("Any")
    ad = WireAd.from_pairs({"MyType": "Generic", "Name": "interop"})
    for _ in range(2):
        [told] = yield pool.advertise(ad, use_tcp=True)
        for error in told.errors:
            raise error
    yield pool.close()


if __name__ == "__main__":
    task.react(_main)
