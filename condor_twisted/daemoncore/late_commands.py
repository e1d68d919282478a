"""The ``DC_`` commands that are rare: what answers them is imported with the first.

Here stand the numbers, levels and transports of commands about configuration, logs,
tokens and children. Each part behind them is made, and its module imported, when one of
its commands comes: few daemons are ever asked, and all have to start.
"""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Final

from condor_twisted.constants.commands import Command
from condor_twisted.constants.permissions import Permission
from condor_twisted.daemoncore.command_table import command
from condor_twisted.protocols.requests import CommandRequest

if TYPE_CHECKING:
    from condor_twisted.daemoncore.children.hung import ChildCommands
    from condor_twisted.daemoncore.configuration.commands import ConfigurationCommands
    from condor_twisted.daemoncore.daemon import Daemon
    from condor_twisted.daemoncore.logs.commands import LogCommands
    from condor_twisted.daemoncore.token_commands import TokenCommands

__all__ = ["LateCommands"]

_ADMINISTRATOR: Final = Permission.ADMINISTRATOR
_ANYBODY: Final = (Permission.ALLOW,)
_ANY_LEVEL: Final = tuple(
    each for each in Permission if each.name not in ("ALLOW", "DEFAULT", "CLIENT")
)
_MAX_SETTING_BYTES: Final = 2 << 20
_MAX_TOKEN_PAYLOAD_BYTES: Final = 16_384
_MAX_SCITOKEN_PAYLOAD_BYTES: Final = 65_536

#: Who may ask for a knob, change one, or want a token, whatever the number is.
_config_val: Final = partial(
    command,
    permission=Permission.READ,
    answers=True,
    max_payload_bytes=8192,
    also_asks=(_ADMINISTRATOR,),
)
_setting: Final = partial(
    command,
    permission=Permission.DAEMON,
    alternates=_ANYBODY,
    answers=True,
    max_payload_bytes=_MAX_SETTING_BYTES,
    also_asks=_ANY_LEVEL,
)
_token: Final = partial(
    command,
    permission=Permission.DAEMON,
    alternates=_ANYBODY,
    answers=True,
    max_payload_bytes=_MAX_TOKEN_PAYLOAD_BYTES,
)


class LateCommands:
    """Commands whose handlers are elsewhere.

    Args:
        daemon: Whom they are about.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    @cached_property
    def configuration(self) -> ConfigurationCommands:
        """Answers about the configuration, and changes it."""
        from condor_twisted.daemoncore.configuration.commands import (
            ConfigurationCommands,
        )

        return ConfigurationCommands(self._daemon)

    @cached_property
    def logs(self) -> LogCommands:
        """Sends logs and histories."""
        from condor_twisted.daemoncore.logs.commands import LogCommands

        return LogCommands(self._daemon)

    @cached_property
    def tokens(self) -> TokenCommands:
        """Gives tokens, and keeps the requests for some."""
        from condor_twisted.daemoncore.token_commands import TokenCommands

        return TokenCommands(self._daemon)

    @cached_property
    def children(self) -> ChildCommands:
        """Takes the heartbeats of children."""
        from condor_twisted.daemoncore.children.hung import ChildCommands

        return ChildCommands(self._daemon.runtime)

    def expire(self) -> None:
        """Let end whose time is over."""
        if "tokens" in vars(self):
            self.tokens.expire()

    def reset(self) -> None:
        """The configuration is a new one."""
        if "tokens" in vars(self):
            self.tokens.reset()

    # Configuration.

    @_config_val(Command.DC_CONFIG_VAL)
    @_config_val(Command.CONFIG_VAL)
    def config_val(self, request: CommandRequest) -> object:
        """See `ConfigurationCommands.config_val`."""
        return self.configuration.config_val(request)

    @_setting(Command.DC_CONFIG_PERSIST)
    @_setting(Command.DC_CONFIG_RUNTIME)
    def change_configuration(self, request: CommandRequest) -> None:
        """See `ConfigurationCommands.change`."""
        self.configuration.change(request)

    # Logs.

    @command(Command.DC_FETCH_LOG, _ADMINISTRATOR, answers=True, max_payload_bytes=4096)
    def fetch_log(self, request: CommandRequest) -> object:
        """See `LogCommands.fetch_log`."""
        return self.logs.fetch_log(request)

    @command(Command.DC_PURGE_LOG, _ADMINISTRATOR, answers=True, max_payload_bytes=64)
    def purge_log(self, request: CommandRequest) -> None:
        """See `LogCommands.purge_log`."""
        self.logs.purge_log(request)

    # Children.

    @command(Command.DC_CHILDALIVE, Permission.DAEMON, udp=True, max_payload_bytes=1024)
    def child_alive(self, request: CommandRequest) -> None:
        """See `ChildCommands.child_alive`."""
        self.children.child_alive(request)

    # Tokens.

    @_token(Command.DC_GET_SESSION_TOKEN)
    def get_session_token(self, request: CommandRequest) -> None:
        """See `TokenCommands.get_session_token`."""
        self.tokens.get_session_token(request)

    @command(
        Command.DC_EXCHANGE_SCITOKEN,
        Permission.WRITE,
        alternates=_ANYBODY,
        force_authentication=True,
        answers=True,
        max_payload_bytes=_MAX_SCITOKEN_PAYLOAD_BYTES,
    )
    def exchange_scitoken(self, request: CommandRequest) -> object:
        """See `TokenCommands.exchange_scitoken`."""
        return self.tokens.exchange_scitoken(request)

    @_token(Command.DC_START_TOKEN_REQUEST)
    def start_token_request(self, request: CommandRequest) -> None:
        """See `TokenCommands.start_request`."""
        self.tokens.start_request(request)

    @_token(Command.DC_FINISH_TOKEN_REQUEST)
    def finish_token_request(self, request: CommandRequest) -> None:
        """See `TokenCommands.finish_request`."""
        self.tokens.finish_request(request)

    @_token(
        Command.DC_LIST_TOKEN_REQUEST,
        force_authentication=True,
        also_asks=(_ADMINISTRATOR,),
    )
    def list_token_requests(self, request: CommandRequest) -> None:
        """See `TokenCommands.list_requests`."""
        self.tokens.list_requests(request)

    @_token(
        Command.DC_APPROVE_TOKEN_REQUEST,
        force_authentication=True,
        also_asks=(_ADMINISTRATOR,),
    )
    def approve_token_request(self, request: CommandRequest) -> None:
        """See `TokenCommands.approve_request`."""
        self.tokens.approve_request(request)

    @command(
        Command.DC_AUTO_APPROVE_TOKEN_REQUEST,
        _ADMINISTRATOR,
        answers=True,
        max_payload_bytes=_MAX_TOKEN_PAYLOAD_BYTES,
    )
    def auto_approve_token_requests(self, request: CommandRequest) -> None:
        """See `TokenCommands.auto_approve_requests`."""
        self.tokens.auto_approve_requests(request)
