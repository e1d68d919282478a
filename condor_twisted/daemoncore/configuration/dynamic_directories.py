"""``-dynamic``: directories that belong to this process alone.

Several daemons of one kind can then share a configuration: ``LOG``, ``SPOOL`` and
``EXECUTE`` become ``<directory>.<address>-<pid>``, for the daemon and what it starts.

Source: ``src/condor_daemon_core.V6/daemon_core_main.cpp: handle_dynamic_dirs,
set_dynamic_dir``.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from typing import Final

from condor_twisted.config.settings import Settings
from condor_twisted.errors import ConfigError
from condor_twisted.protocols.this_host import own_address

__all__ = ["make_dynamic_directories"]

_GUARD: Final = "_condor_ALREADY_CREATED_LOCAL_DYNAMIC_DIRECTORIES"
_NAMES: Final = ("LOG", "SPOOL", "EXECUTE")


def make_dynamic_directories(
    settings: Settings, process_id: int, environment: MutableMapping[str, str]
) -> bool:
    """Make the directories, and name them in the environment.

    Args:
        settings: The configuration so far.
        process_id: Ours.
        environment: Where children and a new reading of the configuration find them.

    Returns:
        Whether there are new ones; a parent may have made them already.

    Raises:
        ConfigError: One cannot be made.
    """
    if _GUARD in environment:
        return False
    suffix = f"{own_address(settings)}-{process_id}"
    for name in _NAMES:
        base = settings.text(name)
        if not base:
            continue
        path = f"{base}.{suffix}"
        try:
            os.makedirs(path, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"cannot make the directory {path} for {name}: {error.strerror}"
            ) from error
        environment[f"_condor_{name}"] = path
    name = str(process_id)
    old = settings.text("STARTD_NAME")
    environment["_condor_STARTD_NAME"] = f"{name}@{old}" if old else name
    environment[_GUARD] = "TRUE"
    return True
