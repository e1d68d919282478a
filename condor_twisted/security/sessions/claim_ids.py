"""Claim ids: a session's id, what is said about the session, and its key, in one text.

Layout::

    <session id>#[Name=value;Name=value;]<key>

The last ``#`` separates, for an id may hold more of them. What stands in brackets may
be missing. The id is public; the key, mostly hexadecimal digits, is the secret.

``CONDOR_PRIVATE_INHERIT`` is a blank, a keyword, a colon and a claim id, for each.

Source: ``src/condor_utils/condor_claimid_parser.h: ClaimIdParser``;
``src/condor_io/condor_secman.cpp: SecMan::ExportSecSessionInfo, ImportSecSessionInfo``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from condor_twisted.classad.literals import (
    NOT_LITERAL,
    LiteralValue,
    format_literal,
    parse_literal,
)
from condor_twisted.errors import LimitExceeded, MalformedMessage
from condor_twisted.security.sessions.session import MAX_SESSION_ID_BYTES

__all__ = [
    "FAMILY_SESSION",
    "PARENT_SESSION",
    "ClaimId",
    "SessionInfo",
    "parse_private_inheritance",
    "serialize_private_inheritance",
]

#: The keywords of ``CONDOR_PRIVATE_INHERIT``.
PARENT_SESSION: Final = "SessionKey"
FAMILY_SESSION: Final = "FamilySessionKey"

_MAX_CHARACTERS: Final = 65_536
_MAX_KEY_CHARACTERS: Final = 1024
_MAX_ATTRIBUTES: Final = 32


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """What is said about a session, in the order in which it was said.

    Args:
        values: Values by attribute name, as the sender spelt the names.
    """

    values: Mapping[str, LiteralValue]

    @classmethod
    def parse(cls, text: str) -> SessionInfo:
        """Read ``[Name=value;...]``.

        Raises:
            MalformedMessage: It is not of that form, or a value is no literal.
        """
        if not text.startswith("[") or not text.endswith("]"):
            raise MalformedMessage("what is said of a session is not in brackets")
        values: dict[str, LiteralValue] = {}
        for part in text[1:-1].split(";"):
            if not part.strip():
                continue
            name, equals, literal = part.partition("=")
            value = parse_literal(literal.strip().encode(errors="surrogateescape"))
            if not equals or not name.strip().isidentifier() or value is NOT_LITERAL:
                raise MalformedMessage("what is said of a session is no Name=literal")
            values[name.strip()] = value
            if len(values) > _MAX_ATTRIBUTES:
                raise LimitExceeded("attributes of a session", _MAX_ATTRIBUTES)
        return cls(values)

    @classmethod
    def of(cls, values: Mapping[str, LiteralValue | None]) -> SessionInfo:
        """In the order in which HTCondor writes: by length of name, then by name."""
        names = sorted(values, key=lambda name: (len(name), name.lower()))
        return cls(
            {name: value for name in names if (value := values[name]) is not None}
        )

    def string(self, name: str) -> str | None:
        """The value where it is a string, else ``None``."""
        value = self._find(name)
        return value if type(value) is str else None

    def integer(self, name: str) -> int | None:
        """The value where it is an integer, else ``None``."""
        value = self._find(name)
        return value if type(value) is int else None

    def _find(self, name: str) -> LiteralValue | None:
        for each, value in self.values.items():
            if each.lower() == name.lower():
                return value
        return None

    def __str__(self) -> str:
        inside = "".join(
            f"{name}={format_literal(value).decode(errors='surrogateescape')};"
            for name, value in self.values.items()
        )
        return f"[{inside}]"


@dataclass(frozen=True, slots=True)
class ClaimId:
    """A session's id and its secret.

    Args:
        session_id: The public id.
        key: The secret, as text.
        info: What is said about the session, if anything.
    """

    session_id: str
    key: str = field(repr=False)
    info: SessionInfo | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> ClaimId:
        """Read a claim id.

        Raises:
            RemoteProtocolError: It is none. The error says nothing of its content.
        """
        session_id, separator, rest = text.rpartition("#")
        if not separator or not session_id:
            raise MalformedMessage("a claim id without a session id")
        if len(session_id.encode(errors="surrogateescape")) > MAX_SESSION_ID_BYTES:
            raise LimitExceeded("bytes of a session id", MAX_SESSION_ID_BYTES)
        info = None
        if rest.startswith("["):
            inside, bracket, rest = rest.rpartition("]")
            if not bracket:
                raise MalformedMessage("a claim id whose bracket does not close")
            info = SessionInfo.parse(inside + bracket)
        if not rest or len(rest) > _MAX_KEY_CHARACTERS or not rest.isascii():
            raise MalformedMessage("a claim id without a usable key")
        return cls(session_id, rest, info)

    def serialize(self) -> str:
        """The whole text, with the secret."""
        return f"{self.session_id}#{self.info or ''}{self.key}"

    def __str__(self) -> str:
        return f"{self.session_id}#..."


def parse_private_inheritance(text: str) -> tuple[tuple[str, ClaimId], ...]:
    """Read ``CONDOR_PRIVATE_INHERIT``: keywords with claim ids, in order.

    Raises:
        RemoteProtocolError: It is not what a parent writes. The error says nothing
            of its content.
    """
    if len(text) > _MAX_CHARACTERS:
        raise LimitExceeded("characters of CONDOR_PRIVATE_INHERIT", _MAX_CHARACTERS)
    found: list[tuple[str, ClaimId]] = []
    for word in text.split():
        keyword, colon, claim = word.partition(":")
        if not colon or not keyword.isascii() or not keyword.isidentifier():
            raise MalformedMessage("CONDOR_PRIVATE_INHERIT has a word without keyword")
        found.append((keyword, ClaimId.parse(claim)))
    return tuple(found)


def serialize_private_inheritance(entries: tuple[tuple[str, ClaimId], ...]) -> str:
    """The value of ``CONDOR_PRIVATE_INHERIT``, byte for byte as HTCondor writes it."""
    return "".join(f" {keyword}:{claim.serialize()}" for keyword, claim in entries)
