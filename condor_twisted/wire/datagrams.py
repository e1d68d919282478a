"""SafeSock datagrams: one message in one datagram, or in several fragments.

A short message is the bytes of the codec and nothing else; they begin with a command
of eight bytes, so no magic word can be taken for them. A longer one is cut. Either
may carry a security header, which names the session whose key encrypted or signed
what follows. Datagrams get lost, come twice and in any order; nobody confirms or
repeats anything.

Layout:
    A fragment:

    ====== ====== =================================================================
    offset bytes  meaning
    ====== ====== =================================================================
    0      8      ``MaGic6.0``
    8      1      not 0 on the last fragment of its message
    9      2      sequence number from 0, big-endian
    11     2      length of what follows offset 25; receivers go by the datagram
    13     12     the message's id: "ip" 4, "pid" 2, "time" 4, number 2, all random
                  by now but for the number, which counts up
    25     ...    payload, of at least 4 bytes: receivers drop shorter ones
    ====== ====== =================================================================

    ``safe_messages`` has the security header, at the begin of a short message or of
    fragment 0.

Source: ``src/condor_io/SafeMsg.cpp: _condorOutMsg::sendMsg, _condorPacket::getHeader,
_condorInMsg::addPacket``; ``src/condor_io/safe_sock.cpp:
SafeSock::handle_incoming_packet``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from condor_twisted.errors import LimitExceeded, LocalProtocolError, MalformedMessage
from condor_twisted.wire.safe_messages import (
    NO_SECURITY,
    SECURITY_MAGIC,
    SafeMessage,
    SafeMessageHeader,
    protect_message,
    split_key_id,
)

__all__ = [
    "DEFAULT_FRAGMENT_BYTES",
    "LOOPBACK_FRAGMENT_BYTES",
    "MAX_DATAGRAM_BYTES",
    "MessageId",
    "Reassembler",
    "ReassemblyLimits",
    "SafeMessage",
    "SafeMessageHeader",
    "protect_message",
    "split_key_id",
    "split_message",
]

MAX_DATAGRAM_BYTES: Final = 60_000
"""The longest datagram a receiver reads."""

DEFAULT_FRAGMENT_BYTES: Final = 1000
"""``UDP_NETWORK_FRAGMENT_SIZE``: the longest datagram to send."""

LOOPBACK_FRAGMENT_BYTES: Final = 59_974
"""``UDP_LOOPBACK_FRAGMENT_SIZE``, and the longest that is sent anywhere."""

_MAGIC: Final = b"MaGic6.0"
_FRAGMENT: Final = struct.Struct(">8sBHHIHIH")
_SHORTEST_DATAGRAM: Final = 8
_SHORTEST_PAYLOAD: Final = 4
# A fragment may give up three bytes to the next and one to hide a magic word.
_SMALLEST_ROOM: Final = 2 * _SHORTEST_PAYLOAD
_MOST_FRAGMENTS: Final = 1 << 16
# What a fragment and an unfinished message cost besides the bytes they carry.
_FRAGMENT_COST_BYTES: Final = 160
_MESSAGE_COST_BYTES: Final = 600


@dataclass(frozen=True, slots=True)
class MessageId:
    """What tells the fragments of one message from those of all others.

    Args:
        ip: 32 random bits, fixed for a process.
        pid: 16 random bits, fixed for a process.
        time: 32 random bits, fixed for a process.
        number: 16 bits; counts the messages from a random begin.
    """

    ip: int
    pid: int
    time: int
    number: int

    @classmethod
    def random(cls, random_bytes: Callable[[int], bytes]) -> MessageId:
        """Return the id for a process's first message."""
        return cls(*struct.unpack(">IHIH", random_bytes(12)))

    def next(self) -> MessageId:
        """Return the id for the message that follows this one."""
        return replace(self, number=(self.number + 1) & 0xFFFF)


def split_message(
    payload: bytes,
    fragment_bytes: int,
    message_id: MessageId,
    header: SafeMessageHeader = NO_SECURITY,
) -> list[bytes]:
    """Return the datagrams that carry a message.

    Receivers drop a fragment of fewer than four bytes, and take one that begins with
    the word ``CRAP`` for a security header. Both would lose the message; so the
    fragment in front is cut shorter where the next would be such a one.

    Args:
        payload: The message as it is sent, encrypted already where it shall be.
        fragment_bytes: The longest datagram. At most 59974, at least what the
            security header and eight bytes need, and 1000 instead of zero or less.
        message_id: Used only if there are fragments.
        header: The security header.

    Raises:
        LocalProtocolError: If the message is too short or too long for any receiver,
            or would be taken for something else.

    Source: ``src/condor_io/SafeMsg.cpp: _condorOutMsg::sendMsg,
    _condorPacket::set_MTU``; ``src/condor_io/safe_sock.cpp: SafeSock::connect``.
    """
    security = header.encode()
    if not payload:
        raise LocalProtocolError("a message without any item cannot be sent")
    content = security + payload
    if len(content) < _SHORTEST_DATAGRAM:
        raise LocalProtocolError("receivers drop datagrams of fewer than 8 bytes")
    if not security and payload.startswith((_MAGIC, SECURITY_MAGIC)):
        raise LocalProtocolError("a message cannot begin with a magic word")
    if fragment_bytes <= 0:
        fragment_bytes = DEFAULT_FRAGMENT_BYTES
    room = min(fragment_bytes, LOOPBACK_FRAGMENT_BYTES) - _FRAGMENT.size
    room = max(room, len(security) + _SMALLEST_ROOM)
    if room + _FRAGMENT.size > MAX_DATAGRAM_BYTES:
        raise LocalProtocolError("the key ids leave no room in a datagram")
    if len(content) <= room:
        return [content]
    datagrams: list[bytes] = []
    start = 0
    while start < len(content):
        end = min(start + room, len(content))
        if 0 < len(content) - end < _SHORTEST_PAYLOAD:
            end = len(content) - _SHORTEST_PAYLOAD
        if content.startswith(SECURITY_MAGIC, end):
            end -= 1
        if len(datagrams) == _MOST_FRAGMENTS:
            raise LocalProtocolError(f"the message exceeds {_MOST_FRAGMENTS} fragments")
        fragment_header = _FRAGMENT.pack(
            _MAGIC,
            end == len(content),
            len(datagrams),
            end - start,
            message_id.ip,
            message_id.pid,
            message_id.time,
            message_id.number,
        )
        datagrams.append(fragment_header + content[start:end])
        start = end
    return datagrams


@dataclass(frozen=True, slots=True)
class ReassemblyLimits:
    """How much of unfinished messages to keep, and for how long.

    Args:
        messages: Unfinished messages.
        bytes: Memory for all of them, fragments and what keeping them costs.
        message_bytes: The longest message.
        message_fragments: The most fragments of a message.
        gap_seconds: The longest wait for the next fragment of a message.
        age_seconds: The longest wait for the whole of a message.
    """

    messages: int = 256
    bytes: int = 16 << 20
    message_bytes: int = 1 << 20
    message_fragments: int = 1000
    gap_seconds: float = 10.0
    age_seconds: float = 20.0


class _Unfinished:
    """The fragments of one message that are here."""

    __slots__ = ("byte_count", "expiry_seconds", "fragments", "header", "last", "until")

    def __init__(self, now_seconds: float, limits: ReassemblyLimits) -> None:
        self.fragments: dict[int, bytes] = {}
        self.header = NO_SECURITY
        self.byte_count = 0
        self.last: int | None = None
        self.until = now_seconds + limits.age_seconds
        self.expiry_seconds = now_seconds

    @property
    def cost_bytes(self) -> int:
        """The memory this takes, about."""
        return (
            self.byte_count
            + len(self.fragments) * _FRAGMENT_COST_BYTES
            + _MESSAGE_COST_BYTES
        )

    def contradicts(self, sequence: int, is_last: bool) -> bool:
        """Tell whether a fragment's place is impossible beside the others."""
        if self.last is not None:
            return sequence > self.last or (is_last and sequence != self.last)
        return is_last and any(other > sequence for other in self.fragments)

    def joined(self) -> SafeMessage | None:
        """Return the message if it is whole."""
        if self.last is None or len(self.fragments) <= self.last:
            return None
        payload = b"".join(map(self.fragments.__getitem__, range(self.last + 1)))
        return SafeMessage(payload, self.header)


class Reassembler:
    """Datagrams to messages.

    Args:
        limits: What to keep of unfinished messages. Beyond them the oldest goes.

    Differs from HTCondor: unfinished messages are limited and expire by themselves;
    and only the begin of a message is looked at for a security header, so that the
    word ``CRAP`` further on is data.
    """

    __slots__ = ("_cost_bytes", "_limits", "_next_expiry", "_unfinished", "given_up")

    def __init__(
        self,
        limits: ReassemblyLimits = ReassemblyLimits(),
    ) -> None:
        self._limits = limits
        self._unfinished: dict[bytes, _Unfinished] = {}
        self._cost_bytes = 0
        self._next_expiry: float | None = None
        self.given_up = 0
        """How many messages expired, or went to make room for others."""

    @property
    def unfinished_count(self) -> int:
        """How many messages wait for fragments."""
        return len(self._unfinished)

    @property
    def next_expiry_seconds(self) -> float | None:
        """When to call ``expire`` next, at the earliest; ``None``: nothing waits."""
        return self._next_expiry if self._unfinished else None

    def receive(self, datagram: bytes, now_seconds: float) -> SafeMessage | None:
        """Take a datagram.

        Args:
            datagram: All of it.
            now_seconds: The time of a clock that never goes back.

        Returns:
            The message that this datagram completes, or ``None``.

        Raises:
            MalformedMessage: If the datagram is to be dropped: too short, without
                payload, with a broken security header, in an impossible place of its
                message (which is dropped too), or the only fragment of a message,
                which HTCondor never delivers.
            LimitExceeded: If the datagram, its sequence number or its message is too
                large; the message is dropped too.
        """
        if len(datagram) > MAX_DATAGRAM_BYTES:
            raise LimitExceeded(
                "bytes of a datagram", MAX_DATAGRAM_BYTES, len(datagram)
            )
        if len(datagram) < _SHORTEST_DATAGRAM:
            raise MalformedMessage(f"a datagram of {len(datagram)} bytes")
        if datagram.startswith(_MAGIC):
            if self._next_expiry is not None and now_seconds >= self._next_expiry:
                self.expire(now_seconds)
            return self._receive_fragment(datagram, now_seconds)
        header, payload = SafeMessageHeader.parse(datagram)
        return SafeMessage(payload, header)

    def _receive_fragment(
        self, datagram: bytes, now_seconds: float
    ) -> SafeMessage | None:
        if len(datagram) < _FRAGMENT.size + _SHORTEST_PAYLOAD:
            raise MalformedMessage(f"a fragment of {len(datagram)} bytes")
        _magic, last_flag, sequence, *_ignored = _FRAGMENT.unpack_from(datagram)
        is_last = bool(last_flag)
        if is_last and not sequence:
            raise MalformedMessage("a message of one fragment")
        message_id = datagram[13 : _FRAGMENT.size]
        limits = self._limits
        if sequence >= limits.message_fragments:
            self._drop(message_id)
            raise LimitExceeded(
                "fragments of a message", limits.message_fragments, sequence + 1
            )
        payload = datagram[_FRAGMENT.size :]
        header = NO_SECURITY
        if not sequence:
            header, payload = SafeMessageHeader.parse(payload)
        message = self._unfinished.get(message_id)
        if message is None:
            message = self._unfinished[message_id] = _Unfinished(now_seconds, limits)
            self._cost_bytes += _MESSAGE_COST_BYTES
        elif message.contradicts(sequence, is_last):
            self._drop(message_id)
            raise MalformedMessage(f"fragment {sequence} contradicts its message")
        elif sequence in message.fragments:
            return None
        message.fragments[sequence] = payload
        message.byte_count += len(payload)
        self._cost_bytes += len(payload) + _FRAGMENT_COST_BYTES
        if not sequence:
            message.header = header
        if is_last:
            message.last = sequence
        if message.byte_count > limits.message_bytes:
            self._drop(message_id)
            raise LimitExceeded(
                "bytes of a message", limits.message_bytes, message.byte_count
            )
        whole = message.joined()
        if whole is not None:
            self._drop(message_id)
            return whole
        message.expiry_seconds = min(now_seconds + limits.gap_seconds, message.until)
        if self._next_expiry is None or message.expiry_seconds < self._next_expiry:
            self._next_expiry = message.expiry_seconds
        self._make_room()
        return None

    def expire(self, now_seconds: float) -> int:
        """Give up what has waited too long; call it from a timer.

        Returns:
            How many messages were given up.
        """
        late = [
            message_id
            for message_id, message in self._unfinished.items()
            if message.expiry_seconds <= now_seconds
        ]
        for message_id in late:
            self._drop(message_id)
        self.given_up += len(late)
        self._next_expiry = min(
            (message.expiry_seconds for message in self._unfinished.values()),
            default=None,
        )
        return len(late)

    def _make_room(self) -> None:
        """Drop the oldest messages while there are too many or too large ones."""
        limits = self._limits
        while (
            len(self._unfinished) > limits.messages or self._cost_bytes > limits.bytes
        ):
            self._drop(next(iter(self._unfinished)))
            self.given_up += 1

    def _drop(self, message_id: bytes) -> None:
        message = self._unfinished.pop(message_id, None)
        if message is not None:
            self._cost_bytes -= message.cost_bytes
