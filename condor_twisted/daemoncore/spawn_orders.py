"""From the options of a child to what `child_start` is told, and its descriptors."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Final

from condor_twisted.daemoncore.child_start import encode_order
from condor_twisted.daemoncore.spawn_options import SpawnOptions, Stdio, Stream
from condor_twisted.errors import LocalProtocolError

__all__ = ["ANCESTOR", "make_order", "map_descriptors"]

#: The variable by which the descendants of a process are known.
ANCESTOR: Final = "_CONDOR_ANCESTOR_{}"
_ANCESTOR_PREFIX: Final = "_CONDOR_ANCESTOR_"


def map_descriptors(
    options: SpawnOptions, command_sockets: Iterable[int], null: int
) -> tuple[dict[int, int | str], int, int]:
    """What is behind each descriptor of the new process.

    Args:
        options: How the child is started.
        command_sockets: The descriptors of its command sockets.
        null: A descriptor of ``/dev/null``.

    Returns:
        The map for ``spawnProcess``, and the two descriptors for order and report.

    Raises:
        LocalProtocolError: A descriptor is wanted twice, or is none.
    """
    mapped: dict[int, int | str] = {
        0: _stream(options.stdin, "w", null),
        1: _stream(options.stdout, "r", null),
        2: _stream(options.stderr, "r", null),
    }
    named = [each.descriptor for each in options.sockets]
    for descriptor in {*options.descriptors, *named, *command_sockets}:
        if descriptor in (0, 1, 2):
            raise LocalProtocolError(
                f"descriptor {descriptor} is a standard stream of the child; name it "
                "as stdin, stdout or stderr"
            )
        try:
            os.fstat(descriptor)
        except OSError as error:
            raise LocalProtocolError(
                f"descriptor {descriptor} is not open, so no child can have it"
            ) from error
        mapped[descriptor] = descriptor
    free = (number for number in range(3, len(mapped) + 5) if number not in mapped)
    order, report = next(free), next(free)
    mapped[order], mapped[report] = "w", "r"
    return mapped, order, report


def make_order(
    program: str,
    arguments: Iterable[str],
    options: SpawnOptions,
    environment: Mapping[str, str],
    told: Mapping[str, str | None],
    ancestor: tuple[int, int, int],
    process_groups: bool,
) -> bytes:
    """The order for a new process.

    Args:
        program: What it becomes.
        arguments: All of them.
        options: How it is started.
        environment: Our own variables.
        told: The variables that DaemonCore sets; ``None`` for one it takes away.
        ancestor: Who forks, when, and a random number.
        process_groups: Whether processes with a family begin sessions.
    """
    session = options.new_session
    if session is None:
        session = options.family is not None and process_groups
    return encode_order(
        {
            "executable": os.fsencode(program),
            "arguments": [os.fsencode(each) for each in arguments],
            "environment": {
                os.fsencode(name): os.fsencode(value)
                for name, value in _variables(options, environment, told).items()
            },
            "ancestor": ancestor,
            "directory": _encoded(options.directory),
            "cgroup": _encoded(options.family.cgroup if options.family else None),
            "session": session,
            "process_group": options.process_group,
            "nice": options.nice,
            "limits": _limits(options.limits or {}),
            "user": options.user,
            "group": options.group,
            "groups": None if options.groups is None else list(options.groups),
            "umask": options.umask,
            "affinity": sorted(options.affinity),
            "blocked": _blocked(options),
            "suspended": options.suspended,
            "closed": [
                number
                for number, where in enumerate(
                    (options.stdin, options.stdout, options.stderr)
                )
                if where is Stream.CLOSED
            ],
        }
    )


def _variables(
    options: SpawnOptions,
    environment: Mapping[str, str],
    told: Mapping[str, str | None],
) -> dict[str, str]:
    found = {
        name: value
        for name, value in environment.items()
        if options.inherit_environment or name.startswith(_ANCESTOR_PREFIX)
    }
    found.update(options.environment or {})
    for name, value in told.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = value
    return found


def _blocked(options: SpawnOptions) -> list[int] | None:
    if options.blocked_signals is not None:
        return sorted(int(number) for number in options.blocked_signals)
    return None if options.daemon is not None else []


def _limits(limits: Mapping[str, int | tuple[int, int]]) -> list[tuple[int, int, int]]:
    if not limits:
        return []
    import resource

    found: list[tuple[int, int, int]] = []
    for name, value in limits.items():
        number = getattr(resource, f"RLIMIT_{name.upper()}", None)
        if number is None:
            raise LocalProtocolError(f"there is no resource limit {name} here")
        soft, hard = value if isinstance(value, tuple) else (value, value)
        found.append((number, soft, hard))
    return found


def _stream(where: Stdio, pipe: str, null: int) -> int | str:
    if isinstance(where, Stream):
        return pipe if where is Stream.PIPE else null
    return where


def _encoded(path: str | None) -> bytes | None:
    return None if path is None else os.fsencode(path)
