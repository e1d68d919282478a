"""What a client wants to start, what it gets, and what happened on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from condor_twisted.errors import FailedAttempt
from condor_twisted.security.authorization import Decision
from condor_twisted.security.facts import ChannelEnds
from condor_twisted.security.handshake.method_loop import Authenticated
from condor_twisted.security.handshake.pod_ads import PodAd
from condor_twisted.security.handshake.server_reply import ServerReply
from condor_twisted.security.peer import Peer
from condor_twisted.security.policy import SidePolicy
from condor_twisted.security.sessions.session import SecuritySession

__all__ = ["CommandStart", "Established", "NegotiationRecord"]


@dataclass(slots=True)
class NegotiationRecord:
    """How far a client's negotiation of a new session came, however it ended.

    Whoever starts a command and has to explain what became of it gives one along;
    each fact is there from the moment at which it is known.

    Args:
        ends: The two ends of the connection.
        policy: What we want.
        answer: The server's first ad: what it says is agreed on.
        agreed: The same, read and held against our policy.
        attempts: The methods that were tried in vain, with their reasons.
        authenticated: What came of the method that succeeded.
        verdict: The server's last ad: who we are, and whether we may.
        session: The session, once there is one.
        server_decision: Whether our own lists let us talk to this server.
    """

    ends: ChannelEnds | None = None
    policy: SidePolicy | None = None
    answer: PodAd | None = None
    agreed: ServerReply | None = None
    attempts: Sequence[FailedAttempt] = ()
    authenticated: Authenticated | None = None
    verdict: PodAd | None = None
    session: SecuritySession | None = None
    server_decision: Decision | None = None


@dataclass(frozen=True, slots=True)
class CommandStart:
    """What a client wants to start.

    Args:
        command: The command; DC_AUTHENTICATE for a session alone, DC_SEC_QUERY to ask.
        about: With these two: the command that it is about.
        request_authentication: Prefer authentication, whatever the knobs say.
        session_id: The session to use, where we have it.
        fresh: Negotiate anew, even if there is a session.
        temporary: Want a session that ends soon.
        tag: The context whose sessions are not shared with others.
        explain: With DC_SEC_QUERY: ask the server for its reasons, too
            (`condor_twisted.security.explanation`).
        record: Gets what happens on the way to a new session.
    """

    command: int
    about: int | None = None
    request_authentication: bool = False
    session_id: str | None = None
    fresh: bool = False
    temporary: bool = False
    tag: str = ""
    explain: bool = False
    record: NegotiationRecord | None = field(default=None, compare=False, repr=False)

    @property
    def subject(self) -> int:
        """The command whose permission is in question."""
        return self.command if self.about is None else self.about


@dataclass(frozen=True, slots=True)
class Established:
    """A channel on which the command's own messages may follow.

    Args:
        peer: Who the server is, and what the channel has proved.
        session: The session, new or resumed.
        encrypted: Whether messages are encrypted, and so carry string lengths.
        resumed: The session is an old one.
    """

    peer: Peer
    session: SecuritySession
    encrypted: bool
    resumed: bool

    @property
    def own_user(self) -> str | None:
        """Who the server says we are."""
        return self.session.own_user
