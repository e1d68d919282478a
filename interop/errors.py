"""What the interoperability run can fail with, apart from a failed check."""

from __future__ import annotations

__all__ = ["CannotRun", "InteropError", "PeerDidNotStart"]


class InteropError(Exception):
    """A step of the run failed, and the check it belongs to fails with it."""


class PeerDidNotStart(InteropError):
    """A daemon did not come up in its time.

    Args:
        what: The daemon, as a person names it.
        log_tail: The last lines that it wrote.
    """

    def __init__(self, what: str, log_tail: str) -> None:
        super().__init__(f"{what} did not start; its last lines:\n{log_tail}")
        self.what = what
        self.log_tail = log_tail


class CannotRun(Exception):
    """This machine cannot hold the real HTCondor: nothing has been checked.

    Args:
        why: The first thing that is missing, with its cause.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
