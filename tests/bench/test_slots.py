"""Tests of ``bench.slots``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from bench.slots import MEMORY_STEPS_MB, SlotFarm, schedd_lines
from bench.wire import encode_ad, encode_int, parse_ad

NOW = 1_795_350_381


def public_and_private(
    message: bytes, *, encrypted: bool = False
) -> tuple[dict[str, str], dict[str, str]]:
    """Read both ads of an update message, to its last byte."""
    assert message[:8] == encode_int(0)
    public, position = parse_ad(message, 8, encrypted=encrypted)
    private, end = parse_ad(message, position, encrypted=encrypted)
    assert end == len(message)
    return public, private


class UpdateTests(SynchronousTestCase):
    """What an update holds."""

    def setUp(self) -> None:
        """Make three machines."""
        self.farm = SlotFarm(24, NOW)

    def test_size(self) -> None:
        """Ads have the size for which the targets are set."""
        sizes = [len(update) for update in self.farm.updates(1)]
        self.assertTrue(all(6_200 < size < 7_200 for size in sizes), sizes)
        public, private = public_and_private(self.farm.update(1, 1))
        self.assertEqual(len(public), 186)
        self.assertEqual(len(private), 7)

    def test_nothing_left_to_fill_in(self) -> None:
        """No placeholder survives in any slot."""
        for update in self.farm.updates(1):
            self.assertNotRegex(update.decode("latin-1"), r"@[A-Z_]+@|%\(")

    def test_keys_are_distinct(self) -> None:
        """Every slot has a name and a disk size of its own."""
        ads = [public_and_private(update)[0] for update in self.farm.updates(1)]
        for attribute in ("name", "totaldisk"):
            self.assertEqual(len({ad[attribute] for ad in ads}), self.farm.count)
        self.assertEqual(ads[3]["name"], f'"{self.farm.name(3)}"')
        self.assertEqual(ads[3]["machine"], f'"{self.farm.machine(3)}"')

    def test_machines_differ(self) -> None:
        """Ads of different lots have different attributes, so no one form fits all."""
        farm = SlotFarm(64, NOW)
        forms = {tuple(public_and_private(update)[0]) for update in farm.updates(1)}
        self.assertIn(len(forms), range(8, 16))

    def test_consecutive_cycles_differ(self) -> None:
        """Between two cycles about twenty attributes change, and nothing else."""
        for index in range(self.farm.count):
            first = public_and_private(self.farm.update(index, 6))[0]
            second = public_and_private(self.farm.update(index, 7))[0]
            self.assertEqual(list(first), list(second))
            changed = {name for name in first if first[name] != second[name]}
            self.assertIn(len(changed), range(12, 25))
            self.assertLessEqual(
                {"updatesequencenumber", "mycurrenttime", "loadavg"}, changed
            )
            self.assertNotIn("name", changed)

    def test_encrypted_form_has_the_same_ads(self) -> None:
        """Both forms of an update hold the same attributes."""
        clear = public_and_private(self.farm.update(5, 2))
        sealed = self.farm.update(5, 2, encrypted=True)
        self.assertEqual(public_and_private(sealed, encrypted=True), clear)
        self.assertEqual(parse_ad(self.farm.public_ad(5, 2))[0], clear[0])

    def test_a_tenth_has_each_memory_size(self) -> None:
        """The constraint of a tenth is met by exactly a tenth."""
        farm = SlotFarm(40, NOW)
        ads = [public_and_private(update)[0] for update in farm.updates(1)]
        sizes = [int(ad["memory"]) for ad in ads]
        self.assertEqual({sizes.count(size) for size in MEMORY_STEPS_MB}, {4})


class ScheddTests(SynchronousTestCase):
    """The ads that are looked up."""

    def test_keys(self) -> None:
        """A schedd's ad has what its key and its address need."""
        ad, _ = parse_ad(encode_ad(schedd_lines(3, NOW)))
        self.assertEqual(ad["name"], '"ap03.cluster.example.org"')
        self.assertIn("10.9.0.4", ad["myaddress"])
