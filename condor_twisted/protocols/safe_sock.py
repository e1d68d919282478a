"""CEDAR over UDP: datagrams to messages.

Nothing is answered, confirmed or repeated. A short datagram is a message at once;
fragments wait in a `Reassembler`, which a timer empties of what never becomes whole.

Source: ``src/condor_io/safe_sock.cpp``, ``src/condor_io/SafeMsg.cpp``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

from condor_twisted.errors import RemoteProtocolError, SecurityError
from condor_twisted.protocols.deadlines import NEVER, DeadlineSweep
from condor_twisted.protocols.log_text import FoldedLog, escaped
from condor_twisted.wire.datagrams import (
    MAX_DATAGRAM_BYTES,
    Reassembler,
    ReassemblyLimits,
    SafeMessage,
)

__all__ = ["MessageReceiver", "SafeSockProtocol"]

_log = Logger()

#: Gets a message and where its last datagram came from: address and port.
MessageReceiver = Callable[[SafeMessage, str, int], None]
#: Gets a datagram that is a message in clear, and the socket address that it came
#: from; says whether it has taken it.
QuickReceiver = Callable[[bytes, "tuple[str, int]"], bool]

#: How a message of one datagram without a security header begins: with a command
#: number that is not negative; the magic words begin with letters.
_COMMAND_BEGIN: Final = b"\0\0\0\0"


class SafeSockProtocol(DatagramProtocol):
    """A UDP command port.

    Args:
        receiver: Gets each whole message.
        sweep: Times unfinished messages, and tells the time.
        folded: Where dropped datagrams are logged.
        limits: What is kept of unfinished messages.
        quick: Gets what needs no more than a look first, and may leave it.
    """

    noisy = False

    def __init__(
        self,
        receiver: MessageReceiver,
        sweep: DeadlineSweep,
        folded: FoldedLog,
        limits: ReassemblyLimits = ReassemblyLimits(),  # noqa: B008 -- frozen
        quick: QuickReceiver | None = None,
    ) -> None:
        self._receiver = receiver
        self._limits = limits
        self._quick = quick
        self._sweep = sweep
        self._folded = folded
        self._reassembler = Reassembler(limits)
        self._receive = self._reassembler.receive
        self._seconds = sweep.seconds
        self.deadline = NEVER
        #: How many datagrams were dropped.
        self.dropped_count = 0

    def another(self) -> SafeSockProtocol:
        """The same for another port."""
        return SafeSockProtocol(
            self._receiver, self._sweep, self._folded, self._limits, self._quick
        )

    @property
    def unfinished_count(self) -> int:
        """How many messages wait for fragments."""
        return self._reassembler.unfinished_count

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Take one datagram; nothing that it holds raises out of here."""
        try:
            if len(datagram) > MAX_DATAGRAM_BYTES:
                self.dropped_count += 1
                return
            if (
                self._quick is not None
                and datagram.startswith(_COMMAND_BEGIN)
                and self._quick(datagram, addr)
            ):
                return
            message = self._receive(datagram, self._seconds())
            if message is not None:
                self._receiver(message, addr[0], addr[1])
                return
        except (RemoteProtocolError, SecurityError) as error:
            self.dropped_count += 1
            self._folded.warn(
                "bad datagram",
                addr[0],
                "Datagram from {address}:{port} dropped: {error}",
                address=addr[0],
                port=addr[1],
                error=escaped(str(error)),
            )
        except Exception:
            self.dropped_count += 1
            _log.failure("a datagram raised what it must not")
        self._expect_expiry()

    def connectionRefused(self) -> None:
        """Somebody did not take a datagram of ours; nothing follows from that."""

    def stopProtocol(self) -> None:
        """The port is closed."""
        self._sweep.forget(self)

    def deadline_passed(self) -> None:
        """Give up what has waited too long."""
        self._reassembler.expire(self._seconds())
        self._expect_expiry()

    def _expect_expiry(self) -> None:
        expiry = self._reassembler.next_expiry_seconds
        self.deadline = NEVER if expiry is None else expiry
        if expiry is not None:
            self._sweep.watch(self)
