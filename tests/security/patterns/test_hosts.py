"""`condor_twisted.security.patterns.hosts`."""

from __future__ import annotations

import ipaddress

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.security.patterns.hosts import (
    AccessEntry,
    glob_matches,
    parse_entries,
    parse_ip,
    parse_network,
)


def one(text: str) -> AccessEntry:
    """The one entry of a list."""
    (entry,) = parse_entries(text)
    return entry


class AddressTests(SynchronousTestCase):
    """Addresses and networks."""

    def test_ip(self) -> None:
        """Both kinds of address are read; an IPv4 one in IPv6 form is the IPv4 one."""
        self.assertEqual(str(parse_ip("10.0.0.1")), "10.0.0.1")
        self.assertEqual(str(parse_ip("::ffff:10.0.0.1")), "10.0.0.1")
        self.assertEqual(str(parse_ip("[::1]")), "::1")
        self.assertEqual(str(parse_ip("fe80::1%eth0")), "fe80::1")
        for text in ("", "host", "10.0.0", "1" * 100):
            self.assertIsNone(parse_ip(text))

    def test_networks(self) -> None:
        """Each form of a network is read."""
        for text, network in (
            ("10.1.2.3", "10.1.2.3/32"),
            ("127.*", "127.0.0.0/8"),
            ("127", "127.0.0.0/8"),
            ("128.105.", "128.105.0.0/16"),
            ("128.105*", "128.105.0.0/16"),
            ("*", "0.0.0.0/0"),
            ("128.105.0.0/16", "128.105.0.0/16"),
            ("128.105.67.29/255.255.0.0", "128.105.0.0/16"),
            ("::1", "::1/128"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("2001:db8:*", "2001:db8::/32"),
        ):
            with self.subTest(text=text):
                self.assertEqual(parse_network(text), ipaddress.ip_network(network))

    def test_no_networks(self) -> None:
        """What is no network is none."""
        for text in (
            "host",
            "host.*",
            "300.1.1.1",
            "1.2.3.4.5",
            "10.0.0.0/33",
            "10.0.0.0/255.129.0.0",
            "10.0.0.0/x",
            "::/ffff::",
            "2001:d*",
            "1.2.3.4/8/9",
            "1:::*",
            "2001:*:1",
            "1" * 129,
            "",
        ):
            with self.subTest(text=text):
                self.assertIsNone(parse_network(text))


class GlobTests(SynchronousTestCase):
    """Globs."""

    def test_globs(self) -> None:
        """An asterisk stands for anything, also nothing, wherever it is."""
        for pattern, text, expected in (
            ("*", "anything", True),
            ("*", "", True),
            ("a*", "abc", True),
            ("*c", "abc", True),
            ("a*c", "ac", True),
            ("a*c", "abd", False),
            ("aa*aa", "aaa", False),
            ("*b*d*", "abcde", True),
            ("*d*b*", "abcde", False),
            ("abc", "abc", True),
            ("abc", "abcd", False),
            ("a?c", "abc", False),
            ("a.c", "abc", False),
            ("[a]", "a", False),
        ):
            with self.subTest(pattern=pattern, text=text):
                self.assertEqual(glob_matches(pattern.split("*"), text), expected)

    @given(st.text("ab*", max_size=8), st.text("ab", max_size=8))
    @settings(deadline=None, max_examples=200)
    def test_as_simple_matching(self, pattern: str, text: str) -> None:
        """The quick way answers as the obvious one does."""

        def matches(pattern: str, text: str) -> bool:
            if not pattern:
                return not text
            if pattern[0] == "*":
                return matches(pattern[1:], text) or (
                    bool(text) and matches(pattern, text[1:])
                )
            return text[:1] == pattern[0] and matches(pattern[1:], text[1:])

        self.assertEqual(glob_matches(pattern.split("*"), text), matches(pattern, text))


class EntryTests(SynchronousTestCase):
    """Entries of lists."""

    def test_separators(self) -> None:
        """Commas and blanks separate."""
        self.assertEqual(
            [each.text for each in parse_entries("a, b c,,d")], list("abcd")
        )

    def test_users_and_hosts(self) -> None:
        """Each form of an entry is split into user and host."""
        for text, user, everywhere, networks, name in (
            ("alice@dom", "alice@dom", True, 0, None),
            ("host.dom", "*", False, 0, "host.dom"),
            ("*.dom", "*", False, 0, "*.dom"),
            ("*", "*", True, 0, None),
            ("*/*", "*", True, 0, None),
            ("alice@dom/host", "alice@dom", False, 0, "host"),
            ("*/10.0.0.1", "*", False, 1, None),
            ("10.0.0.0/8", "*", False, 1, None),
            ("10.0.0.0/255.0.0.0", "*", False, 1, None),
            ("alice@dom/10.0.0.0/8", "alice@dom", False, 1, None),
            ("bob/10.0.0.1", "bob", False, 1, None),
            ("::1", "*", False, 1, None),
        ):
            with self.subTest(text=text):
                entry = one(text)
                self.assertEqual(["*".join(parts) for parts in entry.users], [user])
                self.assertEqual(entry.everywhere, everywhere)
                self.assertEqual(len(entry.networks), networks)
                found = None if entry.name is None else "*".join(entry.name)
                self.assertEqual(found, name)

    def test_host_names_to_look_up(self) -> None:
        """Plain names are looked up; globs and sinful strings are not."""
        self.assertEqual(one("Host.Dom").host_name, "host.dom")
        for text in ("*.dom", "<10.0.0.1:9618>", "host:9618", "10.0.0.1"):
            self.assertIsNone(one(text).host_name)

    def test_pool_user_equivalence(self) -> None:
        """condor@ also means condor_pool@, and the other way; it can be off."""
        entry = one("condor@dom")
        self.assertTrue(entry.matches_user("condor_pool@dom"))
        self.assertTrue(one("condor_pool@dom").matches_user("condor@dom"))
        (entry,) = parse_entries("condor@dom", pool_equivalent=False)
        self.assertFalse(entry.matches_user("condor_pool@dom"))

    def test_special_entries(self) -> None:
        """Netgroups and this host's addresses are recognized."""
        self.assertEqual(one("+admins").group, "admins")
        self.assertTrue(one("{:LOCAL_IPS:}").local)
        self.assertFalse(one("+admins").matches_user("alice@dom"))

    @given(st.text(max_size=30))
    @settings(deadline=None, max_examples=200)
    def test_any_text_is_a_list(self, text: str) -> None:
        """No text of an administrator raises."""
        parse_entries(text)
