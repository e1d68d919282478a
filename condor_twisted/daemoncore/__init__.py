"""The framework that a daemon is written on.

A daemon is a subclass of `Daemon` with ``@command`` methods::

    from condor_twisted.daemoncore import Daemon, Permission, command


    class Greeter(Daemon):
        subsystem = "GREETER"

        @command(72_500, Permission.READ, answers=True, has_payload=False)
        def greet(self, request):
            writer = request.writer()
            writer.put_string("good day")
            request.reply(writer.end_of_message())

        def started(self):
            self.timers.call_every(60, self.look_around)

        async def look_around(self):
            options = SpawnOptions(stdout=Stream.PIPE, nice=10)
            child = await self.spawn("/bin/df", ["df", "/"], options)
            if (await child.exited()).exit_code == 0:
                print(child.stdout)

See `HasRuntime` for timers, handlers, children, threads and signals.
"""

from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from condor_twisted.constants.permissions import Permission
    from condor_twisted.daemoncore.children.child import Child, ExitStatus
    from condor_twisted.daemoncore.children.spawn_options import (
        DaemonCoreOptions,
        FamilyOptions,
        SpawnOptions,
        Stream,
    )
    from condor_twisted.daemoncore.command_table import CommandTable, command
    from condor_twisted.daemoncore.daemon import Daemon
    from condor_twisted.daemoncore.events.descriptors import Events
    from condor_twisted.daemoncore.events.timeslices import Timeslice
    from condor_twisted.protocols.requests import CommandRequest, Registration

__all__ = [
    "Child",
    "CommandRequest",
    "CommandTable",
    "Daemon",
    "DaemonCoreOptions",
    "Events",
    "ExitStatus",
    "FamilyOptions",
    "Permission",
    "Registration",
    "SpawnOptions",
    "Stream",
    "Timeslice",
    "command",
]


def _modules() -> Iterator[ModuleType]:
    """Where these names are, one module imported after the other.

    Tools read their configuration with what is in this package and are no daemons; most
    daemons start no children and watch no pipes.
    """
    from condor_twisted.constants import permissions

    yield permissions
    from condor_twisted.protocols import requests

    yield requests
    from condor_twisted.daemoncore import command_table

    yield command_table
    from condor_twisted.daemoncore import daemon

    yield daemon
    from condor_twisted.daemoncore.events import timeslices

    yield timeslices
    from condor_twisted.daemoncore.children import spawn_options

    yield spawn_options
    from condor_twisted.daemoncore.children import child

    yield child
    from condor_twisted.daemoncore.events import descriptors

    yield descriptors


if not TYPE_CHECKING:  # so that a name that is not there is still found by a checker

    def __getattr__(name: str) -> object:
        if name in __all__:
            for module in _modules():
                if hasattr(module, name):
                    return getattr(module, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
