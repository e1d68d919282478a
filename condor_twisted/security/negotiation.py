"""The negotiation around DC_AUTHENTICATE, both sides.

`serve` and `connect` are handshakes (`condor_twisted.security.steps`); whoever runs
them gets an `Admission` or an `Established`.
"""

from __future__ import annotations

from condor_twisted.security.handshake.connecting import (
    connect,
    find_session,
    read_query_reply,
    wants_negotiation,
)
from condor_twisted.security.handshake.outgoing import (
    CommandStart,
    Established,
    NegotiationRecord,
)
from condor_twisted.security.handshake.serving import Admission, serve

__all__ = [
    "Admission",
    "CommandStart",
    "Established",
    "NegotiationRecord",
    "connect",
    "find_session",
    "read_query_reply",
    "serve",
    "wants_negotiation",
]
