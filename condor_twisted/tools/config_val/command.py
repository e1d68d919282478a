"""Running ``config-val``.

Source: ``src/condor_tools/config_val.cpp: main``.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.error import ConnectError, DNSLookupError

from condor_twisted.client.daemons import DaemonLocator
from condor_twisted.errors import CondorTwistedError, ConfigError
from condor_twisted.tools.config_val.local import read_local, show_local
from condor_twisted.tools.config_val.options import (
    USAGE,
    ConfigValOptions,
    parse_options,
)
from condor_twisted.tools.config_val.remote import RemoteConfigVal
from condor_twisted.tools.running import FAILED, begin, run, warn

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: The command line.

    Returns:
        The exit code.
    """
    return begin(lambda: parse_options(arguments), USAGE, _show)


def _show(options: ConfigValOptions) -> int:
    if options.is_remote:
        return run(lambda reactor: _remote(options, reactor))
    try:
        return show_local(options)
    except ConfigError as error:
        sys.stdout.flush()
        warn(f"Error: {error}")
        return FAILED


async def _remote(options: ConfigValOptions, reactor: Any) -> int:
    settings = read_local(options).settings
    async with DaemonLocator(settings, reactor, options.pool) as locator:
        remote = RemoteConfigVal(options, locator)
        try:
            return await remote.run()
        except (ConnectError, DNSLookupError) as error:
            problem = f"Can't connect to {remote.place}\n{error}"
        except CondorTwistedError as error:
            problem = f"Can't receive reply from {remote.place}\n{error}"
        sys.stdout.flush()
        warn(problem)
        return FAILED
