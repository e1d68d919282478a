"""What the tests of the status tool share: a listing of a file, in memory."""

from __future__ import annotations

import json
import os
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.tools.status.ads_file import matching, read_long_ads
from condor_twisted.tools.status.listing import Listing
from condor_twisted.tools.status.options import parse_options
from condor_twisted.tools.status.plan import Display, make_plan
from condor_twisted.tools.status.rows import Row

__all__ = ["FIXTURES", "StatusTestCase", "listing_of", "recorded", "row_of"]

FIXTURES = Path(__file__).parents[1] / "fixtures"
NOW = 1_700_000_000


@lru_cache(maxsize=1)
def recorded() -> dict[str, dict[str, str]]:
    """The recorded outputs by file and case."""
    text = (FIXTURES / "condor_status.json").read_text(encoding="ascii")
    outputs: dict[str, dict[str, str]] = json.loads(text)["outputs"]
    return outputs


def row_of(**values: Any) -> Row:
    """A row of Python values."""
    return Row(WireAd.from_pairs(values), NOW)


def listing_of(file: str, arguments: list[str], columns: int | None = None) -> str:
    """What the tool prints of a fixture's ads, as Latin-1 text.

    Args:
        file: The fixture.
        arguments: The command line.
        columns: The terminal's width, if it is one.
    """
    options = parse_options(arguments)
    plan = make_plan(options, Display(columns), options.names)
    listing = Listing(plan, NOW)
    ads = read_long_ads(str(FIXTURES / "ads" / f"{file}.long"))
    for ad in matching(ads, plan.requirements, options.limit, NOW):
        listing.add(ad)
    return b"".join(listing.output()).decode("latin-1")


class StatusTestCase(SynchronousTestCase):
    """Tests that show times: in UTC."""

    def setUp(self) -> None:
        before = os.environ.get("TZ")

        def restore() -> None:
            if before is None:
                os.environ.pop("TZ", None)
            else:
                os.environ["TZ"] = before
            time.tzset()

        os.environ["TZ"] = "UTC"
        time.tzset()
        self.addCleanup(restore)
