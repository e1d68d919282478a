"""Tests for condor_twisted.wire.sinful_v1."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import MalformedMessage
from condor_twisted.wire.sinful import SinfulAddress

SIMPLE = (
    '{[ p="primary"; a="1.2.3.4"; port=5; n="Internet"; ], '
    '[ p="IPv4"; a="1.2.3.4"; port=5; n="Internet"; ]}'
)


def route(more: str = "", protocol: str = "IPv4", host: str = "1.2.3.4") -> str:
    """One route's text."""
    return f'[ p="{protocol}"; a="{host}"; port=5; n="Internet";{more} ]'


class AddressV1Tests(SynchronousTestCase):
    """The V1 form."""

    def v1(self, text: str) -> str:
        """The V1 form of a V0 text."""
        return SinfulAddress.parse(text).address_v1()

    def test_simple(self) -> None:
        """An address without parameters is its own public route."""
        self.assertEqual(self.v1("<1.2.3.4:5>"), SIMPLE)
        primary = '{[ p="primary"; a="name"; port=5; n="Internet"; ]}'
        self.assertEqual(self.v1("<name:5>"), primary)
        self.assertEqual(
            self.v1("<>"), '{[ p="primary"; a=""; port=-1; n="Internet"; ]}'
        )

    def test_parameters(self) -> None:
        """Alias, shared port and noUDP stand in every route, in this order."""
        more = ' alias="h"; spid="q"; noUDP=true;'
        self.assertEqual(
            self.v1("<1.2.3.4:5?addrs=1.2.3.4-5&alias=h&sock=q&noUDP>"),
            "{" + route(more, "primary") + ", " + route(more) + "}",
        )

    def test_private_network(self) -> None:
        """The private route is the private address, or the public ones again."""
        private = '[ p="IPv4"; a="10.0.0.1"; port=7; n="x"; ]'
        self.assertEqual(
            self.v1("<1.2.3.4:5?PrivNet=x&PrivAddr=%3c10.0.0.1:7%3e>"),
            "{" + route(protocol="primary") + ", " + private + "}",
        )
        again = '[ p="IPv4"; a="1.2.3.4"; port=5; n="x"; ]'
        self.assertEqual(
            self.v1("<1.2.3.4:5?PrivNet=x&addrs=1.2.3.4-5>"),
            "{" + ", ".join([route(protocol="primary"), again, route()]) + "}",
        )
        named = "<1.2.3.4:5?PrivNet=x&PrivAddr=%3cname:7%3e>"
        self.assertRaises(MalformedMessage, self.v1, named)

    def test_brokers(self) -> None:
        """A broker's own routes carry its index, our id there and its socket."""
        text = "<1.2.3.4:5?CCBID=9.9.9.9:1%3faddrs%3d9.9.9.9-1%26sock%3dc#7>"
        via = 'port=1; n="Internet"; ccbid="7"; ccbspid="c"; brokerIndex=0; ]'
        self.assertEqual(
            self.v1(text),
            "{"
            + ", ".join(
                [
                    route(protocol="primary"),
                    f'[ p="primary"; a="9.9.9.9"; {via}',
                    f'[ p="IPv4"; a="9.9.9.9"; {via}',
                ]
            )
            + "}",
        )

    def test_round_trip(self) -> None:
        """Addresses of every kind come back from their V1 form."""
        for text in (
            "<name:5>",
            "<1.2.3.4:5?addrs=1.2.3.4-5+[--2]-6>",
            "<1.2.3.4:5?addrs=1.2.3.4-5&alias=h.x&noUDP&sock=q>",
            "<1.2.3.4:5?PrivAddr=%3c10.0.0.1:7%3e&PrivNet=x&addrs=1.2.3.4-5>",
            "<1.2.3.4:5?PrivAddr=%3c10.0.0.1:7%3fsock%3dq%3e&PrivNet=x"
            "&addrs=1.2.3.4-5&sock=q>",
            "<1.2.3.4:5?PrivNet=x&addrs=1.2.3.4-5>",
            "<1.2.3.4:5?CCBID=9.9.9.9:1%3faddrs%3d9.9.9.9-1#7"
            "%209.9.9.8:1%3faddrs%3d9.9.9.8-1%26sock%3dc#8>",
            "<>",
        ):
            again = SinfulAddress.parse(self.v1(text))
            self.assertEqual(str(again), text)

    def test_brokers_behind_brokers(self) -> None:
        """Brokers nested without end are refused."""
        address = SinfulAddress.parse("<1.2.3.4:5>")
        for _ in range(8):
            contact = address.without_brackets() + "#1"
            address = SinfulAddress("1.2.3.4", "5", {"CCBID": contact})
        self.assertRaises(MalformedMessage, address.address_v1)

    def test_refused(self) -> None:
        """Broken lists and routes that contradict each other."""
        private = route().replace("Internet", "x")
        for text in (
            "{",
            "{}",
            "{x}",
            SIMPLE[:-1],
            SIMPLE + "x",
            "{" + route() + route() + "}",
            "{" + route() + ", }",
            "{" + route(" noUDP=false;") + "}",
            "{" + route(" brokerIndex=x;") + "}",
            "{" + route(" alias=x;") + "}",
            "{" + route(host="1.2.3") + "}",
            "{" + route(host="a" * 62) + "}",
            "{" + route(protocol="IPv5") + "}",
            "{" + route().replace("port=5", "port=70000") + "}",
            "{" + route(' spid="a";') + ", " + route(' spid="b";') + "}",
            "{" + route(' alias="a";') + ", " + route(' alias="b";') + "}",
            "{" + private + ", " + private.replace('"x"', '"y"') + "}",
            "{" + private + ", " + private.replace("1.2.3.4", "1.2.3.5") + "}",
            "{" + route(' ccbid="1"; brokerIndex=1;') + "}",
            "{" + ", ".join([route()] * 1001) + "}",
        ):
            self.assertRaises(MalformedMessage, SinfulAddress.parse, text)

    @given(st.integers(0, len(SIMPLE) - 1), st.characters(codec="ascii"))
    @settings(deadline=None, max_examples=200)
    def test_damaged(self, at: int, replacement: str) -> None:
        """One damaged character gives an address or a refusal."""
        try:
            SinfulAddress.parse(SIMPLE[:at] + replacement + SIMPLE[at + 1 :])
        except MalformedMessage:
            return
