"""What the tests of the tools share: a tool in memory, and what it writes."""

from __future__ import annotations

import io
import sys
from collections.abc import Awaitable
from typing import Any

from twisted.internet.defer import Deferred

from condor_twisted.client import Pool
from tests.client.kit import PoolTestCase

__all__ = ["ToolTestCase", "Written"]


class Written(io.TextIOWrapper):
    """A text stream that is kept; a terminal, if wanted."""

    def __init__(self, terminal: bool = False) -> None:
        super().__init__(io.BytesIO(), encoding="latin-1", write_through=True)
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    @property
    def text(self) -> str:
        """Everything that was written."""
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode("latin-1")


class ToolTestCase(PoolTestCase):
    """Runs tools in memory, against a collector in memory."""

    def setUp(self) -> None:
        super().setUp()
        self.out, self.err = Written(), Written()
        self.patch(sys, "stdout", self.out)
        self.patch(sys, "stderr", self.err)

    def pool_of(self, address: str | None, reactor: Any) -> Pool:
        """The pool of a tool: in memory, whatever this host is configured to."""
        return self.pool(address or "127.0.0.1:9618")

    def code(self, outcome: Awaitable[int]) -> int:
        """Let a tool come to its end; its exit code."""

        async def whole() -> int:
            return await outcome

        code: int = self.done(Deferred.fromCoroutine(whole()))
        return code
