"""`fuzz.conversations`: what is run, and what is found."""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import (
    AuthenticationFailed,
    LocalProtocolError,
    RemoteProtocolError,
)
from condor_twisted.security.methods import METHODS as BUILT
from condor_twisted.security.methods.base import AuthResult
from condor_twisted.security.methods.password import PasswordMethod
from condor_twisted.security.steps import Handshake, receive_message, send_message
from fuzz import limits
from fuzz.carrying import CLIENT, METHOD_ERRORS, SERVER, Damage, carry
from fuzz.conversations import KINDS, run_conversations, run_row
from fuzz.house import Broken
from fuzz.methods import METHODS
from tests.security.kit import Side


class RunTests(SynchronousTestCase):
    """All kinds."""

    def test_every_method(self) -> None:
        """Every method of this build is talked about, by both sides."""
        self.assertEqual(
            sorted(each.name for each in METHODS),
            sorted(each.used_name for each in BUILT),
        )

    def test_mnh_11_nothing_is_found(self) -> None:
        """Each kind with each victim ends in documented errors, and some do end so."""
        for kind in KINDS:
            for side in kind.sides:
                with self.subTest(name=kind.name, side=side):
                    found = run_row(kind.name, side, 25, 3)
                    self.assertIsNone(found.problem)
                    self.assertEqual(found.count, 25)
                    self.assertGreater(found.refused, 5)

    def test_undamaged(self) -> None:
        """What nobody damages succeeds."""
        for kind in KINDS:
            if "unknown" not in kind.name:
                outcome = kind.run(random.Random(1), SERVER, None)
                self.assertFalse(outcome.refused, kind.name)


class FindingTests(SynchronousTestCase):
    """What is wrong is found, and told."""

    def find(self, server: Callable[..., Handshake[AuthResult]]) -> str:
        """The problem of a method whose server is this."""
        self.patch(PasswordMethod, "server", server)
        return run_row("PASSWORD", SERVER, 200, 1).problem or ""

    def test_undocumented_errors(self) -> None:
        """Whatever a method does not document is a fault."""
        for error in (IndexError("a mistake"), LocalProtocolError("ours")):

            def server(*arguments: Any, error: Exception = error) -> Any:
                heard = yield from receive_message()
                yield from send_message(heard)
                if len(heard) < 20:
                    raise error
                raise RemoteProtocolError("as it should be")

            self.assertIn(str(error), self.find(server))

    def test_somebody_else(self) -> None:
        """A damaged conversation that makes somebody else is a fault."""
        honest = PasswordMethod.server
        calls: list[int] = []

        def server(*arguments: Any) -> Any:
            calls.append(1)
            if len(calls) < 60:
                return (yield from honest(*arguments))
            yield from receive_message()
            return AuthResult("root@password")

        self.assertIn("root@password", self.find(server))

    def test_slowness(self) -> None:
        """So is one that takes too long."""
        self.patch(limits, "INPUT_SECONDS", -1.0)
        self.assertIn("it took", run_row("FS", CLIENT, 5, 1).problem or "")

    def test_end(self) -> None:
        """A handshake that goes on when everybody is gone is a fault."""

        def deaf() -> Handshake[AuthResult]:
            while True:
                with contextlib.suppress(RemoteProtocolError):
                    yield from receive_message()

        def refusing() -> Handshake[AuthResult]:
            raise AuthenticationFailed("FS", "no")
            yield

        with self.assertRaises(Broken):
            carry(
                Side(refusing()),
                lambda first: Side(deaf()),
                SERVER,
                Damage(random.Random(4), 1),
                METHOD_ERRORS,
            )

    def test_printed(self) -> None:
        """Each kind and side has its line, and what was found its file."""
        folder = Path(self.mktemp())
        with contextlib.redirect_stdout(io.StringIO()) as output:
            self.assertTrue(run_conversations(1, 1, folder, processes=1))
        text = output.getvalue()
        rows = sum(len(kind.sides) for kind in KINDS)
        self.assertEqual(len(text.splitlines()), rows + 2)
        self.assertIn(f"{rows} damaged conversations", text)
        self.assertFalse(folder.exists())
