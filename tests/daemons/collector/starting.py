"""A program: a collector in memory answers one query; what was imported is printed.

The collector is the one that twistd makes. Nothing is imported here that it would not
import by itself, but for the reactor.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from twisted.internet.protocol import ClientFactory, Protocol

from condor_twisted.daemons.collector.tap import Options, makeService


def imported() -> set[str]:
    """The modules there are."""
    return set(sys.modules)


def main() -> None:
    """Start, ask, print: what the start needed, what the query, how long its answer."""
    options = Options()
    options.parseOptions(
        ["--port=9618", "--interface=127.0.0.1", "--http=none", "--set=ALLOW_READ=*"]
    )
    collector: Any = makeService(options)
    made = imported()
    from condor_twisted.testing.reactor import MemoryReactor

    for_reactor = imported() - made
    collector.reactor = reactor = MemoryReactor()
    collector.startService()
    started = imported()
    answers: list[bytes] = []
    asker = ClientFactory.forProtocol(lambda: Asker(answers))
    reactor.connectTCP("127.0.0.1", 9618, asker)
    reactor.flush()
    print(
        json.dumps(
            {
                "start": sorted(started - for_reactor),
                "query": sorted(imported() - started),
                "answer": len(b"".join(answers)),
            }
        )
    )


class Asker(Protocol):
    """Asks for collectors, and keeps the answer."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers = answers

    def connectionMade(self) -> None:
        """Ask, as a raw command: its number, a count of attributes, two types."""
        assert self.transport is not None
        message = (20).to_bytes(8, "big") + (0).to_bytes(8, "big") + b"\0\0"
        self.transport.write(b"\1" + len(message).to_bytes(4, "big") + message)

    def dataReceived(self, data: bytes) -> None:
        """Keep what comes."""
        self._answers.append(data)


if __name__ == "__main__":
    main()
