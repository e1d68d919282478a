"""Version strings: ``$CondorVersion: 25.14.1 2026-10-16 PackageID: ... $``.

Peers switch features on by the version that the other side announces, so what we
announce is a wire fact and stands here.

Source: ``src/condor_utils/condor_ver_info.cpp: CondorVersionInfo``,
``src/condor_utils/condor_version.cpp``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache, total_ordering
from typing import Final

__all__ = [
    "ANNOUNCED_PLATFORM",
    "ANNOUNCED_VERSION",
    "CondorVersion",
]

#: What this package says it is. The numbers are those of the release whose
#: behaviour it has; the words behind the date say who is really there.
ANNOUNCED_VERSION: Final = (
    "$CondorVersion: 25.14.1 2026-10-16 BuildID: condor_twisted $"
)
ANNOUNCED_PLATFORM: Final = "$CondorPlatform: X86_64-Linux_ $"

#: No sender writes more; a longer text is no version.
_MAX_CHARACTERS: Final = 512
_FORM = re.compile(
    r"\$CondorVersion: ([0-9]{1,4})\.([0-9]{1,4})\.([0-9]{1,4}) ([^\0]*)", re.ASCII
)


@total_ordering
@dataclass(frozen=True, slots=True)
class CondorVersion:
    """A version, ordered by its three numbers alone.

    Args:
        major: 6 or more.
        minor: 0 to 99.
        patch: 0 to 99.
        rest: Build date and remarks, without the closing dollar sign.
    """

    major: int
    minor: int
    patch: int
    rest: str = field(default="", compare=False)

    @classmethod
    def parse(cls, text: str) -> CondorVersion | None:
        """Read a version string as a peer announces it; the same one is read once.

        Returns:
            The version, or ``None`` for a text that is none: an unknown version,
            which every caller treats as "too old for anything new".

        Source: ``CondorVersionInfo::string_to_VersionData``.
        """
        return _parse(text) if len(text) <= _MAX_CHARACTERS else None

    def built_since(self, major: int, minor: int, patch: int) -> bool:
        """Whether this release is the given one or a later one."""
        return (self.major, self.minor, self.patch) >= (major, minor, patch)

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, CondorVersion):
            return NotImplemented
        return (self.major, self.minor, self.patch) < (
            other.major,
            other.minor,
            other.patch,
        )

    def __str__(self) -> str:
        rest = f" {self.rest}" if self.rest else ""
        return f"$CondorVersion: {self.major}.{self.minor}.{self.patch}{rest} $"


@lru_cache(maxsize=64)
def _parse(text: str) -> CondorVersion | None:
    match = _FORM.match(text)
    if match is None:
        return None
    major, minor, patch = int(match[1]), int(match[2]), int(match[3])
    # The world starts with version 6.
    if major < 6 or minor > 99 or patch > 99:
        return None
    rest, _, _ = match[4].partition(" $")
    return CondorVersion(major, minor, patch, rest)
