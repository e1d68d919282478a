"""``condor-twisted token ACTION``: what HTCondor's ``condor_token_...`` tools do."""

from __future__ import annotations

import sys
from typing import Final

from condor_twisted.errors import CondorTwistedError
from condor_twisted.tools.beginning import DONE, FAILED, MISUSED, begin, warn
from condor_twisted.tools.running import run
from condor_twisted.tools.token import files, services
from condor_twisted.tools.token.options import (
    ACTIONS,
    Action,
    TokenOptions,
    find_action,
    parse_options,
)

__all__ = ["main"]

_LOCAL: Final = {"create": files.create, "list": files.list_tokens}
_REMOTE: Final = {
    "fetch": services.fetch,
    "request": services.request,
    "request-list": services.request_list,
    "approve": services.approve,
    "auto-approve": services.auto_approve,
}
_MEANINGS: Final = {
    "identity": "who shall bear the token",
    "key": "the signing key",
    "authz": "a level that the token shall be good for; may be repeated",
    "lifetime": "how long, in seconds",
    "token": "write a file of this name into the directory of tokens",
    "file": "write this file",
    "pool": "host, host:port or a sinful string; COLLECTOR_HOST by default",
    "name": "the daemon of this name",
    "addr": "the daemon at this address",
    "type": "collector, schedd, startd, master or negotiator; {type} by default",
    "reqid": "the request of this id; all by default",
    "json": "as JSON",
    "netblock": "the network, such as 192.168.0.0/24",
    "dir": "look into this directory",
}


def _usage() -> str:
    lines = ["Usage: condor-twisted token ACTION [OPTIONS]", "", "Actions:"]
    lines += [f"  {action.name:<14}{action.summary}" for action in ACTIONS]
    lines += ["", "condor-twisted token ACTION -help tells more."]
    return "\n".join(lines) + "\n"


def _usage_of(action: Action) -> str:
    lines = [f"Usage: condor-twisted token {action.name} [OPTIONS]", ""]
    for option in action.options:
        if option.name in action.refused or option.name not in _MEANINGS:
            continue
        head = f"-{option.name}{' ' + option.name.upper() if option.values else ''}"
        meaning = _MEANINGS[option.name].format(type=action.default_type)
        if action.name == "list" and option.name == "file":
            meaning = "look into this file"
        lines.append(f"  {head:<20}{meaning}")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: The command line.

    Returns:
        The exit code.
    """
    name = arguments[0] if arguments else ""
    if name.startswith("-") and name.lstrip("-") in ("help", "h"):
        sys.stdout.write(_usage())
        return DONE
    action = find_action(name)
    if action is None:
        warn((f"There is no action {name!r}.\n\n" if name else "") + _usage().rstrip())
        return MISUSED
    return begin(
        lambda: parse_options(action, arguments[1:]),
        _usage_of(action),
        lambda options: _perform(action, options),
        prefix="Error: ",
    )


def _perform(action: Action, options: TokenOptions) -> int:
    local = _LOCAL.get(action.name)
    if local is None:
        return run(lambda reactor: _REMOTE[action.name](options, reactor))
    try:
        return local(options)
    except CondorTwistedError as error:
        warn(f"Error: {error}")
        return FAILED
