"""Text of one character per byte.

Column widths count bytes, and values may hold bytes that are no UTF-8. So while a table
is made, text is ``str`` with one character per byte of the output (Latin-1 decoded),
and becomes bytes again when it is written.
"""

from __future__ import annotations

from condor_twisted.classad.literals import encode_text

__all__ = ["from_bytes", "from_value", "to_bytes"]


def from_bytes(data: bytes) -> str:
    """Text of bytes."""
    return data.decode("latin-1")


def from_value(value: str) -> str:
    """Text of a ClassAd string."""
    return value if value.isascii() else encode_text(value).decode("latin-1")


def to_bytes(text: str) -> bytes:
    """Bytes of text."""
    return text.encode("latin-1")
