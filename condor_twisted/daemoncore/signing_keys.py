"""Makes the signing keys that a collector makes.

Source: ``src/condor_io/condor_auth_passwd.cpp:
Condor_Auth_Passwd::create_pool_signing_key_if_needed``.
"""

from __future__ import annotations

import os

from twisted.logger import Logger

from condor_twisted.config.settings import Settings
from condor_twisted.protocols.secret_files import create_signing_key

__all__ = ["create_signing_keys"]

_log = Logger()


def create_signing_keys(settings: Settings) -> None:
    """Make the signing keys that a collector makes, where they are missing."""
    if settings.subsystem.upper() != "COLLECTOR":
        return
    paths = [settings.text("SEC_TOKEN_POOL_SIGNING_KEY_FILE")]
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
            _log.warn(
                "No token signing key can be made in {path}: {reason}",
                path=path,
                reason=error.strerror,
            )
