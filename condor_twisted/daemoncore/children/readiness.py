"""Children that say that they are ready, and who asks whether all are.

A daemon that starts daemons takes their word (DC_SET_READY) and answers as a master
does (DC_QUERY_READY): at once, or, for who is willing to wait, as soon as all are alive
or a condition of the asker's own is true. Both are served from the first child on that
is a DaemonCore process; a daemon without such children knows neither command, and says
so in the sessions that it makes.

Layout:
    DC_SET_READY: an ad of ``DaemonName``, ``DaemonPID``, ``DaemonState``; no answer.
    DC_QUERY_READY: an ad of ``WaitTimeout`` (int, seconds), ``WantAddrs`` (bool),
    ``ReadyRequirements`` (expression), all optional. Answer: an ad; of each daemon
    ``NAME`` (``Startup``, ``Alive`` or ``Hung``), ``NAME_PID``, ``NAME_State`` as it
    said, and ``NAME_Addr`` if wanted; ``NumDaemons NumAlive NumStartup NumHung NumHold
    NumDead``; ``IsReady``; ``InShutdownMode`` while we end; ``Error`` if the condition
    has no sense.

Source: ``src/condor_master.V6/master.cpp: ready_command_handler``;
``src/condor_master.V6/masterDaemon.cpp: Daemons::QueryReady, InitDaemonReadyAd,
DeferredQueryReadyReply``.
"""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Final

from twisted.internet.task import deferLater
from twisted.logger import Logger

from condor_twisted.classad.expressions import (
    Constraint,
    TooExpensive,
    parse_constraint,
)
from condor_twisted.classad.wire_ad import AdValue, WireAd
from condor_twisted.constants.commands import Command
from condor_twisted.constants.permissions import Permission
from condor_twisted.daemoncore.children.child import Child
from condor_twisted.daemoncore.command_table import command, declared_commands
from condor_twisted.errors import (
    ExpressionError,
    ExpressionsUnavailable,
    MalformedMessage,
)
from condor_twisted.protocols.log_text import escaped
from condor_twisted.protocols.requests import CommandRequest

if TYPE_CHECKING:
    from condor_twisted.daemoncore.daemon import Daemon

__all__ = ["Readiness", "daemon_name"]

_log = Logger()

_MAX_PAYLOAD_BYTES: Final = 65_536
_MAX_STATE: Final = 256
_LOOK_EVERY_SECONDS: Final = 1.0
#: Who asks while so many wait already is answered at once.
_MAX_WAITING: Final = 100
_MAX_WAIT_SECONDS: Final = 86_400
_NO_EXPRESSION: Final = "invalid ReadyRequirements expression"
_NO_CONDITION: Final = "ReadyRequirements does not evaluate to a bool or equivalent"


def daemon_name(child: Child) -> str:
    """What a child is called where daemons are listed.

    As its options say; else after its program, which is ``STARTD`` for
    ``/usr/sbin/condor_startd``.
    """
    options = child.options.daemon
    if options is not None and options.name is not None:
        return options.name
    program = os.path.basename(child.program)
    stem = re.sub(r"(condor[-_])?(twisted[-_])?", "", program, count=1)
    name = re.sub(r"\W+", "_", stem, flags=re.ASCII).upper()
    return name if re.match(r"[A-Z_]", name) else f"_{name}"


class Readiness:
    """Serves both commands for the children of one daemon, as long as that serves.

    Args:
        daemon: Whose children.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._waiting_count = 0
        self._numbers: list[int] = []
        for registration in declared_commands(self):
            number = registration.rule.number
            if daemon.table.find(number) is None:  # who is a master has his own
                daemon.table.add(registration)
                self._numbers.append(number)

    def close(self) -> None:
        """Serve them no more."""
        for number in self._numbers:
            self._daemon.table.remove(number)
        self._numbers.clear()

    @command(
        Command.DC_SET_READY, Permission.DAEMON, max_payload_bytes=_MAX_PAYLOAD_BYTES
    )
    def set_ready(self, request: CommandRequest) -> None:
        """Remember what a child says of itself."""
        ad = _received(request)
        name, state = ad.string("DaemonName") or "", ad.string("DaemonState") or ""
        process_id = ad.integer("DaemonPID") or 0
        if len(state) > _MAX_STATE:
            raise MalformedMessage(f"a daemon's state of {len(state)} characters")
        runtime = self._daemon.runtime
        child = runtime.processes.find(process_id)
        if (
            child is None
            or not child.is_running
            or not runtime.may_be_from(child, request.peer)
        ):
            _log.warn(
                "Cannot find daemon {name} to set ready state {state!r}",
                name=escaped(name[:_MAX_STATE]),
                state=state,
            )
            return
        child.ready_state = state
        _log.info(
            "Setting ready state {state!r} for {name} (pid {pid})",
            state=state,
            name=daemon_name(child),
            pid=child.pid,
        )

    @command(
        Command.DC_QUERY_READY,
        Permission.READ,
        answers=True,
        max_payload_bytes=_MAX_PAYLOAD_BYTES,
    )
    async def query_ready(self, request: CommandRequest) -> None:
        """Answer how everybody is, now or when that is as it was asked for."""
        ad = _received(request)
        with_addresses = ad.boolean("WantAddrs") is True
        answer = self._states(with_addresses)
        is_ready = answer["IsReady"] is True
        condition: Constraint | None = None
        text = ad.expression("ReadyRequirements")
        if text is not None:
            try:
                condition = _condition(text)
                is_ready = _holds(condition, answer)
            except ExpressionError as error:
                answer["Error"] = str(error)
                is_ready = True  # so it is answered at once
        wait = min(ad.integer("WaitTimeout") or 0, _MAX_WAIT_SECONDS)
        if wait > 0 and not is_ready and self._waiting_count < _MAX_WAITING:
            answer = await self._awaited(condition, with_addresses, wait - 1)
        writer = request.writer()
        writer.put_ad(WireAd.from_pairs(answer).body)
        request.reply(writer.end_of_message())

    async def _awaited(
        self, condition: Constraint | None, with_addresses: bool, seconds: int
    ) -> dict[str, AdValue]:
        """How everybody is when that is as wanted, or when the time is over."""
        reactor = self._daemon.reactor
        ends = reactor.seconds() + seconds
        self._waiting_count += 1
        try:
            while True:
                await deferLater(reactor, _LOOK_EVERY_SECONDS)
                answer = self._states(with_addresses)
                if reactor.seconds() >= ends:
                    return answer
                try:
                    if condition is None:
                        is_ready = answer["IsReady"] is True
                    else:
                        is_ready = _holds(condition, answer)
                except ExpressionError:
                    continue  # it had sense, and may have it again
                if is_ready:
                    return answer
        finally:
            self._waiting_count -= 1

    def _states(self, with_addresses: bool) -> dict[str, AdValue]:
        """The answer, as everything is now."""
        daemon = self._daemon
        own = daemon.settings.local_name or daemon.settings.subsystem
        ad: dict[str, AdValue] = {own: "Alive", f"{own}_PID": os.getpid()}
        if with_addresses:
            ad[f"{own}_Addr"] = str(daemon.address)
        counts = {"Alive": 1, "Startup": 0, "Hung": 0}
        for child in daemon.processes:
            if child.options.daemon is None or not child.is_running:
                continue
            name = _unused(daemon_name(child), ad)
            state = _state_of(child)
            counts[state] += 1
            ad[name] = state
            ad[f"{name}_PID"] = child.pid
            if child.ready_state is not None:
                ad[f"{name}_State"] = child.ready_state
            if with_addresses and child.command_address is not None:
                ad[f"{name}_Addr"] = str(child.command_address)
        ad["NumDaemons"] = sum(counts.values())
        for state, count in counts.items():
            ad[f"Num{state}"] = count
        ad["NumHold"] = ad["NumDead"] = 0  # whoever is not there is not ours
        if daemon.is_shutting_down:
            ad["InShutdownMode"] = "Exit"
        ad["IsReady"] = not counts["Startup"] and not counts["Hung"]
        return ad


def _received(request: CommandRequest) -> WireAd:
    reader = request.reader()
    ad = reader.get_ad()
    reader.end_of_message()
    return WireAd(ad.body, ad.secret_lines)


def _state_of(child: Child) -> str:
    if child.was_not_responding:
        return "Hung"
    is_alive = child.heartbeats_count or child.ready_state is not None
    return "Alive" if is_alive else "Startup"


def _unused(name: str, ad: dict[str, AdValue]) -> str:
    """A name that nobody has yet; attributes have no case."""
    taken = {each.lower() for each in ad}
    number, unused = 1, name
    while unused.lower() in taken:
        number += 1
        unused = f"{name}{number}"
    return unused


def _condition(text: str) -> Constraint:
    """The condition that a text is.

    Raises:
        ExpressionError: It is none, or one that needs the missing library.
    """
    try:
        return parse_constraint(text.encode(), int(time.time()))
    except (ExpressionError, ExpressionsUnavailable) as error:
        raise ExpressionError(_NO_EXPRESSION) from error


def _holds(condition: Constraint, answer: dict[str, AdValue]) -> bool:
    """Whether a condition is true of an answer.

    Raises:
        ExpressionError: It cannot be evaluated, or is neither true nor false.
    """
    ad = WireAd.from_pairs(answer)

    class Source:
        def get(self, name: str) -> bytes | None:
            text = ad.expression(name)
            return None if text is None else text.encode()

    try:
        value = condition.evaluate(Source())
    except (TooExpensive, ExpressionsUnavailable) as error:
        raise ExpressionError(_NO_EXPRESSION) from error
    if not isinstance(value, (bool, int, float)):
        raise ExpressionError(_NO_CONDITION)
    return bool(value)
