"""`condor_twisted.security.explanation`."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import AuthorizationDenied
from condor_twisted.security.commands import DC_SEC_QUERY
from condor_twisted.security.explanation import (
    Explanation,
    Wish,
    explain_client,
    explanation_pairs,
    map_rule,
    read_explanation,
    wishes_of,
)
from condor_twisted.security.handshake.connecting import connect
from condor_twisted.security.handshake.outgoing import CommandStart, NegotiationRecord
from condor_twisted.security.handshake.pod_ads import PodAd
from condor_twisted.security.handshake.serving import serve
from condor_twisted.security.identity_map import read_identity_map
from tests.security.kit import (
    DictKnobs,
    FakeFiles,
    Side,
    client_context,
    make_state,
    run_pair,
    server_context,
)

CLAIM = {
    "SEC_DEFAULT_AUTHENTICATION": "REQUIRED",
    "SEC_DEFAULT_AUTHENTICATION_METHODS": "CLAIMTOBE",
    "ALLOW_WRITE": "bob@test.domain, alice@*",
}
OPEN = {**CLAIM, "SEC_DEFAULT_AUTHENTICATION": "NEVER"}
#: WRITE and what implies it are another user's.
CLOSED = {
    **CLAIM,
    "ALLOW_WRITE": "bob@test.domain",
    "ALLOW_DAEMON": "bob@test.domain",
    "ALLOW_ADMINISTRATOR": "bob@test.domain",
}
DC_NOP_WRITE = 60021


def ask(
    knobs: Mapping[str, str], about: int = DC_NOP_WRITE, *, explain: bool = True
) -> NegotiationRecord:
    """Ask a server under these knobs; what the client knows afterwards."""
    record = NegotiationRecord()
    start = CommandStart(DC_SEC_QUERY, about, explain=explain, record=record)
    client = make_state({**knobs, "ALLOW_CLIENT": "*"}, subsystem="TOOL")
    server = make_state(knobs)
    one = Side(connect(client_context(client), start))
    run_pair(one, lambda first: serve(server_context(server), first))
    if one.error is not None and not isinstance(one.error, AuthorizationDenied):
        raise one.error
    return record


def told(knobs: Mapping[str, str], about: int = DC_NOP_WRITE) -> Explanation | None:
    """What the server tells."""
    record = ask(knobs, about)
    assert record.verdict is not None
    return read_explanation(record.verdict)


class TellingTests(SynchronousTestCase):
    """What a server tells, and whom."""

    def test_allowed(self) -> None:
        """Policy, identity, mapping and the entry that matched are told."""
        found = told(CLAIM)
        assert found is not None
        self.assertEqual(found.level, "WRITE")
        wish = found.wishes["Authentication"]
        self.assertEqual(wish.value, "REQUIRED")
        self.assertEqual(wish.knob, "SEC_DEFAULT_AUTHENTICATION, <knobs>")
        self.assertEqual(found.wishes["CryptoMethods"].value, "AES,BLOWFISH,3DES")
        self.assertEqual(found.line, "ALLOW_WRITE = alice@*")
        self.assertEqual(found.source, "<knobs>")
        self.assertIn("CLAIMTOBE says alice", found.identity or "")
        self.assertIn("there is no map", found.mapping or "")
        self.assertEqual(found.attempts, ())

    def test_refused(self) -> None:
        """Who is refused and holds READ is told why."""
        found = told(CLOSED)
        assert found is not None
        self.assertIn("contains no matching ALLOW entry", found.reason or "")
        self.assertEqual(found.line, "nothing in ALLOW_WRITE")
        found = told({**CLAIM, "DENY_WRITE": "ann@x, alice@*"})
        assert found is not None
        self.assertEqual(found.line, "DENY_WRITE = alice@*")

    def test_mnh_6_4_no_other_user(self) -> None:
        """No entry but the one that matched this client is told."""
        for knobs in (CLAIM, CLOSED):
            verdict = ask(knobs).verdict
            assert verdict is not None
            texts = [str(verdict.literal(name)) for name in verdict]
            self.assertFalse([text for text in texts if "bob" in text])

    def test_mnh_0_5_who_may_not_know(self) -> None:
        """Nobody in particular, and who may not READ, learn nothing at all."""
        names = {"ALLOW_READ": "bob@*", "ALLOW_WRITE": "*", "ALLOW_DAEMON": "bob@*"}
        closed = {**names, "ALLOW_ADMINISTRATOR": "bob@*", "ALLOW_NEGOTIATOR": "bob@*"}
        denied = {**CLAIM, **closed, "DENY_READ": "alice@*"}
        anonymous = {**OPEN, **closed, "ALLOW_READ": "*", "ALLOW_WRITE": "*"}
        for knobs in (denied, anonymous):
            verdict = ask(knobs).verdict
            assert verdict is not None
            self.assertIsNone(read_explanation(verdict))
            self.assertFalse([name for name in verdict if "explain" in name])

    def test_administrator(self) -> None:
        """Who holds ADMINISTRATOR, however that is, may know."""
        self.assertIsNotNone(told({**OPEN, "ALLOW_WRITE": "bob@*"}))

    def test_only_who_asks(self) -> None:
        """Who does not ask, as real clients, gets what HTCondor sends."""
        verdict = ask(CLAIM, explain=False).verdict
        assert verdict is not None
        self.assertEqual(
            set(verdict),
            {"sid", "user", "returncode", "validcommands", "triedauthentication"},
        )


class TextTests(SynchronousTestCase):
    """What is made of policies, maps and attributes."""

    def test_round_trip(self) -> None:
        """The attributes of an explanation give it back."""
        whole = Explanation(
            level="READ",
            wishes={"Integrity": Wish("NEVER"), "Encryption": Wish("OPTIONAL", "k")},
            left_out=("SSL: no", "KERBEROS: no"),
            attempts=("FS: x",),
            identity="FS says a",
            mapping="m",
            limits="READ",
            reason="r",
            line="l",
            source="s",
            unset=("A", "B"),
        )
        pairs = {name.lower(): text for name, text in explanation_pairs(whole).items()}
        self.assertEqual(read_explanation(PodAd(pairs)), whole)
        self.assertIsNone(read_explanation(PodAd({"sid": "x"})))
        self.assertIsNone(read_explanation(PodAd({"explainlevel": 3})))

    def test_mnh_6_4_no_paths(self) -> None:
        """Who is no administrator is told the names of files, not where they are."""
        place = "ALLOW_X, /etc/a, b/f.conf, line 3, use security:x"
        whole = Explanation(
            wishes={"Integrity": Wish("NEVER", place), "Encryption": Wish("NEVER")},
            mapping="/etc/condor/map, line 1: a@pool",
            source="/etc/condor/f.conf, line 7",
            line="ALLOW_X = a/10.0.0.0/8",
        )
        cut = whole.without_directories()
        self.assertEqual(
            cut.wishes["Integrity"].knob, "ALLOW_X, f.conf, line 3, use security:x"
        )
        self.assertEqual(cut.mapping, "map, line 1: a@pool")
        self.assertEqual(cut.source, "f.conf, line 7")
        self.assertEqual(cut.line, whole.line)
        plain = Explanation(source="<Environment>").without_directories()
        self.assertEqual(plain.source, "<Environment>")

    def test_mnh_1_8_long_texts(self) -> None:
        """No attribute is longer than a handshake's ad may have it."""
        pairs = explanation_pairs(Explanation(reason="r" * 100_000))
        self.assertEqual(len(pairs["ExplainReason"]), 4096)

    def test_settled_wishes(self) -> None:
        """A wish that another one changed says what was configured."""
        knobs = {"SEC_CLIENT_AUTHENTICATION": "NEVER"}
        state = make_state(knobs, subsystem="TOOL")
        policy = state.policies.of(Permission.CLIENT)
        wishes = wishes_of(policy, DictKnobs(knobs))
        self.assertEqual(wishes["Encryption"].value, "NEVER")
        self.assertIn("the default says OPTIONAL", wishes["Encryption"].knob or "")
        self.assertEqual(
            wishes["Authentication"].knob, "SEC_CLIENT_AUTHENTICATION, <knobs>"
        )

    def test_map_rules(self) -> None:
        """The rule behind an identity is told, or that there is none."""
        files = FakeFiles(texts={"/map": "FS alice a@pool\n"})
        state = make_state({"CERTIFICATE_MAPFILE": "/map"}, files=files)
        self.assertEqual(map_rule(state, "FS", "alice"), "/map, line 1: a@pool")
        self.assertIn("no line of CERTIFICATE_MAPFILE", map_rule(state, "FS", "bob"))
        self.assertIn("names the user itself", map_rule(state, "FS", None))
        self.assertIn("there is no map", map_rule(make_state(), "FS", "alice"))
        given = make_state(identity_map=read_identity_map("/map", files))
        self.assertEqual(map_rule(given, "FS", "alice"), "/map, line 1: a@pool")
        given = make_state(identity_map=lambda method, name: None)
        self.assertEqual(map_rule(given, "FS", "alice"), "the application maps it")

    def test_client(self) -> None:
        """A client explains its side, and what it leaves out."""
        record = ask(CLAIM)
        state = make_state(
            {**CLAIM, "SEC_CLIENT_AUTHENTICATION_METHODS": "CLAIMTOBE, NTSSPI"},
            subsystem="TOOL",
        )
        found = explain_client(state, record)
        self.assertEqual(found.level, "CLIENT")
        self.assertEqual(found.line, "ALLOW_CLIENT = *")
        self.assertEqual(found.left_out, ("NTSSPI: SSPI is not here",))
