"""What the tests of the client share: collectors in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.internet.defer import Deferred, succeed

from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.client import Pool
from condor_twisted.config.settings import Settings
from condor_twisted.constants.commands import Command
from condor_twisted.daemoncore import CommandRequest, Daemon, Permission, Registration
from condor_twisted.security.commands import CommandRule
from tests.daemoncore.kit import DaemonTestCase
from tests.protocols.kit import SECURE

__all__ = ["Double", "PoolTestCase", "ad_of"]

QUERIES = [command for command in Command if command.name.startswith("QUERY_")]
UPDATES = [
    command
    for command in Command
    if command.name.startswith(("UPDATE_", "MERGE_", "INVALIDATE_"))
]


def ad_of(**values: Any) -> WireAd:
    """An ad of Python values."""
    return WireAd.from_pairs(values)


class Double(Daemon):
    """Answers every query with the same ads, and keeps what it is told."""

    subsystem = "COLLECTOR"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.ads: list[WireAd] = []
        self.queries: list[tuple[int, WireAd]] = []
        self.told: list[tuple[str, int, list[WireAd]]] = []
        self.connections: set[int] = set()
        #: What is answered instead, where this is set.
        self.answer: bytes | None = None
        #: How many bytes of the answer go into a piece.
        self.piece_bytes = 100
        self.acknowledges = True
        #: Whether queries are never answered.
        self.stalls = False
        for number in QUERIES:
            rule = CommandRule(number, Permission.READ, name=number.name)
            self.register_command(Registration(rule, self._query, answers=True))
        for number in UPDATES:
            rule = CommandRule(number, Permission.WRITE, name=number.name, udp=True)
            confirmed = number == Command.UPDATE_STARTD_AD_WITH_ACK
            self.register_command(
                Registration(
                    rule,
                    self._update,
                    keeps_stream=not confirmed,
                    answers=confirmed,
                )
            )

    def _query(self, request: CommandRequest) -> Deferred[None]:
        reader = request.reader()
        ad = reader.get_ad()
        reader.end_of_message()
        self.queries.append((request.command, WireAd(ad.body)))
        if self.stalls:
            return Deferred()
        if self.answer == b"":
            return succeed(None)
        return request.reply_parts(self._pieces(request))

    def _pieces(self, request: CommandRequest) -> Iterator[bytes]:
        answer = self.answer
        if answer is None:
            writer = request.writer()
            for ad in self.ads:
                writer.put_int(1)
                writer.put_ad(ad.body, ad.secret_lines)
            writer.put_int(0)
            answer = writer.end_of_message()
        for start in range(0, len(answer), self.piece_bytes):
            yield answer[start : start + self.piece_bytes]

    def _update(self, request: CommandRequest) -> None:
        reader = request.reader()
        ads = []
        while not reader.at_end():
            ad = reader.get_ad()
            ads.append(WireAd(ad.body, ad.secret_lines))
        self.told.append((request.transport, request.command, ads))
        self.connections.add(id(request.channel))
        if request.command == Command.UPDATE_STARTD_AD_WITH_ACK:
            if self.acknowledges:
                writer = request.writer()
                writer.put_int(1)
                request.reply(writer.end_of_message())
        else:
            request.keep_open()


class PoolTestCase(DaemonTestCase):
    """A collector in memory and pools that ask it."""

    def setUp(self) -> None:
        super().setUp()
        self.collector = self.start_double()

    def start_double(self, port: int = 9618, **knobs: str) -> Double:
        """Start a collector."""
        double = Double(self.settings(**knobs), self.reactor, port=port)
        self.start(double)
        return double

    def start_secure(self, port: int = 9700) -> Double:
        """Start a collector that wants authentication and encryption."""
        settings = self.settings().with_assignments(SECURE)
        double = Double(settings, self.reactor, port=port)
        self.start(double)
        return double

    def pool(self, address: str | None = "127.0.0.1:9618", **knobs: str) -> Pool:
        """A pool with the knobs in force and these."""
        settings = Settings.from_assignments({**self.knobs, **knobs}, "TOOL")
        pool = Pool(address, settings, self.reactor, shuffle=lambda found: None)
        self.addCleanup(lambda: self.done(pool.close()))
        return pool

    def done(self, outcome: Deferred[Any]) -> Any:
        """Let everything move, and give the result."""
        self.reactor.flush()
        return self.successResultOf(outcome)

    def failed(self, outcome: Deferred[Any], *kinds: type[Exception]) -> Exception:
        """Let everything move, and give the error."""
        self.reactor.flush()
        error = self.failureResultOf(outcome, *kinds).value
        assert isinstance(error, Exception)
        return error
