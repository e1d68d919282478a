"""A listing: rows are collected, sorted, added up, and shown.

Source: ``src/condor_status.V6/status.cpp: process_ads_callback, doNormalOutput``,
``src/condor_status.V6/prettyPrint.cpp: prettyPrintHeadings, prettyPrintAd``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from condor_twisted.classad.ad_printing import (
    XML_FOOTER,
    XML_HEADER,
    json_ad,
    long_ad,
    new_ad,
    shown_names,
    xml_ad,
)
from condor_twisted.classad.full_values import FullValue
from condor_twisted.classad.literals import encode_text
from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.constants.attributes import is_private
from condor_twisted.tools.status.compact import (
    CompactRow,
    fold_rows,
    machine_key,
    with_children,
)
from condor_twisted.tools.status.natural_order import NaturalKey, natural_key
from condor_twisted.tools.status.plan import Plan
from condor_twisted.tools.status.print_mask import Column, PrintMask, RenderedRow
from condor_twisted.tools.status.rows import Row, shown
from condor_twisted.tools.status.text import from_value, to_bytes
from condor_twisted.tools.status.totals_table import SlotOptions

__all__ = ["Listing"]


@dataclass(slots=True)
class _Entry:
    """One ad of the listing, with its place."""

    order: NaturalKey
    key: str
    row: Row
    rendered: RenderedRow


class Listing:
    """The rows of a listing.

    Args:
        plan: How they are shown.
        now: Unix time.
    """

    def __init__(self, plan: Plan, now: int) -> None:
        self._plan = plan
        self._now = now
        self._entries: list[_Entry] = []
        self._compact: list[CompactRow] = []

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, ad: WireAd) -> None:
        """Take an ad."""
        plan = self._plan
        row = Row(ad, self._now)
        key = self._key(row, len(self._entries) + 1)
        rendered = RenderedRow([], [])
        if plan.mask.columns:
            rendered = plan.mask.render(row)
        entry = _Entry(natural_key(to_bytes(key)), key, row, rendered)
        self._entries.append(entry)
        if plan.compact is None:
            if plan.totals is not None:
                plan.totals.add(row)
            return
        compact = CompactRow(key, row, rendered)
        if plan.totals is not None and plan.mask.columns:
            self._add_compact_totals(compact)
        if plan.compact.activity is not None:
            with_children(compact, plan.compact.activity)
        self._compact.append(compact)

    def _key(self, row: Row, ordinal: int) -> str:
        """What the ad is sorted by."""
        parts = []
        if self._plan.machine_key:
            parts.append(machine_key(row))
        for expression in self._plan.sort or ():
            value = (
                row.value(expression)
                if row.has(expression)
                else row.evaluate(encode_text(expression))
            )
            parts.append(_key_text(value))
        return "".join(part + "\n" for part in parts) + f"{ordinal:08X}"

    def _add_compact_totals(self, compact: CompactRow) -> None:
        totals = self._plan.totals
        assert totals is not None
        key: str | None = None
        if self._plan.style != "state":
            value = compact.rendered.values[1]
            key = from_value(value) if isinstance(value, str) else ""
        backfill = compact.backfill
        totals.add(compact.row, key, SlotOptions(True, True, backfill))
        if compact.partitionable and not compact.exhausted and not backfill:
            totals.add(compact.row, key, SlotOptions(False, True, backfill))

    def output(self) -> Iterator[bytes]:
        """The listing, piece by piece."""
        plan = self._plan
        entries = sorted(self._entries, key=lambda entry: entry.order)
        if plan.compact is not None:
            by_row = {id(each.row): each for each in self._compact}
            compact = [by_row[id(entry.row)] for entry in entries]
            fold_rows(compact, plan.compact)
            entries = [
                entry
                for entry, each in zip(entries, compact, strict=True)
                if not each.folded
            ]
        if plan.style in ("long", "xml", "json", "new"):
            yield from self._whole_ads(entries)
            return
        mask = plan.mask
        if plan.style == "custom":
            if mask.has_headings:
                yield to_bytes(mask.headings())
        elif mask.columns and entries:
            _fit(mask, plan)
            yield to_bytes(mask.headings() + "\n")
        if mask.columns:
            for entry in entries:
                yield to_bytes(mask.show(entry.rendered))
        if entries and plan.totals is not None:
            width = plan.key_width
            if width is not None:
                width = max(width, plan.totals.widest_key)
            yield b"\n" + to_bytes(plan.totals.text(width))

    def _whole_ads(self, entries: list[_Entry]) -> Iterator[bytes]:
        style = self._plan.style
        if style == "xml":
            yield XML_HEADER
        for index, entry in enumerate(entries):
            ad = entry.row.ad
            names = self._names(ad)
            if style == "long":
                yield long_ad(ad, names) + b"\n"
            elif style == "xml":
                yield xml_ad(ad, names) + b"\n"
            elif style == "json":
                yield (b",\n" if index else b"[\n") + json_ad(ad, names) + b"\n"
            else:
                yield (b",\n" if index else b"{\n") + new_ad(ad, names) + b"\n"
        if style == "xml":
            yield XML_FOOTER
        elif entries and style == "json":
            yield b"]\n"
        elif entries and style == "new":
            yield b"}\n"

    def _names(self, ad: WireAd) -> list[str]:
        """The attributes of a whole ad that are shown."""
        plan = self._plan
        if plan.hash_order and plan.wanted is None:
            names = [name for name in ad.names() if not is_private(name)]
            if plan.style == "long":
                return sorted(names, key=encode_text)
            return sorted(names, key=lambda name: (len(name), name.lower()))
        return shown_names(ad, plan.wanted)


def _key_text(value: FullValue) -> str:
    """A value within a sort key.

    Kept for compatibility: reals sort by the number that their bits make.

    Source: ``src/condor_status.V6/status.cpp: ClassadSortSpecs::RenderKey``.
    """
    if isinstance(value, str):
        return from_value(value)
    if isinstance(value, float):
        return str(struct.unpack("<q", struct.pack("<d", value))[0])
    if isinstance(value, int):
        return str(int(value))
    return shown(value)


def _fit(mask: PrintMask, plan: Plan) -> None:
    """Cut the columns of names where the terminal is too narrow."""
    if not plan.cut_to or not plan.fixed_width:
        return
    found: dict[str, Column] = {each.attribute: each for each in mask.columns}
    name, machine = found.get("Name"), found.get("Machine")
    both = [each for each in (name, machine) if each is not None]
    crop = sum(each.width for each in both) - (plan.cut_to - plan.fixed_width)
    if crop <= 0:
        return
    if machine is not None:
        share = crop if name is None else crop // 2
        width = max(7, machine.width - share)
        crop -= machine.width - width
        machine.width = width
    if name is not None:
        name.width = max(12, name.width - crop)
    for each in both:
        each.auto_width = False
        each.truncate = True
