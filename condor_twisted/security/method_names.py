"""Authentication methods by name and by bit.

The bits travel in the rounds of the method choice, the names in policy ads, in
configuration and in map files. This is the closed list of both; which methods this
build can run says `condor_twisted.security.methods.METHODS`.

Source: ``src/condor_includes/condor_auth.h`` (``CAUTH_*``),
``src/condor_io/condor_secman.cpp: SecMan::sec_char_to_auth_method``.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

__all__ = [
    "ADDRESS_CHECK_KNOB",
    "METHOD_BITS",
    "canonical_method",
    "common_methods",
    "filter_methods",
    "split_words",
]

#: Waives the check that a credential comes from the address it is bound to.
ADDRESS_CHECK_KNOB: Final = "DISABLE_AUTHENTICATION_IP_CHECK"

#: Wire name of each method and its bit. GSI's bit, 32, stays unused.
METHOD_BITS: Final[dict[str, int]] = {
    "CLAIMTOBE": 2,
    "FS": 4,
    "FS_REMOTE": 8,
    "NTSSPI": 16,
    "KERBEROS": 64,
    "ANONYMOUS": 128,
    "SSL": 256,
    "PASSWORD": 512,
    "MUNGE": 1024,
    "TOKEN": 2048,
    "SCITOKENS": 4096,
}

_ALIASES: Final[dict[str, str]] = {
    "TOKENS": "TOKEN",
    "IDTOKEN": "TOKEN",
    "IDTOKENS": "TOKEN",
    "SCITOKEN": "SCITOKENS",
}


def split_words(text: str) -> list[str]:
    """The words of a list that commas or blanks separate."""
    return text.replace(",", " ").split()


def canonical_method(name: str) -> str | None:
    """The wire name of a method by any of its names, or ``None``."""
    upper = name.upper()
    upper = _ALIASES.get(upper, upper)
    return upper if upper in METHOD_BITS else None


def filter_methods(text: str, usable: Collection[str]) -> tuple[str, ...]:
    """One's own list before it is offered: known, usable, by wire name, once each.

    Source: ``src/condor_io/condor_secman.cpp: SecMan::filterAuthenticationMethods``.
    """
    found: dict[str, None] = {}
    for word in split_words(text):
        name = canonical_method(word)
        if name is not None and name in usable:
            found[name] = None
    return tuple(found)


def common_methods(client: str, server: tuple[str, ...]) -> tuple[str, ...]:
    """The methods of both lists, in the server's order, in the client's spelling.

    Only the server's aliases count: a client says ``TOKEN`` or is not understood.

    Source: ``src/condor_io/condor_secman.cpp: SecMan::ReconcileMethodLists``.
    """
    spelling: dict[str, str] = {}
    for word in split_words(client):
        spelling.setdefault(word.upper(), word)
    return tuple(spelling[name] for name in server if name in spelling)
