"""Tests for condor_twisted.classad.wire_ad."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.literals import NOT_LITERAL, UNDEFINED
from condor_twisted.classad.wire_ad import (
    MAX_LINE_BYTES,
    MAX_NAME_BYTES,
    AdBuilder,
    ExpressionText,
    WireAd,
    format_line,
    require_literals,
    require_well_formed,
    split_line,
)
from condor_twisted.errors import (
    LimitExceeded,
    LocalProtocolError,
    MalformedMessage,
    RemoteProtocolError,
)


def ad_of(*lines: bytes) -> WireAd:
    """An ad of these lines."""
    return WireAd(b"".join(line + b"\0" for line in lines))


class SplitLineTests(SynchronousTestCase):
    """Lines to names and texts."""

    def test_split(self) -> None:
        """Leading blanks and spaces around the equals sign go, no others."""
        for line, name, text in [
            (b"A = 1", b"A", b"1"),
            (b"A=1", b"A", b"1"),
            (b" \t\nA   =   1 ", b"A", b"1 "),
            (b"bad bad = 1", b"bad bad", b"1"),
            (b"A\t= 1", b"A\t", b"1"),
            (b"A = b == c", b"A", b"b == c"),
            (b"A =\t1", b"A", b"\t1"),
        ]:
            self.assertEqual(split_line(line), (name, text))

    def test_refused(self) -> None:
        """A line needs an equals sign and something on both sides."""
        for line in (b"", b"Foo", b"Foo = ", b" = 3", b"=", b"ZKM"):
            self.assertRaises(MalformedMessage, split_line, line)


class FormatLineTests(SynchronousTestCase):
    """Names and values to lines."""

    def test_refused(self) -> None:
        """Names and texts that would not come back as they are."""
        for name in ("", " A", "\tA", "A ", "A=B", "A\0B"):
            self.assertRaises(LocalProtocolError, format_line, name, 1)
        for text in ("", "  ", "a\0b"):
            self.assertRaises(
                LocalProtocolError, format_line, "A", ExpressionText(text)
            )

    def test_expressions(self) -> None:
        """Expression text is written as it stands."""
        self.assertEqual(
            format_line("A", ExpressionText("B + 1")),
            format_line("A", ExpressionText(b"B + 1")),
        )
        self.assertEqual(format_line("A", ExpressionText("B + 1")), b"A = B + 1")


class LookupTests(SynchronousTestCase):
    """Finding attributes in the lines."""

    def test_case_and_duplicates(self) -> None:
        """Names are case-insensitive and the last line of a name counts."""
        ad = ad_of(b"Name = 1", b"nAME = 2", b"Namely = 3", b"XName = 4")
        self.assertEqual(ad.raw("NAME"), b"2")
        self.assertEqual(ad.integer("name"), 2)
        self.assertIn("nAmE", ad)
        self.assertNotIn("Nam", ad)
        self.assertNotIn(5, ad)

    def test_text_inside_values_is_not_found(self) -> None:
        """Only what stands before the first equals sign is a name."""
        ad = ad_of(b'A = "x Name = 5"', b"B = Name == 1")
        self.assertIsNone(ad.raw("Name"))
        self.assertIsNone(ad.raw("B = Name"))
        self.assertIsNone(ad.raw("B "))
        self.assertIsNone(ad.raw(""))
        self.assertIsNone(ad.raw('A = "x Name = 5"\0B'))

    def test_odd_lines(self) -> None:
        """Indented lines, missing blanks, first and last lines are found."""
        ad = ad_of(b"A=1", b"  B   =   2", b"\tC = 3", b"bad bad = 4", b"D\t= 5")
        got = [ad.integer(name) for name in ("a", "b", "c", "bad bad", "d\t", "d")]
        self.assertEqual(got, [1, 2, 3, 4, 5, None])

    def test_a_missing_last_nul_is_added(self) -> None:
        """A body that lacks its last NUL gets it."""
        self.assertEqual(WireAd(b"A = 1").body, b"A = 1\0")
        self.assertEqual(WireAd(b"A = 1").integer("A"), 1)

    def test_empty(self) -> None:
        """An empty ad has nothing."""
        ad = WireAd()
        self.assertFalse(ad)
        self.assertEqual((len(ad), ad.lines(), ad.items()), (0, [], []))
        self.assertIsNone(ad.raw("A"))
        self.assertIs(ad.literal("A"), UNDEFINED)

    def test_typed(self) -> None:
        """Typed lookups convert among numbers only."""
        ad = ad_of(
            b'S = "x"',
            b"I = 7",
            b"R = 2.7",
            b"T = true",
            b"U = undefined",
            b"E = 1 + 1",
            b'N = real("NaN")',
            b'F = real("INF")',
            b"Z = 0",
        )
        names = ("S", "I", "R", "T", "U", "E", "N", "F", "Z", "absent")
        self.assertEqual([ad.string(name) for name in names], ["x"] + [None] * 9)
        self.assertEqual(
            [ad.integer(name) for name in names],
            [None, 7, 2, 1, None, None, None, None, 0, None],
        )
        self.assertEqual(
            [ad.real(name) for name in names],
            [None, 7.0, 2.7, 1.0, None, None, None, float("inf"), 0.0, None],
        )
        self.assertEqual(
            [ad.boolean(name) for name in names],
            [None, True, True, True, None, None, True, True, False, None],
        )
        self.assertIs(ad.literal("E"), NOT_LITERAL)
        self.assertEqual(ad.expression("E"), "1 + 1")
        self.assertIsNone(ad.expression("absent"))

    def test_secret_lines(self) -> None:
        """Secrets are looked up and copied, and are in no repr."""
        ad = WireAd(b"A = 1\0ClaimId = 2\0", (b'ClaimId = "s3cret"',))
        self.assertEqual(ad.string("claimid"), "s3cret")
        self.assertEqual(len(ad), 3)
        self.assertEqual(ad.names(), ["A", "ClaimId"])
        self.assertEqual(repr(ad), "<WireAd of 3 lines>")
        self.assertNotIn("ClaimId", ad.without(["CLAIMID"]))

    def test_mnh_5_7_private_attributes_are_no_source(self) -> None:
        """Expressions see neither private names nor what came as a secret."""
        ad = WireAd(b"A = 1\0ClaimId = 2\0_Condor_PrivX = 3\0", (b"B = 4",))
        names = ("a", "claimid", "_condor_privx", "b", "", "absent")
        self.assertEqual([ad.get(name) for name in names], [b"1"] + [None] * 5)
        self.assertEqual(ad.integer("ClaimId"), 2)

    def test_items(self) -> None:
        """The first spelling and the last value of duplicates stay."""
        ad = ad_of(b"Foo = 1", b"B = 2", b"FOO = 3")
        self.assertEqual(ad.items(), [("Foo", b"3"), ("B", b"2")])
        self.assertEqual(list(ad), ["Foo", "B"])
        self.assertEqual(len(ad), 3)

    @given(
        st.lists(
            st.tuples(
                st.text("abAB_", min_size=1, max_size=3),
                st.integers(min_value=0, max_value=99),
            ),
            max_size=8,
        )
    )
    @settings(deadline=None)
    def test_like_a_dict(self, pairs: list[tuple[str, int]]) -> None:
        """Search and a dict of lower-case names agree."""
        ad = ad_of(*(b"%s = %d" % (name.encode(), value) for name, value in pairs))
        expected = {name.lower(): value for name, value in pairs}
        for name in ("a", "b", "aa", "ab", "_", "a_b", *expected):
            self.assertEqual(ad.integer(name), expected.get(name))

    @given(st.binary(max_size=60), st.text(max_size=4))
    @settings(deadline=None)
    def test_any_bytes(self, body: bytes, name: str) -> None:
        """Any body is searched without error; checks raise only what they say."""
        ad = WireAd(body)
        ad.literal(name)
        for check in (require_literals, require_well_formed, WireAd.items):
            try:
                check(ad)
            except RemoteProtocolError:
                continue


class BuildTests(SynchronousTestCase):
    """Making and changing ads."""

    def test_from_pairs(self) -> None:
        """Python values become lines; the last of a repeated name stays."""
        ad = WireAd.from_pairs({"A": 'x"y', "B": True, "C": ExpressionText("B && A")})
        self.assertEqual(ad.body, b'A = "x\\"y"\0B = true\0C = B && A\0')
        self.assertEqual(ad, WireAd(ad.body))
        self.assertEqual(hash(ad), hash(WireAd(ad.body)))
        self.assertNotEqual(ad, WireAd())
        self.assertNotEqual(ad, "ad")
        self.assertEqual(WireAd.from_pairs({"A": 1, "a": 2}).body, b"a = 2\0")

    def test_builder(self) -> None:
        """A builder collects plain and secret attributes."""
        builder = AdBuilder()
        builder.update({"A": 1, "B": 2.0})
        builder.set_secret("ClaimId", "x")
        builder.set("a", 3)
        ad = builder.build()
        self.assertEqual(ad.body, b"a = 3\0B = 2.0\0")
        self.assertEqual(ad.secret_lines, (b'ClaimId = "x"',))

    def test_copies(self) -> None:
        """Changes make copies and leave the ad as it is."""
        ad = ad_of(b"A = 1", b" a = 2", b"B = 3")
        changed = ad.with_attributes({"A": 9, "C": UNDEFINED})
        self.assertEqual(changed.body, b"B = 3\0A = 9\0C = undefined\0")
        self.assertEqual(ad.integer("A"), 2)
        self.assertEqual(ad.without(["a"]).body, b"B = 3\0")


class RequireTests(SynchronousTestCase):
    """The checks on ads from peers."""

    def test_literals_pass(self) -> None:
        """Every kind of literal may stand in a handshake ad."""
        require_literals(
            ad_of(
                b"A = 1",
                b"B = -5",
                b"C = 1.5",
                b'D = "x"',
                b"E = TRUE",
                b"F = undefined",
                b"G = error",
            )
        )

    def test_mnh_1_8_literals_only(self) -> None:
        """Anything more than one literal is refused in a handshake ad."""
        for line in (
            b"A = 1+1",
            b"A = {1}",
            b"A = (1)",
            b"A = Y",
            b"A = [a=1]",
            b'A = real("INF")',
            b"A = f()",
            b"A = 1 2",
            b'A = "x" "y"',
            b"A = ",
            b"ZKM",
        ):
            self.assertRaises(MalformedMessage, require_literals, ad_of(line))
        secret = WireAd(b"", (b"A = 1",))
        self.assertRaises(MalformedMessage, require_literals, secret)

    def test_mnh_1_7_attributes_in_a_handshake_ad(self) -> None:
        """100 attributes pass in a handshake ad and 101 do not."""
        lines = [b"A%d = 1" % number for number in range(101)]
        require_literals(ad_of(*lines[:100]))
        self.assertRaises(LimitExceeded, require_literals, ad_of(*lines))

    def test_mnh_1_7_attributes_in_an_ad(self) -> None:
        """100,000 attributes pass in an ad and one more does not."""
        require_well_formed(WireAd(b"A = 1\0" * 100_000))
        many = WireAd(b"A = 1\0" * 100_001)
        self.assertRaises(LimitExceeded, require_well_formed, many)

    def test_mnh_1_9_line_and_name_lengths(self) -> None:
        """Lines of 1 MiB and names of 4 KiB pass, longer ones do not."""
        head = b"A = "
        require_well_formed(ad_of(head + b"1" * (MAX_LINE_BYTES - len(head))))
        require_well_formed(ad_of(b"n" * MAX_NAME_BYTES + b" = 1"))
        for line in (
            head + b"1" * (MAX_LINE_BYTES - len(head) + 1),
            b"n" * (MAX_NAME_BYTES + 1) + b" = 1",
        ):
            self.assertRaises(LimitExceeded, require_well_formed, ad_of(line))
        secret = WireAd(b"", (b"no equals",))
        self.assertRaises(MalformedMessage, require_well_formed, secret)
