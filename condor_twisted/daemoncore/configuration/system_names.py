"""What the operating system is called in a configuration: ``OPSYSANDVER`` and the like.

Source: ``src/condor_sysapi/arch.cpp: sysapi_get_linux_info, sysapi_find_linux_name,
sysapi_find_major_version, sysapi_translate_opsys_version``.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Final

__all__ = ["release_name", "system_names"]

_FILES: Final = ("/etc/issue", "/etc/redhat-release", "/etc/issue.net")
_OS_RELEASE: Final = "/etc/os-release"
_MAX_BYTES: Final = 65_536
# Words of a release's name, all of which have to be there; the first row that fits.
_DISTRIBUTIONS: Final = (
    (("red", "hat"), "RedHat"),
    (("fedora",), "Fedora"),
    (("ubuntu",), "Ubuntu"),
    (("debian",), "Debian"),
    (("scientific", "cern"), "SLCern"),
    (("scientific", "slf"), "SLFermi"),
    (("scientific",), "SL"),
    (("centos",), "CentOS"),
    (("rocky",), "Rocky"),
    (("almalinux",), "AlmaLinux"),
    (("amazon linux",), "AmazonLinux"),
    (("opensuse",), "openSUSE"),
    (("suse",), "SUSE"),
)
_VERSION = re.compile(r"([0-9]{1,6})(?:\.([0-9]{1,2}))?")


def _first_line(path: str) -> str:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        text = file.read(_MAX_BYTES).decode("utf-8", "replace")
        return text.split("\n", 1)[0].strip()
    return ""


def release_name() -> str:
    """The long name of this system's release; ``Unknown`` if it says none."""
    for path in _FILES:
        # Escapes such as \n and \l are for a terminal's greeting.
        line = re.sub(r"\\.", "", _first_line(path)).strip()
        if _distribution(line) != "LINUX":
            return line
    with contextlib.suppress(OSError), open(_OS_RELEASE, "rb") as file:
        text = file.read(_MAX_BYTES).decode("utf-8", "replace")
        match = re.search(r'PRETTY_NAME="([^"\n]*)', text)
        if match is not None:
            return match[1]
    return "Unknown"


def _distribution(name: str) -> str:
    lower = name.lower()
    for words, short in _DISTRIBUTIONS:
        if all(word in lower for word in words):
            return short
    return "LINUX"


def system_names(long_name: str) -> Iterator[tuple[str, str]]:
    """The macros that a release's long name gives.

    Args:
        long_name: As `release_name` gives it.
    """
    match = _VERSION.search(long_name)
    major = int(match[1]) if match is not None else 0
    minor = int(match[2]) if match is not None and match[2] else 0
    short = _distribution(long_name)
    yield from (
        ("OPSYSLONGNAME", long_name),
        ("OPSYSNAME", short),
        ("OPSYSSHORTNAME", short),
        ("OPSYSMAJORVER", str(major)),
        ("OPSYSVER", str(major * 100 + minor)),
        ("OPSYSANDVER", f"{short}{major}"),
        ("OPSYSLEGACY", "LINUX"),
    )
