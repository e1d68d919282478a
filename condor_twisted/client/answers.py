"""One answer of a collector as it comes, and what is said when none comes."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.error import ConnectError, DNSLookupError

from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.client.queries import AdAssembler, read_ads
from condor_twisted.constants.commands import command_name
from condor_twisted.errors import (
    CommandRefused,
    CondorTwistedError,
    PeerClosed,
    SecurityError,
)
from condor_twisted.protocols.client_channel import ClientChannel
from condor_twisted.wire.sinful import SinfulAddress

__all__ = ["FAILURES", "Answer", "explained", "refusal"]

#: How a conversation with a collector fails.
FAILURES: Final = (CondorTwistedError, ConnectError, DNSLookupError)


class Answer:
    """The ads of one answer, as they come.

    Args:
        channel: Where the query goes, and the answer comes from.
        timeout_seconds: How long the next piece of it may take.
        command: The query's number.
    """

    def __init__(
        self, channel: ClientChannel, timeout_seconds: float, command: int
    ) -> None:
        self._channel = channel
        self._timeout_seconds = timeout_seconds
        self._command = command
        self._assembler = AdAssembler(channel.encrypted)
        self._ready: list[WireAd] | None = None
        self._whole = False

    @property
    def finished(self) -> bool:
        """Whether nothing more comes."""
        done = self._assembler.finished or self._whole
        return done and self._ready is None

    @inlineCallbacks
    def ask(self, ad: WireAd) -> Generator[Deferred[Any], Any, None]:
        """Send the query, and wait until the answer begins."""
        writer = self._channel.writer()
        writer.put_ad(ad.body, ad.secret_lines)
        self._channel.send_message(writer.end_of_message())
        try:
            self._ready = yield self._receive()
        except PeerClosed as closed:
            raise PeerClosed(
                "it closed without an answer: READ may not be allowed for us, the "
                "query may be malformed, or it has too many queries"
            ) from closed

    @inlineCallbacks
    def receive(self) -> Generator[Deferred[Any], Any, list[WireAd]]:
        """The next ads: some, none, or all."""
        ready, self._ready = self._ready, None
        if ready is not None:
            return ready
        try:
            found: list[WireAd] = yield self._receive()
        except FAILURES as error:
            raise CommandRefused(
                self._command,
                str(self._channel.address),
                f"the answer broke off: {error}",
            ) from error
        return found

    @inlineCallbacks
    def _receive(self) -> Generator[Deferred[Any], Any, list[WireAd]]:
        channel = self._channel
        if not channel.streams:
            reader = yield channel.receive_message(self._timeout_seconds)
            self._whole = True
            return read_ads(reader)
        part, last = yield channel.receive_part(self._timeout_seconds)
        return self._assembler.feed(part, last)

    def close(self) -> None:
        """Close; at once where something is still to come."""
        if self.finished:
            self._channel.close()
        else:
            self._channel.abort()


def explained(error: Exception) -> str:
    """An error with what may be done about it."""
    if isinstance(error, ConnectError):
        return (
            f"cannot connect ({error}); is a collector running there, and is the "
            "port right?"
        )
    if isinstance(error, DNSLookupError):
        return f"unknown host ({error})"
    if isinstance(error, CommandRefused):
        return error.reason
    if isinstance(error, SecurityError):
        return f"{error}; see the SEC_ and ALLOW_ settings on both sides"
    return str(error)


def refusal(command: int, address: SinfulAddress, error: Exception) -> CommandRefused:
    """An update's failure, with command and address."""
    if isinstance(error, CommandRefused):
        return error
    refused = CommandRefused(
        command, str(address), f"{command_name(command)}: {explained(error)}"
    )
    refused.__cause__ = error
    return refused
