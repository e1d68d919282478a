"""Tests of ``fuzz.mutations``."""

from __future__ import annotations

import random

from twisted.trial.unittest import SynchronousTestCase

from fuzz import seeds
from fuzz.mutations import each_byte_flipped, expression, mutate, truncations


class MutationTests(SynchronousTestCase):
    def test_repeatable(self) -> None:
        """The same seed gives the same inputs, another one others."""

        def some(seed: int) -> list[bytes]:
            chance = random.Random(seed)
            return [mutate(chance, b"abcdefgh" * 9, [b"xyz"]) for _ in range(200)]

        self.assertEqual(some(1), some(1))
        self.assertNotEqual(some(1), some(2))
        self.assertGreater(len(set(some(1))), 150)

    def test_every_byte_and_every_length(self) -> None:
        """Flipping and cutting leave nothing out."""
        self.assertEqual(each_byte_flipped(b"\0\1"), [b"\xff\1", b"\0\xfe"])
        self.assertEqual(truncations(b"abc"), [b"", b"a", b"ab"])

    def test_expressions(self) -> None:
        """Most expressions are ones."""
        from condor_twisted.classad.expressions import check_expression

        chance = random.Random(3)
        texts = [expression(chance).encode() for _ in range(300)]
        good = sum(check_expression(text) for text in texts)
        self.assertGreater(good, 200)
        self.assertGreater(len(set(texts)), 200)

    def test_seeds(self) -> None:
        """There is something to start from, of each kind."""
        self.assertGreater(len(seeds.messages()), 50)
        self.assertGreater(len(seeds.streams()), 100)
        self.assertGreater(len(seeds.datagrams()), 20)
        self.assertIn("security-fs 0", seeds.handshakes())
