"""What the collector does not accept; the peer sees only a closed connection."""

from __future__ import annotations

from condor_twisted.errors import RemoteProtocolError

__all__ = ["InvalidationRefused", "QueryRefused", "UpdateRefused"]


class UpdateRefused(RemoteProtocolError):
    """An ad that is not stored.

    Args:
        problem: What is wrong with the ad, for the log.
        is_overload: Whether a limit of ours is the reason, not the ad.
    """

    def __init__(self, problem: str, is_overload: bool = False) -> None:
        super().__init__(problem)
        self.problem = problem
        self.is_overload = is_overload


class InvalidationRefused(RemoteProtocolError):
    """An invalidation that says too little to be carried out.

    Args:
        problem: What is wrong with it, for the log.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class QueryRefused(RemoteProtocolError):
    """A query that gets no answer.

    Args:
        problem: What is wrong with it, for the log.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
