"""Running ``config-val``.

Source: ``src/condor_tools/config_val.cpp: main``.
"""

from __future__ import annotations

import sys

from condor_twisted.errors import ConfigError
from condor_twisted.tools.beginning import FAILED, begin, warn
from condor_twisted.tools.config_val.local import show_local
from condor_twisted.tools.config_val.options import (
    USAGE,
    ConfigValOptions,
    parse_options,
)

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
        # Scripts ask for values of their own host, again and again: without a reactor.
        from condor_twisted.tools.config_val.remote import show_remote

        return show_remote(options)
    try:
        return show_local(options)
    except ConfigError as error:
        sys.stdout.flush()
        warn(f"Error: {error}")
        return FAILED
