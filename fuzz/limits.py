"""What one input may take, and what a run may keep."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Final

__all__ = ["GROWTH_BYTES", "INPUT_SECONDS", "resident_bytes"]

#: How long one input may take, and by how much memory may grow.
INPUT_SECONDS: Final = 1.0
GROWTH_BYTES: Final = 64 << 20


def resident_bytes() -> int:
    """The memory of this process, 0 where nobody says."""
    gc.collect()
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * 4096
