"""`condor_twisted.security.identity`."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import AuthenticationFailed
from condor_twisted.security.identity import (
    ANONYMOUS_USER,
    RESERVED_DOMAINS,
    UNAUTHENTICATED_USER,
    check_user,
    is_authenticated,
    is_mapped,
    make_user,
)


class IdentityTests(SynchronousTestCase):
    """What a name means."""

    def test_domains_are_lower_case(self) -> None:
        """The domain is folded, the user is not."""
        self.assertEqual(make_user("Alice", "Test.Domain"), "Alice@test.domain")
        self.assertEqual(make_user("Alice", None), "Alice")

    def test_mapped(self) -> None:
        """A user is mapped where the domain means somebody."""
        self.assertTrue(is_mapped("alice@test.domain"))
        for user in (UNAUTHENTICATED_USER, "ssl@unmapped", ANONYMOUS_USER, "", "a@"):
            self.assertFalse(is_mapped(user), user)

    def test_authenticated(self) -> None:
        """Only the name for nobody is unauthenticated."""
        self.assertTrue(is_authenticated(ANONYMOUS_USER))
        self.assertFalse(is_authenticated(UNAUTHENTICATED_USER))
        self.assertFalse(is_authenticated(""))


class CheckUserTests(SynchronousTestCase):
    """What a method may say that somebody is."""

    def refuse(self, user: str) -> None:
        """This name is refused."""
        self.assertRaises(AuthenticationFailed, check_user, "FS", user)

    def test_good(self) -> None:
        """Ordinary names pass as they are."""
        for user in ("alice@test.domain", ANONYMOUS_USER, "müller@test.domain"):
            self.assertEqual(check_user("FS", user), user)

    def test_mnh_4_23_names_are_printable_and_have_one_at(self) -> None:
        """Control characters, several @, empty parts and huge names are refused."""
        for user in (
            "",
            "a@b@c",
            "@test.domain",
            "alice@",
            "alice\n@test.domain",
            "alice\0@test.domain",
            "al\x7fice@test.domain",
            "al\udce4ice@test.domain",
        ):
            with self.subTest(user=user):
                self.refuse(user)
        self.refuse("a" * 1013 + "@test.domain")
        check_user("FS", "a" * 1012 + "@test.domain")

    def test_reserved_domains(self) -> None:
        """No network method makes a member of the family, nor a password holder."""
        for domain in RESERVED_DOMAINS:
            self.refuse(f"condor@{domain}")
            self.refuse(f"condor@{domain.upper()}")
        check_user("PASSWORD", "condor@password", {"password"})

    @given(st.text(max_size=40))
    @settings(deadline=None, max_examples=200)
    def test_only_documented_errors(self, user: str) -> None:
        """Whatever a name is, it passes or the login is refused."""
        try:
            self.assertEqual(check_user("FS", user), user)
        except AuthenticationFailed:
            return
        self.assertTrue(user.isprintable())
        self.assertLessEqual(user.count("@"), 1)
