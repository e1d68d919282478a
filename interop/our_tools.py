"""Phase two: ``condor-twisted`` beside the real tools, against one collector.

The collector is full (`interop.queries`). Whatever ``condor_status`` prints, our
``status`` has to print; whatever ``condor_advertise`` brings about, our ``advertise``
has to.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from interop import ads
from interop.compare import ParsedAd, compare_ads, compare_rows, parse_long
from interop.peers import ADDRESS, RAW, SEALED, Collector
from interop.queries import FORMS, QUERIES, Query, answer_size, settle
from interop.report import Report

_LEFT_OUT = {"-gpus", "-ckptsrvr", "-defrag", "-license", "-storage", "-grid"}
"""Tables that our tool does not promise; it lists these ads with ``-any``."""

_PROVED = {**SEALED, "SEC_CLIENT_AUTHENTICATION": "REQUIRED"}

_USER = "nobody"
"""Who advertises: the real tool has another name for root than FS has."""

TRUSTING = {"SEC_FS_ENFORCE_CHANNEL_BINDING": "False"}
"""For our client: 23.9 lets it make a directory whose name does not say for whom."""

__all__ = ["TRUSTING", "check_our_tools"]


def check_our_tools(
    collector: Collector, report: Report, work: Path, *, with_tables: bool
) -> None:
    """Ask everything with both tools at the same time, then advertise with both.

    Args:
        collector: One that `interop.queries` has filled.
        report: Gets one check per query and per way to advertise.
        work: Where the ads are written for the tools.
        with_tables: Whether tables are compared. Ours are those of 25.14; older tools
            have other columns.
    """
    for query in QUERIES:
        if _LEFT_OUT & set(query.options) or _is_of_one_type(query):
            continue
        if with_tables or not _is_table(query):
            _check_query(collector, report, query)
    _check_advertise(collector, report, work)


def _is_of_one_type(query: Query) -> bool:
    """Whether a long listing is part of that of all types, and not worth the time."""
    return (
        "-long" in query.options
        and len(query.options) == 2
        and (query.options[0] not in ("-any", "-collector"))
    )


def _is_table(query: Query) -> bool:
    return query.form == "rows" and not any(
        option.startswith(("-af", "-format")) for option in query.options
    )


def _check_query(collector: Collector, report: Report, query: Query) -> None:
    expected = collector.tool("condor_status", *query.options)
    actual = collector.our_tool("status", *query.options)
    name = f"{collector.kind.name}: condor-twisted status {' '.join(query.options)}"
    if expected.exit_code or actual.exit_code:
        report.check(
            name,
            bool(expected.exit_code) is bool(actual.exit_code),
            f"exit code {actual.exit_code}, not {expected.exit_code}\n{actual.errors}",
        )
        return
    with report.guarded(name):
        if query.form == "limit":
            sizes = [answer_size(query, side.output) for side in (expected, actual)]
            report.check(name, sizes[0] == sizes[1], f"{sizes[1]} ads, not {sizes[0]}")
            return
        found = FORMS[query.form](query.name, expected.output, actual.output)
        report.differences(name, found)


def _check_advertise(collector: Collector, report: Report, work: Path) -> None:
    """Advertise one kind of ad with both tools, look, and take it out again."""
    for options, knobs in (
        (("-tcp", "-multiple"), {}),
        (("-udp", "-multiple"), RAW),
        (("-udp", "-multiple"), _PROVED),
        (("-tcp",), {}),
    ):
        sent = [
            ads.generic_ad("Twin", f"twin-{number}", **ads.TROUBLESOME)
            for number in range(3 if "-multiple" in options else 1)
        ]
        name = f"{collector.kind.name}: condor-twisted advertise {' '.join(options)}"
        if knobs:
            name += " " + " ".join(f"{knob}={text}" for knob, text in knobs.items())
        with report.guarded(name):
            said: list[str] = []
            kept: list[list[ParsedAd]] = []
            for ours in (False, True):
                said.append(
                    _advertise(
                        collector, work, "UPDATE_AD_GENERIC", options, knobs, sent, ours
                    )
                )
                kept.append(_twins_without_count(collector))
                gone = [ads.invalidation_ad("Twin", "true")]
                _advertise(
                    collector, work, "INVALIDATE_ADS_GENERIC", ("-tcp",), {}, gone, ours
                )
                left = _twins(collector)
                report.check(
                    f"{name}: an invalidation by {'ours' if ours else 'the real one'}",
                    not left,
                    f"{left.count('MyType')} ads are left",
                )
            report.differences(f"{name} says the same", compare_rows(name, *said))
            report.differences(
                f"{name} brings the same",
                compare_ads(f"condor_status after {name}", *kept),
            )


def _twins(collector: Collector) -> str:
    return collector.tool("condor_status", "-subsystem", "Twin", "-long").checked()


def _twins_without_count(collector: Collector) -> list[ParsedAd]:
    """Give the twins without what counts them: that goes on after an invalidation."""
    twins = parse_long(_twins(collector))
    for ad in twins:
        ad.pop("UpdatesTotal", None)
    return twins


def _advertise(
    collector: Collector,
    work: Path,
    command: str,
    options: tuple[str, ...],
    knobs: Mapping[str, str],
    sent: list[ads.Ad],
    ours: bool,
) -> str:
    file = work / "twins.ads"
    file.write_text(ads.render_ads(sent), encoding="utf-8")
    arguments = ("-pool", ADDRESS, *options, command, str(file))
    if ours:
        done = collector.our_tool(
            "advertise", *arguments, user=_USER, knobs={**knobs, **TRUSTING}
        )
    else:
        done = collector.tool("condor_advertise", *arguments, user=_USER, knobs=knobs)
    said = done.checked()
    settle(collector)
    return said
