"""Tests of ``condor_twisted.daemoncore.ports.opening``."""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import TestCase

from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore.inheritance import Inherited
from condor_twisted.daemoncore.ports.opening import open_command_ports, uses_shared_port
from condor_twisted.protocols.command_ports import CommandPorts, SocketOptions
from condor_twisted.wire.serialized_sockets import (
    SerializedEndpoint,
    SerializedSocket,
)


class Receiver(DatagramProtocol):
    """A UDP port that can have a twin."""

    noisy = False

    def another(self) -> Receiver:
        return Receiver()


class OpeningTests(TestCase):
    """With sockets of the operating system, for these are handed down."""

    def setUp(self) -> None:
        self.knobs = {"USE_SHARED_PORT": "True"}

    def open(self, inherited: Inherited | None, udp: bool = True) -> CommandPorts:
        """The ports that a daemon gets."""
        factory = Factory.forProtocol(Protocol)
        factory.noisy = False
        ports = open_command_ports(
            reactor,
            Settings.from_assignments(self.knobs),
            inherited,
            0,
            "127.0.0.1",
            factory,
            Receiver() if udp else None,
            SocketOptions(),
        )
        self.addCleanup(ports.close)
        return ports

    def pair(self, host: str = "127.0.0.1") -> tuple[socket.socket, socket.socket]:
        """A stream and the datagrams of its port."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        stream = socket.create_server((host, 0), family=family)
        datagrams = socket.socket(family, socket.SOCK_DGRAM)
        datagrams.bind((host, stream.getsockname()[1]))
        return stream, datagrams

    def test_own(self) -> None:
        """Without a parent, a daemon opens its ports itself."""
        ports = self.open(None)
        self.assertIsNotNone(ports.datagrams)

    def test_inherited(self) -> None:
        """The parent's sockets are served, and closed where they came in."""
        stream, datagrams = self.pair()
        port = stream.getsockname()[1]
        inherited = Inherited(1, streams=[stream], datagrams=[datagrams])
        ports = self.open(inherited)
        self.assertEqual((ports.host, ports.port), ("127.0.0.1", port))
        udp: Any = ports.datagrams
        self.assertEqual(udp.getHost().port, port)
        self.assertEqual((stream.fileno(), datagrams.fileno()), (-1, -1))
        self.assertEqual((inherited.streams, inherited.datagrams), ([], []))
        ports.pause()
        ports.resume()

    def test_without_udp(self) -> None:
        """A daemon that wants no UDP closes what it was given."""
        stream, datagrams = self.pair()
        ports = self.open(Inherited(1, streams=[stream], datagrams=[datagrams]), False)
        self.assertIsNone(ports.datagrams)
        self.assertEqual(datagrams.fileno(), -1)

    def test_two_families(self) -> None:
        """Ports of both families are served; the first one's is what others hear."""
        try:
            second = self.pair("::1")
        except OSError:
            return  # no IPv6 here
        first = self.pair()
        port = first[0].getsockname()[1]
        ports = self.open(
            Inherited(1, streams=[second[0], first[0]], datagrams=[second[1], first[1]])
        )
        self.assertEqual((ports.host, ports.port), ("127.0.0.1", port))
        self.assertEqual(len(ports.others), 2)
        ports.pause()
        ports.resume()

    def endpoint(self) -> tuple[str, SerializedEndpoint]:
        """An endpoint that a parent has made, and its name."""
        listener = socket.socket(socket.AF_UNIX)
        name = f"\0condor_twisted-{os.getpid()}-opening"
        listener.bind(name)
        listener.listen()
        described = SerializedSocket.listening(listener.detach())
        return name, SerializedEndpoint("cookie/skeleton", described)

    def test_endpoint(self) -> None:
        """An endpoint behind a shared port is served instead of a port."""
        _, endpoint = self.endpoint()
        inherited = Inherited(1, endpoint=endpoint)
        ports = self.open(inherited)
        self.assertEqual(ports.endpoint_id, "skeleton")
        self.assertIsNone(ports.datagrams)
        self.assertIsNone(inherited.endpoint)
        self.assertFalse(os.get_inheritable(endpoint.listener.descriptor))
        ports.pause()
        ports.resume()

    def test_endpoint_and_datagrams(self) -> None:
        """A collector gets datagrams besides, on a port of their own."""
        _, endpoint = self.endpoint()
        stream, other = self.pair(), self.pair()
        number = other[1].getsockname()[1]
        for unused in (stream[1], other[0]):
            unused.close()
        inherited = Inherited(
            1, streams=[stream[0]], datagrams=[other[1]], endpoint=endpoint
        )
        ports = self.open(inherited)
        self.assertEqual(ports.endpoint_id, "skeleton")
        more: Any = ports.others
        self.assertIn(number, [each.getHost().port for each in more])

    def test_endpoint_turned_down(self) -> None:
        """A daemon that shall not share a port closes it, and says so."""
        events = EventLoggingObserver()
        globalLogPublisher.addObserver(events)
        self.addCleanup(globalLogPublisher.removeObserver, events)
        name, endpoint = self.endpoint()
        self.knobs["USE_SHARED_PORT"] = "False"
        ports = self.open(Inherited(1, endpoint=endpoint))
        self.assertIsNone(ports.endpoint_id)
        with socket.socket(socket.AF_UNIX) as client:
            self.assertRaises(ConnectionRefusedError, client.connect, name)
        [line] = [formatEvent(each) for each in events if "shared" in formatEvent(each)]
        self.assertIn("USE_SHARED_PORT", line)

    def test_own_knob(self) -> None:
        """A subsystem's own knob wins."""
        for own, everybody, expected in (
            ("True", "False", True),
            ("False", "True", False),
        ):
            knobs = {"OURS_USE_SHARED_PORT": own, "USE_SHARED_PORT": everybody}
            settings = Settings.from_assignments(knobs, "OURS")
            self.assertEqual(uses_shared_port(settings), expected)
