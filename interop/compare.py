"""Read what ``condor_status`` prints, and find where two outputs differ.

Pure: text goes in, `Difference` values come out. Whether a difference may be is not
decided here but in `interop.explanations`.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = [
    "Difference",
    "ParsedAd",
    "ad_key",
    "compare_ads",
    "compare_json",
    "compare_rows",
    "parse_json",
    "parse_long",
    "same_expression",
]

ParsedAd = dict[str, str]
"""One ad: attribute name to expression text, both as printed."""

_KEY_ATTRIBUTES = (
    "MyType",
    "Name",
    "Machine",
    "ScheddName",
    "NegotiatorName",
    "HashName",
    "Owner",
)
_PRESENT = "<whole>"


@dataclass(frozen=True, slots=True)
class Difference:
    """One field in which two outputs differ.

    Args:
        query: The name of the query, as the report prints it.
        row: Which ad or line of the output.
        field: The attribute, or the column by number, or ``<whole>``.
        expected: What the reference says; ``None`` when it has no such field.
        actual: What the other side says, likewise.
    """

    query: str
    row: str
    field: str
    expected: str | None
    actual: str | None

    def __str__(self) -> str:
        expected = "nothing" if self.expected is None else self.expected
        actual = "nothing" if self.actual is None else self.actual
        return (
            f"{self.query}: {self.row}: {self.field}: expected {expected[:300]}, "
            f"got {actual[:300]}"
        )


def parse_long(text: str) -> list[ParsedAd]:
    """Read the output of ``-long``: ``name = expression`` lines, blank lines between.

    Raises:
        ValueError: A line is no attribute, or an ad has an attribute twice.
    """
    ads: list[ParsedAd] = []
    current: ParsedAd = {}
    for line in text.split("\n"):
        if not line.strip():
            if current:
                ads.append(current)
                current = {}
            continue
        name, equals, expression = line.partition(" = ")
        if not equals or not name.strip():
            raise ValueError(f"no attribute: {line[:200]!r}")
        if name in current:
            raise ValueError(f"attribute {name} twice in one ad")
        current[name] = expression
    if current:
        ads.append(current)
    return ads


def parse_json(text: str) -> list[ParsedAd]:
    """Read the output of ``-json``; a value becomes its JSON text.

    Raises:
        ValueError: The text is neither empty nor a JSON array of objects.
    """
    if not text.strip():
        return []
    document = json.loads(text)
    if not isinstance(document, list):
        raise ValueError("the output of -json is no array")
    return [
        {name: json.dumps(value, ensure_ascii=False) for name, value in ad.items()}
        for ad in document
    ]


def ad_key(ad: Mapping[str, str]) -> str:
    """Name an ad by the attributes that tell it from the others of its type."""
    lowered = {name.lower(): text for name, text in ad.items()}
    parts = [lowered.get(name.lower(), "").strip('"') for name in _KEY_ATTRIBUTES]
    return " ".join(part for part in parts if part) or "(an ad without a name)"


def compare_ads(
    query: str, expected: Sequence[ParsedAd], actual: Sequence[ParsedAd]
) -> list[Difference]:
    """Compare two lists of ads attribute by attribute, in whatever order they came."""
    differences: list[Difference] = []
    left, right = _by_key(expected), _by_key(actual)
    for key in sorted(left.keys() | right.keys()):
        if key not in right:
            differences.append(Difference(query, key, _PRESENT, "an ad", None))
        elif key not in left:
            differences.append(Difference(query, key, _PRESENT, None, "an ad"))
        else:
            differences.extend(_compare_two(query, key, left[key], right[key]))
    return differences


def compare_json(query: str, expected: str, actual: str) -> list[Difference]:
    """Compare two outputs of ``-json`` value by value."""
    return compare_ads(query, parse_json(expected), parse_json(actual))


def compare_rows(query: str, expected: str, actual: str) -> list[Difference]:
    """Compare two tables word by word, in whatever order their lines came.

    Lines that are equal on both sides drop out. Of the rest, those with equally many
    words and the most words in common are taken for the same row.
    """
    left = Counter(_words(line) for line in expected.splitlines() if line.strip())
    right = Counter(_words(line) for line in actual.splitlines() if line.strip())
    missing = sorted((left - right).elements())
    surplus = sorted((right - left).elements())
    differences: list[Difference] = []
    for row in missing:
        partner = _closest(row, surplus)
        if partner is None:
            differences.append(
                Difference(query, " ".join(row), _PRESENT, " ".join(row), None)
            )
            continue
        surplus.remove(partner)
        differences.extend(
            Difference(query, " ".join(row), f"column {number}", before, after)
            for number, (before, after) in enumerate(
                zip(row, partner, strict=True), start=1
            )
            if before != after
        )
    differences.extend(
        Difference(query, " ".join(row), _PRESENT, None, " ".join(row))
        for row in surplus
    )
    return differences


def same_expression(left: str, right: str) -> bool:
    """Say whether two texts in old ClassAd syntax are one expression.

    Texts that differ are parsed by the real library and compared in its own spelling,
    so that ``{1, 2}`` and ``{ 1,2 }`` are the same, and ``1`` and ``1.0`` are not.
    """
    if left == right:
        return True
    canonical_left, canonical_right = _canonical(left), _canonical(right)
    return canonical_left is not None and canonical_left == canonical_right


def _canonical(text: str) -> str | None:
    import classad2

    try:
        ad = classad2.parseOne(f"X = {text}\n", classad2.ParserType.Old)
    except classad2.ClassAdException:
        return None
    return str(ad.lookup("X")) if "X" in ad else None


def _by_key(ads: Iterable[ParsedAd]) -> dict[str, ParsedAd]:
    """Index ads by key; of several with one key the later get a number."""
    grouped: defaultdict[str, list[ParsedAd]] = defaultdict(list)
    for ad in ads:
        grouped[ad_key(ad)].append(ad)
    indexed: dict[str, ParsedAd] = {}
    for key, same in grouped.items():
        same.sort(key=lambda ad: sorted(ad.items()))
        for number, ad in enumerate(same, start=1):
            indexed[key if number == 1 else f"{key} ({number})"] = ad
    return indexed


def _compare_two(
    query: str, key: str, expected: ParsedAd, actual: ParsedAd
) -> Iterable[Difference]:
    left = {name.lower(): (name, text) for name, text in expected.items()}
    right = {name.lower(): (name, text) for name, text in actual.items()}
    for lowered in sorted(left.keys() | right.keys()):
        name, before = left.get(lowered, (None, None))
        other_name, after = right.get(lowered, (None, None))
        if name is None or other_name is None or before is None or after is None:
            yield Difference(query, key, name or other_name or lowered, before, after)
            continue
        if name != other_name:
            yield Difference(query, key, f"the spelling of {name}", name, other_name)
        if not same_expression(before, after):
            yield Difference(query, key, name, before, after)


def _words(line: str) -> tuple[str, ...]:
    return tuple(re.split(r"\s+", line.strip()))


def _closest(
    row: tuple[str, ...], candidates: Sequence[tuple[str, ...]]
) -> tuple[str, ...] | None:
    """Give the candidate that shares the most words in place, at least one."""
    best, best_count = None, 0
    for candidate in candidates:
        if len(candidate) != len(row):
            continue
        count = sum(map(str.__eq__, row, candidate))
        if count > best_count:
            best, best_count = candidate, count
    return best
