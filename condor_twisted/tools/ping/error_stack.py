"""A failed negotiation in the words and codes of HTCondor's error stack.

Source: ``src/condor_utils/CondorError.cpp: CondorError::getFullText``,
``src/condor_io/condor_secman.cpp: SecManStartCommand``,
``src/condor_io/authentication.cpp: Authentication::authenticate_continue``.
"""

from __future__ import annotations

from condor_twisted.client.ping import PingResult
from condor_twisted.errors import (
    AuthorizationDenied,
    CommandRefused,
    HandshakeTimedOut,
    NoMethodSucceeded,
    PeerClosed,
    PolicyMismatch,
)
from condor_twisted.protocols.log_text import escaped

__all__ = ["error_stack"]


def error_stack(result: PingResult) -> list[str]:
    """The lines of the error stack, the last error first."""
    error, record = result.error, result.record
    decision = record.server_decision
    if isinstance(error, NoMethodSucceeded):
        return _no_method(error)
    if isinstance(error, AuthorizationDenied):
        if decision is not None and not decision.allowed and record.ends is not None:
            session = record.session
            server = "*" if session is None else session.user
            return [
                "SECMAN:2009:DENIED authorization of server "
                f"'{server}/{record.ends.peer_address}' (I am acting as the client): "
                f"reason: {decision.reason}."
            ]
        return [_denied(result)]
    if isinstance(error, CommandRefused) and record.answer is None:
        return [
            "SECMAN:2011:Connection closed during command authorization. "
            "Probably due to an unknown command."
        ]
    if isinstance(error, PolicyMismatch) and error.feature == "Policy":
        return ["SECMAN:2002:Configuration Problem: The security policy is invalid."]
    if isinstance(error, PolicyMismatch) and (error.feature, error.server) == (
        "CryptoMethods",
        "none",
    ):
        return [
            "SECMAN:2002:Remote server requires encryption but provided no crypto "
            "method to use; potentially there were no mutually-compatible methods "
            "enabled between client and server."
        ]
    if isinstance(error, PolicyMismatch):
        return [f"SECMAN:2002:{escaped(str(error))}"]
    if isinstance(error, (CommandRefused, PeerClosed)):
        return ["SECMAN:2007:Failed to received post-auth ClassAd"]
    if isinstance(error, HandshakeTimedOut) and record.answer is None:
        return ["SECMAN:2007:Read failure during security negotiation."]
    return [f"SECMAN:2007:{escaped(str(error))}"]


def _no_method(error: NoMethodSucceeded) -> list[str]:
    """Why no method proved who we are."""
    if not error.offered:
        return ["SECMAN:2005:Protocol Error: No auth methods."]
    lines: list[str] = []
    for attempt in error.attempts:
        lines.append(f"{attempt.method}:1000:{escaped(attempt.reason)}")
        lines.append(f"AUTHENTICATE:1004:Failed to authenticate using {attempt.method}")
    if error.__cause__ is None:
        lines.append("AUTHENTICATE:1003:Failed to authenticate with any method")
    else:
        lines.append("AUTHENTICATE:1002:Failure performing handshake")
    return lines[::-1]


def _denied(result: PingResult) -> str:
    """What the server's verdict says."""
    record = result.record
    verdict, ends = record.verdict, record.ends
    code = "DENIED" if verdict is None else verdict.string("ReturnCode") or "DENIED"
    said = (
        f'SECMAN:2010:Received "{escaped(code[:64])}" from server for user '
        f"{escaped(result.user or '')} using "
    )
    if result.method is not None:
        return f"{said}method {result.method}."
    own, peer = ("", "") if ends is None else (ends.own_address, ends.peer_address)
    return (
        f"{said}no authentication method, which may imply host-based security.  Our "
        f"address was '{own}', and server's address was '{peer}'.  Check your ALLOW "
        "settings and IP protocols."
    )
