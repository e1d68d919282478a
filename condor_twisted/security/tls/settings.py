"""What TLS is configured to be, as the methods that run it read it from the knobs.

Source: ``src/condor_io/condor_auth_ssl.cpp: Condor_Auth_SSL::setup_ssl_ctx``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from condor_twisted.security.knobs import Knobs

__all__ = ["CIPHERS_KNOB", "SKIP_HOST_CHECK", "SSL_SWITCHES", "TlsSettings"]

#: Whether a client takes any host's certificate.
SKIP_HOST_CHECK: Final = "SSL_SKIP_HOST_CHECK"
CIPHERS_KNOB: Final = "AUTH_SSL_CIPHERLIST"
_SERVER_CAS: Final = "AUTH_SSL_SERVER_USE_DEFAULT_CAS"
_CLIENT_CAS: Final = "AUTH_SSL_CLIENT_USE_DEFAULT_CAS"
_ALLOW_PROXY: Final = "AUTH_SSL_ALLOW_CLIENT_PROXY"
_OWN_PROXY: Final = "AUTH_SSL_USE_CLIENT_PROXY_ENV_VAR"
_REQUIRE: Final = "AUTH_SSL_REQUIRE_CLIENT_CERTIFICATE"

#: The truth values among the knobs of TLS, with their defaults.
SSL_SWITCHES: Final = {
    _SERVER_CAS: True,
    _CLIENT_CAS: True,
    _ALLOW_PROXY: False,
    _OWN_PROXY: False,
    _REQUIRE: False,
}

_DEFAULT_CIPHERS: Final = (
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:"
    "ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:"
    "DHE-RSA-AES128-SHA256:DHE-RSA-AES256-SHA256:"
    "AES128-GCM-SHA256:AES256-GCM-SHA384:!aNULL:!eNULL"
)


def _paths(text: str | None) -> tuple[str, ...]:
    """The paths of a list that commas separate."""
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """What a TLS context is made of.

    Args:
        server: Whether it is for a server.
        pairs: Files of certificates and of their keys; those that can be read count.
        needs_certificate: Whether it is nothing without a certificate of our own.
        ca_files: Files of authorities; the last that can be read counts.
        ca_directory: A directory of authorities.
        default_authorities: Whether the system's authorities count, too.
        allow_proxies: Whether proxy certificates are taken.
        ciphers: OpenSSL's list of ciphers for TLS 1.2.
    """

    server: bool
    pairs: tuple[tuple[str, str], ...]
    needs_certificate: bool
    ca_files: tuple[str, ...]
    ca_directory: str | None
    default_authorities: bool
    allow_proxies: bool
    ciphers: str

    @classmethod
    def for_server(cls, knobs: Knobs) -> TlsSettings:
        """What a server uses."""
        return cls(
            server=True,
            pairs=tuple(
                zip(
                    _paths(knobs.text("AUTH_SSL_SERVER_CERTFILE")),
                    _paths(knobs.text("AUTH_SSL_SERVER_KEYFILE")),
                    strict=False,
                )
            ),
            needs_certificate=True,
            ca_files=_paths(knobs.text("AUTH_SSL_SERVER_CAFILE")),
            ca_directory=knobs.text("AUTH_SSL_SERVER_CADIR") or None,
            default_authorities=knobs.boolean(_SERVER_CAS, True),
            allow_proxies=knobs.boolean(_ALLOW_PROXY, False),
            ciphers=knobs.text(CIPHERS_KNOB) or _DEFAULT_CIPHERS,
        )

    @classmethod
    def for_client(
        cls, knobs: Knobs, proxy_file: str | None = None, *, anonymous: bool = False
    ) -> TlsSettings:
        """What a client uses.

        Args:
            knobs: The configuration.
            proxy_file: The user's proxy certificate, if there is one.
            anonymous: Show no certificate, whatever is configured.
        """
        pairs: tuple[tuple[str, str], ...] = ()
        if not anonymous:
            if proxy_file and knobs.boolean(_OWN_PROXY, False):
                pairs = ((proxy_file, proxy_file),)
            else:
                pairs = tuple(
                    zip(
                        _paths(knobs.text("AUTH_SSL_CLIENT_CERTFILE")),
                        _paths(knobs.text("AUTH_SSL_CLIENT_KEYFILE")),
                        strict=False,
                    )
                )
        return cls(
            server=False,
            pairs=pairs,
            needs_certificate=not anonymous and knobs.boolean(_REQUIRE, False),
            ca_files=_paths(knobs.text("AUTH_SSL_CLIENT_CAFILE")),
            ca_directory=knobs.text("AUTH_SSL_CLIENT_CADIR") or None,
            default_authorities=knobs.boolean(_CLIENT_CAS, True),
            allow_proxies=False,
            ciphers=knobs.text(CIPHERS_KNOB) or _DEFAULT_CIPHERS,
        )
