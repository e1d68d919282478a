"""Going into the background: whoever waits hears whether the daemon has started.

Source: ``src/condor_daemon_core.V6/daemon_core_main.cpp: dc_main,
dc_release_background_parent``.
"""

from __future__ import annotations

import os
import struct
from typing import Final

__all__ = ["Background", "go_to_background"]

_STATUS: Final = struct.Struct("=i")


class Background:
    """The end of a pipe at whose other end our starter waits.

    Args:
        descriptor: Where the status is written; ``None`` in the foreground.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = descriptor

    def release(self, status: int = 0) -> None:
        """Let the starter go, with its exit status; once."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.write(descriptor, _STATUS.pack(status))
            os.close(descriptor)


def go_to_background() -> Background:
    """Fork; the process that was started waits for our status and ends with it.

    Call it before there is a reactor or a thread.

    Returns:
        In the child: what releases the starter.
    """
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        answer = os.read(reading, _STATUS.size)
        # A child that says nothing has ended before it served.
        whole = len(answer) == _STATUS.size
        os._exit(_STATUS.unpack(answer)[0] if whole else 1)
    os.close(reading)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)
    os.close(null)
    return Background(writing)
