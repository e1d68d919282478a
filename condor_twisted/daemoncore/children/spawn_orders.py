"""From the options of a child to what `child_start` is told, and its descriptors."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from condor_twisted.daemoncore.children.child_start import encode_order
from condor_twisted.daemoncore.children.spawn_options import SpawnOptions, Stdio, Stream
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

    Raises:
        LocalProtocolError: There is a NUL in a text, or no such limit.
    """
    session = options.new_session
    if session is None:
        session = options.family is not None and process_groups
    try:
        return encode_order(
            [
                ("executable", os.fsencode(program)),
                *(("argument", os.fsencode(each)) for each in arguments),
                *(
                    ("variable", os.fsencode(f"{name}={value}"))
                    for name, value in _variables(options, environment, told).items()
                ),
                ("ancestor", _numbers(ancestor)),
                *_preparations(options, session),
            ]
        )
    except ValueError as error:
        raise LocalProtocolError(f"{program} cannot be started: {error}") from error


def _preparations(options: SpawnOptions, session: bool) -> Iterator[tuple[str, bytes]]:
    """What the new process does before it becomes the program."""
    if session:
        yield "session", b""
    if options.process_group:
        yield "group_leader", b""
    if options.family is not None and options.family.cgroup is not None:
        yield "cgroup", os.fsencode(options.family.cgroup)
    yield "nice", b"%d" % options.nice
    yield "affinity", _numbers(sorted(options.affinity))
    for limit in _limits(options.limits or {}):
        yield "limit", _numbers(limit)
    if options.user is not None:
        by_number = isinstance(options.user, int)
        yield (
            "user",
            os.fsencode(f"#{options.user}" if by_number else str(options.user)),
        )
    if options.group is not None:
        yield "group", b"%d" % options.group
    if options.groups is not None:
        yield "groups", _numbers(options.groups)
    if options.umask is not None:
        yield "umask", b"%d" % options.umask
    if options.directory is not None:
        yield "directory", os.fsencode(options.directory)
    streams = (options.stdin, options.stdout, options.stderr)
    closed = (number for number in range(3) if streams[number] is Stream.CLOSED)
    yield "closed", _numbers(closed)
    blocked = _blocked(options)
    if blocked is not None:
        yield "blocked", _numbers(blocked)
    if options.suspended:
        yield "suspended", b""


def _numbers(numbers: Iterable[int]) -> bytes:
    return b" ".join(b"%d" % number for number in numbers)


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
