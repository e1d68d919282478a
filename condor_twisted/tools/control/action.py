"""Whom a command line means, and what is sent to them.

Whatever is to be stopped or started, the request goes to its master, but for a
``restart`` of one daemon: that one is stopped, and its master starts it again.

Source: ``src/condor_tools/tool.cpp: computeRealAction, doCommand``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from condor_twisted.client.daemons import DaemonKind, kind_named
from condor_twisted.constants.commands import Command
from condor_twisted.tools.control.options import ControlOptions

__all__ = ["Action", "plan", "title_of"]

_C = Command
_TITLES: Final = {
    _C.DAEMONS_OFF: "Kill-All-Daemons",
    _C.DAEMONS_OFF_FAST: "Kill-All-Daemons-Fast",
    _C.DAEMONS_OFF_PEACEFUL: "Kill-All-Daemons-Peacefully",
    _C.DAEMONS_OFF_FLEX: "Shutdown-Daemons",
    _C.DAEMON_OFF: "Kill-Daemon",
    _C.DC_OFF_GRACEFUL: "Kill-Daemon",
    _C.DC_OFF_FORCE: "Kill-Daemon",
    _C.DAEMON_OFF_FAST: "Kill-Daemon-Fast",
    _C.DC_OFF_FAST: "Kill-Daemon-Fast",
    _C.DAEMON_OFF_PEACEFUL: "Kill-Daemon-Peacefully",
    _C.DC_OFF_PEACEFUL: "Kill-Daemon-Peacefully",
    _C.DC_SET_PEACEFUL_SHUTDOWN: "Set-Peaceful-Shutdown",
    _C.DC_SET_FORCE_SHUTDOWN: "Set-Force-Shutdown",
    _C.DAEMONS_ON: "Spawn-All-Daemons",
    _C.DAEMON_ON: "Spawn-Daemon",
    _C.RESTART: "Restart",
    _C.DC_RECONFIG_FULL: "Reconfig",
}
_ONE_OFF: Final = {
    "graceful": _C.DAEMON_OFF,
    "force-graceful": _C.DAEMON_OFF,
    "fast": _C.DAEMON_OFF_FAST,
    "peaceful": _C.DAEMON_OFF_PEACEFUL,
}
_ALL_OFF: Final = {
    "graceful": _C.DAEMONS_OFF,
    "force-graceful": _C.DAEMONS_OFF,
    "fast": _C.DAEMONS_OFF_FAST,
    "peaceful": _C.DAEMONS_OFF_PEACEFUL,
}
_SELF_OFF: Final = {
    "graceful": _C.DC_OFF_GRACEFUL,
    "force-graceful": _C.DC_OFF_FORCE,
    "fast": _C.DC_OFF_FAST,
    "peaceful": _C.DC_OFF_PEACEFUL,
}
_NAMED: Final = frozenset({_C.DAEMON_OFF, _C.DAEMON_OFF_FAST, _C.DAEMON_ON})
_STOPS: Final = frozenset({_C.DC_OFF_GRACEFUL, _C.DC_OFF_FAST, _C.DC_OFF_FORCE})


@dataclass(frozen=True, slots=True)
class Action:
    """What is sent to whom.

    Args:
        options: The command line.
        target: The kind of daemon that is called.
        number: The command, for a daemon of that kind.
        argument: The daemon that the command is about, if it names one.
        subject: The same, for what is said about it.
        lenient: Whether a daemon that is nowhere does not matter.
    """

    options: ControlOptions
    target: DaemonKind
    number: Command
    argument: str | None = None
    subject: str | None = None
    lenient: bool = False

    def number_for(self, kind: DaemonKind) -> Command:
        """The command for a daemon that was found: its kind may be unknown."""
        if self.number in _ALL_OFF.values() and kind.word != "master":
            return _SELF_OFF[self.options.how]
        return self.number

    def report(self, daemon: object, kind: DaemonKind, number: Command) -> str:
        """What is said when it was sent."""
        title = title_of(self.options, number)
        about_one = number in _NAMED or (
            number in _STOPS and self.target.word == "master"
        )
        if self.options.tool == "restart":
            about_one = False
        if about_one and kind.word != "any":
            subject = self.subject or "none"
            return f'Sent "{title}" command for "{subject}" to {daemon}'
        return f'Sent "{title}" command to {daemon}'


def title_of(options: ControlOptions, number: Command) -> str:
    """What a command is called when people are told of it."""
    if options.tool == "restart" and number != _C.DC_SET_PEACEFUL_SHUTDOWN:
        how = {"fast": "-Fast", "peaceful": "-Peaceful"}.get(options.how, "")
        return f"Restart{how}"
    return _TITLES[number]


def plan(options: ControlOptions) -> list[Action]:
    """What a command line comes to, in order.

    A master passes on that its daemons shall stop, and not how: those who have a
    peaceful way are told before.
    """
    action = _action(options)
    if options.drain or options.how not in ("peaceful", "force-graceful"):
        return [action]
    if action.target.word != "master":
        return [action]
    named = None if options.daemon is None else options.daemon.lower()
    told = ["startd", "schedd"]
    if action.number in _ONE_OFF.values() or named is not None:
        told = [each for each in told if each == named]
    number = (
        _C.DC_SET_PEACEFUL_SHUTDOWN
        if options.how == "peaceful"
        else _C.DC_SET_FORCE_SHUTDOWN
    )
    before = [Action(options, kind_named(each), number, lenient=True) for each in told]
    return [*before, action]


def _action(options: ControlOptions) -> Action:
    master = kind_named("master")
    named = None if options.daemon is None else kind_named(options.daemon)
    subject = options.daemon
    if options.drain:
        return Action(options, master, _C.DAEMONS_OFF_FLEX)
    if options.tool == "reconfig":
        return Action(options, named or master, _C.DC_RECONFIG_FULL)
    if options.tool == "restart":
        if named is not None and named.word != "master":
            return Action(options, named, _SELF_OFF[options.how])
        number = _C.RESTART_PEACEFUL if options.how == "peaceful" else _C.RESTART
        return Action(options, named or master, number)
    if named is None:
        number = _C.DAEMONS_ON if options.tool == "on" else _ALL_OFF[options.how]
        return Action(options, master, number)
    if options.tool == "on":
        if named.word == "master":
            return Action(options, master, _C.DAEMONS_ON)
        return Action(options, master, _C.DAEMON_ON, named.word, subject)
    if named.word == "master":
        return Action(options, master, _SELF_OFF[options.how], None, subject)
    return Action(options, master, _ONE_OFF[options.how], named.word, subject)
