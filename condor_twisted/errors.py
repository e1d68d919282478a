"""The exception tree.

Whose fault is it? That is the first question, so it is the first branch::

    CondorTwistedError
    |-- LocalProtocolError          you misused us
    |-- RemoteProtocolError         the peer broke the rules
    |   |-- MalformedMessage        bytes that no reader understands
    |   |-- TrailingData            a message holds more than was read
    |   |-- LimitExceeded           a number or size beyond its limit
    |   `-- PeerClosed              the peer went away in the middle
    |-- SecurityError               the peer may not, or not so
    |   |-- PolicyMismatch          the two policies cannot be reconciled
    |   |-- AuthenticationFailed    one method failed
    |   |-- NoMethodSucceeded       every method failed; lists the attempts
    |   |-- AuthorizationDenied     known, but not allowed
    |   |-- SessionUnknown          a session that we do not (or no longer) have
    |   |-- TlsFailed               TLS did not come about
    |   |-- TokenRefused            no token, or none that is accepted
    |   `-- TokenServiceRefused     a wish for a token that is not granted
    |-- CommandRefused              a peer turned our command down
    |-- ConfigError                 a configuration that cannot be used
    |-- ExpressionError             a ClassAd expression that does not parse
    |-- ExpressionsUnavailable      the ClassAd library is not installed here
    |-- SpawnFailed                 a child process that did not come about
    |   |-- ProgramNotFound         ENOENT
    |   |-- ProgramNotPermitted     EACCES
    |   |-- ProgramNotExecutable    ENOEXEC
    |   `-- ArgumentsTooLong        E2BIG
    `-- HandshakeTimedOut           a deadline passed

Whatever a hostile peer sends raises ``RemoteProtocolError`` or ``SecurityError``
and nothing else; any other exception is a bug of ours. No message of these holds
a secret.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

__all__ = [
    "ArgumentsTooLong",
    "AuthenticationFailed",
    "AuthorizationDenied",
    "CommandRefused",
    "CondorTwistedError",
    "ConfigError",
    "DaemonNotFound",
    "ExpressionError",
    "ExpressionsUnavailable",
    "FailedAttempt",
    "HandshakeTimedOut",
    "LimitExceeded",
    "LocalProtocolError",
    "MalformedMessage",
    "NoMethodSucceeded",
    "PeerClosed",
    "PolicyMismatch",
    "ProgramNotExecutable",
    "ProgramNotFound",
    "ProgramNotPermitted",
    "RemoteProtocolError",
    "SecurityError",
    "SessionUnknown",
    "SpawnFailed",
    "TlsFailed",
    "TokenRefused",
    "TokenServiceRefused",
    "TrailingData",
]


class CondorTwistedError(Exception):
    """Base of every error this package raises on purpose."""


class LocalProtocolError(CondorTwistedError):
    """The caller asked for something the protocol does not allow."""


class RemoteProtocolError(CondorTwistedError):
    """The peer broke the rules; the connection is of no further use."""


class MalformedMessage(RemoteProtocolError):
    """Bytes that no reader of this protocol understands."""


class TrailingData(RemoteProtocolError):
    """A message holds bytes behind the last expected item.

    Args:
        count_bytes: How many bytes were left.
    """

    def __init__(self, count_bytes: int) -> None:
        super().__init__(f"{count_bytes} unread bytes at the end of the message")
        self.count_bytes = count_bytes


class LimitExceeded(RemoteProtocolError):
    """A size or count that the peer named or sent is beyond its limit.

    Args:
        what: What was counted, in words.
        limit: The limit that applies, in the unit that ``what`` names.
        value: What the peer named, when a number is known.
    """

    def __init__(self, what: str, limit: int, value: int | None = None) -> None:
        got = "" if value is None else f" ({value})"
        super().__init__(f"{what}{got} is outside the limit of {limit}")
        self.what = what
        self.limit = limit
        self.value = value


class PeerClosed(RemoteProtocolError):
    """The connection ended where more was expected."""


class SecurityError(CondorTwistedError):
    """The peer may not do this, or not in this way."""


class PolicyMismatch(SecurityError):
    """Our security policy and the peer's cannot be reconciled.

    Args:
        feature: ``Authentication``, ``Encryption``, ``Integrity``, ...
        client: What the client wants.
        server: What the server wants.
    """

    def __init__(self, feature: str, client: str, server: str) -> None:
        super().__init__(
            f"{feature} cannot be agreed on: the client says {client}, "
            f"the server says {server}"
        )
        self.feature = feature
        self.client = client
        self.server = server


class AuthenticationFailed(SecurityError):
    """One authentication method failed.

    Args:
        method: The method's name as HTCondor spells it.
        reason: Why, without secrets.
        detail: More of it, for the log of D_SECURITY alone.
    """

    def __init__(self, method: str, reason: str, detail: str | None = None) -> None:
        super().__init__(f"{method}: {reason}")
        self.method = method
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """One method that was tried, and why it failed.

    Args:
        method: The method's name.
        reason: Why, as every log may have it.
        detail: More of it, for the log of D_SECURITY alone.
    """

    method: str
    reason: str
    detail: str | None = None


class NoMethodSucceeded(SecurityError):
    """Authentication was needed and every method failed.

    HTCondor's own code for this is ``AUTHENTICATE:1003``.

    Args:
        attempts: Each method tried, in order, with its reason.
        offered: The methods that both sides had in common, in order.
    """

    def __init__(
        self, attempts: Sequence[FailedAttempt], offered: Sequence[str] = ()
    ) -> None:
        tried = "; ".join(f"{each.method}: {each.reason}" for each in attempts)
        common = ", ".join(offered) or "no method in common"
        super().__init__(
            f"authentication failed ({common}): {tried or 'nothing was tried'}"
        )
        self.attempts = tuple(attempts)
        self.offered = tuple(offered)


class AuthorizationDenied(SecurityError):
    """The peer is known, and may not do this.

    Args:
        command: The command number, when one is known.
        reason: The decision with the line of configuration that made it.
    """

    def __init__(self, command: int | None, reason: str) -> None:
        super().__init__(reason)
        self.command = command
        self.reason = reason


class SessionUnknown(SecurityError):
    """A security session that this side does not have, or no longer has.

    HTCondor's return code on the wire is ``SID_NOT_FOUND``.
    """


class TlsFailed(SecurityError):
    """TLS within a handshake did not come about, and both sides know it."""


class TokenRefused(SecurityError):
    """A token is none, or is not one that is accepted.

    Args:
        reason: Why, without the token.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TokenServiceRefused(SecurityError):
    """A wish for a token that is not granted; the peer gets code and reason.

    Args:
        code: ``ErrorCode`` of the answer.
        reason: ``ErrorString`` of the answer; no secret, no path of this host.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class CommandRefused(CondorTwistedError):
    """A peer turned our command down, or closed before it answered.

    Args:
        command: The command number.
        address: Whom we asked, a sinful string.
        reason: What the peer said, or what its silence means.
        code: The peer's own number for it, where it sent one.
    """

    def __init__(
        self, command: int, address: str, reason: str, code: int | None = None
    ) -> None:
        super().__init__(f"command {command} to {address}: {reason}")
        self.command = command
        self.address = address
        self.reason = reason
        self.code = code


class DaemonNotFound(CondorTwistedError):
    """Nobody knows where a daemon is."""


class ConfigError(CondorTwistedError):
    """A configuration that cannot be used.

    Args:
        problem: What is wrong and what to do.
        source: The file, or another name for where the text came from.
        line: The line number in ``source``, counted from 1.
    """

    def __init__(
        self, problem: str, source: str | None = None, line: int | None = None
    ) -> None:
        where = "" if source is None else f"{source}"
        if line is not None:
            where += f", line {line}"
        super().__init__(f"{where}: {problem}" if where else problem)
        self.problem = problem
        self.source = source
        self.line = line


class ExpressionError(CondorTwistedError):
    """A text that is not a ClassAd expression, or beyond the limits for one."""


class ExpressionsUnavailable(CondorTwistedError):
    """ClassAd expressions need the ``htcondor`` package, which is not here."""


class HandshakeTimedOut(CondorTwistedError):
    """A conversation did not end within its deadline.

    Args:
        what: What was under way.
        timeout_seconds: The deadline that passed.
    """

    def __init__(self, what: str, timeout_seconds: float) -> None:
        super().__init__(f"{what} did not finish within {timeout_seconds:g} s")
        self.what = what
        self.timeout_seconds = timeout_seconds


class SpawnFailed(CondorTwistedError):
    """A child process did not come about; nothing of it is left.

    Args:
        program: What was to be executed.
        error_number: The ``errno`` of what failed; 0 where there is none.
        operation: What failed: ``exec``, ``chdir``, ``setrlimit``, ...
        reason: What the system calls this error.
        advice: What to do about it.
    """

    #: The ``errno`` that is always this class.
    number: ClassVar[int] = 0
    _advice: ClassVar[str] = ""

    def __init__(
        self,
        program: str,
        error_number: int,
        operation: str,
        reason: str = "",
        advice: str = "",
    ) -> None:
        name = errno.errorcode.get(error_number, "")
        parts = [f"{program} cannot be started: {operation}"]
        if name:
            parts.append(f": {reason} ({name})" if reason else f": {name}")
        if said := advice or self._advice:
            parts.append(f"; {said}")
        super().__init__("".join(parts))
        self.program = program
        self.error_number = error_number
        self.operation = operation

    @classmethod
    def of(
        cls,
        program: str,
        error_number: int,
        operation: str,
        reason: str = "",
        advice: str = "",
    ) -> SpawnFailed:
        """The exception for an ``errno``: of a subclass where the program failed."""
        if operation == "exec":
            for kind in cls.__subclasses__():
                if kind.number == error_number:
                    return kind(program, error_number, operation, reason, advice)
        return cls(program, error_number, operation, reason, advice)


class ProgramNotFound(SpawnFailed):
    """``ENOENT``: there is no such program, or its interpreter is not there."""

    number = errno.ENOENT
    _advice = "is there such a file, and the interpreter that its first line names?"


class ProgramNotPermitted(SpawnFailed):
    """``EACCES``: the program, or a directory on the way, must not be executed."""

    number = errno.EACCES
    _advice = "may the child's user execute this file and search its directories?"


class ProgramNotExecutable(SpawnFailed):
    """``ENOEXEC``: the file is no program of this machine."""

    number = errno.ENOEXEC
    _advice = "a script needs a first line #!INTERPRETER, a binary this machine's form"


class ArgumentsTooLong(SpawnFailed):
    """``E2BIG``: arguments and environment are longer than the system takes."""

    number = errno.E2BIG
    _advice = "shorten the arguments or the environment"
