"""Makes the signing keys that a collector makes.

Source: ``src/condor_io/condor_auth_passwd.cpp:
Condor_Auth_Passwd::create_pool_signing_key_if_needed``.
"""

from __future__ import annotations

import os
from typing import Final

from twisted.logger import Logger

from condor_twisted.config.settings import Settings
from condor_twisted.protocols.secret_files import create_signing_key

__all__ = ["create_signing_keys", "signing_key_places"]

_log = Logger()

_POOL_KEY_FILE: Final = "SEC_TOKEN_POOL_SIGNING_KEY_FILE"
#: The knobs of which the place of the pool's key is made by default.
_PLACES: Final = (
    _POOL_KEY_FILE,
    "SEC_PASSWORD_FILE",
    "SEC_PASSWORD_DIRECTORY",
    "ETC",
)


def _has_place(settings: Settings) -> bool:
    """Whether somebody said where keys shall be; else the place is but a default."""
    return any(settings.source_of(name) not in (None, "<Default>") for name in _PLACES)


def signing_key_places(settings: Settings) -> str:
    """Where the signing keys of a configuration are, in words."""
    place = settings.text(_POOL_KEY_FILE)
    if not place or not _has_place(settings):
        return f"{_POOL_KEY_FILE} or SEC_PASSWORD_DIRECTORY, which are not set"
    return f"{place} ({_POOL_KEY_FILE})"


def create_signing_keys(settings: Settings) -> None:
    """Make the signing keys that a collector makes, where they are missing.

    Where nobody said where keys shall be, nothing is said when none can be made:
    that is for whoever wants a token then.
    """
    if settings.subsystem.upper() != "COLLECTOR":
        return
    paths = [settings.text(_POOL_KEY_FILE)]
    if (settings.local_name or "").upper() == "AP_COLLECTOR":
        directory = settings.text("SEC_PASSWORD_DIRECTORY")
        name = settings.text("SEC_TOKEN_AP_SIGNING_KEY_NAME")
        if directory and name:
            paths.append(os.path.join(directory, name))
    for path in filter(None, paths):
        try:
            if create_signing_key(path):
                _log.info("Created a token signing key in {path}", path=path)
        except OSError as error:
            if not _has_place(settings):
                continue
            _log.warn(
                "No token signing key can be made in {path}: {reason}",
                path=path,
                reason=error.strerror,
            )
