"""Reading a UDP port: as it comes, or in turns while much comes.

To be woken costs a program more than to read some datagrams. So a port that was woken
twice within a moment rests for that moment: the system keeps what comes, and it is
read together. When nothing came meanwhile, the port is watched again. A datagram waits
three milliseconds at most, and whoever sends some and then connects finds that they
were taken before: see `read_waiting`.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall

__all__ = ["DATAGRAM_READ_BYTES", "DatagramPortReader"]

#: The largest datagram that is read; longer ones are dropped by the receiver.
DATAGRAM_READ_BYTES: Final = 65_536
#: How long a busy port rests between two turns.
REST_SECONDS: Final = 0.003


class DatagramPortReader:
    """What the reactor calls when datagrams have come: its port's ``doRead``.

    Args:
        port: A listening ``udp.Port``; its socket does not block.
        received: Called with each datagram and its sender's address.
        datagrams_per_turn: At most so many are read in one turn.
    """

    def __init__(
        self,
        port: Any,
        received: Callable[[bytes, Any], object],
        datagrams_per_turn: int,
    ) -> None:
        self._port = port
        self._receive = port.socket.recvfrom
        self._received = received
        self._turn = range(max(1, datagrams_per_turn))
        self._reactor = port.reactor
        self._seconds: Callable[[], float] = port.reactor.seconds
        self._woken_at = -REST_SECONDS
        self._rest: IDelayedCall | None = None
        self._connection_lost = port.connectionLost
        port.doRead = self
        port.connectionLost = self.connection_lost

    @property
    def is_resting(self) -> bool:
        """Whether the port is read in turns, and not watched."""
        return self._rest is not None

    def __call__(self) -> None:
        """Something has come to a port that is watched."""
        count = self._read()
        now = self._seconds()
        busy = now - self._woken_at < REST_SECONDS
        self._woken_at = now
        # A turn that was not enough is followed by the next one at once.
        if (
            busy
            and self._rest is None
            and count < len(self._turn)
            and self._port.connected
        ):
            self._port.stopReading()
            self._rest = self._reactor.callLater(REST_SECONDS, self._end_of_rest)

    def read_waiting(self) -> None:
        """Read what came during a rest; without effect on a port that is watched."""
        if self._rest is not None:
            self._read()

    def connection_lost(self, reason: Any = None) -> None:
        """The port is closed."""
        rest, self._rest = self._rest, None
        if rest is not None and rest.active():
            rest.cancel()
        self._connection_lost(reason)

    def _end_of_rest(self) -> None:
        self._rest = None
        count = 0
        try:
            count = self._read()
        finally:
            if not self._port.connected:
                pass
            elif count == 0:
                self._port.startReading()
            else:
                rest = REST_SECONDS if count < len(self._turn) else 0
                self._rest = self._reactor.callLater(rest, self._end_of_rest)

    def _read(self) -> int:
        """Read one turn; the number of datagrams that came."""
        receive, received = self._receive, self._received
        count = 0
        for _ in self._turn:
            try:
                datagram, source = receive(DATAGRAM_READ_BYTES)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                # An answer to a datagram of ours that nobody took (10.15): go on.
                if error.errno in (errno.EBADF, errno.ENOTSOCK):
                    raise
                continue
            count += 1
            received(datagram, source)
        return count
