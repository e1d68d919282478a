"""`condor_twisted.protocols.known_hosts`."""

from __future__ import annotations

import io
import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.protocols import known_hosts
from condor_twisted.protocols.known_hosts import KnownHosts, ask_user
from condor_twisted.security.host_requests import (
    ConfirmServer,
    KnownHost,
    ReadKnownHost,
    RecordKnownHost,
)

ONE = KnownHost("one", True, "SSL", "AAAA")
TWO = KnownHost("two", False, "SSL", "BBBB")


class FileTests(SynchronousTestCase):
    """The file."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp()) / "deep" / "known_hosts"
        self.hosts = KnownHosts()

    def find(self, host: str) -> KnownHost | None:
        """Look a host up."""
        return self.hosts.find(ReadKnownHost(str(self.path), host))

    def record(self, known: KnownHost) -> bool:
        """Write a host down."""
        return self.hosts.record(RecordKnownHost(str(self.path), known))

    def test_lines(self) -> None:
        """A file is made where there is none; no line comes twice."""
        self.assertIsNone(self.find("one"))
        for known in (ONE, TWO, ONE):
            self.assertTrue(self.record(known))
        self.assertEqual(self.path.read_text(), "one SSL AAAA\n!two SSL BBBB\n")
        self.assertEqual([self.find("one"), self.find("two")], [ONE, TWO])
        self.assertEqual(self.path.stat().st_mode & 0o022, 0)

    def test_changes(self) -> None:
        """What others change is seen, and an unfinished line stays one of its own."""
        self.record(ONE)
        with self.path.open("a") as file:
            file.write("three FS unknown")
        self.assertEqual(self.find("three"), KnownHost("three", True, "FS", "unknown"))
        self.record(TWO)
        self.assertEqual(self.find("two"), TWO)
        self.path.unlink()
        self.assertIsNone(self.find("one"))

    def test_unusable(self) -> None:
        """A file that cannot be written, is none, or is too long gets no line."""
        self.path.parent.mkdir(parents=True)
        self.path.mkdir()
        self.assertFalse(self.record(ONE))
        self.path.rmdir()
        os.mkfifo(self.path)
        self.assertIsNone(self.find("one"))
        self.assertFalse(self.record(ONE))
        self.path.unlink()
        self.patch(known_hosts, "MAX_FILE_BYTES", 30)
        self.assertEqual([self.record(ONE), self.record(TWO)], [True, True])
        self.assertFalse(self.record(KnownHost("three", True, "SSL", "CCCC")))


class AskTests(SynchronousTestCase):
    """The question."""

    def ask(self, *answers: str, subject: str = "/CN=x") -> tuple[bool, str]:
        """Answer; what came of it, and what was said."""
        reading, writing = os.pipe()
        os.write(writing, "".join(answers).encode())
        os.close(writing)
        said = io.StringIO()
        with os.fdopen(reading) as stream:
            step = ConfirmServer("cm.example.org", "ab:cd", subject, True)
            return ask_user(step, stream, said), said.getvalue()

    def test_answers(self) -> None:
        """Only a yes is one."""
        trusted, said = self.ask("yes\n")
        self.assertTrue(trusted)
        for text in ("cm.example.org", "untrusted CA certificate", "SHA-256: ab:cd"):
            self.assertIn(text, said)
        for answer in ("no\n", "y\n", "\n", "YES\n", ""):
            self.assertFalse(self.ask(answer)[0], answer)

    def test_mnh_7_2_subject(self) -> None:
        """A subject cannot play with the terminal."""
        self.assertNotIn("\x1b", self.ask("no\n", subject="/CN=\x1b[2J")[1])

    def test_time(self) -> None:
        """Who does not answer has said no."""
        self.patch(known_hosts, "ANSWER_SECONDS", 0.0)
        self.assertFalse(self.ask("yes\n")[0])
