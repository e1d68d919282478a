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
"""

from condor_twisted.constants.permissions import Permission
from condor_twisted.daemoncore.command_table import CommandTable, command
from condor_twisted.daemoncore.daemon import Daemon
from condor_twisted.protocols.requests import CommandRequest, Registration

__all__ = [
    "CommandRequest",
    "CommandTable",
    "Daemon",
    "Permission",
    "Registration",
    "command",
]
