"""SSL: certificates say who the server is, and who the client is if it has one.

The messages are those of `condor_twisted.security.tls`. A client without a certificate
is nobody in particular, and the method has succeeded nevertheless: it knows the server.

Source: ``src/condor_io/condor_auth_ssl.cpp``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import AuthenticationFailed, TlsFailed
from condor_twisted.security.credentials import Credentials
from condor_twisted.security.identity import UNAUTHENTICATED_USER
from condor_twisted.security.knobs import Knobs
from condor_twisted.security.methods.base import AuthResult, MethodContext
from condor_twisted.security.methods.over_tls import OVER_TLS_SWITCHES, MethodOverTls
from condor_twisted.security.steps import Handshake
from condor_twisted.security.tls.certificates import name_of_peer
from condor_twisted.security.tls.conversation import TlsExchange
from condor_twisted.security.tls.settings import SSL_SWITCHES, TlsSettings

__all__ = ["SslMethod"]

_UNMAPPED: Final = "ssl@unmapped"
_REQUIRE_CERTIFICATE: Final = "AUTH_SSL_REQUIRE_CLIENT_CERTIFICATE"
_REQUIRE_MAPPING: Final = "AUTH_SSL_REQUIRE_CLIENT_MAPPING"


class SslMethod(MethodOverTls):
    """Certificates that an authority vouches for."""

    name = "SSL"
    used_name = "SSL"
    bit = 256
    switches: ClassVar[Mapping[str, bool]] = {
        **OVER_TLS_SWITCHES,
        **SSL_SWITCHES,
        _REQUIRE_MAPPING: False,
    }

    @classmethod
    def unavailable(
        cls,
        knobs: Knobs,
        own_user: str | None,
        permission: Permission,
        credentials: Credentials,
    ) -> str | None:
        """A server needs a certificate."""
        if permission is Permission.CLIENT or credentials.has_server_certificate:
            return None
        return "there is no certificate for a server"

    def client(self, context: MethodContext) -> Handshake[AuthResult]:
        """See that the server is the one we dialled, and show our certificate."""
        security = context.security
        settings = TlsSettings.for_client(security.knobs, security.host.proxy_file)
        with self.failing():
            _, name = yield from self.open_client(context, settings)
        return AuthResult(user=_UNMAPPED, authenticated_name=name)

    def server(self, context: MethodContext) -> Handshake[AuthResult]:
        """Show our certificate, and see who the client is."""
        with self.failing():
            exchange = yield from self.open_server(
                context, "the client cannot use its certificates"
            )
            try:
                name = self._check_client(context, exchange)
            except AuthenticationFailed:
                yield from exchange.quit_as_server()
                raise
            yield from exchange.send_key(context.security.random_bytes)
        if name is None:
            return AuthResult(user=UNAUTHENTICATED_USER)
        return AuthResult(user=_UNMAPPED, authenticated_name=name)

    def _check_client(
        self, context: MethodContext, exchange: TlsExchange
    ) -> str | None:
        """The name of the client; ``None`` for one without a certificate.

        Raises:
            AuthenticationFailed: It needs one, or one that is mapped.
        """
        try:
            name = name_of_peer(exchange.connection)
        except TlsFailed as error:
            raise self.failure(str(error)) from error
        if name is None and self.switch(context, _REQUIRE_CERTIFICATE):
            raise self.failure("the client has no certificate")
        if self.switch(context, _REQUIRE_MAPPING) and (
            name is None or context.security.identity_map(self.used_name, name) is None
        ):
            raise self.failure("the client's certificate is not mapped")
        return name
