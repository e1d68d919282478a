"""Tests of ``condor_twisted.protocols.shared_port_client``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.protocols.commands import CommandOpener
from condor_twisted.protocols.host_steps import Host
from condor_twisted.security.commands import CommandRules
from condor_twisted.testing.reactor import MemoryReactor, blocking_at_once
from condor_twisted.wire.shared_port import SharedPortRequest
from tests.protocols.kit import OPEN, RawClient, frame, make_security

REAL_REQUEST = (
    "0100000040000000000000004b666f726569676e5f32353139305f3233323900"
    "544553544552203c3132372e302e302e313a313e0000000000000000140000000000000000"
)


def shared_port_request(endpoint_id: str, requester: str) -> bytes:
    """What a client sends first."""
    return SharedPortRequest(endpoint_id, requester, 20).serialize()


class Factory:
    """Keeps what comes over each connection."""

    def __init__(self) -> None:
        self.clients: list[RawClient] = []

    def doStart(self) -> None:
        """Part of ``IProtocolFactory``."""

    def doStop(self) -> None:
        """Part of ``IProtocolFactory``."""

    def buildProtocol(self, address: object) -> RawClient:
        self.clients.append(RawClient())
        return self.clients[-1]


class SharedPortClientTests(SynchronousTestCase):
    def test_layout(self) -> None:
        """The request is byte for byte what a real server takes."""
        request = shared_port_request("foreign_25190_2329", "TESTER <127.0.0.1:1>")
        self.assertEqual(frame(request).hex(), REAL_REQUEST)

    def sent_to(self, address: str) -> bytes:
        """What is sent first for a raw command to an address."""
        reactor = MemoryReactor()
        factory = Factory()
        port = reactor.listenTCP(9618, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        security = make_security(reactor, OPEN, CommandRules(), "TOOL")
        opener = CommandOpener(reactor, security, Host(reactor, blocking_at_once))
        self.addCleanup(opener.close)
        told = opener.tell(address, 60011, lambda writer: writer.put_int(7))
        reactor.flush()
        self.successResultOf(told)
        return bytes(factory.clients[0].received)

    def test_daemon_behind_a_shared_port(self) -> None:
        """A connection to an address with an endpoint asks for it first."""
        request = frame(shared_port_request("startd_1", "TOOL"))
        command = frame((60011).to_bytes(8, "big") + (7).to_bytes(8, "big"))
        sent = self.sent_to("<127.0.0.1:9618?sock=startd_1>")
        self.assertEqual(sent, request + command)
        self.assertEqual(self.sent_to("<127.0.0.1:9618>"), command)

    def test_shared_port_itself(self) -> None:
        """The shared port daemon is asked for itself."""
        sent = self.sent_to("<127.0.0.1:9618?sock=self>")
        self.assertTrue(sent.startswith(frame(shared_port_request("self", "TOOL"))))
