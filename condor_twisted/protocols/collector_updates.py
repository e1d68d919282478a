"""Telling a collector: one connection, several updates.

The first command of a connection negotiates; the others follow raw on the same
connection, each as one message. DC_NOP at the end tells the collector that nothing
follows.

Source: ``src/condor_daemon_client/dc_collector.cpp``,
``src/condor_tools/advertise.cpp``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred, inlineCallbacks, succeed

from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.constants.commands import Command
from condor_twisted.errors import CommandRefused, PeerClosed
from condor_twisted.protocols.client_channel import ClientChannel
from condor_twisted.protocols.commands import CommandOpener
from condor_twisted.wire.messages import MessageWriter
from condor_twisted.wire.sinful import SinfulAddress

__all__ = ["UpdateConnection", "ad_writer"]

#: How long a collector may take to confirm an update.
ACKNOWLEDGEMENT_SECONDS: Final = 20.0


class UpdateConnection:
    """Updates to one collector over a connection that is kept.

    Args:
        opener: Who we are.
        address: The collector.
        raw: Without or with a negotiation, whatever the policy says.
    """

    def __init__(
        self, opener: CommandOpener, address: SinfulAddress, raw: bool | None = None
    ) -> None:
        self._opener = opener
        self._raw = raw
        self._channel: ClientChannel | None = None
        self.address: Final = address

    @inlineCallbacks
    def send(
        self, command: int, ad: WireAd, *more: WireAd, sealed: Sequence[bytes] = ()
    ) -> Generator[Deferred[Any], Any, None]:
        """Send one update.

        Args:
            command: The command's number.
            ad: The ad.
            more: What follows it: a slot's private ad.
            sealed: Lines of the ad for the collector alone: they are left out where
                the connection does not hide them.

        Returns:
            A `Deferred` that fires when the update is on its way; with
            UPDATE_STARTD_AD_WITH_ACK, when the collector has confirmed it.

        Raises:
            CommandRefused: The collector did not confirm.
        """
        channel = self._channel
        if channel is not None and channel.is_open:
            writer = channel.writer()
            writer.put_int(command)
        else:
            self._channel = channel = yield self._opener.open(
                self.address, command, raw=self._raw
            )
            writer = channel.writer()
        ad_writer(ad, sealed)(writer)
        for each in more:
            writer.put_ad(each.body, each.secret_lines)
        channel.send_message(writer.end_of_message())
        if command != Command.UPDATE_STARTD_AD_WITH_ACK:
            return
        # The collector closes behind its confirmation.
        self._channel = None
        try:
            reader = yield channel.receive_message(ACKNOWLEDGEMENT_SECONDS)
            reader.get_int32()
        except PeerClosed as closed:
            raise CommandRefused(
                command,
                str(self.address),
                "the collector closed instead of confirming: its log says why it "
                "refused the ad",
            ) from closed
        finally:
            channel.close()

    def finish(self) -> Deferred[None]:
        """Say goodbye and close.

        Returns:
            A `Deferred` that fires when everything is sent, and the connection
            closed.
        """
        channel, self._channel = self._channel, None
        if channel is None or not channel.is_open:
            return succeed(None)
        writer = channel.writer()
        writer.put_int(Command.DC_NOP)
        channel.send_message(writer.end_of_message())
        closed = channel.when_closed()
        channel.close()
        return closed

    def abort(self) -> None:
        """Close at once."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.abort()


def ad_writer(
    ad: WireAd, sealed: Sequence[bytes] = ()
) -> Callable[[MessageWriter], object]:
    """Writes an ad as a command's data.

    Args:
        ad: The ad.
        sealed: Lines that it has besides where the message hides them.
    """

    def write(writer: MessageWriter) -> None:
        hidden = sealed if writer.hides_secrets else ()
        writer.put_ad(ad.body, (*ad.secret_lines, *hidden))

    return write
