"""`condor_twisted.security.credentials`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.security.credentials import (
    NO_FILES,
    Credentials,
    find_tokens,
    load_credentials,
    token_place,
)
from condor_twisted.security.facts import HostFacts
from condor_twisted.security.steps import ReadTokens
from condor_twisted.security.tokens.token import SigningKey, create_token, scramble
from tests.security.kit import DictKnobs, FakeFiles, counting_random, make_state

KEY_FILE = b"a key of sixteen bytes or more"
KEY = SigningKey.from_file("K", KEY_FILE)
TOKEN = create_token(KEY, "test.pool", "a@b", 1000, counting_random())
OTHER = create_token(KEY, "test.pool", "c@d", 1000, counting_random())
KNOBS = {
    "SEC_PASSWORD_DIRECTORY": "/keys/",
    "SEC_PASSWORD_FILE": "/password",
    "SEC_TOKEN_POOL_SIGNING_KEY_FILE": "/keys/POOL",
    "SEC_TOKEN_DIRECTORY": "/tokens",
    "LOCAL_CONFIG_DIR_EXCLUDE_REGEXP": r"^(\..*)$",
}


def load(files: FakeFiles, knobs: Mapping[str, str] | None = None) -> Credentials:
    """What is found among these files."""
    return load_credentials(
        DictKnobs({**KNOBS, **(knobs or {})}), HostFacts("h", 1), files
    )


class KeyTests(SynchronousTestCase):
    """Signing keys."""

    def test_names(self) -> None:
        """Every file of the directory with a good name is a key, and the pool's."""
        files = FakeFiles(
            {f"/keys/{name}": KEY_FILE for name in ("B", "A", "POOL", ".x", "a b")}
        )
        found = load(files)
        self.assertEqual(list(found.signing_keys), ["A", "B", "POOL"])
        self.assertEqual(found.issuer_keys, "A, B, POOL")
        self.assertEqual(found.problems, ())
        self.assertFalse(found.keys_hidden)

    def test_mnh_4_32_read_once(self) -> None:
        """Keys are read when they are loaded; nobody's name is a path later."""
        files = FakeFiles({"/keys/A": KEY_FILE})
        found = load(files)
        before = list(files.read)
        self.assertIsNone(found.signing_keys.get("../etc/shadow"))
        self.assertEqual(files.read, before)

    def test_mnh_4_31_short_key(self) -> None:
        """A key that is too short is none, and a problem."""
        found = load(FakeFiles({"/keys/A": b"short"}))
        self.assertEqual(found.issuer_keys, "")
        self.assertEqual(len(found.problems), 1)
        self.assertIn("/keys/A", found.problems[0])

    def test_mnh_4_37_not_ours(self) -> None:
        """A key that others can read is none, and a problem."""
        found = load(FakeFiles(texts={"/keys/POOL": "x"}))
        self.assertEqual(found.issuer_keys, "")
        self.assertEqual(
            found.problems, ("the signing key /keys/POOL is not ours alone",)
        )

    def test_hidden(self) -> None:
        """A directory that cannot be listed may have keys."""
        self.assertTrue(load(FakeFiles(unlistable=("/keys/",))).keys_hidden)

    def test_nothing_configured(self) -> None:
        """Without files and knobs there is nothing."""
        found = load_credentials(DictKnobs(), HostFacts("h", 1), NO_FILES)
        self.assertEqual(found, Credentials())
        self.assertFalse(NO_FILES.is_readable("/etc/passwd"))
        self.assertIsNone(NO_FILES.read_text("/etc/passwd"))
        self.assertIsNone(NO_FILES.read_secret("/etc/passwd"))
        self.assertIsNone(NO_FILES.directory_files("/etc", ""))
        self.assertEqual(NO_FILES.secret_names("/etc", ""), ())

    def test_mnh_0_5_repr(self) -> None:
        """What is found does not show its secrets."""
        files = FakeFiles({"/keys/A": KEY_FILE, "/password": scramble(b"word")})
        found = load(files)
        self.assertNotIn("word'", repr(found))
        self.assertNotIn(repr(KEY.jwt_key), repr(found))


class PasswordTests(SynchronousTestCase):
    """The pool's password."""

    def test_content(self) -> None:
        """It ends at the first NUL, before or behind the scrambling."""
        for content, password in (
            (scramble(b"word"), b"word"),
            (scramble(b"word") + b"\0\0", b"word"),
            (scramble(b"word\0more"), b"word"),
            (b"", None),
            (b"\0", None),
            (scramble(b"\0word"), None),
        ):
            found = load(FakeFiles({"/password": content}))
            self.assertEqual(found.pool_password, password)
        self.assertIsNone(load(FakeFiles()).pool_password)


class TokenTests(SynchronousTestCase):
    """Tokens."""

    def test_place(self) -> None:
        """The configured directory, a user's own, the system's, or none."""
        system = {"SEC_TOKEN_SYSTEM_DIRECTORY": "/system"}
        user = HostFacts("h", 1, user_directory="/home/a/.condor")
        root = HostFacts("h", 1)
        for knobs, host, directory in (
            ({**KNOBS, **system}, user, "/tokens"),
            (system, user, "/home/a/.condor/tokens.d"),
            (system, root, "/system"),
        ):
            place = token_place(DictKnobs(knobs, "SCHEDD"), host)
            assert place is not None
            self.assertEqual(place.directory, directory)
            self.assertEqual(place.first_name, "SCHEDD_auto_generated_token")
        self.assertIsNone(token_place(DictKnobs(), root))

    def test_order(self) -> None:
        """The daemon's own file is first, then files by name; one token a line."""
        files = FakeFiles(
            {
                "/tokens/b": f"# note\n\n {OTHER} \n".encode(),
                "/tokens/schedd_AUTO_generated_token": TOKEN.encode(),
                "/tokens/a": b"first\nsecond\n",
                "/tokens/.hidden": b"hidden",
            }
        )
        place = ReadTokens("/tokens", "SCHEDD_auto_generated_token", r"^\.")
        self.assertEqual(find_tokens(place, files), (TOKEN, "first", "second", OTHER))
        self.assertEqual(find_tokens(place, FakeFiles(unlistable=("/tokens",))), ())

    def test_has_token(self) -> None:
        """A line that is no token does not count."""
        self.assertTrue(
            load(FakeFiles({"/tokens/a": f"x\n{TOKEN}".encode()})).has_token
        )
        self.assertFalse(load(FakeFiles({"/tokens/a": b"junk\xff"})).has_token)
        self.assertFalse(load(FakeFiles()).has_token)


class CertificateTests(SynchronousTestCase):
    """A server's certificate."""

    def test_pairs(self) -> None:
        """One pair whose files can both be read is enough."""
        knobs = {
            "AUTH_SSL_SERVER_CERTFILE": "/a.pem, /b.pem,/c.pem",
            "AUTH_SSL_SERVER_KEYFILE": "/a.key,/b.key",
        }
        for texts, ready in (
            (("/a.pem", "/a.key"), True),
            (("/b.pem", "/b.key"), True),
            (("/a.pem", "/b.key"), False),
            (("/c.pem",), False),
            ((), False),
        ):
            files = FakeFiles(texts=dict.fromkeys(texts, ""))
            self.assertIs(load(files, knobs).has_server_certificate, ready)


class RealmTests(SynchronousTestCase):
    """Realms of Kerberos."""

    KNOBS: ClassVar = {"KERBEROS_MAP_FILE": "/realms"}

    def test_no_file(self) -> None:
        """Without a file every realm is a domain."""
        self.assertIsNone(load(FakeFiles()).realm_domains)
        self.assertIsNone(load(FakeFiles(), {"KERBEROS_MAP_FILE": ""}).realm_domains)

    def test_file(self) -> None:
        """The last line of a realm counts, and what is no line is a problem."""
        text = "# ours\n\nA.REALM = a.example\nB=b.example  more\nONE\nA.REALM = c\n"
        found = load(FakeFiles(texts={"/realms": text}), self.KNOBS)
        self.assertEqual(found.realm_domains, {"A.REALM": "c", "B": "b.example"})
        (problem,) = found.problems
        self.assertEqual(problem, "/realms: line 5: ONE has no domain behind it")

    def test_unreadable_file(self) -> None:
        """Where the file cannot be read, no realm has a domain."""
        found = load(FakeFiles(), self.KNOBS)
        self.assertEqual(found.realm_domains, {})
        self.assertIn("/realms: cannot be read", found.problems[0])


class VomsTests(SynchronousTestCase):
    """What a configuration wants that is not here."""

    def test_told(self) -> None:
        """Whoever wants VOMS to name proxies is told that it does not."""
        wants = {"USE_VOMS_ATTRIBUTES": "True", "AUTH_SSL_ALLOW_CLIENT_PROXY": "True"}
        for knobs, told in (
            (wants, True),
            ({**wants, "AUTH_SSL_USE_VOMS_IDENTITY": "False"}, False),
            ({"USE_VOMS_ATTRIBUTES": "True"}, False),
            ({}, False),
        ):
            found = make_state(knobs).file_problems
            self.assertEqual(any("VOMS" in each for each in found), told)
