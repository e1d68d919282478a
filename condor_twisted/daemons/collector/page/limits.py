"""What HTTP clients may make the collector hold, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PageLimits"]


@dataclass(frozen=True, slots=True)
class PageLimits:
    """The limits of one page; each is independent of the others.

    Args:
        connections: Open connections.
        connections_per_host: Of these, from one address.
        answers: Lists of ads being selected or sent.
        streams: Open streams of changes.
        uri_bytes: Length of a request's path and query.
        body_bytes: Length of a request's body, which nobody reads.
        projection_names: Attributes that a request may name.
        history: Changes that a stream can be resumed behind.
        request_seconds: For a request to arrive, from its first byte or from the
            connection's beginning.
        stall_seconds: For a client that takes nothing, or an idle connection.
        heartbeat_seconds: Between signs of life on a silent stream.
        batch_seconds: For which changes are gathered before streams hear of them.
        linger_seconds: For which changes are noted while nobody listens.
    """

    connections: int = 512
    connections_per_host: int = 200
    answers: int = 32
    streams: int = 64
    uri_bytes: int = 8192
    body_bytes: int = 65_536
    projection_names: int = 500
    history: int = 20_000
    request_seconds: float = 20.0
    stall_seconds: float = 60.0
    heartbeat_seconds: float = 15.0
    batch_seconds: float = 0.25
    linger_seconds: float = 600.0
