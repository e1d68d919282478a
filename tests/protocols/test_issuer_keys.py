"""Tests of ``condor_twisted.protocols.issuer_keys``."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseDone, ResponseFailed
from twisted.web.iweb import IAgent
from zope.interface import implementer

from condor_twisted.protocols.issuer_keys import MAX_BODY_BYTES, IssuerKeys

ISSUER = "https://tokens.example.org/path"
PLAIN = f"{ISSUER}/.well-known/openid-configuration"
OTHER = "https://tokens.example.org/.well-known/oauth-authorization-server/path"
JWKS = "https://keys.example.org/jwks?x=1"


class Transport:
    """What a body comes through."""

    aborted = False

    def abortConnection(self) -> None:
        """Note that it was cut off."""
        self.aborted = True


class Response:
    """A page.

    Args:
        code: Its status.
        body: What is on it.
        ends: Whether it is whole.
    """

    def __init__(self, code: int, body: bytes, ends: bool = True) -> None:
        self.code = code
        self._body = body
        self._ends = ends
        self.transport = Transport()

    def deliverBody(self, protocol: Any) -> None:  # noqa: N802 -- Twisted's name
        """Give the body, in two pieces."""
        protocol.transport = self.transport
        half = len(self._body) // 2
        protocol.dataReceived(self._body[:half])
        protocol.dataReceived(self._body[half:])
        reason = ResponseDone() if self._ends else ResponseFailed([])
        protocol.connectionLost(Failure(reason))


@implementer(IAgent)
class Pages:
    """An agent over pages in memory."""

    def __init__(self) -> None:
        self.pages: dict[str, Response] = {}
        self.asked: list[str] = []
        self.held: list[Deferred[Any]] | None = None

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Any = None,
        bodyProducer: Any = None,  # noqa: N803 -- Twisted's name
    ) -> Deferred[Any]:
        """Ask for a page."""
        address = uri.decode()
        self.asked.append(address)
        answer: Deferred[Any] = Deferred()
        if self.held is not None:
            self.held.append(answer)
        else:
            answer.callback(self.pages.get(address, Response(404, b"")))
        return answer


class KeysTests(SynchronousTestCase):
    def setUp(self) -> None:
        """An issuer with its two pages."""
        self.clock = Clock()
        self.pages = Pages()
        self.keys = IssuerKeys(self.clock, self.pages)
        self.observer = EventLoggingObserver()
        globalLogPublisher.addObserver(self.observer)
        self.addCleanup(globalLogPublisher.removeObserver, self.observer)
        self.publish(PLAIN, {"issuer": ISSUER, "jwks_uri": JWKS})
        self.publish(JWKS, {"keys": []})

    def publish(self, address: str, content: object, code: int = 200) -> None:
        """Put a page up."""
        self.pages.pages[address] = Response(code, json.dumps(content).encode())

    def get(self, issuer: str = ISSUER) -> str | None:
        """The keys of an issuer, waited for."""
        answer = self.keys.get(issuer)
        if isinstance(answer, Deferred):
            found: str | None = self.successResultOf(answer)
            return found
        return answer

    def test_keys(self) -> None:
        """Its page says where the keys are; they are kept for ten minutes."""
        self.assertEqual(self.get(), '{"keys": []}')
        self.assertEqual(self.pages.asked, [PLAIN, JWKS])
        self.clock.advance(599)
        self.assertEqual(self.get(), '{"keys": []}')
        self.assertEqual(len(self.pages.asked), 2)
        self.clock.advance(2)
        self.get()
        self.assertEqual(len(self.pages.asked), 4)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_other_place(self) -> None:
        """The place of RFC 8414 is asked where the first one has nothing."""
        del self.pages.pages[PLAIN]
        self.publish(OTHER, {"jwks_uri": JWKS})
        self.assertEqual(self.get(), '{"keys": []}')
        self.assertEqual(self.pages.asked, [PLAIN, OTHER, JWKS])

    def test_failures(self) -> None:
        """What makes no sense is no key, is logged, and not asked for a minute."""
        bad: tuple[object, ...] = (
            [],
            {},
            {"issuer": "https://else", "jwks_uri": JWKS},
            {"jwks_uri": "http://keys.example.org/"},
            {"jwks_uri": "file:///etc/passwd"},
            {"jwks_uri": 1},
            {"jwks_uri": "https://keys.example.org/none"},
        )
        for metadata in bad:
            self.keys = IssuerKeys(self.clock, self.pages)
            self.publish(PLAIN, metadata)
            self.assertIsNone(self.get(), metadata)
            count = len(self.pages.asked)
            self.assertIsNone(self.get())
            self.assertEqual(len(self.pages.asked), count)
            self.clock.advance(61)
            self.get()
            self.assertGreater(len(self.pages.asked), count)
        self.assertGreaterEqual(len(list(self.observer)), 14)

    def test_bodies(self) -> None:
        """A body that is too long, is cut off, or no text is no answer."""
        whole = Response(200, b" " * (MAX_BODY_BYTES - 2) + b"{}")
        long = Response(200, b" " * (MAX_BODY_BYTES - 1) + b"{}")
        for response, found in (
            (whole, True),
            (long, False),
            (Response(200, b"{}", ends=False), False),
            (Response(200, b"\xff"), False),
            (Response(500, b"{}"), False),
        ):
            self.keys = IssuerKeys(self.clock, self.pages)
            self.pages.pages[JWKS] = response
            self.assertIs(self.get() is not None, found)
        self.assertTrue(long.transport.aborted)
        self.assertFalse(whole.transport.aborted)

    def test_not_an_issuer(self) -> None:
        """What is no address of keys is not asked."""
        for issuer in ("http://a", "https://u@a", ""):
            self.assertIsNone(self.get(issuer))
        self.assertEqual(self.pages.asked, [])

    def test_time(self) -> None:
        """Nobody waits longer than 10 s, and askers share one request."""
        self.pages.held = []
        first, second = self.keys.get(ISSUER), self.keys.get(ISSUER)
        assert isinstance(first, Deferred)
        assert isinstance(second, Deferred)
        self.assertEqual(self.pages.asked, [PLAIN])
        self.clock.advance(9.9)
        self.assertNoResult(first)
        self.clock.advance(0.2)
        self.assertIsNone(self.successResultOf(first))
        self.assertIsNone(self.successResultOf(second))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_at_once(self) -> None:
        """At most four issuers are asked at a time."""
        self.pages.held = []
        for number in range(6):
            self.keys.get(f"https://{number}")
        self.assertEqual(len(self.pages.asked), 4)
        self.clock.advance(10.1)
        self.assertEqual(len(self.pages.asked), 6)
        self.clock.advance(10.1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_given_up(self) -> None:
        """Whoever gives up does not disturb the others."""
        self.pages.held = []
        first, second = self.keys.get(ISSUER), self.keys.get(ISSUER)
        assert isinstance(first, Deferred)
        assert isinstance(second, Deferred)
        first.addErrback(lambda failure: None)
        first.cancel()
        self.clock.advance(10.1)
        self.assertIsNone(self.successResultOf(second))
