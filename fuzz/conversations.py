"""Runs damaged conversations: so many for every kind and side, on all processors.

A conversation is the same whenever its kind, side, seed and number are, but for keys
that are made anew each time.
"""

from __future__ import annotations

import hashlib
import os
import random
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final, Protocol

from fuzz import limits
from fuzz.carrying import Damage, Outcome
from fuzz.methods import METHODS
from fuzz.negotiations import DATAGRAMS, NEGOTIATIONS

__all__ = ["KINDS", "Finding", "Kind", "run_conversations", "run_row"]

#: Conversations before memory is measured, so that caches are full.
_WARM_COUNT: Final = 500


class Kind(Protocol):
    """One kind of conversation."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides that hear something."""

    def run(self, chance: random.Random, victim: str, damage: Damage | None) -> Outcome:
        """One conversation, and what came of it.

        Args:
            chance: What decides.
            victim: Who hears what is damaged.
            damage: What happens to what it hears; ``None`` for nothing.

        Raises:
            Broken: It ended as it must not.
        """


KINDS: Final[tuple[Kind, ...]] = (*METHODS, *NEGOTIATIONS, *DATAGRAMS)


@dataclass(frozen=True)
class Finding:
    """What came of all conversations of one kind with one victim.

    Args:
        name: The kind.
        side: The side that heard what was damaged.
        count: How many there were.
        refused: In how many a side gave up.
        seconds: How long they took.
        problem: What was wrong, behind the conversation's number, if anything was.
        heard: The damaged messages of the last one, where something was wrong.
    """

    name: str
    side: str
    count: int
    refused: int
    seconds: float
    problem: str | None = None
    heard: tuple[bytes, ...] = ()


def run_row(name: str, side: str, count: int, seed: int) -> Finding:
    """Run the conversations of one kind with one victim.

    Args:
        name: The kind.
        side: The victim.
        count: How many conversations.
        seed: What they depend on.
    """
    kind = next(each for each in KINDS if each.name == name)
    begin = time.perf_counter()
    usual = kind.run(random.Random(seed), side, None).heard
    refused, problem, warm_bytes = 0, None, None
    for number in range(count):
        chance = random.Random(f"{name} {side} {seed} {number}")
        damage = Damage(chance, usual)
        start = time.perf_counter()
        try:
            refused += kind.run(chance, side, damage).refused
        except Exception as error:  # whatever it is, it is what is looked for
            problem = f"{number}: {type(error).__name__}: {error}"
        else:
            taken = time.perf_counter() - start
            if taken > limits.INPUT_SECONDS:
                problem = f"{number}: it took {taken:.1f} s"
        if problem is not None:
            heard = tuple(damage.done)
            taken = time.perf_counter() - begin
            return Finding(name, side, number + 1, refused, taken, problem, heard)
        if number == _WARM_COUNT:
            warm_bytes = limits.resident_bytes()
    if warm_bytes is not None:
        grown = limits.resident_bytes() - warm_bytes
        if grown > limits.GROWTH_BYTES:
            problem = f"memory grew by {grown >> 20} MiB"
    taken = time.perf_counter() - begin
    return Finding(name, side, count, refused, taken, problem)


def run_conversations(
    count: int, seed: int, save: Path, processes: int | None = None
) -> bool:
    """Run all conversations, and print a line for each kind and side.

    Args:
        count: How many for each.
        seed: What they depend on.
        save: Where the damaged messages of what was found go.
        processes: On how many processors; all by default.

    Returns:
        Whether nothing was found.
    """
    rows = [(kind.name, side) for kind in KINDS for side in kind.sides]
    processes = processes or os.cpu_count() or 1
    print(f"{'conversation':28}{'damaged for':12}{'count':>8}{'refused':>9}{'s':>8}")
    total, sound = 0, True
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        done = [pool.submit(run_row, *row, count, seed) for row in rows]
        for each in done:
            found = each.result()
            total += found.count
            print(
                f"{found.name:28}{found.side:12}{found.count:8}{found.refused:9}"
                f"{found.seconds:8.1f}",
                flush=True,
            )
            if found.problem is not None:
                sound = False
                print(f"  conversation {found.problem}{_save(found, save)}", flush=True)
    print(f"{total} damaged conversations", flush=True)
    return sound


def _save(found: Finding, save: Path) -> str:
    """Write the damaged messages of what was found; where they are, in words."""
    if not found.heard:
        return ""
    save.mkdir(exist_ok=True)
    data = b"".join(found.heard)
    digest = hashlib.sha256(data).hexdigest()[:12]
    name = found.name.replace(",", "").replace(" ", "-")
    path = save / f"{name}-{found.side}-{digest}.bin"
    path.write_bytes(data)
    return f"\n  what it heard is in {path}"
