"""Phase two: a thousand ads over UDP, a thousand over TCP, none lost, none changed.

Every ad is larger than one Ethernet frame, and loopback is told to fragment as a real
network would, so every datagram comes in pieces.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from interop import ads
from interop.compare import ParsedAd, compare_ads, parse_long
from interop.errors import InteropError
from interop.peers import ADDRESS, PORT, RAW, SEALED, Collector
from interop.queries import settle
from interop.report import Report
from interop.sandbox import wait_until

__all__ = ["check_volume"]

_AD_COUNT = 1000
_FRAGMENT_BYTES = 1000
_READ_SECONDS = 120
_ARRIVAL_SECONDS = 20


@dataclass(frozen=True, slots=True)
class _Way:
    """One way for a thousand ads.

    A call of the tool sends as many ads as a default socket buffer takes in, so that a
    loss is the collector's and not the kernel's; over TCP nothing can be lost, and one
    call sends many.
    """

    name: str
    options: tuple[str, ...]
    knobs: dict[str, str]
    ads_per_call: int


_WAYS = (
    _Way("udp", ("-udp", "-multiple"), dict(RAW), 8),
    _Way("tcp", ("-tcp", "-multiple"), dict(SEALED), 250),
)


def check_volume(collector: Collector, report: Report, work: Path) -> None:
    """Send a thousand ads each way, read them back, and compare every attribute.

    Args:
        collector: One under the open policy.
        report: Gets three checks per way.
        work: Where the ads are written for the tool.
    """
    for way in _WAYS:
        with report.guarded(f"{collector.kind.name}: {_AD_COUNT} ads over {way.name}"):
            _check_one_way(way, collector, report, work)


def _check_one_way(way: _Way, collector: Collector, report: Report, work: Path) -> None:
    sent = [
        ads.slot_ad(
            f"{way.name}{number:04}.pool.example",
            f"slot{number % 7 + 1}",
            4000 + number,
            **ads.TROUBLESOME,
            Memory=str(1000 + number),
            InteropWay=ads.string(way.name),
            InteropNumber=str(number),
        )
        for number in range(_AD_COUNT)
    ]
    smallest = min(len(ads.render_ads([ad]).encode()) for ad in sent)
    who = f"{collector.kind.name}: {_AD_COUNT} ads of {len(sent[0])} attributes"
    report.check(
        f"{who}, at least {smallest} bytes each", smallest > 1500, "too small to tell"
    )
    before = collector.sandbox.udp_received()
    for first in range(0, _AD_COUNT, way.ads_per_call):
        _send(way, collector, sent[first : first + way.ads_per_call], work)
    if way.name == "udp":
        datagrams = collector.sandbox.udp_received() - before
        report.check(
            f"{who} come in pieces",
            datagrams >= _AD_COUNT * smallest // _FRAGMENT_BYTES,
            f"only {datagrams} datagrams were taken",
        )
    chosen = ("-constraint", f'InteropWay == "{way.name}"')
    wait_until(lambda: _count(collector, chosen) >= _AD_COUNT, _ARRIVAL_SECONDS)
    kept = collector.tool(
        "condor_status", "-long", *chosen, timeout_seconds=_READ_SECONDS
    ).checked()
    stored = parse_long(kept)
    report.check(
        f"{who} arrive over {way.name}",
        len(stored) == _AD_COUNT,
        f"{len(stored)} arrived{_drops(way, collector)}",
    )
    report.differences(
        f"{who} read back equal after {way.name}",
        compare_ads(f"{_AD_COUNT} ads over {way.name}", sent, _as_sent(sent, stored)),
    )
    ours = parse_long(
        collector.our_tool(
            "status", "-long", *chosen, timeout_seconds=_READ_SECONDS
        ).checked()
    )
    report.differences(
        f"{who} read back equal by our client after {way.name}",
        compare_ads(f"{_AD_COUNT} ads over {way.name}", sent, _as_sent(sent, ours)),
    )


def _as_sent(sent: list[ads.Ad], stored: list[ParsedAd]) -> list[ParsedAd]:
    """Leave out what the collector adds."""
    wanted = {name.lower() for ad in sent for name in ad}
    return [
        {name: text for name, text in ad.items() if name.lower() in wanted}
        for ad in stored
    ]


def _send(way: _Way, collector: Collector, sent: list[ads.Ad], work: Path) -> None:
    file = work / "volume.ads"
    file.write_text(ads.render_ads(sent), encoding="utf-8")
    result = collector.tool(
        "condor_advertise",
        "-pool",
        ADDRESS,
        *way.options,
        "UPDATE_STARTD_AD",
        str(file),
        knobs={**way.knobs, "UDP_LOOPBACK_FRAGMENT_SIZE": str(_FRAGMENT_BYTES)},
    )
    expected = f"Sent {len(sent)} of {len(sent)} ads"
    if not result.checked().startswith(expected):
        raise InteropError(f"expected {expected!r}, got {result.output!r}")
    settle(collector)


def _count(collector: Collector, chosen: tuple[str, ...]) -> int:
    """Count the ads that the collector has taken in; nothing says so over TCP."""
    return collector.tool("condor_status", *chosen, "-af", "Name").output.count("\n")


def _drops(way: _Way, collector: Collector) -> str:
    """Say how many datagrams the kernel dropped, where that explains a loss."""
    if way.name != "udp":
        return ""
    return f"; the kernel dropped {collector.sandbox.udp_queue(PORT)[1]} datagrams"
