"""Which registered command a negotiation is about.

Source: ``src/condor_daemon_core.V6/daemon_command.cpp: DaemonCommandProtocol``.
"""

from __future__ import annotations

from condor_twisted.errors import AuthorizationDenied, MalformedMessage
from condor_twisted.security.commands import (
    DC_AUTHENTICATE,
    DC_SEC_QUERY,
    CommandRule,
)
from condor_twisted.security.context import SecurityState
from condor_twisted.security.handshake.pod_ads import PodAd

__all__ = ["find_requested_rule"]


def find_requested_rule(security: SecurityState, ad: PodAd) -> tuple[int, CommandRule]:
    """The command in an ad, and the rule of the command that it is about.

    Raises:
        MalformedMessage: There is no command.
        AuthorizationDenied: The command is not registered; a client gets no answer.
    """
    command = ad.integer("Command")
    if command is None:
        raise MalformedMessage("a negotiation without a command")
    number: int | None = command
    if command in (DC_AUTHENTICATE, DC_SEC_QUERY):
        number = ad.integer("AuthCommand")
        if number is None:
            raise MalformedMessage("a negotiation about no command")
    assert number is not None
    rule = security.rules.find(number)
    if rule is None:
        raise AuthorizationDenied(number, f"command {number} is not registered")
    if "Cookie" in ad:
        # We never make one: a daemon calls itself without a connection.
        raise AuthorizationDenied(number, "a cookie that was never made")
    return command, rule
