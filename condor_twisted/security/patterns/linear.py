"""Regular expressions whose time grows with the text, never faster.

No text that a peer sends makes one take long: all ways to match are followed side by
side (Thompson; Pike for the groups), instead of one after the other. The result is the
one that PCRE finds, the leftmost and there the first of the pattern's preferences. In
front stands an automaton over sets of states, built as texts need it, which sees in one
look-up per character that there is no match: that is the common answer in a map file.

Cost: at most one step per character and part of the pattern.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from condor_twisted.security.patterns.syntax import (
    Alternation,
    Assertion,
    CharacterSet,
    Group,
    Node,
    PatternError,
    PatternFlags,
    Place,
    Repeat,
    Sequence,
    parse_pattern,
)

__all__ = ["LinearPattern", "compile_pattern"]

_MAX_STEPS: Final = 8192
_MAX_KNOWN_STATES: Final = 500


@dataclass(frozen=True, slots=True)
class _Take:
    """Take one character of a set, then go on behind."""

    characters: CharacterSet


@dataclass(frozen=True, slots=True)
class _Split:
    """Go on in two places; the first is preferred."""

    first: int
    second: int


@dataclass(frozen=True, slots=True)
class _Save:
    """Remember the place under a number."""

    slot: int


@dataclass(frozen=True, slots=True)
class _Check:
    """Go on only at such a place."""

    place: Place


@dataclass(frozen=True, slots=True)
class _Match:
    """The end."""


_Instruction = _Take | _Split | _Save | _Check | _Match
#: Where a group begins and ends; a place in the text each, -1 for none.
_Slots = tuple[int, ...]


class _Program:
    """A pattern as instructions."""

    def __init__(self) -> None:
        self.instructions: list[_Instruction] = []
        self._node_count = 0

    def add(self, instruction: _Instruction) -> int:
        """Append an instruction; where it is."""
        if len(self.instructions) >= _MAX_STEPS:
            raise PatternError("the pattern is too large when it is written out")
        self.instructions.append(instruction)
        return len(self.instructions) - 1

    def node(self, node: Node) -> None:
        """Append a part of the pattern."""
        self._node_count += 1
        if self._node_count > _MAX_STEPS:
            raise PatternError("the pattern is too large when it is written out")
        if isinstance(node, CharacterSet):
            self.add(_Take(node))
        elif isinstance(node, Assertion):
            self.add(_Check(node.place))
        elif isinstance(node, Sequence):
            for part in node.parts:
                self.node(part)
        elif isinstance(node, Group):
            self.add(_Save(2 * node.number))
            self.node(node.part)
            self.add(_Save(2 * node.number + 1))
        elif isinstance(node, Alternation):
            self._alternation(node)
        else:
            self._repeat(node)

    def _here(self) -> int:
        return len(self.instructions)

    def _alternation(self, node: Alternation) -> None:
        ends: list[int] = []
        for choice in node.choices[:-1]:
            split = self.add(_Match())
            self.node(choice)
            ends.append(self.add(_Match()))
            self.instructions[split] = _Split(split + 1, self._here())
        self.node(node.choices[-1])
        for end in ends:
            self.instructions[end] = _Split(self._here(), self._here())

    def _fork(self, split: int, away: int, greedy: bool) -> None:
        """Make a split that goes on behind itself, or away."""
        self.instructions[split] = (
            _Split(split + 1, away) if greedy else _Split(away, split + 1)
        )

    def _repeat(self, node: Repeat) -> None:
        for _ in range(node.minimum):
            self.node(node.part)
        if node.maximum is None:
            split = self.add(_Match())
            self.node(node.part)
            self.add(_Split(split, split))
            self._fork(split, self._here(), node.greedy)
            return
        splits: list[int] = []
        for _ in range(node.maximum - node.minimum):
            splits.append(self.add(_Match()))
            self.node(node.part)
        for split in splits:
            self._fork(split, self._here(), node.greedy)


def _is_word(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character == "_")


def _holds(place: Place, text: str, at: int) -> bool:
    """Whether an assertion holds at a place of a text."""
    end = len(text)
    if place is Place.SUBJECT_START:
        return at == 0
    if place is Place.LINE_START:
        return at == 0 or text[at - 1] == "\n"
    if place is Place.SUBJECT_END:
        return at == end
    if place is Place.END_OR_NEWLINE:
        return at == end or (at == end - 1 and text[at] == "\n")
    if place is Place.LINE_END:
        return at == end or text[at] == "\n"
    before = at > 0 and _is_word(text[at - 1])
    behind = at < end and _is_word(text[at])
    return (before is not behind) is (place is Place.WORD_BOUNDARY)


class LinearPattern:
    """A regular expression, made by :func:`compile_pattern`.

    An empty match does not count, as in a map file.
    """

    __slots__ = ("_empty_slots", "_known", "_program", "_starts", "group_count", "text")

    def __init__(
        self, text: str, program: list[_Instruction], group_count: int
    ) -> None:
        self.text: Final = text
        #: How many numbered groups there are, the whole match not counted.
        self.group_count: Final = group_count
        self._program = program
        self._empty_slots: _Slots = (-1,) * (2 * group_count + 2)
        self._known: dict[tuple[frozenset[int], str], frozenset[int]] = {}
        self._starts = (self._reach({0}, False), self._reach({0}, True))

    def search(self, subject: str) -> tuple[str, ...] | None:
        """The first match in a text.

        Returns:
            The match and its groups, empty for one that took no part; ``None``
            without a match.
        """
        if not self._may_match(subject):
            return None
        slots = self._find(subject)
        if slots is None:
            return None
        return tuple(
            subject[slots[at] : slots[at + 1]]
            if slots[at] >= 0 <= slots[at + 1]
            else ""
            for at in range(0, len(slots), 2)
        )

    @property
    def steps_count(self) -> int:
        """How much a character may cost, as the number of the pattern's parts."""
        return len(self._program)

    def __repr__(self) -> str:
        return f"<LinearPattern {self.text!r}>"

    # -- whether there may be a match

    def _reach(self, places: set[int], at_start: bool) -> frozenset[int]:
        """The instructions that take a character or end, reached from some places.

        Every assertion but that of the start is taken to hold: this asks only whether
        there may be a match.
        """
        found: set[int] = set()
        waiting = list(places)
        seen: set[int] = set()
        while waiting:
            at = waiting.pop()
            if at in seen:
                continue
            seen.add(at)
            instruction = self._program[at]
            if isinstance(instruction, _Split):
                waiting += (instruction.first, instruction.second)
            elif isinstance(instruction, _Save):
                waiting.append(at + 1)
            elif isinstance(instruction, _Check):
                if instruction.place is not Place.SUBJECT_START or at_start:
                    waiting.append(at + 1)
            else:
                found.add(at)
        return frozenset(found)

    def _may_match(self, subject: str) -> bool:
        known, last = self._known, len(self._program) - 1
        later, state = self._starts
        if last in state:
            return True
        for character in subject:
            following = known.get((state, character))
            if following is None:
                following = self._follow(state, character, later)
            if last in following:
                return True
            state = following
            if not state:
                return False
        return False

    def _follow(
        self, state: frozenset[int], character: str, later: frozenset[int]
    ) -> frozenset[int]:
        """The state behind one more character; a match may begin there, too."""
        places: set[int] = set()
        for at in state:
            instruction = self._program[at]
            if isinstance(instruction, _Take) and instruction.characters.has(character):
                places.add(at + 1)
        following = self._reach(places, False) | later
        if len(self._known) >= _MAX_KNOWN_STATES:
            self._known.clear()
        self._known[state, character] = following
        return following

    # -- where the match is

    def _find(self, subject: str) -> _Slots | None:
        """The slots of the first match."""
        best: _Slots | None = None
        threads: list[tuple[int, _Slots]] = []
        for at in range(len(subject) + 1):
            reached: dict[int, _Slots] = {}
            for place, slots in threads:
                self._add(reached, place, slots, subject, at)
            if best is None:
                self._add(reached, 0, self._empty_slots, subject, at)
            threads = []
            for place, slots in reached.items():
                instruction = self._program[place]
                if isinstance(instruction, _Match):
                    if slots[0] < at:
                        best = (slots[0], at, *slots[2:])
                        break
                elif (
                    isinstance(instruction, _Take)
                    and at < len(subject)
                    and instruction.characters.has(subject[at])
                ):
                    threads.append((place + 1, slots))
            if not threads and best is not None:
                break
        return best

    def _add(
        self,
        reached: dict[int, _Slots],
        place: int,
        slots: _Slots,
        subject: str,
        at: int,
    ) -> None:
        """Add all that is reached from one place, in the order of preference."""
        if slots[0] < 0:
            slots = (at, *slots[1:])
        waiting = [(place, slots)]
        program = self._program
        while waiting:
            here, slots = waiting.pop()
            if here in reached:
                continue
            reached[here] = slots
            instruction = program[here]
            if isinstance(instruction, _Split):
                waiting.append((instruction.second, slots))
                waiting.append((instruction.first, slots))
            elif isinstance(instruction, _Save):
                slot = instruction.slot
                waiting.append((here + 1, (*slots[:slot], at, *slots[slot + 1 :])))
            elif isinstance(instruction, _Check) and _holds(
                instruction.place, subject, at
            ):
                waiting.append((here + 1, slots))


def compile_pattern(
    text: str, *, caseless: bool = False, ungreedy: bool = False
) -> LinearPattern:
    """Make a pattern that matches in linear time.

    Args:
        text: A regular expression.
        caseless: Letters of both cases are the same.
        ungreedy: Repeats are lazy, and greedy with a ``?`` behind.

    Raises:
        PatternError: It is none, or too large.
        PatternUnsupported: It is one for PCRE, but not for this.
    """
    node, group_count = parse_pattern(text, PatternFlags(caseless, ungreedy))
    program = _Program()
    program.node(node)
    program.add(_Match())
    return LinearPattern(text, program.instructions, group_count)
