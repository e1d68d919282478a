"""Tests of ``condor_twisted.tools.token.files``."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.settings import Settings
from condor_twisted.protocols.secret_files import create_signing_key
from condor_twisted.security.tokens.token import Token, parse_token
from condor_twisted.tools.token import files
from condor_twisted.tools.token.files import create, list_tokens
from condor_twisted.tools.token.options import TokenOptions
from tests.tools.kit import Written


class FilesTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.out, self.err = Written(), Written()
        self.patch(sys, "stdout", self.out)
        self.patch(sys, "stderr", self.err)
        self.place = Path(self.mktemp()).absolute()
        keys = self.place / "keys"
        keys.mkdir(parents=True)
        for name in ("POOL", "OTHER"):
            create_signing_key(str(keys / name))
        self.tokens = self.place / "deep" / "tokens.d"
        self.knobs = {
            "SEC_PASSWORD_DIRECTORY": str(keys),
            "SEC_TOKEN_POOL_SIGNING_KEY_FILE": str(keys / "POOL"),
            "SEC_TOKEN_DIRECTORY": str(self.tokens),
            "TRUST_DOMAIN": "pool.example",
        }
        self.patch(
            files,
            "read_tool_settings",
            lambda: Settings.from_assignments(self.knobs, "TOOL"),
        )

    def only_token(self) -> Token:
        """The one token that was printed."""
        [line] = self.out.text.splitlines()
        return parse_token(line)


class CreateTests(FilesTestCase):
    def test_printing(self) -> None:
        """A token is printed, with all that was wanted."""
        options = TokenOptions(
            identity="bob@pool.example",
            key="OTHER",
            limits=["READ", "WRITE"],
            lifetime_seconds=60,
        )
        self.assertEqual(create(options), 0)
        token = self.only_token()
        self.assertEqual(token.subject, "bob@pool.example")
        self.assertEqual(token.issuer, "pool.example")
        self.assertEqual(token.key_name, "OTHER")
        self.assertEqual(token.limits, "READ,WRITE")
        issued = token.claims["iat"]
        assert isinstance(issued, int)
        self.assertEqual(token.expires_at, issued + 60)

    def test_for_ever(self) -> None:
        """A negative life is none that ends."""
        create(TokenOptions(identity="bob@x", lifetime_seconds=-1))
        token = self.only_token()
        self.assertIsNone(token.expires_at)
        self.assertEqual(token.key_name, "POOL")

    def test_mnh_9_1_writing(self) -> None:
        """-token writes into the directory of tokens, for this user alone."""
        options = TokenOptions(identity="bob@x", token_name="mine")
        self.assertEqual(create(options), 0)
        file = self.tokens / "mine"
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        for each in (self.tokens, self.tokens.parent):
            self.assertEqual(stat.S_IMODE(each.stat().st_mode), 0o700)
        parse_token(file.read_text().strip())
        self.assertTrue(file.read_text().endswith("\n"))
        file.chmod(0o666)
        before = file.read_text()
        self.assertEqual(create(options), 0)
        self.assertNotEqual(file.read_text(), before)
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        self.assertEqual(self.out.text, "")

    def test_writing_elsewhere(self) -> None:
        """-file writes where it says."""
        file = self.place / "token"
        self.assertEqual(create(TokenOptions(identity="bob@x", file=str(file))), 0)
        parse_token(file.read_text().strip())
        bad = str(self.place / "none" / "token")
        self.assertEqual(create(TokenOptions(identity="bob@x", file=bad)), 1)
        self.assertIn(f"Cannot write token to {bad}: No such file", self.err.text)

    def test_names(self) -> None:
        """-token names a file, not a path."""
        for name in ("../mine", "/mine", "a/b"):
            options = TokenOptions(identity="bob@x", token_name=name)
            self.assertEqual(create(options), 1)
        self.assertIn("Token name isn't a plain filename", self.err.text)
        self.assertEqual(os.listdir(self.place), ["keys"])

    def test_no_place(self) -> None:
        """Where nobody says where tokens are, nothing is written."""
        self.knobs["SEC_TOKEN_DIRECTORY"] = ""
        self.patch(files, "token_place", lambda knobs, host: None)
        self.assertEqual(create(TokenOptions(identity="b@x", token_name="t")), 1)
        self.assertIn("set SEC_TOKEN_DIRECTORY", self.err.text)

    def test_failures(self) -> None:
        """Without a key, a domain or a name there is no token, and it is said why."""
        for options, text in (
            (TokenOptions(identity="b@x", key="NONE"), "keys/NONE securely"),
            (TokenOptions(identity="b@family"), "reserved domain"),
            (TokenOptions(identity="b\n@x"), "unprintable"),
        ):
            self.assertEqual(create(options), 1)
            self.assertIn("Failed to generate a token.\n", self.err.text)
            self.assertIn(text, self.err.text)
        self.knobs["SEC_TOKEN_POOL_SIGNING_KEY_FILE"] = ""
        self.knobs["SEC_PASSWORD_FILE"] = ""
        self.assertEqual(create(TokenOptions(identity="b@x")), 1)
        self.assertEqual(create(TokenOptions()), 1)


class ListTests(FilesTestCase):
    def setUp(self) -> None:
        super().setUp()
        create(TokenOptions(identity="bob@x", token_name="b", limits=["READ"]))
        create(TokenOptions(identity="al@x", token_name="a"))

    def test_listing(self) -> None:
        """What tokens say is shown, without what proves them."""
        self.assertEqual(list_tokens(TokenOptions()), 0)
        first, second = self.out.text.splitlines()
        self.assertRegex(
            first,
            r'^Header: \{"alg":"HS256","kid":"POOL"\} Payload: \{.*"sub":"al@x"\} '
            f"File: {self.tokens}/a$",
        )
        self.assertIn('"scope":"condor:/READ"', second)
        for name in ("a", "b"):
            signature = (self.tokens / name).read_text().strip().rpartition(".")[2]
            self.assertNotIn(signature, self.out.text)

    def test_where(self) -> None:
        """-dir and -file say where to look."""
        self.assertEqual(list_tokens(TokenOptions(directory=str(self.tokens))), 0)
        self.assertEqual(len(self.out.text.splitlines()), 2)
        self.assertEqual(list_tokens(TokenOptions(file=str(self.tokens / "a"))), 0)
        self.assertEqual(len(self.out.text.splitlines()), 3)

    def test_what_is_no_token(self) -> None:
        """Comments, other lines and files that are left out are not shown."""
        (self.tokens / "a~").write_text((self.tokens / "a").read_text())
        (self.tokens / "a").write_text("# a comment\n\njunk\na.b\na.b.c\ne30.e30\n")
        (self.tokens / "sub").mkdir()
        list_tokens(TokenOptions())
        self.assertEqual(len(self.out.text.splitlines()), 1)

    def test_nothing_there(self) -> None:
        """No directory of tokens is no failure, but one that was named is."""
        self.knobs["SEC_TOKEN_DIRECTORY"] = str(self.place / "none")
        self.assertEqual(list_tokens(TokenOptions()), 0)
        self.assertEqual(self.err.text, "")
        for options in (
            TokenOptions(directory=str(self.place / "none")),
            TokenOptions(file=str(self.place / "none")),
        ):
            self.assertEqual(list_tokens(options), 1)
        self.assertIn("Cannot list", self.err.text)
        self.assertIn("Failed to open token file", self.err.text)
        self.patch(files, "token_place", lambda knobs, host: None)
        self.assertEqual(list_tokens(TokenOptions()), 0)
