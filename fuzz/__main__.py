"""``python -m fuzz``: seeded mutations against daemons in memory, and conversations.

Only documented errors are accepted: whatever the log calls a fault, a connection or a
timer that stays, an ad that is lost, an input that takes a second or memory that grows
by 64 MiB ends the run with status 1, and the input is written to a file.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fuzz.conversations import run_conversations
from fuzz.house import Broken
from fuzz.limits import GROWTH_BYTES, INPUT_SECONDS, resident_bytes
from fuzz.targets import TARGETS, Target

__all__ = ["Fuzzer", "main"]

#: Inputs between two looks at the whole house.
_CHECK_EVERY: Final = 50
#: Inputs before memory is measured, so that caches are full.
_WARM_COUNT: Final = 500
#: Conversations per method and side.
_CONVERSATIONS: Final = 10_000


class Fuzzer:
    """Runs one target.

    Args:
        target: Which.
        seed: What the inputs depend on.
    """

    def __init__(self, target: type[Target], seed: int) -> None:
        self.target = target(random.Random(f"{target.name} {seed}"))
        self.inputs_count = 0
        self.slowest_seconds = 0.0
        #: The inputs since the last look at the house.
        self.recent: list[bytes] = []
        self._resident_bytes: int | None = None

    def step(self) -> None:
        """One input.

        Raises:
            Broken: Something is not as it should be; ``recent`` has the inputs.
        """
        data = self.target.make()
        self.recent.append(data)
        start = time.perf_counter()
        try:
            self.target.give(data)
        except Broken:
            raise
        except Exception as error:
            raise Broken(f"{type(error).__name__}: {error}") from error
        seconds = time.perf_counter() - start
        self.slowest_seconds = max(self.slowest_seconds, seconds)
        if seconds > INPUT_SECONDS:
            raise Broken(f"an input took {seconds:.1f} s")
        if self.target.house.faults:
            raise Broken(self.target.house.faults[0])
        self.inputs_count += 1
        if self.inputs_count % _CHECK_EVERY == 0:
            self.check()

    def check(self) -> None:
        """Look at the whole house.

        Raises:
            Broken: It is not as it should be.
        """
        house = self.target.house
        house.check(self.target.kept(), waits=self.inputs_count % 1000 == 0)
        house.lines.clear()
        self.recent.clear()
        if self._resident_bytes is None and self.inputs_count >= _WARM_COUNT:
            self._resident_bytes = resident_bytes()
        elif self._resident_bytes is not None and self.inputs_count % 1000 == 0:
            grown = resident_bytes() - self._resident_bytes
            if grown > GROWTH_BYTES:
                raise Broken(f"memory grew by {grown >> 20} MiB")

    def close(self) -> None:
        """Stop the house.

        Raises:
            Broken: It leaves something behind.
        """
        self.target.house.check(self.target.kept())
        self.target.house.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz.

    Returns:
        0 if nothing was found.
    """
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    names = [each.name for each in TARGETS]
    parser.add_argument("--count", type=int, help="inputs per target")
    parser.add_argument("--seconds", type=float, help="seconds in all (60)")
    parser.add_argument("--seed", type=int, help="repeats a run; by default another")
    parser.add_argument("--target", choices=names, action="append")
    parser.add_argument("--save", type=Path, default=Path("fuzz-failures"))
    parser.add_argument(
        "--conversations",
        type=int,
        help="per method and side (10,000 if nothing else is asked for)",
    )
    options = parser.parse_args(arguments)
    seed = time.time_ns() % 1_000_000 if options.seed is None else options.seed
    chosen = [each for each in TARGETS if each.name in (options.target or names)]
    seconds, conversations = options.seconds, options.conversations
    if conversations is None and not (options.target or options.count or seconds):
        conversations = _CONVERSATIONS
    if seconds is None and options.count is None:
        seconds = 60.0
    print(f"seed {seed}", flush=True)
    failed = False
    for target in chosen:
        share = None if seconds is None else seconds / len(chosen)
        failed |= not _run(Fuzzer(target, seed), options.count, share, options.save)
    if conversations:
        failed |= not run_conversations(conversations, seed, options.save)
    return 1 if failed else 0


def _run(fuzzer: Fuzzer, count: int | None, seconds: float | None, save: Path) -> bool:
    name = fuzzer.target.name
    start = time.perf_counter()
    until = None if seconds is None else start + seconds
    try:
        while count is None or fuzzer.inputs_count < count:
            if until is not None and time.perf_counter() >= until:
                break
            fuzzer.step()
        fuzzer.close()
    except Broken as problem:
        save.mkdir(exist_ok=True)
        for data in fuzzer.recent[-1:] or [b""]:
            digest = hashlib.sha256(data).hexdigest()[:12]
            path = save / f"{name}-{digest}.bin"
            path.write_bytes(data)
            print(f"{name}: {problem}\n  the last input is in {path}", flush=True)
        return False
    counters = fuzzer.target.house.collector
    taken = time.perf_counter() - start
    refused = len(fuzzer.target.house.lines)
    print(
        f"{name:12}{fuzzer.inputs_count:8} inputs {taken:7.1f} s, slowest "
        f"{1000 * fuzzer.slowest_seconds:6.1f} ms, {counters.state.store.count} ads, "
        f"{refused} lines in the log",
        flush=True,
    )
    return True


if __name__ == "__main__":
    sys.exit(main())
