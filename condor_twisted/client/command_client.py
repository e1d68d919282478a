"""Commands to any daemon, with one identity.

::

    client = CommandClient()
    channel = await client.start("<192.0.2.7:9618>", Command.DC_NOP_READ)
    channel.close()
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed

from condor_twisted.client.authentication import Identity, authenticate
from condor_twisted.client.ping import PingResult, ping
from condor_twisted.config.settings import Settings
from condor_twisted.protocols.client_channel import ClientChannel
from condor_twisted.protocols.commands import HANDSHAKE_SECONDS, CommandOpener
from condor_twisted.protocols.endpoints import dialling
from condor_twisted.protocols.host_steps import Host, run_in_threads
from condor_twisted.protocols.own_security import open_security
from condor_twisted.security.commands import CommandRules
from condor_twisted.security.negotiation import CommandStart
from condor_twisted.wire.messages import MessageWriter
from condor_twisted.wire.sinful import SinfulAddress

__all__ = ["CommandClient"]


class CommandClient:
    """Starts commands at daemons; its sessions are its own.

    Nothing is read from the process's environment, and no reactor is looked for
    before the first command.

    Args:
        settings: The configuration: policies, methods, timeouts. HTCondor's compiled-in
            defaults where this is ``None``.
        reactor: Where to run; Twisted's global one by default.
    """

    def __init__(self, settings: Settings | None = None, reactor: Any = None) -> None:
        self.settings = Settings.from_assignments({}) if settings is None else settings
        self._reactor = reactor
        self._opener: CommandOpener | None = None

    @property
    def reactor(self) -> Any:
        """The reactor; chosen now, where none was given."""
        if self._reactor is None:
            from twisted.internet import reactor

            self._reactor = reactor
        return self._reactor

    @property
    def opener(self) -> CommandOpener:
        """What opens the commands; made at first use.

        Raises:
            ConfigError: The configuration's security settings have no sense.
        """
        if self._opener is None:
            reactor = self.reactor
            security = open_security(
                self.settings, CommandRules(), reactor, lambda: int(time.time())
            )
            host = Host(reactor, run_in_threads(reactor))
            self._opener = CommandOpener(
                reactor,
                security,
                host,
                dialling(self.settings),
                handshake_seconds=self.settings.seconds(
                    "SEC_TCP_SESSION_DEADLINE", HANDSHAKE_SECONDS
                ),
            )
        return self._opener

    def start(
        self,
        address: SinfulAddress | str,
        command: int,
        *,
        raw: bool | None = None,
        request_authentication: bool = False,
        timeout_seconds: float | None = None,
    ) -> Deferred[ClientChannel]:
        """Start a command.

        Args:
            address: Where the daemon is.
            command: The command's number.
            raw: Without or with a negotiation, whatever the policy says.
            request_authentication: Prefer to say who we are, whatever the policy says.
            timeout_seconds: How long connecting may take, and again authentication
                with all that belongs to it.

        Returns:
            A `Deferred` of the channel for the command's own messages. It fails as
            `condor_twisted.protocols.commands.CommandOpener.open` does. Cancelling
            it gives up.
        """
        start = CommandStart(command, request_authentication=request_authentication)
        return self.opener.open(
            address, command, raw=raw, start=start, timeout_seconds=timeout_seconds
        )

    def authenticate(
        self,
        address: SinfulAddress | str,
        about: str | int = "WRITE",
        *,
        timeout_seconds: float | None = None,
    ) -> Deferred[Identity]:
        """Prove to a daemon who we are, for commands that follow.

        Args:
            address: Where the daemon is; later commands name it in the same way.
            about: The level of authorization that is wanted, or one of its commands.
            timeout_seconds: As for `start`.

        Returns:
            A `Deferred` of who we are to the daemon. It fails as `start` does, and
            with `NoMethodSucceeded`, which names each method that was tried with its
            reason, where nothing proved who we are. Cancelling it gives up.
        """
        return authenticate(self, address, about, timeout_seconds=timeout_seconds)

    def ping(
        self,
        address: SinfulAddress | str,
        about: str | int = "WRITE",
        *,
        explain: bool = False,
        timeout_seconds: float | None = None,
    ) -> Deferred[PingResult]:
        """Ask a daemon whether it would run a command for us, without running it.

        Args:
            address: Where the daemon is.
            about: A level of authorization, a command's name, or its number.
            explain: Ask for the daemon's reasons as well. Our own daemons tell them
                to users who are authenticated and hold READ, and to administrators.
            timeout_seconds: As for `start`.

        Returns:
            A `Deferred` of the result, whether the answer is yes or no; every
            negotiation is a new one. It fails only where nobody was asked: with
            Twisted's ``ConnectError`` or ``DNSLookupError``, or with
            `LocalProtocolError` for an address or a command that is none. Cancelling
            it gives up.
        """
        return ping(
            self, address, about, explain=explain, timeout_seconds=timeout_seconds
        )

    def send_datagram(
        self,
        address: SinfulAddress | str,
        command: int,
        write: Callable[[MessageWriter], object] | None = None,
        *,
        raw: bool | None = None,
    ) -> Deferred[None]:
        """Send a command by UDP; nobody confirms anything.

        Returns:
            A `Deferred` that fires when the datagrams have left.
        """
        return self.opener.send_datagram(address, command, write, raw=raw)

    def close(self) -> Deferred[Any]:
        """Give up what is kept between commands; fires when that is done."""
        opener, self._opener = self._opener, None
        return succeed(None) if opener is None else opener.close()
