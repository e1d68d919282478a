"""The command lines of ``condor-twisted token``.

Source: ``src/condor_tools/token_create.cpp``, ``token_fetch.cpp``, ``token_list.cpp``,
``token_request.cpp``, ``token_request_list.cpp``, ``token_request_approve.cpp``,
``token_request_auto_approve.cpp``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar, Final

from condor_twisted.tools.option_table import (
    Option,
    UsageError,
    daemon_type,
    read_arguments,
)

__all__ = ["ACTIONS", "Action", "TokenOptions", "find_action", "parse_options"]

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)

_SHARED: Final = (Option("debug", 1, detail=True), Option("help", 1))
_TARGET: Final = (
    Option("pool", 1, values=("a collector",)),
    Option("name", 1, values=("a daemon's name",)),
    Option("addr", 2, values=("a daemon's address",)),
)
_TYPE: Final = Option("type", 1, values=("a type of daemon",))
_LIMITS: Final = (
    Option("authz", 1, values=("an authorization level",)),
    Option("lifetime", 1, values=("a number of seconds",)),
)
_PLACE: Final = (
    Option("token", 2, values=("a file's name",)),
    Option("file", 1, values=("a file",)),
)
_REQUEST_ID: Final = Option("reqid", 1, values=("a request's id",))
_KEY: Final = Option("key", 1, values=("a key's name",))


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that can be done with tokens.

    Args:
        name: What it is called.
        summary: What it does.
        options: What may be said about it; the first that fits an argument wins.
        other_names: What else it is called.
        required: The option without which nothing can be done, and an example.
        refused: Options that are known, and not available here.
        default_type: Which daemon is meant unless ``-type`` says so.
    """

    name: str
    summary: str
    options: tuple[Option, ...]
    other_names: tuple[str, ...] = ()
    required: tuple[str, str] | None = None
    refused: frozenset[str] = frozenset()
    default_type: str = "collector"


ACTIONS: Final = (
    Action(
        "create",
        "make a token with a signing key of this host",
        (
            Option("identity", 2, values=("USER@DOMAIN",)),
            _KEY,
            *_LIMITS,
            *_PLACE,
            *_SHARED,
        ),
        required=("identity", "USER@DOMAIN"),
    ),
    Action(
        "list",
        "list the tokens of this user",
        (
            Option("dir", 2, values=("a directory",)),
            Option("file", 1, values=("a file",)),
            Option("capability", 1),
            *_SHARED,
        ),
        refused=frozenset({"capability"}),
    ),
    Action(
        "fetch",
        "fetch a token for who one is to a daemon",
        (*_LIMITS, *_TARGET, _KEY, *_PLACE, _TYPE, Option("remote", 1), *_SHARED),
        refused=frozenset({"remote"}),
        default_type="schedd",
    ),
    Action(
        "request",
        "ask for a token, and wait until somebody approves it",
        (
            *_LIMITS,
            Option("identity", 1, values=("USER@DOMAIN",)),
            *_TARGET,
            *_PLACE,
            _TYPE,
            *_SHARED,
        ),
    ),
    Action(
        "request-list",
        "list the requests that wait for approval",
        (*_TARGET, _TYPE, _REQUEST_ID, Option("json", 4), *_SHARED),
        ("requests",),
    ),
    Action(
        "approve",
        "approve requests",
        (_REQUEST_ID, *_TARGET, _TYPE, *_SHARED),
        ("request-approve",),
    ),
    Action(
        "auto-approve",
        "have requests of daemons from a network approved for a while",
        (
            Option("lifetime", 1, values=("a number of seconds",)),
            Option("netblock", 2, values=("a network",)),
            *_TARGET,
            _TYPE,
            *_SHARED,
        ),
        ("request-auto-approve",),
        ("netblock", "192.168.0.0/24"),
    ),
)


@dataclass(slots=True)
class TokenOptions:
    """What a command line says.

    Args:
        pool: ``-pool``.
        name: ``-name``.
        address: ``-addr``.
        kind: The type of daemon that is meant.
        identity: ``-identity``.
        key: ``-key``.
        limits: Every ``-authz``.
        lifetime_seconds: ``-lifetime``.
        token_name: ``-token``: a file of this name in the directory of tokens.
        file: ``-file``.
        directory: ``-dir``.
        request_id: ``-reqid``.
        netblock: ``-netblock``.
        json: ``-json``.
        help: ``-help``.
    """

    pool: str | None = None
    name: str | None = None
    address: str | None = None
    kind: str = "collector"
    identity: str | None = None
    key: str | None = None
    limits: list[str] = field(default_factory=list)
    lifetime_seconds: int | None = None
    token_name: str | None = None
    file: str | None = None
    directory: str | None = None
    request_id: str | None = None
    netblock: str | None = None
    json: bool = False
    help: bool = False
    #: HTCondor's tools for tokens do not tell their version.
    version: ClassVar[bool] = False


_FIELDS: Final = {
    "pool": "pool",
    "name": "name",
    "addr": "address",
    "identity": "identity",
    "key": "key",
    "dir": "directory",
    "reqid": "request_id",
    "netblock": "netblock",
}


def find_action(name: str) -> Action | None:
    """The action of this name."""
    for action in ACTIONS:
        if name == action.name or name in action.other_names:
            return action
    return None


def parse_options(action: Action, arguments: list[str]) -> TokenOptions:
    """Read a command line.

    Args:
        action: What is to be done.
        arguments: What stands behind its name.

    Raises:
        UsageError: It cannot be understood.
    """
    options = TokenOptions(kind=action.default_type)
    for argument, match, values in read_arguments(arguments, action.options):
        if match is None:
            raise UsageError(f"Invalid command line argument: {argument}")
        name = match.option.name
        if name in action.refused:
            raise UsageError(f"-{name} is not available here")
        _set(options, name, values[0] if values else "")
    if action.required is not None and not options.help:
        name, example = action.required
        if not getattr(options, _FIELDS[name]):
            raise UsageError(f"-{name} is required, such as -{name} {example}")
    return options


def _set(options: TokenOptions, name: str, value: str) -> None:
    if name in _FIELDS:
        setattr(options, _FIELDS[name], value)
    elif name in ("json", "help"):
        setattr(options, name, True)
    elif name == "authz":
        options.limits.append(value)
    elif name == "lifetime":
        if _NUMBER.fullmatch(value) is None:
            raise UsageError(f"Invalid argument for -lifetime: {value}.")
        options.lifetime_seconds = int(value)
    elif name == "type":
        options.kind = daemon_type(value)
    elif name == "token":
        options.token_name, options.file = value, None
    elif name == "file":
        options.token_name, options.file = None, value
