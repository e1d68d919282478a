"""`condor_twisted.security.tokens.scitoken_plugins`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import AuthenticationFailed, TokenRefused
from condor_twisted.security.facts import HostFacts
from condor_twisted.security.host_requests import ProgramResult, RunProgram
from condor_twisted.security.tokens.scitoken_plugins import (
    plugin_environment,
    plugins_of,
    run_plugins,
    split_arguments,
)
from condor_twisted.security.tokens.scitokens import parse_scitoken
from tests.security.kit import DictKnobs, FakeHost, Side
from tests.security.methods.test_scitokens import pair
from tests.security.scitoken_kit import ISSUER, KEYS, scitoken

COMMANDS = {
    "SEC_SCITOKENS_PLUGIN_A_COMMAND": "/a",
    "SEC_SCITOKENS_PLUGIN_B_COMMAND": "/b -x 'y z'",
}
ACCEPTS = ProgramResult(0, "bob@pool more\n")
DECLINES = ProgramResult(1, "nobody")


class ChoiceTests(SynchronousTestCase):
    """Which plugins are asked."""

    def test_choice(self) -> None:
        """Those of the map file; without one, and for ``*``, those that are listed."""
        listed = {"SEC_SCITOKENS_PLUGIN_NAMES": "A B"}
        mapped = {**listed, "CERTIFICATE_MAPFILE": "/map"}
        for knobs, name, plugins in (
            ({}, None, None),
            ({}, "alice@pool", None),
            (listed, None, ("A", "B")),
            (mapped, None, None),
            (mapped, "alice@pool", None),
            (mapped, "PLUGIN:B,C", ("B", "C")),
            (mapped, "PLUGIN:*", ("A", "B")),
            ({}, "PLUGIN:*", ()),
        ):
            self.assertEqual(plugins_of(DictKnobs(knobs), name), plugins)

    def test_arguments(self) -> None:
        """Single quotes hold words together; two of them within are one."""
        for text, words in (
            ("/a", ("/a",)),
            ("  /a  -x\ty ", ("/a", "-x", "y")),
            ("/a 'b c' d'e'f '' 'it''s'", ("/a", "b c", "def", "", "it's")),
            ('/a "b', ("/a", '"b')),
            ("", ()),
            ("/a 'b", ()),
        ):
            self.assertEqual(split_arguments(text), words)


class RunTests(SynchronousTestCase):
    """Asking them."""

    def ask(
        self, *names: str, knobs: Mapping[str, str] | None = None, **programs: Any
    ) -> Side[str]:
        """Ask these plugins, whose programs end so."""
        host = FakeHost(programs={f"/{name}": end for name, end in programs.items()})
        given = DictKnobs({**COMMANDS, **(knobs or {})})
        facts = HostFacts("h", 1, condor_user="condor")
        return Side(run_plugins(given, facts, names, parse_scitoken(scitoken())), host)

    def test_accepted(self) -> None:
        """The first that accepts names the bearer, in its output or by its knob."""
        side = self.ask("A", "B", a=DECLINES, b=ACCEPTS)
        self.assertEqual(side.value, "bob@pool")
        first, second = side.host.asked
        assert isinstance(first, RunProgram)
        assert isinstance(second, RunProgram)
        self.assertEqual(second.command, ("/b", "-x", "y z"))
        self.assertEqual(second.user, "condor")
        self.assertEqual(json.loads(first.standard_input)["sub"], "alice")
        self.assertNotIn("alice", repr(first))
        knobs = {"SEC_SCITOKENS_PLUGIN_A_MAPPING": "group@pool"}
        side = self.ask("A", "B", a=ProgramResult(0, "x"), knobs=knobs)
        self.assertEqual(side.value, "group@pool")

    def test_declined(self) -> None:
        """Where all decline, and where there is none, nobody is named."""
        self.assertEqual(self.ask("A", "B", a=DECLINES, b=DECLINES).value, "")
        self.assertEqual(self.ask().value, "")

    def test_failures(self) -> None:
        """Whatever else a plugin does refuses the token; no other is asked."""
        for end, reason in (
            (None, "did not run to its end"),
            (ProgramResult(2, "x"), "ended with 2"),
            (ProgramResult(0, " \n"), "named nobody"),
        ):
            side = self.ask("A", "B", a=end, b=ACCEPTS)
            error = self.assertRaises(TokenRefused, side.outcome)
            self.assertIn(reason, str(error))
            self.assertEqual(len(side.host.asked), 1)
        for name in ("C", "x/y", "../A", ""):
            self.assertRaises(TokenRefused, self.ask(name, a=ACCEPTS).outcome)

    def test_environment(self) -> None:
        """Issuer, subject, audience, scopes, groups, and all claims that are text."""
        token = parse_scitoken(
            scitoken(aud=["one", "two"], wlcg_groups=["/a", "/b"], number=5, odd="x\0y")
        )
        found = plugin_environment(token)
        for name, value in (
            ("ISSUER", ISSUER),
            ("SUBJECT", "alice"),
            ("AUDIENCE", "one"),
            ("SCOPE_0", "condor:/READ"),
            ("SCOPE_1", "condor:/WRITE"),
            ("GROUP_1", "/b"),
            ("CLAIM_wlcg.groups_0", "/a"),
            ("CLAIM_aud_1", "two"),
            ("CLAIM_sub_0", "alice"),
        ):
            self.assertEqual(found[f"BEARER_TOKEN_0_{name}"], value)
        self.assertNotIn("BEARER_TOKEN_0_CLAIM_number_0", found)
        self.assertNotIn("BEARER_TOKEN_0_CLAIM_odd_0", found)

    def test_names_of_claims(self) -> None:
        """A claim cannot name another variable, nor break one."""
        claims: dict[str, Any] = {"a=b": "x", "c d": "x", "é": "x"}
        token = parse_scitoken(scitoken(**claims))
        names = [each for each in plugin_environment(token) if each.endswith("_0")]
        self.assertFalse([each for each in names if "=" in each or " " in each])
        self.assertTrue(all(each.isascii() for each in names))


class MethodTests(SynchronousTestCase):
    """Plugins in the method and in the choice of methods."""

    def login(self, end: ProgramResult | None, mapped: str = "PLUGIN:A") -> Any:
        """Both sides of a login with a plugin that ends so."""
        return pair(
            scitoken(),
            keys=KEYS,
            server_knobs=COMMANDS,
            identity_map=lambda method, name: mapped,
            programs={"/a": end},
        )

    def test_accepted(self) -> None:
        """The plugin's name is the bearer's; the authenticated one stays."""
        one, other, _ = self.login(ACCEPTS)
        result = other.outcome()
        self.assertEqual(result.canonical_name, "bob@pool")
        self.assertEqual(result.authenticated_name, f"{ISSUER},alice")
        one.outcome()

    def test_declined(self) -> None:
        """Nobody is named, and the bearer is somebody nevertheless."""
        result = self.login(DECLINES)[1].outcome()
        self.assertEqual(
            (result.canonical_name, result.user), ("", "scitokens@unmapped")
        )

    def test_failed(self) -> None:
        """The client hears that its token is not accepted."""
        for side in self.login(None)[:2]:
            self.assertRaises(AuthenticationFailed, side.outcome)

    def test_unproved(self) -> None:
        """No plugin is asked about a token that is not proved."""
        _, other, host = pair(
            scitoken(),
            keys=None,
            server_knobs=COMMANDS,
            identity_map=lambda method, name: "PLUGIN:A",
            programs={"/a": ACCEPTS},
        )
        self.assertRaises(AuthenticationFailed, other.outcome)
        self.assertFalse([s for s in host.asked if isinstance(s, RunProgram)])
