"""Where a process finds the token that it bears.

Source: ``src/condor_utils/condor_scitokens.cpp: discover_token``, WLCG Bearer Token
Discovery.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

__all__ = ["find_bearer_token"]

MAX_TOKEN_BYTES: Final = 16384


def _read(path: str) -> str | None:
    """The token in a file; empty without a file, ``None`` where it cannot be used."""
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_TOKEN_BYTES)
    except FileNotFoundError:
        return ""
    except (OSError, ValueError):
        return None
    if len(content) == MAX_TOKEN_BYTES:
        return None
    return _stripped(content.decode("utf-8", "replace"))


def _stripped(text: str) -> str | None:
    """A token without the blanks around it; ``None`` for more than one line."""
    token = text.strip()
    return None if "\n" in token or "\r" in token else token


def _first_line(path: str) -> str | None:
    """The first line of a file that is no comment."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file.read(1 << 20).splitlines():
                if line.strip() and not line.strip().startswith("#"):
                    return line.strip()
    except (OSError, ValueError):
        return None
    return None


def find_bearer_token(
    path: str | None, environment: Mapping[str, str] | None = None
) -> str | None:
    """The token that this process bears.

    Args:
        path: The file that the configuration names; ``None`` for the usual places.
        environment: Instead of the process's.

    Returns:
        ``None`` without a token.
    """
    if path:
        return _first_line(path)
    found = os.environ if environment is None else environment
    token = _stripped(found.get("BEARER_TOKEN", ""))
    name = f"bt_u{os.geteuid()}"
    places = [
        found.get("BEARER_TOKEN_FILE"),
        os.path.join(found["XDG_RUNTIME_DIR"], name)
        if "XDG_RUNTIME_DIR" in found
        else None,
        os.path.join("/tmp", name),  # noqa: S108 -- where such tokens are
    ]
    for place in filter(None, places):
        if token != "":
            break
        token = _read(place)
    return token or None
