"""How much of a server its peers may take up, and what has happened so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from condor_twisted.wire.stream_frames import FrameLimits

__all__ = ["ServerCounters", "ServerLimits"]


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """How much of one server its peers may take up.

    Args:
        connections: Open connections in all.
        unproven_per_address: Connections of one address that have not had a command
            admitted yet.
        frames: Sizes of frames and messages.
    """

    connections: int = 10_000
    unproven_per_address: int = 200
    frames: FrameLimits = field(default_factory=FrameLimits)


@dataclass(slots=True)
class ServerCounters:
    """What has happened since the start."""

    connections: int = 0
    connections_refused: int = 0
    commands: int = 0
    datagrams: int = 0
    commands_denied: int = 0
    commands_unknown: int = 0
    handshakes_failed: int = 0
    protocol_errors: int = 0
    handler_errors: int = 0
