"""Gets the keys that issuers of tokens publish, and keeps them for a while.

1.  GET <issuer>/.well-known/openid-configuration, or
    <issuer's host>/.well-known/oauth-authorization-server<issuer's path>
2.  GET the ``jwks_uri`` that it names

Everything comes by HTTPS, whole within 10 s, and is at most 256 KiB long. Nobody is
sent elsewhere. Keys are kept for ten minutes, failures for one.

Source: RFC 8414; ``scitokens_internal.cpp`` of the SciTokens library.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any, Final
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred, DeferredSemaphore, inlineCallbacks
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

from condor_twisted.protocols.answer_cache import AnswerCache
from condor_twisted.protocols.log_text import escaped
from condor_twisted.security.tokens.scitokens import is_issuer

__all__ = ["IssuerKeys"]

_log = Logger()

TIMEOUT_SECONDS: Final = 10.0
FOUND_SECONDS: Final = 600.0
MISSED_SECONDS: Final = 60.0
MAX_BODY_BYTES: Final = 256 << 10
_KEPT_COUNT: Final = 256
_AT_ONCE: Final = 4


class _Body(Protocol):
    """Collects the body of a response, up to a limit."""

    def __init__(self, done: Deferred[bytes]) -> None:
        self._done = done
        self._parts = bytearray()

    def dataReceived(self, data: bytes) -> None:
        """Keep what came."""
        self._parts += data
        if len(self._parts) > MAX_BODY_BYTES:
            self._end(ValueError("an answer that is too long"))
            self.transport.abortConnection()  # type: ignore[union-attr]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The body has ended, or was cut off."""
        if reason.check(ResponseDone):
            self._end(None)
        else:
            self._end(ValueError("an answer that was cut off"))

    def _end(self, error: Exception | None) -> None:
        if self._done.called:
            return
        if error is None:
            self._done.callback(bytes(self._parts))
        else:
            self._done.errback(error)


class IssuerKeys:
    """Keys by issuer.

    Args:
        reactor: Where connections are made.
        agent: Makes requests; Twisted's own, with the system's authorities, by default.
    """

    def __init__(self, reactor: Any, agent: IAgent | None = None) -> None:
        self._reactor = reactor
        self._agent = agent
        self._answers: AnswerCache[str, str | bool] = AnswerCache(reactor, _KEPT_COUNT)
        self._under_way: dict[str, list[Deferred[str | None]]] = {}
        self._places = DeferredSemaphore(_AT_ONCE)

    def get(self, issuer: str) -> str | Deferred[str | None] | None:
        """The keys of an issuer.

        Returns:
            A JSON Web Key Set as text, ``None`` where there is none, or a `Deferred`
            of it, which never fails.
        """
        if not is_issuer(issuer):
            return None
        known = self._answers.get(issuer)
        if known is not None:
            return known if isinstance(known, str) else None
        outcome: Deferred[str | None] = Deferred()
        waiting = self._under_way.get(issuer)
        if waiting is not None:
            waiting.append(outcome)
            return outcome
        self._under_way[issuer] = [outcome]
        fetching: Deferred[str] = self._places.run(self._fetch_in_time, issuer)
        fetching.addBoth(self._fetched, issuer)
        return outcome

    def _fetched(self, result: str | Failure, issuer: str) -> None:
        if isinstance(result, Failure):
            _log.warn(
                "No keys of the issuer {issuer}: {reason}",
                issuer=escaped(issuer),
                reason=escaped(result.getErrorMessage()),
            )
            self._answers.put(issuer, False, MISSED_SECONDS)
        else:
            self._answers.put(issuer, result, FOUND_SECONDS)
        for each in self._under_way.pop(issuer, ()):
            if not each.called:
                each.callback(None if isinstance(result, Failure) else result)

    def _fetch_in_time(self, issuer: str) -> Deferred[str]:
        return self._fetch(issuer).addTimeout(TIMEOUT_SECONDS, self._reactor)

    @inlineCallbacks
    def _fetch(self, issuer: str) -> Generator[Deferred[bytes | None], Any, str]:
        metadata: bytes | None = None
        for address in _metadata_addresses(issuer):
            metadata = yield self._request(address)
            if metadata is not None:
                break
        if metadata is None:
            raise ValueError("it publishes nothing about itself")
        keys = yield self._request(_keys_address(metadata, issuer))
        if keys is None:
            raise ValueError("its keys are not where it says")
        return str(keys, "utf-8")

    @inlineCallbacks
    def _request(self, address: str) -> Generator[Deferred[Any], Any, bytes | None]:
        """The body of a page; ``None`` where there is no such page."""
        if self._agent is None:
            self._agent = Agent(
                self._reactor, BrowserLikePolicyForHTTPS(), TIMEOUT_SECONDS
            )
        headers = Headers({b"Accept": [b"application/json"]})
        response = yield self._agent.request(b"GET", address.encode("ascii"), headers)
        done: Deferred[bytes] = Deferred()
        response.deliverBody(_Body(done))
        body = yield done
        return body if response.code == 200 else None


def _metadata_addresses(issuer: str) -> tuple[str, str]:
    """Where an issuer tells about itself."""
    plain = issuer.rstrip("/")
    parts = urlsplit(plain)
    return (
        f"{plain}/.well-known/openid-configuration",
        f"https://{parts.netloc}/.well-known/oauth-authorization-server{parts.path}",
    )


def _keys_address(metadata: bytes, issuer: str) -> str:
    """Where an issuer's keys are.

    Raises:
        ValueError: It does not say, or speaks for another issuer.
    """
    found = json.loads(metadata)
    if not isinstance(found, dict):
        raise ValueError("what it publishes about itself makes no sense")
    if found.get("issuer", issuer) != issuer:
        raise ValueError("it calls itself something else")
    address = found.get("jwks_uri")
    if not isinstance(address, str) or not is_issuer(address.partition("?")[0]):
        raise ValueError("it does not say where its keys are")
    return address
