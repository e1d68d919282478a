"""Tokens in files of this host: made, written, listed.

Source: ``src/condor_tools/token_create.cpp``, ``src/condor_tools/token_list.cpp``,
``src/condor_utils/token_utils.cpp: write_out_token``.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from pathlib import Path

from condor_twisted.client.configured import read_tool_settings
from condor_twisted.config.settings import Settings
from condor_twisted.errors import AuthenticationFailed, TokenRefused
from condor_twisted.protocols.secret_files import SecretFiles, write_secret
from condor_twisted.protocols.this_host import host_facts
from condor_twisted.security.akep2 import POOL_DOMAIN
from condor_twisted.security.credentials import load_credentials, token_place
from condor_twisted.security.identity import check_user
from condor_twisted.security.tokens.token import (
    POOL_KEY,
    create_token,
    decode_token_part,
    read_json_object,
)
from condor_twisted.tools.beginning import DONE, FAILED, warn
from condor_twisted.tools.token.options import TokenOptions

__all__ = ["create", "list_tokens", "write_token"]


def create(options: TokenOptions) -> int:
    """Make a token with a signing key of this host.

    Returns:
        The exit code.
    """
    identity = options.identity or ""
    settings = read_tool_settings()
    name = options.key or POOL_KEY
    credentials = load_credentials(settings, host_facts(settings), SecretFiles())
    key = credentials.signing_keys.get(name)
    lifetime = options.lifetime_seconds
    try:
        if key is None:
            raise TokenRefused(
                f"TOKEN:1:Failed to read file {_key_file(settings, name)} securely. "
                "It has to be a signing key that belongs to root or to this user, and "
                "nobody else may read it."
            )
        check_user("IDTOKENS", identity, {POOL_DOMAIN})
        token = create_token(
            key,
            settings.text("TRUST_DOMAIN") or "",
            identity,
            int(time.time()),
            secrets.token_bytes,
            lifetime_seconds=None if lifetime is None or lifetime < 0 else lifetime,
            limits=options.limits,
        )
    except (AuthenticationFailed, TokenRefused) as error:
        warn(f"Failed to generate a token.\n{error}")
        return FAILED
    return write_token(settings, options, token)


def _key_file(settings: Settings, name: str) -> str:
    """Where a signing key would be."""
    if name == POOL_KEY:
        return settings.text("SEC_TOKEN_POOL_SIGNING_KEY_FILE") or (
            "of SEC_TOKEN_POOL_SIGNING_KEY_FILE, which is not set,"
        )
    return os.path.join(settings.text("SEC_PASSWORD_DIRECTORY") or "", name)


def write_token(settings: Settings, options: TokenOptions, token: str) -> int:
    """Print a token, or write it into a file that only this user can read.

    Args:
        settings: Say where tokens are.
        options: Say which file, if any.
        token: The token.

    Returns:
        The exit code.
    """
    path = options.file
    if options.token_name is not None:
        if options.token_name != os.path.basename(options.token_name):
            warn("Token name isn't a plain filename")
            return FAILED
        place = token_place(settings, host_facts(settings))
        if place is None:
            warn(
                "Nobody says where tokens are kept: set SEC_TOKEN_DIRECTORY, or use "
                "-file"
            )
            return FAILED
        path = os.path.join(place.directory, options.token_name)
    if not path:
        sys.stdout.write(f"{token}\n")
        return DONE
    try:
        if options.token_name is not None:
            _make_directory(Path(path).parent)
        write_secret(path, f"{token}\n".encode())
    except OSError as error:
        warn(
            f"Cannot write token to {path}: {error.strerror or error} "
            f"(errno={error.errno})"
        )
        return FAILED
    return DONE


def _make_directory(directory: Path) -> None:
    """Make a directory and what is missing above it, for this user alone."""
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)


def list_tokens(options: TokenOptions) -> int:
    """Show what the tokens of this user say, but not their signatures.

    Returns:
        The exit code.
    """
    if options.file is not None:
        return _show_file(options.file)
    settings = read_tool_settings()
    place = token_place(settings, host_facts(settings))
    directory = options.directory or (place.directory if place else None)
    if directory is None:
        return DONE
    exclude = settings.text("LOCAL_CONFIG_DIR_EXCLUDE_REGEXP") or ""
    names = SecretFiles().secret_names(directory, exclude)
    if names is None:
        if options.directory is None and not os.path.lexists(directory):
            return DONE
        warn(f"Cannot list {directory}: it is no directory, or not for this user")
        return FAILED
    codes = [_show_file(os.path.join(directory, name)) for name in names]
    return max(codes, default=DONE)


def _show_file(path: str) -> int:
    text = SecretFiles().read_text(path)
    if text is None:
        warn(f"Failed to open token file '{path}': it is no file that can be read")
        return FAILED
    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        parts = line.split(".")
        try:
            header, payload = (decode_token_part(each) for each in parts[:2])
            for each in (header, payload):
                read_json_object(each)
        except (TokenRefused, ValueError):
            continue
        if len(parts) == 3:
            sys.stdout.write(f"Header: {header} Payload: {payload} File: {path}\n")
    return DONE
