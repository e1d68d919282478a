"""What SSL and SCITOKENS have in common: TLS, opened by both sides.

Source: ``src/condor_io/condor_auth_ssl.cpp``, which is both methods.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import ClassVar

from condor_twisted.errors import TlsFailed
from condor_twisted.security.methods.base import AuthenticationMethod, MethodContext
from condor_twisted.security.steps import Handshake, open_tls
from condor_twisted.security.tls.certificates import name_of_server
from condor_twisted.security.tls.conversation import (
    TlsExchange,
    receive_status,
    send_status,
)
from condor_twisted.security.tls.known_hosts import TRUST_SWITCHES, server_trust
from condor_twisted.security.tls.settings import SKIP_HOST_CHECK, TlsSettings

__all__ = ["OVER_TLS_SWITCHES", "MethodOverTls"]

#: The truth values among the knobs of every client of TLS, with their defaults.
OVER_TLS_SWITCHES: Mapping[str, bool] = {SKIP_HOST_CHECK: False, **TRUST_SWITCHES}


class MethodOverTls(AuthenticationMethod):
    """A method whose messages travel within TLS."""

    domains = frozenset({"unmapped"})
    switches: ClassVar[Mapping[str, bool]] = OVER_TLS_SWITCHES

    @contextlib.contextmanager
    def failing(self) -> Iterator[None]:
        """Where TLS fails, the method does.

        Raises:
            AuthenticationFailed: TLS has failed.
        """
        try:
            yield
        except TlsFailed as error:
            raise self.failure(str(error)) from error

    def open_client(
        self,
        context: MethodContext,
        settings: TlsSettings,
        *,
        has_proof: bool = True,
    ) -> Handshake[tuple[TlsExchange, str]]:
        """Open TLS, see that the server is the one we dialled, and hear its bytes.

        Args:
            context: What the method stands on.
            settings: What TLS is made of.
            has_proof: Whether we have what the method shows later.

        Returns:
            TLS, and the server's name.

        Raises:
            TlsFailed: It did not come about, and the server knows.
            RemoteProtocolError: The server broke the rules.
        """
        security = context.security
        tls_context = yield from open_tls(settings)
        server_ready = yield from receive_status()
        yield from send_status(tls_context is not None and has_proof)
        if not has_proof:
            raise TlsFailed("we have no token")
        if tls_context is None:
            raise TlsFailed("our certificates cannot be used")
        if not server_ready:
            raise TlsFailed("the server cannot use its certificates")
        host = context.ends.dialled_host
        trust = yield from server_trust(security.knobs, security.host, host)
        exchange = TlsExchange(tls_context, server=False, trust=trust)
        yield from exchange.shake_hands(first=True)
        try:
            name = name_of_server(
                exchange.connection,
                context.ends.dialled,
                self.switch(context, SKIP_HOST_CHECK),
            )
        except TlsFailed:
            yield from exchange.quit_as_client()
            raise
        if trust is not None:
            yield from trust.finish()
        yield from exchange.receive_key()
        return exchange, name

    def open_server(
        self, context: MethodContext, missing: str
    ) -> Handshake[TlsExchange]:
        """Open TLS; the random bytes have not been sent yet.

        Args:
            context: What the method stands on.
            missing: What a client lacks that is not ready.

        Raises:
            TlsFailed: It did not come about, and the client knows.
            RemoteProtocolError: The client broke the rules.
        """
        settings = TlsSettings.for_server(context.security.knobs)
        tls_context = yield from open_tls(settings)
        yield from send_status(tls_context is not None)
        client_ready = yield from receive_status()
        if tls_context is None:
            raise TlsFailed("our certificates cannot be used")
        if not client_ready:
            raise TlsFailed(missing)
        exchange = TlsExchange(tls_context, server=True)
        yield from exchange.shake_hands(first=False)
        return exchange
