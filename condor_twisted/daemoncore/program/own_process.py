"""What a daemon does to the process that it owns, and says about it in its log.

Source: ``src/condor_daemon_core.V6/daemon_core_main.cpp: dc_main, check_core_files``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterator
from typing import Final

from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore.program.garbage import keep_what_is_there
from condor_twisted.wire.versions import ANNOUNCED_PLATFORM, ANNOUNCED_VERSION

__all__ = ["banner", "descriptor_limit", "farewell", "have_descriptors", "settle_in"]

#: Descriptors that stay free, for files and for peers that are served already.
SPARE_DESCRIPTORS_COUNT: Final = 50
#: How many descriptors a daemon asks for when nobody says a number.
DESCRIPTORS_COUNT: Final = 10_240
_STARS: Final = "*" * 54
_SUBSYSTEMS: Final = {
    **{"MASTER": 1, "COLLECTOR": 2, "NEGOTIATOR": 3, "SCHEDD": 4, "SHADOW": 5},
    **{"STARTD": 6, "STARTER": 7, "SHARED_PORT": 10, "DAEMON": 11},
}


def descriptor_limit() -> float:
    """From which descriptor number on no connection is taken."""
    if sys.platform == "win32":
        return float("inf")
    import resource

    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        return float("inf")
    return max(soft - SPARE_DESCRIPTORS_COUNT, soft // 2)


def have_descriptors(count: int) -> bool:
    """Whether so many files can be opened now: Twisted loses some when they run out."""
    taken: list[int] = []
    try:
        for _ in range(count):
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return False
    finally:
        for each in taken:
            os.close(each)
    return True


def settle_in(settings: Settings) -> None:
    """Set up the process: descriptors, core files, garbage collection.

    A daemon holds keys, so there are no core files unless somebody wants them. A
    plain ``CREATE_CORE_FILES = True`` cannot be told from the compiled-in default;
    with the daemon's own prefix (``COLLECTOR.CREATE_CORE_FILES = True``) it can.
    """
    if sys.platform != "win32":
        import resource

        subsystem = settings.subsystem
        wanted = settings.integer(f"{subsystem}_MAX_FILE_DESCRIPTORS")
        if wanted is None:
            wanted = settings.integer("MAX_FILE_DESCRIPTORS", DESCRIPTORS_COUNT)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY:
            wanted = min(wanted, hard)
        if soft != resource.RLIM_INFINITY and wanted > soft:
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        asked = settings.find("CREATE_CORE_FILES")
        if (
            asked is None
            or asked.definition is None
            or not settings.boolean("CREATE_CORE_FILES", False)
        ):
            with contextlib.suppress(OSError, ValueError):
                hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
                resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    keep_what_is_there()


def banner(settings: Settings, last_touched_unix: float | None = None) -> Iterator[str]:
    """The lines that a daemon's log begins with; tools look for some of them.

    Args:
        settings: The daemon's settings.
        last_touched_unix: When its log was changed last, before it was opened.
    """
    name = settings.subsystem
    user = os.getuid() if hasattr(os, "getuid") else 0
    yield _STARS
    yield f"** condor_{name.lower()} (CONDOR_{name}) STARTING UP"
    yield f"** {os.path.abspath(sys.argv[0] or sys.executable)}"
    kind = name if name in _SUBSYSTEMS else "DAEMON"
    number = _SUBSYSTEMS[kind]
    yield f"** SubsystemInfo: name={name} type={kind}({number}) class=DAEMON(1)"
    yield (
        f"** Configuration: subsystem:{name} local:{settings.local_name or '<NONE>'} "
        "class:DAEMON"
    )
    yield f"** {ANNOUNCED_VERSION}"
    yield f"** {ANNOUNCED_PLATFORM}"
    yield f"** PID = {os.getpid()} RealUID = {user}"
    if last_touched_unix is None:
        reason = os.strerror(errno.ENOENT)
        yield f"** Log last touched time unavailable ({reason})"
    else:
        touched = time.localtime(last_touched_unix)
        clock = time.strftime("%H:%M:%S", touched)
        yield f"** Log last touched {touched.tm_mon}/{touched.tm_mday} {clock}"
    yield _STARS
    files = [each for each in settings.sources() if not each.startswith("<")]
    if files:
        yield f"Using config source: {files[0]}"
    if len(files) > 1:
        yield "Using local config sources: "
        yield from (f"   {each}" for each in files[1:])
    counts = settings.statistics()
    names = ("Macros", "Sorted", "StringBytes", "TablesBytes")
    yield "config " + ", ".join(f"{each} = {counts[each]}" for each in names)


def farewell(settings: Settings, status: int = 0) -> str:
    """The line that a daemon's log ends with."""
    name = settings.subsystem
    return (
        f"**** condor_{name.lower()} (condor_{name}) pid {os.getpid()} "
        f"EXITING WITH STATUS {status}"
    )
