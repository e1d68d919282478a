"""Negotiations that are broken off, stalled, or answered by nonsense."""

from __future__ import annotations

import gc
import os
import tempfile
from typing import Any, ClassVar

from condor_twisted.constants.commands import Command
from condor_twisted.protocols.handshake_driver import HandshakeDriver
from fuzz import seeds
from fuzz.house import BASE_KNOBS, SECURE
from fuzz.mutations import each_byte_flipped
from tests.robustness.kit import HouseTestCase

METHODS = ("FS", "CLAIMTOBE", "ANONYMOUS")


def drivers() -> int:
    """How many handshakes exist, under way or forgotten."""
    gc.collect()
    return sum(
        isinstance(each, HandshakeDriver) and not each.done for each in gc.get_objects()
    )


class HandshakeTestCase(HouseTestCase):
    """A server that demands everything, and a directory for FS."""

    knobs: ClassVar[dict[str, str]] = SECURE
    is_checked = True

    def setUp(self) -> None:
        """Let FS use a directory of the test's own."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.knobs = {**SECURE, "FS_LOCAL_DIR": self.folder}  # type: ignore[misc]
        super().setUp()

    def open(self, method: str) -> Any:
        """Begin a query under a method; its outcome, and both ends' transports."""
        opener = self.opener(SEC_DEFAULT_AUTHENTICATION_METHODS=method)
        outcome = opener.open(
            str(self.house.collector.address), Command.QUERY_MASTER_ADS
        )
        self.reactor.advance(0)
        return outcome

    def move(self, rounds: int) -> None:
        """Deliver what has been written, so many times."""
        for _ in range(rounds):
            self.reactor.traffic.step()


class BreakingOffTests(HandshakeTestCase):
    def test_mnh_0_6_broken_off_after_each_message(self) -> None:
        """Whoever leaves, and when: no directory, no generator and no timer stays."""
        before = drivers()
        for method in METHODS:
            for rounds in range(12):
                for end in (0, -1):
                    outcome = self.open(method)
                    outcome.addErrback(lambda _: None)
                    self.move(rounds)
                    if self.house.transports:
                        self.house.transports[end].abortConnection()
                    self.reactor.flush()
                    for transport in self.house.transports:
                        transport.abortConnection()
                    self.reactor.flush()
                    self.assertEqual(os.listdir(self.folder), [], (method, rounds))
        self.assertEqual(drivers(), before)

    def test_mnh_2_1_stalled_in_each_method(self) -> None:
        """Eight peers that fall silent in each method end after 120 s."""
        outcomes = []
        for method in METHODS:
            for number in range(8):
                outcome = self.open(method)
                outcome.addErrback(lambda _: None)
                outcomes.append(outcome)
                self.move(number % 5)
                for transport in self.house.transports[::2]:
                    transport.stalled = True
        server = self.house.collector.server
        assert server is not None
        self.assertGreater(len(server.connections), 0)
        for _ in range(125):
            self.reactor.advance(1)
        for transport in list(self.house.transports):
            transport.stalled = False
        self.reactor.flush()
        self.assertEqual(len(server.connections), 0)
        self.assertEqual(os.listdir(self.folder), [])

    def test_mnh_3_1_others_are_served_meanwhile(self) -> None:
        """A peer that negotiates is not delayed by those that do not go on."""
        for method in METHODS:
            for _ in range(8):
                self.open(method).addErrback(lambda _: None)
                self.move(2)
                for transport in self.house.transports:
                    transport.stalled = True
        outcome = self.open("CLAIMTOBE")
        self.reactor.flush()
        channel = self.successResultOf(outcome)
        writer = channel.writer()
        writer.put_ad(b"")
        channel.send_message(writer.end_of_message())
        answer = channel.receive_message()
        self.reactor.flush()
        self.successResultOf(answer)

    def test_mnh_1_32_methods_over_and_over(self) -> None:
        """A peer that goes on choosing methods is closed after eight rounds."""
        fallback = seeds.handshakes()["security-fallback 0"]
        self.house.stream(fallback[0] + fallback[1] * 50)
        server = self.house.collector.server
        assert server is not None
        self.assertEqual(len(server.connections), 0)

    def test_mnh_0_6_keys_damaged(self) -> None:
        """Public keys that are no points end the negotiation on every path."""
        data = seeds.handshakes()["security-fs 0"][0]
        at = data.index(b"ECDHPublicKey")
        for damaged in each_byte_flipped(data[at : at + 120]):
            self.house.stream(data[:at] + damaged + data[at + 120 :])
        self.assertEqual(os.listdir(self.folder), [])


class SecretTests(HouseTestCase):
    """What is logged, at every level, of a session with secrets."""

    knobs: ClassVar[dict[str, str]] = {
        **BASE_KNOBS,
        **SECURE,
        "ALL_DEBUG": "D_FULLDEBUG D_SECURITY D_COMMAND",
    }

    def test_mnh_7_1_nothing_secret_is_logged(self) -> None:
        """No key, claim or capability is in a log line, debugging included."""
        from twisted.internet.testing import EventLoggingObserver
        from twisted.logger import formatEvent, globalLogPublisher

        events = EventLoggingObserver()
        globalLogPublisher.addObserver(events)
        self.addCleanup(globalLogPublisher.removeObserver, events)
        opener = self.opener(SEC_DEFAULT_AUTHENTICATION_METHODS="CLAIMTOBE")
        address = str(self.house.collector.address)
        secret = b"<1.2.3.4:5>#1700000000#1#s3cr3tclaim"
        for number in (Command.UPDATE_STARTD_AD, Command.QUERY_STARTD_PVT_ADS):
            outcome = opener.open(address, number)
            self.reactor.flush()
            channel = self.successResultOf(outcome)
            writer = channel.writer()
            if number == Command.UPDATE_STARTD_AD:
                writer.put_ad(
                    b'MyType = "Machine"\0Name = "s"\0MyAddress = "<1.2.3.4:5>"\0'
                    b'Capability = "s3cr3tcapability"\0Broken = ((\0'
                )
                writer.put_ad(b'MyType = "Machine"\0', [b'ClaimId = "%s"' % secret])
            else:
                writer.put_ad(b"SendPrivateAttributes = true\0")
            channel.send_message(writer.end_of_message())
            self.reactor.flush()
            if number == Command.QUERY_STARTD_PVT_ADS:
                answer = self.successResultOf(channel.receive_message())
                self.assertIn(b"s3cr3tclaim", answer.get_bytes(answer.remaining))
        security = self.house.collector.security
        assert security is not None
        keys = [
            session.key.data.hex()
            for session in security.incoming._sessions.values()
            if session.key is not None
        ]
        self.assertGreater(len(keys), 0)
        text = "\n".join(f"{formatEvent(event)} {event!r}" for event in events)
        for word in ("s3cr3t", *keys):
            self.assertNotIn(word, text)
