"""Tests of ``condor_twisted.protocols.sspi_library``, with a double of Windows."""

from __future__ import annotations

import importlib.util
import sys
from enum import IntFlag
from types import SimpleNamespace
from typing import Any

from twisted.internet.testing import EventLoggingObserver
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.protocols.sspi_library import open_sspi, sspi_available
from condor_twisted.security.sspi import OpenSspi, SspiProblem, SspiTurn


class Flags(IntFlag):
    """Flags of a context, each with the name that all kinds share."""

    ASC_REQ_REPLAY_DETECT = ISC_REQ_REPLAY_DETECT = 4
    ASC_REQ_SEQUENCE_DETECT = ISC_REQ_SEQUENCE_DETECT = 8
    ASC_REQ_CONFIDENTIALITY = ISC_REQ_CONFIDENTIALITY = 16
    ASC_RET_NULL_SESSION = 0x100000


class Context:
    """A side of a login in Windows.

    Args:
        windows: Where it is.
        credential: With what it was made.
        target_name: Whom a client wants.
        flags: What is asked for.
    """

    def __init__(
        self,
        windows: Windows,
        credential: dict[str, str],
        target_name: str | None = None,
        flags: int = 0,
    ) -> None:
        self._windows = windows
        self.made = (credential, target_name, flags)
        self.complete = False
        self.attributes = windows.attributes
        windows.contexts.append(self)

    def step(self, token: bytes | None) -> bytes:
        """Take a turn."""
        answer = self._windows.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        self.complete = not self._windows.answers
        return (token or b"") + answer


class Windows:
    """What ``sspilib`` is on Windows."""

    def __init__(self, *answers: bytes | OSError, account: str = "CORP\\alice") -> None:
        self.answers = list(answers)
        self.attributes = Flags(0)
        self.contexts: list[Context] = []
        self.raw = SimpleNamespace(
            AscReq=Flags,
            IscReq=Flags,
            AscRet=Flags,
            SecPkgContextNames="names",
            query_context_attributes=lambda context, kind: SimpleNamespace(
                username=account if kind == "names" else None
            ),
        )

    def UserCredential(self, **about: str) -> dict[str, str]:  # noqa: N802
        """A login of this process's user."""
        return about

    def ClientSecurityContext(self, *about: Any, **more: Any) -> Context:  # noqa: N802
        """A client's side."""
        return Context(self, *about, **more)

    def ServerSecurityContext(self, *about: Any, **more: Any) -> Context:  # noqa: N802
        """A server's side."""
        return Context(self, *about, **more)


class LibraryTests(SynchronousTestCase):
    """Calls of ``sspilib``."""

    def on(self, windows: object) -> None:
        """Be on this Windows."""
        before = sys.modules.get("sspilib")
        sys.modules["sspilib"] = windows  # type: ignore[assignment]
        if before is None:
            self.addCleanup(sys.modules.pop, "sspilib")
        else:
            self.addCleanup(sys.modules.__setitem__, "sspilib", before)

    def open(self, server: bool) -> Any:
        """Begin a login."""
        exchange = open_sspi(OpenSspi(server))
        assert not isinstance(exchange, SspiProblem), exchange
        return exchange

    def test_client(self) -> None:
        """This process's user logs in by NTLM, and names nobody at the end."""
        windows = Windows(b"hello", b"proof")
        self.on(windows)
        exchange = self.open(server=False)
        self.assertEqual(exchange.advance(b""), SspiTurn(b"hello", False))
        self.assertEqual(exchange.advance(b"<"), SspiTurn(b"<proof", True))
        (context,) = windows.contexts
        self.assertEqual(
            context.made, ({"protocol": "NTLM", "usage": "initiate"}, "", 28)
        )

    def test_server(self) -> None:
        """The client's account is asked for once the login is done."""
        windows = Windows(b"challenge", b"")
        self.on(windows)
        exchange = self.open(server=True)
        self.assertEqual(exchange.advance(b""), SspiTurn(b"challenge", False))
        self.assertEqual(exchange.advance(b"<"), SspiTurn(b"<", True, "CORP\\alice"))
        (context,) = windows.contexts
        self.assertEqual(
            context.made, ({"protocol": "NTLM", "usage": "accept"}, None, 28)
        )

    def test_anonymous(self) -> None:
        """A login without a user is none."""
        windows = Windows(b"")
        windows.attributes = Flags.ASC_RET_NULL_SESSION
        self.on(windows)
        self.assertEqual(
            self.open(server=True).advance(b"x"), SspiProblem("the login is anonymous")
        )

    def test_errors(self) -> None:
        """What Windows says is the reason."""
        denied = OSError(0, "The logon attempt failed")
        self.on(Windows(denied))
        self.assertEqual(
            self.open(server=True).advance(b"x"),
            SspiProblem("The logon attempt failed"),
        )
        self.on(None)  # it cannot be imported
        self.assertIsInstance(open_sspi(OpenSspi(False)), SspiProblem)

    def test_available(self) -> None:
        """Elsewhere than on Windows it is not; there one line says what is missing."""
        observer = EventLoggingObserver()
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        ask = sspi_available.__wrapped__
        self.patch(sys, "platform", "linux")
        self.assertFalse(ask())
        self.assertEqual(list(observer), [])
        self.patch(sys, "platform", "win32")
        self.patch(importlib.util, "find_spec", lambda name: None)
        self.assertFalse(ask())
        (event,) = observer
        self.assertEqual(
            formatEvent(event), "NTSSPI is not offered: install condor_twisted[sspi]"
        )
        self.patch(importlib.util, "find_spec", lambda name: object())
        self.assertTrue(ask())
