"""``condor-twisted off``: as ``condor_off`` does.

Source: ``src/condor_tools/tool.cpp``.
"""

from __future__ import annotations

from condor_twisted.tools.control.command import control

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: The command line.

    Returns:
        The exit code.
    """
    return control("off", arguments)
