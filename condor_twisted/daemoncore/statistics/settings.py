"""What the configuration says of a daemon's statistics.

Source: ``src/condor_daemon_core.V6/self_monitor.cpp: DaemonCore::Stats::Reconfig``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from condor_twisted.classad.statistics_choice import StatisticsChoice, read_choice
from condor_twisted.config.settings import Settings
from condor_twisted.errors import ConfigError

__all__ = ["StatisticsSettings", "choice_of"]

#: What a daemon shows unless somebody wants more: the duty cycle.
_USUAL_CHOICE: Final = StatisticsChoice(level=0, recent=True)
_COLLECTION: Final = ("DC", "DAEMONCORE")
_SPAN: Final = re.compile(r"([^:\s,]+):(\d{1,9})\Z")
_SPANS: Final = "4m:240 20m:1200 4h:14400"


@dataclass(frozen=True, slots=True)
class StatisticsSettings:
    """How a daemon counts, and what of that it shows.

    Args:
        window_seconds: What the ``Recent...`` sums cover.
        quantum_seconds: Their granularity.
        choice: What the daemon's ad shows.
        listed: Names of attributes, in lower case, that it shows besides.
        spans: Over what a rate is a mean: name and seconds.
    """

    window_seconds: int = 1200
    quantum_seconds: int = 240
    choice: StatisticsChoice = _USUAL_CHOICE
    listed: frozenset[str] = frozenset()
    spans: Mapping[str, int] = field(
        default_factory=lambda: {"4m": 240, "20m": 1200, "4h": 14400}
    )

    @classmethod
    def from_settings(cls, settings: Settings) -> StatisticsSettings:
        """What the settings say.

        Raises:
            ConfigError: A knob has no sense.
        """
        quantum = settings.integer("STATISTICS_WINDOW_QUANTUM", 240, minimum=1)
        for collection in _COLLECTION:
            name = f"STATISTICS_WINDOW_QUANTUM_{collection}"
            quantum = settings.integer(name, quantum, minimum=1)
        window = settings.integer("STATISTICS_WINDOW_SECONDS", 1200, minimum=1)
        window = settings.integer("DCSTATISTICS_WINDOW_SECONDS", window, minimum=1)
        return cls(
            window,
            quantum,
            choice_of(settings.text("STATISTICS_TO_PUBLISH")),
            frozenset(
                name.lower() for name in settings.words("STATISTICS_TO_PUBLISH_LIST")
            ),
            _spans(settings),
        )


def choice_of(text: str | None) -> StatisticsChoice:
    """What STATISTICS_TO_PUBLISH, a knob or a query's, wants of a daemon."""
    return read_choice(text, _COLLECTION, _USUAL_CHOICE)


def _spans(settings: Settings) -> dict[str, int]:
    spans: dict[str, int] = {}
    name = "DCSTATISTICS_TIMESPANS"
    for word in settings.text(name, _SPANS).replace(",", " ").split():
        match = _SPAN.match(word)
        if match is None or int(match[2]) == 0:
            raise ConfigError(
                f"{name}: {word} is not NAME:SECONDS, such as 20m:1200",
                settings.source_of(name),
            )
        spans[match[1]] = int(match[2])
    return spans
