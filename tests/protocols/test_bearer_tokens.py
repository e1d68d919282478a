"""Tests of ``condor_twisted.protocols.bearer_tokens``."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.protocols.bearer_tokens import find_bearer_token


class FindTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A directory, and a user whose token in /tmp is not there."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        patched = mock.patch.object(os, "geteuid", return_value=4_000_000_000)
        patched.start()
        self.addCleanup(patched.stop)

    def file(self, name: str, content: bytes) -> str:
        """Write a file; its path."""
        path = self.directory / name
        path.write_bytes(content)
        return str(path)

    def test_places(self) -> None:
        """The environment, its file, the user's run-time directory, in this order."""
        path = self.file("token", b" from-file\n")
        self.file("bt_u4000000000", b"from-directory\n")
        found = {
            "BEARER_TOKEN": " direct ",
            "BEARER_TOKEN_FILE": path,
            "XDG_RUNTIME_DIR": str(self.directory),
        }
        self.assertEqual(find_bearer_token(None, found), "direct")
        found["BEARER_TOKEN"] = "  "
        self.assertEqual(find_bearer_token(None, found), "from-file")
        found["BEARER_TOKEN_FILE"] = str(self.directory / "none")
        self.assertEqual(find_bearer_token(None, found), "from-directory")
        self.assertIsNone(find_bearer_token(None, {}))

    def test_configured_file(self) -> None:
        """The first line that is no comment, and nothing from elsewhere."""
        path = self.file("file", b"# note\n\n  token  \nmore\n")
        self.assertEqual(find_bearer_token(path, {"BEARER_TOKEN": "x"}), "token")
        for bad in (self.file("empty", b"# note\n"), str(self.directory), "a\0b"):
            self.assertIsNone(find_bearer_token(bad, {"BEARER_TOKEN": "x"}))

    def test_unusable(self) -> None:
        """More than one line, or 16 KiB, is no token, and the search ends there."""
        self.file("bt_u4000000000", b"other")
        rest = {"XDG_RUNTIME_DIR": str(self.directory)}
        for content in (b"a\nb", b"x" * 16384):
            path = self.file("bad", content)
            self.assertIsNone(
                find_bearer_token(None, {"BEARER_TOKEN_FILE": path, **rest})
            )
        path = self.file("good", b"x" * 16383)
        self.assertEqual(
            find_bearer_token(None, {"BEARER_TOKEN_FILE": path, **rest}), "x" * 16383
        )
        self.assertIsNone(
            find_bearer_token(None, {"BEARER_TOKEN_FILE": str(self.directory), **rest})
        )
        self.assertIsNone(find_bearer_token(None, {"BEARER_TOKEN": "a\nb", **rest}))
