"""`condor_twisted.security.authorization`."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.constants.permissions import Permission
from condor_twisted.daemoncore.configuration.reading import (
    ConfigurationRequest,
    read_configuration,
)
from condor_twisted.security import authorization
from condor_twisted.security.authorization import Authorizer, Decision, parse_limits
from condor_twisted.security.identity import UNAUTHENTICATED_USER
from condor_twisted.security.patterns.hosts import parse_ip
from tests.security.kit import DictKnobs

ALICE = "alice@a.org"
LEVELS = (
    Permission.READ,
    Permission.WRITE,
    Permission.NEGOTIATOR,
    Permission.ADMINISTRATOR,
    Permission.CONFIG,
    Permission.DAEMON,
    Permission.ADVERTISE_STARTD,
    Permission.ADVERTISE_SCHEDD,
    Permission.ADVERTISE_MASTER,
)
ADVERTISE = "ADVERTISE_STARTD ADVERTISE_SCHEDD ADVERTISE_MASTER"


def lists(subsystem: str = "COLLECTOR", **knobs: str) -> Authorizer:
    """The lists of these knobs."""
    return Authorizer.from_knobs(DictKnobs(knobs, subsystem))


def granted(authorizer: Authorizer, user: str = ALICE) -> str:
    """The levels that a user holds from somewhere."""
    return " ".join(
        level.name
        for level in LEVELS
        if authorizer.decide(level, "10.0.0.5", user).allowed
    )


class MatrixTests(SynchronousTestCase):
    """What was observed of the real daemon, one set of knobs at a time."""

    def expect(self, levels: str, **knobs: str) -> None:
        """These knobs give Alice these levels and no others."""
        with self.subTest(knobs=knobs):
            self.assertEqual(granted(lists(**knobs)), levels)

    def test_matrix(self) -> None:
        """Each configuration grants what the real collector grants."""
        self.expect("")
        self.expect("READ WRITE", ALLOW_WRITE=ALICE)
        self.expect(f"READ WRITE DAEMON {ADVERTISE}", ALLOW_DAEMON=ALICE)
        self.expect("READ WRITE ADMINISTRATOR", ALLOW_ADMINISTRATOR=ALICE)
        self.expect("READ NEGOTIATOR", ALLOW_NEGOTIATOR=ALICE)
        self.expect("READ CONFIG", ALLOW_CONFIG=ALICE)
        self.expect("READ ADVERTISE_STARTD", ALLOW_ADVERTISE_STARTD=ALICE)
        self.expect(" ".join(level.name for level in LEVELS), ALLOW_DEFAULT=ALICE)
        self.expect("WRITE", ALLOW_WRITE="*", DENY_READ=ALICE)
        self.expect(
            f"READ DAEMON {ADVERTISE}",
            ALLOW_WRITE="*",
            DENY_WRITE=ALICE,
            ALLOW_DAEMON=ALICE,
        )
        self.expect("READ WRITE", ALLOW_WRITE_COLLECTOR=ALICE, ALLOW_WRITE="bob@a.org")
        self.expect("", DENY_DEFAULT=ALICE, ALLOW_READ="*", ALLOW_WRITE="*")
        self.expect(
            f"READ WRITE DAEMON {ADVERTISE}",
            LEGACY_ALLOW_SEMANTICS="True",
            ALLOW_WRITE=ALICE,
        )

    def test_subsystem_list_replaces(self) -> None:
        """A list for the subsystem replaces the general one."""
        authorizer = lists(ALLOW_WRITE_COLLECTOR=ALICE, ALLOW_WRITE="bob@a.org")
        self.assertEqual(granted(authorizer, "bob@a.org"), "")

    def test_mnh_5_1_empty_allow_is_nobody(self) -> None:
        """Without any ALLOW list nobody holds anything, and says why."""
        decision = lists().decide(Permission.READ, "127.0.0.1", ALICE)
        self.assertFalse(decision.allowed)
        self.assertIn("no matching ALLOW entry", decision.reason)
        decision = lists().decide(Permission.DAEMON, "127.0.0.1", ALICE)
        self.assertEqual(
            decision.reason, "DAEMON authorization policy denies all access"
        )

    def test_mnh_5_1_deny_wins(self) -> None:
        """A DENY that matches wins over any ALLOW, and is named."""
        for deny in (ALICE, "ALICE@*", "10.0.0.*", "*", "*/10.0.0.0/8", "+group"):
            authorizer = lists(ALLOW_READ=f"{ALICE}, 10.0.0.5, *", DENY_READ=deny)
            decision = authorizer.decide(Permission.READ, "10.0.0.5", ALICE)
            self.assertFalse(decision.allowed, deny)
            self.assertEqual(decision.line, f"DENY_READ = {deny}")

    def test_level_allow(self) -> None:
        """Level ALLOW is for everybody, whatever the lists and limits say."""
        authorizer = lists(DENY_ALLOW="*", DENY_DEFAULT="*")
        decision = authorizer.decide(
            Permission.ALLOW, "10.0.0.5", UNAUTHENTICATED_USER, frozenset()
        )
        self.assertTrue(decision.allowed)

    def test_client_default(self) -> None:
        """Any server may be talked to unless the configuration says otherwise."""
        client = Permission.CLIENT
        for subsystem in ("COLLECTOR", "TOOL"):
            self.assertTrue(lists(subsystem).decide(client, "1.2.3.4", "x").allowed)
        authorizer = lists("TOOL", DENY_CLIENT="1.2.3.4", ALLOW_READ="*")
        self.assertFalse(authorizer.decide(client, "1.2.3.4", "x").allowed)
        self.assertFalse(authorizer.decide(Permission.READ, "1.2.3.4", "x").allowed)


class EntryMatchingTests(SynchronousTestCase):
    """Addresses, users and names."""

    def ask(
        self,
        authorizer: Authorizer,
        address: str,
        user: str = UNAUTHENTICATED_USER,
        names: tuple[str, ...] | None = (),
    ) -> Decision:
        """Whether somebody may READ."""
        return authorizer.decide(Permission.READ, address, user, None, names)

    def test_by_address(self) -> None:
        """Networks and prefixes hold for their own kind of address."""
        authorizer = lists(ALLOW_READ="127.*, 10.1.0.0/16, ::1, 2001:db8:*")
        for address in (
            "127.0.0.1",
            "10.1.9.9",
            "::1",
            "2001:db8::5",
            "::ffff:127.0.0.1",
        ):
            self.assertTrue(self.ask(authorizer, address).allowed, address)
        for address in ("128.0.0.1", "10.2.0.1", "::2", "2001:db9::1", "junk"):
            self.assertFalse(self.ask(authorizer, address).allowed, address)

    def test_user_and_host(self) -> None:
        """Both halves of an entry have to match."""
        authorizer = lists(ALLOW_READ="alice@a.org/10.0.0.1, *@b.org/10.0.0.2")
        self.assertTrue(self.ask(authorizer, "10.0.0.1", "Alice@A.org").allowed)
        self.assertFalse(self.ask(authorizer, "10.0.0.2", ALICE).allowed)
        self.assertTrue(self.ask(authorizer, "10.0.0.2", "bob@b.org").allowed)

    def test_bare_user_never_matches(self) -> None:
        """An entry of a user without a domain is nobody's."""
        authorizer = lists(ALLOW_READ="bob/10.0.0.1")
        self.assertFalse(self.ask(authorizer, "10.0.0.1", "bob@a.org").allowed)

    def test_names_are_asked_for_only_where_they_matter(self) -> None:
        """Where no list has names, nobody looks any up."""
        decision = self.ask(lists(ALLOW_READ="127.*"), "10.0.0.1", names=None)
        self.assertFalse(decision.needs_names)
        decision = self.ask(lists(ALLOW_READ="*.a.org"), "10.0.0.1", names=None)
        self.assertTrue(decision.needs_names)
        self.assertFalse(decision.allowed)

    def test_implied_levels_ask_for_names(self) -> None:
        """A name in the list of a level that implies this one matters as well."""
        authorizer = lists(ALLOW_DAEMON="*.a.org", ALLOW_READ="127.*")
        self.assertTrue(self.ask(authorizer, "10.0.0.1", names=None).needs_names)
        decision = self.ask(authorizer, "10.0.0.1", names=("h.a.org",))
        self.assertTrue(decision.allowed)
        self.assertTrue(decision.reason.startswith("READ is implied by WRITE; WRITE"))

    def test_by_name(self) -> None:
        """Confirmed names are matched without case; DENY by name wins."""
        authorizer = lists(ALLOW_READ="*.a.org", DENY_READ="bad.a.org")
        self.assertTrue(self.ask(authorizer, "10.0.0.1", names=("H.A.ORG",)).allowed)
        authorizer = lists(ALLOW_READ="*.a.org", DENY_READ="bad.a.org")
        decision = self.ask(authorizer, "10.0.0.1", names=("h.a.org", "bad.a.org"))
        self.assertFalse(decision.allowed)
        self.assertEqual(decision.line, "DENY_READ = bad.a.org")

    def test_mnh_5_1_host_names_by_address(self) -> None:
        """A host name in a list holds for its addresses once somebody gave them."""
        authorizer = lists(
            ALLOW_READ="h.a.org", DENY_CONFIG="g.a.org", ALLOW_CONFIG="x@y"
        )
        self.assertEqual(authorizer.host_names_needed, {"h.a.org", "g.a.org"})
        self.assertFalse(self.ask(authorizer, "10.0.0.1").allowed)
        authorizer.set_addresses({"H.A.org": ["10.0.0.1", "::1", "junk"]})
        self.assertTrue(self.ask(authorizer, "10.0.0.1").allowed)
        self.assertTrue(self.ask(authorizer, "::1").allowed)

    def test_own_addresses(self) -> None:
        """``{:local_ips:}`` means loopback and this host's addresses."""
        own = parse_ip("10.0.0.9")
        assert own is not None
        authorizer = Authorizer.from_knobs(
            DictKnobs({"ALLOW_READ": "{:local_ips:}"}), [own]
        )
        for address, allowed in (
            ("127.0.0.1", True),
            ("10.0.0.9", True),
            ("10.0.0.8", False),
        ):
            self.assertEqual(self.ask(authorizer, address).allowed, allowed)

    def test_only_denies(self) -> None:
        """ALLOW for everybody with a DENY list lets in whom it does not name."""
        authorizer = lists(ALLOW_READ="*", DENY_READ="10.0.0.1")
        self.assertTrue(self.ask(authorizer, "10.0.0.2").allowed)
        self.assertFalse(self.ask(authorizer, "10.0.0.1").allowed)


class HoleTests(SynchronousTestCase):
    """Holes."""

    def test_hole_comes_before_deny(self) -> None:
        """A hole opens a level and what it implies, before any list; it is counted."""
        authorizer = lists(DENY_DEFAULT="*")
        who = "condor@family"
        authorizer.punch_hole(Permission.DAEMON, who)
        authorizer.punch_hole(Permission.DAEMON, who)
        self.assertEqual(granted(authorizer, who), "READ WRITE DAEMON")
        self.assertTrue(authorizer.fill_hole(Permission.DAEMON, who))
        self.assertEqual(granted(authorizer, who), "READ WRITE DAEMON")
        self.assertTrue(authorizer.fill_hole(Permission.DAEMON, who))
        self.assertEqual(granted(authorizer, who), "")
        self.assertFalse(authorizer.fill_hole(Permission.DAEMON, who))

    def test_hole_by_address(self) -> None:
        """A hole may be for an address, or for a user at an address."""
        authorizer = lists()
        authorizer.punch_hole(Permission.READ, "10.0.0.5")
        authorizer.punch_hole(Permission.WRITE, f"{ALICE}/10.0.0.5")
        self.assertEqual(granted(authorizer, "bob@a.org"), "READ")
        self.assertEqual(granted(authorizer), "READ WRITE")

    def test_no_name_looks_like_another_kind_of_hole(self) -> None:
        """Nobody gets through an address's or another's hole by a name."""
        authorizer = lists()
        authorizer.punch_hole(Permission.READ, "10.0.0.9")
        authorizer.punch_hole(Permission.READ, f"{ALICE}/10.0.0.9")
        for user in ("10.0.0.9", f"{ALICE}/10.0.0.9"):
            self.assertEqual(granted(authorizer, user), "")

    def test_limits_come_before_holes(self) -> None:
        """The limits of a credential hold for holes, too."""
        authorizer = lists()
        authorizer.punch_hole(Permission.DAEMON, ALICE)
        decision = authorizer.decide(
            Permission.WRITE, "10.0.0.5", ALICE, frozenset({Permission.READ})
        )
        self.assertFalse(decision.allowed)

    def test_holes_outlive_reconfiguration(self) -> None:
        """New lists take the old ones' holes over."""
        old = lists()
        old.punch_hole(Permission.READ, ALICE)
        new = lists()
        new.copy_holes_from(old)
        self.assertEqual(granted(new), "READ")


class CacheTests(SynchronousTestCase):
    """Answers are remembered."""

    def test_same_answer(self) -> None:
        """The same question gets the same object."""
        authorizer = lists(ALLOW_READ="10.*")
        first = authorizer.decide(Permission.READ, "10.0.0.1", ALICE)
        self.assertIs(authorizer.decide(Permission.READ, "10.0.0.1", ALICE), first)
        authorizer.forget_answers()
        self.assertIsNot(authorizer.decide(Permission.READ, "10.0.0.1", ALICE), first)

    def test_bounded(self) -> None:
        """However many peers ask, a bounded number of answers is kept."""
        self.patch(authorization, "_MAX_CACHED_DECISIONS", 10)
        authorizer = lists(ALLOW_READ="10.*")
        for number in range(50):
            authorizer.decide(Permission.READ, f"10.0.0.{number}", ALICE)
        self.assertEqual(len(authorizer._cache), 10)


class LimitTests(SynchronousTestCase):
    """LimitAuthorization."""

    def test_implied(self) -> None:
        """A limit includes what it implies."""
        self.assertEqual(
            parse_limits("write, ADVERTISE_STARTD"),
            {Permission.WRITE, Permission.READ, Permission.ADVERTISE_STARTD},
        )

    def test_unknown_names_give_nothing(self) -> None:
        """Unknown names are left out, and an empty limit is no freedom."""
        limits = parse_limits("DENY, FOO")
        self.assertEqual(limits, frozenset())
        authorizer = lists(ALLOW_READ="*")
        self.assertFalse(
            authorizer.decide(Permission.READ, "10.0.0.1", ALICE, limits).allowed
        )


class PlaceTests(SynchronousTestCase):
    """Decisions carry the line of configuration that made them."""

    def decide(self, level: Permission, text: str, user: str = ALICE) -> Decision:
        """Decide under a configuration file, for a collector called NAME."""
        path = Path(self.mktemp())
        path.write_text(text)
        request = ConfigurationRequest(
            "COLLECTOR", "NAME", str(path), environment={}, host=None
        )
        self.path = path
        settings = read_configuration(request).settings
        return Authorizer.from_knobs(settings).decide(level, "10.0.0.5", user)

    def test_entry_and_line(self) -> None:
        """An ALLOW entry that matched is told with its knob, file and line."""
        decision = self.decide(Permission.WRITE, "A = b\nALLOW_WRITE = x@y, *@a.org\n")
        self.assertEqual(decision.line, "ALLOW_WRITE = *@a.org")
        self.assertEqual(
            decision.because,
            "WRITE authorization policy allows IP address 10.0.0.5; "
            f"ALLOW_WRITE = *@a.org, {self.path}, line 2",
        )

    def test_spellings(self) -> None:
        """Per-subsystem and local-name lists are named as they were written."""
        for first, second in (
            ("ALLOW_READ_COLLECTOR", "ALLOW_READ"),
            ("COLLECTOR.ALLOW_READ", "ALLOW_READ"),
            ("NAME.ALLOW_READ", "COLLECTOR.ALLOW_READ"),
            ("NAME.ALLOW_READ_COLLECTOR", "ALLOW_READ_COLLECTOR"),
            ("ALLOW_READ", "ALLOW_DEFAULT_COLLECTOR"),
            ("ALLOW_DEFAULT_COLLECTOR", "ALLOW_DEFAULT"),
        ):
            with self.subTest(first=first):
                text = f"{second} = nobody@x\n{first} = {ALICE}\n"
                decision = self.decide(Permission.READ, text)
                self.assertEqual(decision.line, f"{first} = {ALICE}")
                assert decision.knob is not None
                self.assertEqual(decision.knob.source, f"{self.path}, line 2")

    def test_denied(self) -> None:
        """A DENY entry is told likewise, and so is a list that has nothing."""
        text = f"ALLOW_WRITE = *\nNAME.DENY_WRITE = {ALICE}\n"
        decision = self.decide(Permission.WRITE, text)
        self.assertEqual(decision.line, f"NAME.DENY_WRITE = {ALICE}")
        decision = self.decide(Permission.WRITE, "ALLOW_WRITE = bob@a.org\n")
        self.assertIsNone(decision.line)
        self.assertIn(
            f"; nothing in ALLOW_WRITE, {self.path}, line 1", decision.because
        )
        decision = self.decide(Permission.WRITE, "ALLOW_WRITE=*\nDENY_WRITE = *\n")
        self.assertEqual(decision.line, "DENY_WRITE = *")

    def test_implied(self) -> None:
        """A level that another one implies is told with that one's line."""
        decision = self.decide(Permission.READ, f"ALLOW_DAEMON = {ALICE}\n")
        self.assertEqual(decision.line, f"ALLOW_DAEMON = {ALICE}")

    def test_no_list(self) -> None:
        """Where no list is set, the knobs are told that would be one."""
        decision = self.decide(Permission.ADVERTISE_STARTD, "")
        self.assertEqual(
            decision.unset,
            (
                "ALLOW_ADVERTISE_STARTD_COLLECTOR",
                "ALLOW_ADVERTISE_STARTD",
                "ALLOW_DAEMON_COLLECTOR",
                "ALLOW_DAEMON",
                "ALLOW_DEFAULT_COLLECTOR",
                "ALLOW_DEFAULT",
            ),
        )
        self.assertIn("none is set of ALLOW_ADVERTISE_STARTD_COLL", decision.because)
        self.assertTrue(self.decide(Permission.READ, "").unset)

    def test_templates(self) -> None:
        """A list that ``use security`` sets names the line and the template."""
        text = "UID_DOMAIN = a.org\nuse security:recommended\n"
        decision = self.decide(Permission.READ, text)
        assert decision.knob is not None, decision
        self.assertTrue(decision.allowed)
        self.assertIn(f"{self.path}, line 2, use SECURITY:", decision.knob.source)

    def test_client(self) -> None:
        """The built-in list of CLIENT says that it is the default."""
        decision = lists("TOOL").decide(Permission.CLIENT, "10.0.0.5", ALICE)
        self.assertIn("ALLOW_CLIENT = *, <Default>", decision.because)
