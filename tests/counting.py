"""How much work something is, as a number that is the same on every machine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


def calls_of(function: Callable[[], T]) -> tuple[int, T]:
    """Count the calls, of Python functions and of built-in ones, that a call makes.

    Returns:
        Their number, and what the function returned.
    """
    count = 0

    def see(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        if event in ("call", "c_call"):
            count += 1

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        result = function()
    finally:
        sys.setprofile(before)
    return count, result


def most_calls_of_a_step(
    steps: Iterator[object], ends: tuple[type[BaseException], ...] = ()
) -> int:
    """Count the calls of the most laborious step of an iterator.

    Args:
        steps: The iterator; it is used up.
        ends: Exceptions that end it like ``StopIteration``.
    """
    most = 0
    is_over = False

    def step() -> None:
        nonlocal is_over
        try:
            next(steps)
        except StopIteration:
            is_over = True
        except ends:
            is_over = True

    while not is_over:
        most = max(most, calls_of(step)[0])
    return most
