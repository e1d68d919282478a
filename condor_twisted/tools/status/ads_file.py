"""Ads out of a file in the long form: one attribute a line, blank lines between ads."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from condor_twisted.classad.expressions import parse_constraint
from condor_twisted.classad.literals import encode_text
from condor_twisted.classad.wire_ad import WireAd

__all__ = ["matching", "read_long_ads"]


def read_long_ads(file: str) -> Iterator[WireAd]:
    """The ads of a file.

    Lines without an equals sign separate ads, as blank lines do; lines that begin
    with ``#`` do not count.

    Args:
        file: Its name; ``-`` for standard input.

    Raises:
        OSError: It cannot be read.
    """
    if file == "-":
        data = sys.stdin.buffer.read()
    else:
        with open(file, "rb") as stream:
            data = stream.read()
    lines: list[bytes] = []
    for line in (*data.split(b"\n"), b""):
        text = line.strip(b" \t\r")
        if text.startswith(b"#"):
            continue
        name, equals, value = text.partition(b"=")
        if equals and name.strip() and value.strip() and b"\0" not in text:
            lines.append(text)
        elif lines:
            yield WireAd(b"".join(each + b"\0" for each in lines))
            lines = []


def matching(
    ads: Iterable[WireAd], constraint: str | None, limit: int, now: int
) -> Iterator[WireAd]:
    """The ads that fulfil a constraint, up to a number.

    Args:
        ads: The ads.
        constraint: An expression; ``None`` for all.
        limit: How many at most; 0 for all.
        now: Unix time.

    Raises:
        ExpressionError: The constraint is no expression.
    """
    condition = None
    if constraint is not None:
        condition = parse_constraint(encode_text(constraint), now)
    count = 0
    for ad in ads:
        if condition is None or condition.matches(ad, allow_expensive=True):
            yield ad
            count += 1
            if count == limit:
                return
