"""``CONDOR_INHERIT``: what a DaemonCore parent tells its child.

Layout: words with one blank between them::

    parent's pid, parent's address (may be empty)
    passed sockets, each ``1 ReliSock`` or ``2 SafeSock``, then ``0``
    ``SharedPort:endpoint`` where the child is behind a shared port
    command sockets, each ``1 ReliSock`` or ``2 SafeSock``, then ``0``

A child that is no DaemonCore process gets the two zeros and nothing in between.

Source: ``src/condor_daemon_core.V6/daemon_core.cpp: DaemonCore::Inherit,
extractInheritedSocks, Create_Process``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from condor_twisted.errors import LimitExceeded, MalformedMessage
from condor_twisted.wire.serialized_sockets import (
    SerializedEndpoint,
    SerializedSocket,
)

__all__ = ["INHERIT_VARIABLE", "PRIVATE_INHERIT_VARIABLE", "Inheritance"]

INHERIT_VARIABLE: Final = "CONDOR_INHERIT"
PRIVATE_INHERIT_VARIABLE: Final = "CONDOR_PRIVATE_INHERIT"
_SHARED_PORT: Final = "SharedPort:"
_MAX_CHARACTERS: Final = 65_536
_MAX_SOCKETS: Final = 64
_MAX_PROCESS_ID: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What a parent hands down.

    Args:
        parent_id: The parent's process id.
        parent_address: Where the parent takes commands, a sinful string; may be empty.
        passed: Sockets for the child's own use.
        endpoint: The child's shared port endpoint, if it has one.
        command_sockets: Where the child takes commands: a stream and the datagrams of
            the same port, for each family of addresses.
    """

    parent_id: int
    parent_address: str
    passed: tuple[SerializedSocket, ...] = ()
    endpoint: SerializedEndpoint | None = None
    command_sockets: tuple[SerializedSocket, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Inheritance:
        """Read the variable's value.

        Raises:
            RemoteProtocolError: It is not what a parent writes.
        """
        if len(text) > _MAX_CHARACTERS:
            raise LimitExceeded("characters of CONDOR_INHERIT", _MAX_CHARACTERS)
        words = text.split()
        if not words or not words[0].isascii() or not words[0].isdigit():
            raise MalformedMessage("CONDOR_INHERIT does not begin with a process id")
        if len(words[0]) > 10 or not 0 < int(words[0]) <= _MAX_PROCESS_ID:
            raise MalformedMessage("CONDOR_INHERIT names no process id")
        parent_id, words = int(words[0]), words[1:]
        address = ""
        if words and words[0][:1] in ("<", "{"):
            address, words = words[0], words[1:]
        passed, words = _read_sockets(words)
        endpoint = None
        if words and words[0].startswith(_SHARED_PORT):
            endpoint = SerializedEndpoint.parse(words[0][len(_SHARED_PORT) :])
            words = words[1:]
        commands, words = _read_sockets(words)
        if words:
            raise MalformedMessage("CONDOR_INHERIT goes on behind its end")
        return cls(parent_id, address, passed, endpoint, commands)

    def serialize(self) -> str:
        """The variable's value, byte for byte as HTCondor writes it."""
        words = [str(self.parent_id), self.parent_address, *_words(self.passed)]
        if self.endpoint is not None:
            words.append(f"{_SHARED_PORT}{self.endpoint.serialize()}")
        return " ".join([*words, *_words(self.command_sockets)])


def _read_sockets(
    words: list[str],
) -> tuple[tuple[SerializedSocket, ...], list[str]]:
    """Sockets up to a ``0``, and the words behind it."""
    found: list[SerializedSocket] = []
    position = 0
    while True:
        kind = words[position] if position < len(words) else ""
        if kind == "0":
            return tuple(found), words[position + 1 :]
        if kind not in ("1", "2"):
            raise MalformedMessage(
                "CONDOR_INHERIT has a socket that is neither a ReliSock nor a SafeSock"
                if kind
                else "CONDOR_INHERIT ends before its last 0"
            )
        if position + 1 >= len(words):
            raise MalformedMessage("CONDOR_INHERIT ends before a socket")
        if len(found) >= _MAX_SOCKETS:
            raise LimitExceeded("sockets in CONDOR_INHERIT", _MAX_SOCKETS)
        text = words[position + 1]
        found.append(SerializedSocket.parse(text, is_stream=kind == "1"))
        position += 2


def _words(sockets: Iterable[SerializedSocket]) -> list[str]:
    words: list[str] = []
    for each in sockets:
        words += ["1" if each.is_stream else "2", each.serialize()]
    return [*words, "0"]
