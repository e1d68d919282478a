"""Tests of ``condor_twisted.daemoncore.ports.addresses``."""

from __future__ import annotations

import os
import socket

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore.ports import addresses
from condor_twisted.errors import ConfigError


def settings(**knobs: str) -> Settings:
    """Settings out of knobs."""
    return Settings.from_assignments(knobs, "COLLECTOR")


class BindingTests(SynchronousTestCase):
    def test_all_by_default(self) -> None:
        """All addresses are bound, unless only one is wanted."""
        self.assertEqual(addresses.bind_address(settings()), "")
        self.assertEqual(
            addresses.bind_address(settings(NETWORK_INTERFACE="127.0.0.1")), ""
        )
        self.assertEqual(
            addresses.bind_address(settings(BIND_ALL_INTERFACES="False")), ""
        )

    def test_one(self) -> None:
        """An address or an interface is bound."""
        one = {"BIND_ALL_INTERFACES": "False"}
        for name in ("127.0.0.1", "lo"):
            found = addresses.bind_address(settings(NETWORK_INTERFACE=name, **one))
            self.assertEqual(found, "127.0.0.1")
        found = addresses.bind_address(settings(NETWORK_INTERFACE="[::1]", **one))
        self.assertEqual(found, "::1")

    def test_interface_that_is_not_there(self) -> None:
        """What is neither address nor interface is an error of configuration."""
        bad = settings(BIND_ALL_INTERFACES="False", NETWORK_INTERFACE="nowhere7")
        self.assertRaises(ConfigError, addresses.bind_address, bad)

    def test_port_ranges(self) -> None:
        """A whole and sensible pair counts; the pair for listening counts first."""
        both = {"LOWPORT": "9700", "HIGHPORT": "9800"}
        self.assertEqual(addresses.port_range(settings(**both)), (9700, 9800))
        inward = settings(IN_LOWPORT="9600", IN_HIGHPORT="9610", **both)
        self.assertEqual(addresses.port_range(inward), (9600, 9610))
        for knobs in (
            {},
            {"LOWPORT": "9700"},
            {"LOWPORT": "9800", "HIGHPORT": "9700"},
            {"LOWPORT": "0", "HIGHPORT": "70000"},
        ):
            self.assertIsNone(addresses.port_range(settings(**knobs)))


class AnnouncingTests(SynchronousTestCase):
    def announce(self, bound: str, has_udp: bool = True, **knobs: str) -> str:
        """What is announced for a port 9618."""
        knobs.setdefault("FULL_HOSTNAME", "host.example")
        found = addresses.announced_address(
            settings(**knobs), bound, 9618, has_udp=has_udp
        )
        return str(found)

    def test_bound_address(self) -> None:
        """A bound address is announced with its list and the host's name."""
        self.assertEqual(
            self.announce("127.0.0.1"),
            "<127.0.0.1:9618?addrs=127.0.0.1-9618&alias=host.example>",
        )
        self.assertEqual(
            self.announce("::1"), "<[::1]:9618?addrs=[--1]-9618&alias=host.example>"
        )

    def test_mnh_wildcards_are_never_announced(self) -> None:
        """Where all are bound, the configured or the outgoing address is announced."""
        text = self.announce("0.0.0.0", NETWORK_INTERFACE="192.0.2.7")
        self.assertTrue(text.startswith("<192.0.2.7:9618?"), text)
        self.assertNotIn("0.0.0.0", self.announce(""))
        text = self.announce("", IPV4_ADDRESS="192.0.2.8")
        self.assertTrue(text.startswith("<192.0.2.8:9618?"), text)
        text = self.announce("", NETWORK_INTERFACE="lo")
        self.assertTrue(text.startswith("<127.0.0.1:9618?"), text)

    def test_no_udp(self) -> None:
        """Who has no UDP port says so, and who is forwarded as well."""
        self.assertIn("&noUDP>", self.announce("127.0.0.1", has_udp=False))
        text = self.announce("127.0.0.1", TCP_FORWARDING_HOST="203.0.113.5")
        self.assertEqual(
            text,
            "<203.0.113.5:9618?addrs=203.0.113.5-9618&alias=host.example&noUDP>",
        )

    def test_alias(self) -> None:
        """HOST_ALIAS replaces the host's name."""
        self.assertIn(
            "alias=a.example>", self.announce("127.0.0.1", HOST_ALIAS="a.example")
        )

    def test_host_name(self) -> None:
        """The host's name is completed with a domain, and asked of nobody."""
        self.patch(socket, "gethostname", lambda: "short")
        self.assertEqual(addresses.host_name(settings()), "short")
        self.assertEqual(
            addresses.host_name(settings(DEFAULT_DOMAIN_NAME=".example")),
            "short.example",
        )

    def test_facts(self) -> None:
        """Security is told who and where this process is."""
        facts = addresses.host_facts(settings(FULL_HOSTNAME="host.example"))
        self.assertEqual(facts.host_name, "host.example")
        self.assertEqual(facts.process_id, os.getpid())
        self.assertTrue(facts.own_user)
