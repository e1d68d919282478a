"""Tests of ``condor_twisted.protocols.endpoints``."""

from __future__ import annotations

from typing import Any

from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
)
from twisted.internet.error import ConnectError
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.protocols.endpoint_sockets import EndpointSockets
from condor_twisted.protocols.endpoints import (
    Dialling,
    LocalEndpoint,
    client_endpoint,
)
from condor_twisted.testing.reactor import MemoryReactor
from condor_twisted.wire.sinful import SinfulAddress


class DiallingTests(SynchronousTestCase):
    def endpoint(self, text: str, dialling: Dialling = Dialling()) -> Any:  # noqa: B008
        """The endpoint for an address."""
        return client_endpoint(MemoryReactor(), SinfulAddress.parse(text), dialling)

    def test_kinds(self) -> None:
        """Literals are dialled as they are, names are looked up."""
        self.assertIsInstance(self.endpoint("<192.0.2.1:5>"), TCP4ClientEndpoint)
        self.assertIsInstance(self.endpoint("<[2001:db8::1]:5>"), TCP6ClientEndpoint)
        self.assertIsInstance(self.endpoint("<a.example:5>"), HostnameEndpoint)

    def test_best_address(self) -> None:
        """The best of the address list is dialled."""
        text = "<192.0.2.1:5?addrs=10.0.0.1-6+[2001-db8--1]-7>"
        self.assertIsInstance(self.endpoint(text), TCP6ClientEndpoint)
        only_4 = Dialling(ipv6=False, bind_address="10.0.0.9")
        found = self.endpoint(text, only_4)
        self.assertEqual((found._host, found._port), ("10.0.0.1", 6))
        self.assertEqual(found._bindAddress, ("10.0.0.9", 0))

    def test_nowhere_to_go(self) -> None:
        """An address without a usable place is an error at once."""
        self.assertRaises(ConnectError, self.endpoint, "<192.0.2.1>")
        no_4 = Dialling(ipv4=False)
        self.assertRaises(
            ConnectError, self.endpoint, "<192.0.2.1:5?addrs=192.0.2.1-5>", no_4
        )


class LocalTests(SynchronousTestCase):
    """Daemons behind a shared port through which there is no way."""

    def is_local(self, target: str, own: str | None = None) -> bool:
        """Whether a daemon is handed a connection instead of being dialled."""
        found = client_endpoint(
            MemoryReactor(),
            SinfulAddress.parse(target),
            Dialling(sockets=EndpointSockets(None, "/nowhere")),
            None if own is None else SinfulAddress.parse(own),
        )
        return isinstance(found, LocalEndpoint)

    def test_unknown_port(self) -> None:
        """Port 0 with an endpoint is a daemon of this host."""
        self.assertTrue(self.is_local("<127.0.0.1:0?sock=one>"))
        self.assertRaises(ConnectError, self.is_local, "<127.0.0.1:0>")
        self.assertFalse(self.is_local("<127.0.0.1:9618?sock=one>"))

    def test_own_port(self) -> None:
        """Nobody goes through a shared port to itself, or through its own."""
        target = "<127.0.0.1:9618?sock=one>"
        for own, expected in (
            ("<127.0.0.1:9618?noUDP>", True),
            ("<127.0.0.1:9618?noUDP&sock=one>", True),
            ("<127.0.0.1:9618?noUDP&sock=two>", False),
            ("<127.0.0.1:9619?noUDP>", False),
            ("<127.0.0.2:9618?noUDP>", False),
        ):
            self.assertEqual(self.is_local(target, own), expected, own)

    def test_nobody(self) -> None:
        """A daemon that is not there, or a host that is not ours, cannot be reached."""
        for host in ("127.0.0.1", "192.0.2.1"):
            target = SinfulAddress.parse(f"<{host}:0?sock=one>")
            sockets = EndpointSockets(None, "/nowhere")
            endpoint = client_endpoint(
                MemoryReactor(), target, Dialling(sockets=sockets)
            )
            factory: Any = None
            self.failureResultOf(endpoint.connect(factory), ConnectError)
