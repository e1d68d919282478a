"""``condor-twisted on``: as ``condor_on`` does.

Source: ``src/condor_tools/tool.cpp``.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from condor_twisted.tools.control.command import control

__all__ = ["main"]

#: Runs the command with the arguments behind its name; its result is the exit code.
main: Final = partial(control, "on")
