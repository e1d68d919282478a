"""Tests of ``condor_twisted.daemoncore.ports.list_addresses``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.settings import Settings
from condor_twisted.constants.permissions import Permission
from condor_twisted.daemoncore.ports.list_addresses import ListAddresses, host_addresses
from condor_twisted.protocols.host_steps import Host
from condor_twisted.security.authorization import Authorizer


class ListAddressesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.table = {"a.example": ("192.0.2.1",)}
        self.waiting: list[tuple[Deferred[Any], Callable[[], Any]]] = []
        self.changes = 0
        self.lists = ListAddresses(
            Host(Clock(), self.run_blocking),
            self.changed,
            lambda name: self.table.get(name, ()),
        )
        self.authorizer = self.read(ALLOW_WRITE="a.example, b.example")

    def read(self, **knobs: str) -> Authorizer:
        """Lists out of knobs."""
        return Authorizer.from_knobs(Settings.from_assignments(knobs, "COLLECTOR"))

    def run_blocking(self, function: Callable[..., Any], *arguments: Any) -> Any:
        outcome: Deferred[Any] = Deferred()
        self.waiting.append((outcome, lambda: function(*arguments)))
        return outcome

    def answer(self) -> None:
        """Let the look-ups end."""
        waiting, self.waiting = self.waiting, []
        for outcome, function in waiting:
            outcome.callback(function())

    def changed(self) -> None:
        self.changes += 1

    def allows(self, address: str) -> bool:
        """Whether an address may write."""
        decision = self.authorizer.decide(
            Permission.WRITE, address, "unauthenticated@unmapped", None, ()
        )
        return decision.allowed

    def test_names_in_lists(self) -> None:
        """A host name in a list stands for its addresses, once they are known."""
        self.lists.refresh(self.authorizer)
        self.assertFalse(self.allows("192.0.2.1"))
        self.answer()
        self.assertTrue(self.allows("192.0.2.1"))
        self.assertFalse(self.allows("192.0.2.2"))
        self.assertEqual(self.changes, 1)

    def test_what_is_known_holds_meanwhile(self) -> None:
        """New lists know at once what old ones knew; what went is forgotten."""
        self.lists.refresh(self.authorizer)
        self.answer()
        self.authorizer = self.read(ALLOW_WRITE="a.example")
        self.lists.refresh(self.authorizer)
        self.assertTrue(self.allows("192.0.2.1"))
        self.table = {}  # a resolver that fails for a while
        self.answer()
        self.assertTrue(self.allows("192.0.2.1"))
        self.assertEqual(self.changes, 1)

    def test_refreshing(self) -> None:
        """Every tenth minute the names are looked up again."""
        self.lists.refresh(self.authorizer)
        self.answer()
        for _ in range(9):
            self.lists.keep_fresh(self.authorizer)
        self.assertEqual(self.waiting, [])
        self.table = {"a.example": ("192.0.2.9",)}
        self.lists.keep_fresh(self.authorizer)
        self.answer()
        self.assertTrue(self.allows("192.0.2.9"))
        self.assertFalse(self.allows("192.0.2.1"))
        self.assertEqual(self.changes, 2)

    def test_lists_without_names(self) -> None:
        """Nobody is asked where no list has a name."""
        self.lists.refresh(self.read(ALLOW_WRITE="192.0.2.1"))
        self.assertEqual(self.waiting, [])

    def test_look_up(self) -> None:
        """The system's resolver gives each address once, or none."""
        self.assertIn("127.0.0.1", host_addresses("127.0.0.1"))
        self.assertEqual(host_addresses("not a host name at all.invalid"), ())
        self.assertEqual(host_addresses("x" * 300), ())
