"""Tests for condor_twisted.wire.sinful."""

from __future__ import annotations

import ipaddress
import json
import pathlib

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import MalformedMessage
from condor_twisted.wire.sinful import (
    MAX_SINFUL_CHARACTERS,
    IpEndpoint,
    SinfulAddress,
    choose_address,
    desirability,
    points_to_me,
)

VECTORS = pathlib.Path(__file__).parent.parent / "vectors" / "sinful.json"
REAL = "<127.0.0.1:21618?addrs=127.0.0.1-21618&alias=vm>"


def parse(text: str) -> SinfulAddress:
    """Shorter."""
    return SinfulAddress.parse(text)


class ParseTests(SynchronousTestCase):
    """Texts to addresses and back."""

    def test_vectors(self) -> None:
        """Every recorded text is normalised or refused as the real parser does."""
        rows = json.loads(VECTORS.read_text(encoding="utf-8"))["rows"]
        self.assertGreater(len(rows), 20)
        for row in rows:
            if row["normal"] is None:
                self.assertRaises(MalformedMessage, parse, row["text"])
            else:
                self.assertEqual(str(parse(row["text"])), row["normal"])

    def test_a_real_address(self) -> None:
        """A real collector's address comes apart into its parts."""
        address = parse(REAL)
        self.assertEqual((address.host, address.port), ("127.0.0.1", "21618"))
        self.assertEqual(address.port_number, 21618)
        self.assertEqual(address.alias, "vm")
        self.assertEqual([str(each) for each in address.addrs], ["127.0.0.1:21618"])
        self.assertEqual(str(address), REAL)
        self.assertEqual(address.without_brackets(), REAL[1:-1])
        self.assertTrue(address.accepts_udp)
        self.assertIsNone(address.shared_port_id)
        self.assertIsNone(address.private_network)
        self.assertIsNone(address.private_address)

    def test_more_refused(self) -> None:
        """Broken brackets, NULs and endless texts are no addresses."""
        for text in ("<[abc>", "<a:1\0>", "<a:1>>", "x" * (MAX_SINFUL_CHARACTERS + 1)):
            self.assertRaises(MalformedMessage, parse, text)

    def test_bad_addrs(self) -> None:
        """One bad entry of addrs makes the address invalid."""
        for addrs in (
            "1.2.3.4",
            "1.2.3.4-x",
            "1.2.3.4-70000",
            "1.2.3.4-\u0663",
            "name-5",
            "[--1]",
            "1.2.3.4-5+bogus",
            "fe80--1%25eth0-5",
        ):
            self.assertRaises(MalformedMessage, parse, f"<h:1?addrs={addrs}>")

    def test_port_numbers(self) -> None:
        """A port that is no port stays text."""
        self.assertIsNone(parse("<h>").port_number)
        self.assertIsNone(parse("<h:99999>").port_number)
        self.assertEqual(parse("<h:0>").port_number, 0)
        self.assertEqual(str(parse("<h:99999999>")), "<h:99999999>")

    def test_unknown_parameters_stay(self) -> None:
        """A parameter that nobody knows survives, in its case of letters."""
        address = parse("<h:1?zz=%c3%bc&Zz&alias=a>")
        self.assertEqual(address.parameters["zz"], "ü")
        self.assertEqual(str(address), "<h:1?Zz&alias=a&zz=%c3%bc>")
        self.assertEqual(parse("<h:1?x=%ff>").parameters["x"], "\udcff")
        self.assertEqual(str(parse("<h:1?x=%ff>")), "<h:1?x=%ff>")

    def test_immutable(self) -> None:
        """An address never changes; copies do not share."""
        parameters = {"alias": "a"}
        address = SinfulAddress("h", "1", parameters)
        parameters["alias"] = "b"
        self.assertEqual(address.alias, "a")
        self.assertFalse(hasattr(address.parameters, "update"))
        self.assertEqual(address, parse("<h:1?alias=a>"))
        self.assertEqual(len({address, parse("<h:1?alias=a>"), parse("<h:1>")}), 2)

    def test_copies(self) -> None:
        """Copies change what they say and keep the rest."""
        address = parse("<1.2.3.4:5?addrs=1.2.3.4-5+[--1]-5&noUDP>")
        self.assertEqual(
            str(address.with_host("h").with_port(7)),
            "<h:7?addrs=1.2.3.4-5+[--1]-5&noUDP>",
        )
        self.assertEqual(
            str(address.with_port(7, everywhere=True)),
            "<1.2.3.4:7?addrs=1.2.3.4-7+[--1]-7&noUDP>",
        )
        self.assertEqual(str(parse("<h:1>").with_port(2, everywhere=True)), "<h:2>")
        self.assertEqual(
            str(
                address.with_addrs([]).with_alias("x").with_parameters({"noUDP": None})
            ),
            "<1.2.3.4:5?alias=x>",
        )
        self.assertEqual(str(SinfulAddress.of("::1", 5, sock="q")), "<[::1]:5?sock=q>")

    def test_ccb_contacts(self) -> None:
        """Broker contacts are addresses with ids."""
        address = parse("<h:1?CCBID=9.9.9.9:1%3faddrs%3d9.9.9.9-1#7%209.9.9.8:2#8>")
        self.assertEqual(
            [(str(broker), identifier) for broker, identifier in address.ccb_contacts],
            [("<9.9.9.9:1?addrs=9.9.9.9-1>", "7"), ("<9.9.9.8:2>", "8")],
        )
        for contact in ("nohash", "h:1#", "h:x#1"):
            broken = parse("<h:1>").with_parameters({"CCBID": contact})
            self.assertRaises(MalformedMessage, lambda a=broken: a.ccb_contacts)

    def test_udp(self) -> None:
        """A datagram reaches only a daemon with nothing before it."""
        for parameter in ("noUDP", "sock=x", "CCBID=h:1#2"):
            self.assertFalse(parse(f"<h:1?{parameter}>").accepts_udp)
        self.assertTrue(parse("<h:1?noUDP>").no_udp)

    @given(
        st.sampled_from(["1.2.3.4", "::1", "host.name", ""]),
        st.sampled_from(["", "0", "9618"]),
        st.dictionaries(
            st.text(min_size=1).filter(lambda text: "\0" not in text),
            st.text().filter(lambda text: "\0" not in text),
            max_size=4,
        ),
    )
    @settings(deadline=None, max_examples=60)
    def test_round_trip(self, host: str, port: str, extra: dict[str, str]) -> None:
        """What is written is read back."""
        extra.pop("addrs", None)
        address = SinfulAddress(host, port, extra)
        self.assertEqual(parse(str(address)), address)

    @given(st.text("<>[]{}:?&;=%+-.#19afx \n", max_size=30))
    @example("?%91")
    @example("[>]")
    @example("[a?b]")
    @settings(deadline=None, max_examples=200)
    def test_any_text(self, text: str) -> None:
        """A text is an address whose form is stable, or it is refused."""
        try:
            address = parse(text)
        except MalformedMessage:
            return
        self.assertEqual(parse(str(address)), address)


class ChooseAddressTests(SynchronousTestCase):
    """Where a connection goes."""

    def chosen(self, text: str, **arguments: bool | str | None) -> str | None:
        """Host and port chosen, as text."""
        address = choose_address(parse(text), **arguments)  # type: ignore[arg-type]
        return None if address is None else f"{address.host}|{address.port}"

    def test_desirability(self) -> None:
        """Public before private before link-local before loopback."""
        for text, rank in [
            ("8.8.8.8", 5),
            ("10.1.1.1", 4),
            ("172.31.0.1", 4),
            ("172.32.0.1", 5),
            ("192.168.1.1", 4),
            ("169.254.1.1", 3),
            ("127.3.2.1", 2),
            ("2001:db8::1", 5),
            ("fd00::1", 4),
            ("::1", 2),
            ("fe80::1", 1),
        ]:
            self.assertEqual(desirability(ipaddress.ip_address(text)), rank, text)

    def test_without_addrs(self) -> None:
        """The primary host is used as it is."""
        self.assertEqual(self.chosen("<name:5>"), "name|5")

    def test_best_of_addrs(self) -> None:
        """The most desirable address wins, and the primary host is ignored."""
        text = "<name:5?addrs=127.0.0.1-1+10.0.0.1-2+[2001-db8--1]-3+8.8.8.8-4>"
        self.assertEqual(self.chosen(text), "8.8.8.8|4")
        self.assertEqual(self.chosen(text, prefer_ipv4=False), "2001:db8::1|3")
        self.assertEqual(
            self.chosen(text, ignore_target_preference=False), "2001:db8::1|3"
        )
        self.assertEqual(self.chosen(text, ipv4_enabled=False), "2001:db8::1|3")
        self.assertEqual(self.chosen(text, ipv6_enabled=False), "8.8.8.8|4")
        self.assertIsNone(
            self.chosen(text, ipv4_enabled=False, ipv6_enabled=False),
        )

    def test_private_network(self) -> None:
        """In the private network the private address replaces the whole."""
        text = "<8.8.8.8:1?PrivNet=n&PrivAddr=%3c10.0.0.1:5%3e&CCBID=b:1#2&alias=a>"
        inside = choose_address(parse(text), private_network="n")
        self.assertEqual(str(inside), "<10.0.0.1:5?alias=a>")
        outside = choose_address(parse(text), private_network="m")
        self.assertEqual(outside, parse(text))
        without = choose_address(
            parse("<8.8.8.8:1?PrivNet=n&CCBID=b:1#2>"), private_network="n"
        )
        self.assertEqual(str(without), "<8.8.8.8:1?PrivNet=n>")


class PointsToMeTests(SynchronousTestCase):
    """Comparing addresses."""

    def check(self, mine: str, other: str, expected: bool, own: str = "") -> None:
        """One comparison."""
        got = points_to_me(parse(mine), parse(other), own_command_host=own or None)
        self.assertIs(got, expected, f"{mine} {other}")

    def test_host_and_port(self) -> None:
        """Host text and port text must be equal."""
        self.check("<h:1>", "<h:1>", True)
        self.check("<h:1>", "<h:2>", False)
        self.check("<h:1>", "<i:1>", False)
        self.check("<h>", "<h>", False)

    def test_addrs(self) -> None:
        """An address among mine is mine."""
        mine = "<h:1?addrs=1.2.3.4-1+[--1]-1>"
        self.check(mine, "<1.2.3.4:1>", True)
        self.check(mine, "<[::1]:1>", True)
        self.check(mine, "<1.2.3.5:1>", False)

    def test_loopback(self) -> None:
        """Loopback stands for the daemon's own command port."""
        self.check("<8.8.8.8:1>", "<127.0.0.1:1>", True, own="8.8.8.8")
        self.check("<8.8.8.8:1>", "<127.0.0.1:1>", False, own="9.9.9.9")
        self.check("<8.8.8.8:1>", "<127.0.0.1:1>", False)

    def test_shared_port_ids(self) -> None:
        """Shared port ids agree, or one is the default and the other missing."""
        self.check("<h:1?sock=a>", "<h:1?sock=a>", True)
        self.check("<h:1?sock=a>", "<h:1?sock=b>", False)
        self.check("<h:1?sock=a>", "<h:1>", False)
        self.check("<h:1?sock=collector>", "<h:1>", True)
        self.check("<h:1>", "<h:1?sock=collector>", True)

    def test_private_address(self) -> None:
        """The private address is compared as well."""
        mine = "<8.8.8.8:1?PrivAddr=%3c10.0.0.1:5%3e>"
        self.check(mine, "<10.0.0.1:5>", True)
        self.check(mine, "<10.0.0.2:5>", False)


class IpEndpointTests(SynchronousTestCase):
    """Entries of addrs."""

    def test_forms(self) -> None:
        """Both written forms, brackets for IPv6."""
        endpoint = IpEndpoint.parse_safe("[--1]-9618")
        self.assertEqual(str(endpoint), "[::1]:9618")
        self.assertEqual(endpoint.safe_text(), "[--1]-9618")
        self.assertEqual(IpEndpoint.parse_safe("1.2.3.4-5").safe_text(), "1.2.3.4-5")
