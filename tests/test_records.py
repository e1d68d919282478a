"""Dataclasses whose methods are made when they are needed."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import field
from typing import TYPE_CHECKING, ClassVar

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted import records
from condor_twisted.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Point:
    """A place."""

    dimensions: ClassVar[int] = 2
    x: int
    y: int = 0
    marks: list[str] = field(default_factory=list, repr=False, compare=False)
    seen_count: int = field(default=7, init=False, compare=False)

    def moved(self, by: int) -> Point:
        """One at another place."""
        return dataclasses.replace(self, x=self.x + by)


@dataclass(frozen=True, slots=True)
class NamedPoint(Point):
    """A place with a name, whose base is completed with it."""

    name: str = "?"


@dataclass(frozen=True, slots=True)
class DeepPoint(NamedPoint):
    """Another below that."""

    depth: int = 0


class TaggedPoint(NamedPoint):
    """A class of another kind, which has attributes of its own."""


@dataclass(slots=True, kw_only=True)
class Counter:
    """Something that changes."""

    count: int = 0
    label: str | None = None

    def __post_init__(self) -> None:
        self.count += 1


@dataclass(slots=True, eq=False)
class Thing:
    """Something that is only like itself."""

    size: int


class DataclassTests(SynchronousTestCase):
    """What is known of `dataclasses.dataclass` holds."""

    def fresh(self) -> type[Point]:
        """A class like `Point` that nobody has used yet."""
        make: Callable[[type[Point]], type[Point]] = dataclass(frozen=True, slots=True)

        class Fresh:
            """A place."""

            x: int
            y: int = 5

        return make(Fresh)  # type: ignore[arg-type]

    def test_values(self) -> None:
        """Defaults, factories and fields that are not given have their values."""
        point = Point(1)
        self.assertEqual(
            (point.x, point.y, point.marks, point.seen_count), (1, 0, [], 7)
        )
        self.assertIsNot(Point(1).marks, Point(1).marks)
        self.assertEqual(Point(x=3, y=4).moved(2), Point(5, 4))
        self.assertEqual(Point.dimensions, 2)

    def test_comparison_and_text(self) -> None:
        """Objects are equal, hashable and printed as those of any dataclass."""
        self.assertEqual(Point(1, 2, ["a"]), Point(1, 2))
        self.assertNotEqual(Point(1, 2), Point(1, 3))
        self.assertNotEqual(Point(1, 2), NamedPoint(1, 2))
        self.assertEqual(len({Point(1), Point(1), Point(2)}), 2)
        self.assertEqual(repr(Point(1)), "Point(x=1, y=0, seen_count=7)")
        self.assertNotEqual(Thing(1), Thing(1))
        with self.assertRaises(TypeError):
            hash(Counter())

    def test_first_objects(self) -> None:
        """The first object of a kind is as good as the second."""
        fresh = self.fresh()
        self.assertEqual((fresh(1).x, fresh(1).y), (1, 5))
        fresh = self.fresh()
        with self.assertRaises(TypeError):
            fresh()  # type: ignore[call-arg]
        with self.assertRaises(dataclasses.FrozenInstanceError):
            fresh(1).x = 2  # type: ignore[misc]
        match self.fresh()(1, 2):
            case Point():
                self.fail("another class")
            case other:
                self.assertEqual(dataclasses.astuple(other), (1, 2))

    def test_frozen(self) -> None:
        """A frozen object is not changed, and has nothing but its fields."""
        point = Point(1)
        for name in ("x", "seen_count", "other"):
            with self.assertRaises(dataclasses.FrozenInstanceError):
                setattr(point, name, 2)
            with self.assertRaises(dataclasses.FrozenInstanceError):
                delattr(point, name)
        self.assertFalse(hasattr(point, "__dict__"))

    def test_changeable(self) -> None:
        """Others are, but have no attributes besides their fields."""
        counter = Counter(label="a")
        counter.count += 1
        self.assertEqual(counter, Counter(count=1, label="a"))
        with self.assertRaises(AttributeError):
            counter.other = 1  # type: ignore[attr-defined]
        with self.assertRaises(TypeError):
            Counter(1)  # type: ignore[call-arg]

    def test_subclasses(self) -> None:
        """A subclass has the fields of its bases; a plain one what it likes."""
        self.assertEqual(NamedPoint(1, name="a").moved(1), NamedPoint(2, name="a"))
        self.assertEqual(NamedPoint(1).seen_count, 7)
        self.assertEqual(DeepPoint(1, depth=2), DeepPoint(1, depth=2))
        tagged = TaggedPoint(1, name="a")
        tagged.tag = "b"  # type: ignore[attr-defined]
        self.assertEqual((tagged.tag, tagged.name), ("b", "a"))  # type: ignore[attr-defined]
        with self.assertRaises(dataclasses.FrozenInstanceError):
            tagged.x = 2  # type: ignore[misc]

    def test_copies(self) -> None:
        """Objects can be copied, and sent to another process."""
        point = NamedPoint(1, 2, ["a"], name="b")
        for copied in (copy.deepcopy(point), pickle.loads(pickle.dumps(point))):
            self.assertEqual((copied, copied.marks), (point, ["a"]))
        self.assertEqual(
            {each.name for each in dataclasses.fields(point)},
            {"x", "y", "marks", "seen_count", "name"},
        )

    def test_slots_are_asked_for(self) -> None:
        """A class without slots is one for the standard library."""
        make: Callable[[], object] = records.dataclass
        with self.assertRaisesRegex(TypeError, "slots=True"):
            make()
