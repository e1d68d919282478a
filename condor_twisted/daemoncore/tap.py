"""``twistd condor-daemon package.module.ClassName``: run a daemon of one's own."""

from __future__ import annotations

import importlib
import os
import re
import sys
from typing import Final

from twisted.application.service import IService
from twisted.python import usage

from condor_twisted.daemoncore.daemon import Daemon
from condor_twisted.daemoncore.options import DaemonOptions, make_service

__all__ = ["Options", "load_daemon", "makeService"]

_PATH: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+\Z")


def load_daemon(path: str) -> type[Daemon]:
    """Import a daemon's class; modules of the working directory are found, too.

    Args:
        path: ``package.module.ClassName``.

    Raises:
        UsageError: There is no such class, or it is no daemon; one line says why.
    """
    if _PATH.match(path) is None:
        raise usage.UsageError(f"{path!r} is not of the form package.module.ClassName")
    module_name, _, class_name = path.rpartition(".")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise usage.UsageError(
            f"cannot import {module_name}: {type(error).__name__}: {error}"
        ) from error
    found = getattr(module, class_name, None)
    if found is None:
        raise usage.UsageError(f"{module_name} has no class {class_name}")
    if not isinstance(found, type) or not issubclass(found, Daemon):
        raise usage.UsageError(
            f"{path} is no subclass of condor_twisted.daemoncore.Daemon"
        )
    return found


class Options(DaemonOptions):
    """Options of ``twistd condor-daemon``."""

    synopsis = "Usage: twistd [options] condor-daemon [options] package.module.Class"
    daemon: type[Daemon] = Daemon

    def parseArgs(self, *arguments: str) -> None:
        """Take the name of the class."""
        if len(arguments) != 1:
            raise usage.UsageError("name one daemon: package.module.ClassName")
        self.daemon = load_daemon(arguments[0])
        self.subsystem = self.daemon.subsystem.upper()


def makeService(options: Options) -> IService:
    """The daemon that a command line asks for."""
    return make_service(options.daemon, options)
