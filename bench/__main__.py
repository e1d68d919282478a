"""``python -m bench``: our collector and the real one, side by side."""

from __future__ import annotations

import argparse
import contextlib
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.report import HEADER, Goal, format_row
from bench.rows import Bench, Row, Sample
from bench.rows_process import PROCESS_ROWS, StatusTool
from bench.rows_queries import QUERY_ROWS, ask_all
from bench.rows_updates import UPDATE_ROWS
from bench.servers import Server, StartFailed, find_real
from bench.slots import SlotFarm

ROWS: tuple[type[Row], ...] = UPDATE_ROWS + QUERY_ROWS + PROCESS_ROWS
SLOT_COUNT = 10_000
_DESCRIPTORS = 16_384
_FIRST_CYCLES = 4
"""Cycles of updates and queries before anything is measured."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the rows that were asked for and print the table.

    Returns:
        0 if every row could be measured, whatever it gave; else 1.
    """
    options = _parser().parse_args(arguments)
    if options.list:
        for row in ROWS:
            print(f"{row.name:26}{row.title}{' (full)' * row.full_only}")
        return 0
    _raise_descriptor_limit()
    rows = _chosen(options.only, quick=options.quick)
    with contextlib.ExitStack() as stack:
        servers = list(_started(stack, options.servers, options.profile))
        if not servers:
            return 1
        print(f"making {SLOT_COUNT} slots", file=sys.stderr)
        farm = SlotFarm(SLOT_COUNT, int(time.time()))
        bench = Bench(farm, quick=options.quick)
        for server in servers:
            _fill(bench, server)
        rounds = options.rounds or (2 if options.quick else 5)
        print(f"CPU per operation, {rounds} rounds in turns; wall/op: real / ours")
        print(HEADER, flush=True)
        measured = [_run(row(bench), servers, rounds) for row in rows]
    return 0 if all(measured) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--quick", action="store_true", help="two rounds, about two minutes"
    )
    mode.add_argument(
        "--full", dest="quick", action="store_false", help="five rounds (default)"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="ROW", help="repeatable"
    )
    parser.add_argument("--rounds", type=int, help="rounds of each row")
    parser.add_argument("--servers", choices=("both", "ours", "real"), default="both")
    parser.add_argument(
        "--profile", type=Path, metavar="FILE", help="cProfile statistics of ours"
    )
    parser.add_argument("--list", action="store_true", help="name the rows and exit")
    return parser


def _chosen(only: Sequence[str], *, quick: bool) -> list[type[Row]]:
    known = {row.name for row in ROWS}
    if unknown := sorted(set(only) - known):
        raise SystemExit(f"no such row: {', '.join(unknown)}; --list names them")
    if only:
        return [row for row in ROWS if row.name in only]
    return [row for row in ROWS if not (quick and row.full_only)]


def _started(
    stack: contextlib.ExitStack, which: str, profile: Path | None
) -> Iterator[Server]:
    if which != "ours":
        real = find_real()
        if isinstance(real, str):
            print(f"the real collector is not measured: {real}")
        else:
            print(f"real: HTCondor {real.version}")
            yield from _start(stack, Server("real", real))
    if which != "real":
        path = None if profile is None else profile.resolve()
        yield from _start(stack, Server("ours", profile=path))


def _start(stack: contextlib.ExitStack, server: Server) -> Iterator[Server]:
    try:
        server.start()
    except StartFailed as error:
        print(f"not measured: {error}")
        return
    stack.callback(server.stop)
    if not server.cpu.exact:
        print(f"{server.name}: CPU of ended children is known to 10 ms only")
    yield server


def _fill(bench: Bench, server: Server) -> None:
    """Bring a new server into the state of a pool that is in use."""
    bench.fill_schedds(server)
    for _ in range(_FIRST_CYCLES):
        bench.fill(server, bench.next_updates())
        ask_all(bench, server)
    bench.fill(server, bench.next_updates())


def _run(row: Row, servers: Sequence[Server], rounds: int) -> bool:
    """Measure one row and print its line; tell whether that was possible."""
    real = next((server for server in servers if server.real is not None), None)
    if isinstance(row, StatusTool):
        if real is None:
            print(f"{row.title}: needs a real installation")
            return True
        row.tools = real
    samples: dict[str, list[Sample]] = {"real": [], "ours": []}
    able = [server for server in servers if _attempt(row, server, row.prepare)]
    for _ in range(rounds):
        row.begin_round()
        for server in tuple(able):

            def measure(server: Server) -> None:
                samples[server.name].append(row.measure(server))

            if not _attempt(row, server, measure):
                able.remove(server)
    for server in able:
        row.finish(server)
    goal = Goal(row.target, row.target_absolute)
    line = format_row(row.title, row.unit, goal, samples["ours"], samples["real"])
    print(line, flush=True)
    return len(able) == len(servers)


def _attempt(row: Row, server: Server, action: Callable[[Server], None]) -> bool:
    """Act on a server that runs; if that fails say so and start it anew."""
    if not server.running:
        return False
    try:
        action(server)
    except (OSError, RuntimeError, ValueError, StartFailed) as error:
        print(f"{row.name}: {server.name} failed: {error}", flush=True)
    else:
        return True
    with contextlib.suppress(OSError):
        row.finish(server)
    server.stop()
    try:
        server.start()
        row.bench.forget_session(server)
        _fill(row.bench, server)
    except (OSError, StartFailed) as error:
        print(f"{server.name} does not start again: {error}", flush=True)
        server.stop()
    return False


def _raise_descriptor_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    sys.exit(main())
