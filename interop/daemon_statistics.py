"""What a collector's ad says of its own work: the duty cycle, DaemonCore's counters.

Which attributes there are, and whether each is a number with or without a fraction, is
compared for several values of STATISTICS_TO_PUBLISH, in the configuration and in a
query. The values themselves are measurements, of which only the range is checked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from interop.compare import Difference, ParsedAd, parse_long
from interop.errors import InteropError
from interop.peers import ADDRESS, OPEN_POLICY, Collector, Kind, start
from interop.queries import await_own_ad, report_failure
from interop.report import Report
from interop.sandbox import Sandbox

__all__ = ["compare", "difference_of_names", "observe"]

#: STATISTICS_TO_PUBLISH in the configuration, and the queries that are asked then.
_ASKED: Mapping[str, Sequence[Sequence[str]]] = {
    "": (
        (),
        ("-statistics", "stored"),
        ("-statistics", "DC:1"),
        ("-statistics", "DC:1!R"),
        ("-statistics", "COLLECTOR:1"),
        ("-statistics", "none"),
    ),
    "DC:1": ((), ("-direct", ADDRESS)),
    "DC:2 COLLECTOR:0": ((), ("-statistics", "COLLECTOR:1")),
    "DC:2Z": ((),),
    "SCHEDD:2": ((),),
}
_COMPARED = re.compile(
    "(Recent)?(DC.*|DaemonCoreDutyCycle|(InProc|Fork)QueriesFrom.*|WindowMax|Stats.*)"
)
_INTEGER = re.compile(r"-?\d+")
_REAL = re.compile(r"-?\d+\.\d+([Ee][-+]?\d+)?")
_DUTY_CYCLES = ("DaemonCoreDutyCycle", "RecentDaemonCoreDutyCycle")

Observed = dict[str, ParsedAd]
"""By configuration and query, the collector's own ad."""


def observe(kind: Kind, sandbox: Sandbox, report: Report) -> Observed:
    """Ask a collector of itself, under every configuration.

    Args:
        kind: Whose collector it is.
        sandbox: Where it runs.
        report: Gets what fails, and whether duty cycles are such.

    Returns:
        What it answered.
    """
    seen: Observed = {}
    for configured, queries in _ASKED.items():
        knobs = dict(OPEN_POLICY)
        if configured:
            knobs["STATISTICS_TO_PUBLISH"] = configured
        with start(kind, sandbox, knobs, uses=()) as collector:
            await_own_ad(collector)
            for options in queries:
                title = f"{configured or 'nothing'} configured, {_asks(options)}"
                seen[title] = _own_ad(collector, report, title, options)
    return seen


def compare(report: Report, expected: Observed, actual: Observed) -> None:
    """Record one check per question."""
    for title, ad in expected.items():
        found = difference_of_names(f"daemon statistics: {title}", ad, actual[title])
        count = sum(1 for name in ad if _COMPARED.fullmatch(name))
        report.differences(f"{title}: the same attributes ({count})", found)


def difference_of_names(
    query: str, expected: ParsedAd, actual: ParsedAd
) -> list[Difference]:
    """Where two ads have other attributes, or numbers of another kind."""
    names = {name for name in (*expected, *actual) if _COMPARED.fullmatch(name)}
    return [
        Difference(query, "its own ad", name, left, right)
        for name in sorted(names)
        if (left := _type(expected.get(name))) != (right := _type(actual.get(name)))
    ]


def _asks(options: Sequence[str]) -> str:
    return " ".join(("condor_status -collector", *options))


def _own_ad(
    collector: Collector, report: Report, title: str, options: Sequence[str]
) -> ParsedAd:
    result = collector.tool("condor_status", "-collector", "-long", *options)
    report_failure(report, collector, title, result)
    ads = parse_long(result.output)
    if len(ads) != 1:
        raise InteropError(f"{title}: {len(ads)} ads of collectors, not one")
    for name in () if collector.kind.is_real else _DUTY_CYCLES:
        text = ads[0].get(name, "nothing")
        within = _type(text) == "a real" and 0 <= float(text) <= 1
        if not within:
            report.check(f"{title}: {name} is a part of the time", False, text)
    return ads[0]


def _type(text: str | None) -> str | None:
    if text is None:
        return None
    if _INTEGER.fullmatch(text):
        return "an integer"
    return "a real" if _REAL.fullmatch(text) else text
