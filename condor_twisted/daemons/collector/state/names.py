"""Attribute names as the collector looks at them.

Some names are private, and some are the collector's own: what a client sends under
these is dropped, since the collector writes them itself.

Source: ``src/condor_utils/classad_oldnew.cpp: ClassAdAttributeIsPrivateAny``,
``src/condor_collector.V6/collector_engine.cpp: collect, updateClassAd``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from condor_twisted.constants import attributes

__all__ = [
    "STAMPED_KEYS",
    "is_plain",
    "is_plain_public",
    "is_private_key",
    "lookup_key",
]

#: Attributes that the collector sets itself, in lower case.
STAMPED_KEYS: Final = frozenset(
    name.lower().encode("ascii")
    for name in (
        attributes.LAST_HEARD_FROM,
        attributes.AUTHENTICATED_IDENTITY,
        attributes.AUTHENTICATION_METHOD,
        attributes.UPDATES_TOTAL,
        attributes.UPDATES_SEQUENCED,
        attributes.UPDATES_LOST,
        attributes.UPDATES_HISTORY,
    )
)

_PRIVATE_KEYS: Final = frozenset(
    name.encode("ascii") for name in attributes.PRIVATE_NAMES
)
_PRIVATE_PREFIX: Final = attributes.PRIVATE_PREFIX.encode("ascii")
_PLAIN_NAME: Final = re.compile(rb"[^ \t\n\v\f\r=]+")
#: Longer names are not worth remembering.
_LONG: Final = 100
_MAX_KEYS: Final = 8192
_keys: dict[str, bytes] = {}


def is_private_key(key: bytes) -> bool:
    """Whether the attribute of this lower-case name is private."""
    return key in _PRIVATE_KEYS or key.startswith(_PRIVATE_PREFIX)


def lookup_key(name: str) -> bytes:
    """A name as the wire has it, in lower case."""
    key = _keys.get(name)
    if key is None:
        key = name.encode("utf-8", "surrogateescape").lower()
        if len(name) <= _LONG:
            if len(_keys) >= _MAX_KEYS:
                _keys.clear()
            _keys[name] = key
    return key


def is_plain(name: bytes) -> bool:
    """Whether there is no doubt where a name begins and ends."""
    return _PLAIN_NAME.fullmatch(name) is not None


def is_plain_public(name: bytes) -> bool:
    """Whether a line of this name may be kept and sent as it came.

    It may when the name is plain, and neither private nor the collector's own.
    """
    return _short_is_plain(name) if len(name) <= _LONG else _is_plain(name)


def _is_plain(name: bytes) -> bool:
    key = name.lower()
    return is_plain(name) and key not in STAMPED_KEYS and not is_private_key(key)


_short_is_plain = lru_cache(maxsize=8192)(_is_plain)
