"""The layouts that are known, and how new ones are learned.

A sequence of names that is seen often becomes a layout, and a layout follows what
queries ask for. All of this is memory of fixed size, and learning is rationed: a
pattern costs some milliseconds, so peers that send ever new sequences cannot make us
learn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from condor_twisted.daemons.collector.state.layouts import (
    MARKER_STRING,
    Layout,
    names_of,
)
from condor_twisted.daemons.collector.state.names import (
    is_plain,
    is_plain_public,
    is_private_key,
)

__all__ = ["MAX_WANTED", "LayoutBook"]

#: At most so many attributes are captured because queries want them.
MAX_WANTED: Final = 48
#: An attribute is wanted when it was asked for so often.
_ASKED_OFTEN: Final = 2
#: What is wanted is thought over after so many questions.
_ASKED_REVIEW: Final = 512
_MAX_ASKED: Final = 4096
_MAX_ASKED_BYTES: Final = 100
#: What an ad pays for a new pattern, if its layout waits for one.
_INCOME_OF_KNOWN: Final = 1.0 / 200

_MIN_NAMES: Final = 4
_MAX_NAMES: Final = 600
_MAX_NAME_BYTES: Final = 16_384
_MAX_LINE_BYTES: Final = 1 << 20


class LayoutBook:
    """The layouts known, by number of attributes.

    Args:
        max_layouts: At most so many are kept.
        sightings: A sequence becomes a layout when it is seen so often.
        savings: Ads that no layout matched pay for learning: each brings
            ``1 / savings`` of what one new layout costs.
    """

    def __init__(
        self, max_layouts: int = 256, sightings: int = 3, savings: int = 24
    ) -> None:
        self._max_layouts = max_layouts
        self._sightings = sightings
        self._income = 1.0 / savings
        self._credit = 32.0
        self._by_count: dict[int, list[Layout]] = {}
        self._size = 0
        self._seen: dict[tuple[bytes, ...], int] = {}
        self._wanted: frozenset[bytes] = frozenset()
        self._asked: dict[bytes, int] = {}
        self._asked_count = 0

    def __len__(self) -> int:
        """How many layouts are known."""
        return self._size

    def find(
        self, payload: bytes, offset: int, count: int, likely: Layout | None = None
    ) -> tuple[Layout, re.Match[bytes]] | None:
        """The layout that the ad at ``offset`` has, if it is a known one.

        Args:
            payload: Strings, each with its NUL.
            offset: Where the ad's first string begins.
            count: The number of attributes.
            likely: The layout that is tried first.
        """
        if likely is not None and likely.wanted is self._wanted:
            found = likely.match(payload, offset)
            if (
                found is not None
                and likely.count == count
                and found.end() - offset <= _MAX_LINE_BYTES
            ):
                return likely, found
        layouts = self._by_count.get(count)
        if layouts is None:
            return None
        for layout in layouts:
            found = layout.match(payload, offset)
            if found is not None:
                if layout is not layouts[0]:
                    layouts.remove(layout)
                    layouts.insert(0, layout)
                if found.end() - offset > _MAX_LINE_BYTES:
                    return None  # a line may be too long: the exact reader decides
                if layout.wanted is not self._wanted:
                    self._follow(layout)
                return layout, found
        return None

    def newest(self, layout: Layout) -> Layout:
        """The layout of the same names that captures what queries want, or nearly.

        An ad that is asked about here pays for it like one that was matched.
        """
        newest = layout.changes.newest
        if newest.wanted is not self._wanted:
            self._follow(newest)
            newest = layout.changes.newest
        return newest

    def want(self, keys: Iterable[bytes]) -> None:
        """A query asks for these attributes: capture them if that goes on.

        Args:
            keys: Names in lower case, each once.
        """
        asked = self._asked
        if len(asked) > _MAX_ASKED:
            asked.clear()
        is_news = False
        for key in keys:
            if len(key) <= _MAX_ASKED_BYTES:
                count = asked[key] = asked.get(key, 0) + 1
                is_news = is_news or count == _ASKED_OFTEN
        self._asked_count += 1
        if self._asked_count >= _ASKED_REVIEW:
            self._asked_count = 0
            self._asked = {key: each // 2 for key, each in asked.items() if each > 1}
            if len(self._wanted) >= MAX_WANTED:
                # What nobody asks for any more makes room.
                often = sorted(self._asked, key=self._asked.__getitem__, reverse=True)
                self._change_wanted(self._that_exist(often)[:MAX_WANTED])
        elif is_news and len(self._wanted) < MAX_WANTED:
            often = [key for key in keys if asked.get(key, 0) >= _ASKED_OFTEN]
            known = self._that_exist(often)
            self._change_wanted([*self._wanted, *known][:MAX_WANTED])

    def _that_exist(self, keys: Iterable[bytes]) -> list[bytes]:
        """Those of some attributes that are in an ad of some layout."""
        layouts = [each for some in self._by_count.values() for each in some]
        return [key for key in keys if any(key in each.places for each in layouts)]

    def _change_wanted(self, keys: Iterable[bytes]) -> None:
        wanted = frozenset(keys)
        if wanted != self._wanted:
            self._wanted = wanted

    def _follow(self, layout: Layout) -> None:
        """Bring a layout up to what is wanted, when enough ads have paid for it."""
        wanted = self._wanted
        if not layout.has_any(wanted.symmetric_difference(layout.wanted)):
            layout.wanted = wanted
            return
        self._credit += _INCOME_OF_KNOWN
        if self._credit < 1.0:
            return
        self._credit -= 1.0
        layouts = self._by_count.get(layout.count, [])
        if layout in layouts:
            layouts[layouts.index(layout)] = layout.for_wanted(wanted)

    def note(self, strings: Sequence[bytes]) -> None:
        """An ad came that no layout matched; learn its sequence if that pays.

        Args:
            strings: As for :func:`names_of`.
        """
        self._credit = min(32.0, self._credit + self._income)
        if not _MIN_NAMES <= len(strings) <= _MAX_NAMES:
            return
        names = names_of(strings)
        if names is None or sum(map(len, names)) > _MAX_NAME_BYTES:
            return
        seen = self._seen.get(names, 0) + 1
        if seen < self._sightings:
            if len(self._seen) >= 256:
                self._seen.clear()
            self._seen[names] = seen
            return
        if self._credit < 1.0 or not _is_learnable(names):
            return
        self._credit -= 1.0
        self._seen.pop(names, None)
        self._add(Layout(strings, self._wanted))

    def _add(self, layout: Layout) -> None:
        if self._size >= self._max_layouts:
            # The last in each list was not used for longest among its equals.
            longest = max(self._by_count.values(), key=len)
            longest.pop()
            self._size -= 1
        self._by_count = {count: each for count, each in self._by_count.items() if each}
        self._by_count.setdefault(layout.count, []).insert(0, layout)
        self._size += 1


def _is_learnable(names: tuple[bytes, ...]) -> bool:
    """Whether all names are plain, none is there twice, and secrets are private."""
    seen: set[bytes] = set()
    public = 0
    secret = False
    for name in names:
        if name == MARKER_STRING:
            if secret:
                return False
            secret = True
            continue
        key = name.lower()
        if key in seen:
            return False
        seen.add(key)
        if is_private_key(key):
            if not is_plain(name):
                return False
        elif secret or not is_plain_public(name):
            return False  # a secret of a public name becomes a public line
        else:
            public += 1
        secret = False
    return not secret and public >= _MIN_NAMES - 2
