"""Makes TLS contexts out of files, and keeps them until a file changes.

Reading the system's authorities takes long, so a context serves all connections with
the same settings, from any thread. Certificates that are renewed on disk are taken with
the next connection.

Source: ``src/condor_io/condor_auth_ssl.cpp: Condor_Auth_SSL::setup_ssl_ctx``.
"""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, TypeAlias

from twisted.logger import Logger

from condor_twisted.security.tls.settings import TlsSettings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from OpenSSL.SSL import Context

    TlsKey: TypeAlias = (
        EllipticCurvePrivateKey | Ed448PrivateKey | Ed25519PrivateKey | RSAPrivateKey
    )

__all__ = ["TlsContexts", "make_tls_context"]

_log = Logger()

_KEPT_COUNT: Final = 16
_ALLOW_PROXY_CERTIFICATES: Final = 0x40
_MAX_KEY_BYTES: Final = 1 << 20
_KEY_BLOCK: Final = re.compile(
    rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?-----END \1-----\r?\n?", re.DOTALL
)
#: What says that a file has changed.
_Mark = tuple[str, int, int, int]


class TlsContexts:
    """The contexts of one process; safe in several threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[TlsSettings, tuple[_Mark, ...]], Context] = (
            OrderedDict()
        )

    def open(self, settings: TlsSettings) -> Context | None:
        """A context; ``None`` where it cannot be made. May block."""
        from OpenSSL import SSL

        key = (settings, _marks(settings))
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        try:
            context = make_tls_context(settings)
        except (SSL.Error, OSError, ValueError) as error:
            _log.warn(
                "TLS cannot be set up for a {side}: {reason}",
                side="server" if settings.server else "client",
                reason=_reason(error),
            )
            return None
        self._kept[key] = context
        while len(self._kept) > _KEPT_COUNT:
            self._kept.popitem(last=False)
        return context


def _reason(error: Exception) -> str:
    if isinstance(error, (OSError, ValueError)) or not error.args:
        return str(error)
    return ", ".join(str(each[-1]) for each in error.args[0]) or "an OpenSSL error"


def _marks(settings: TlsSettings) -> tuple[_Mark, ...]:
    """The state of every file of some settings."""
    paths = [path for pair in settings.pairs for path in pair]
    found: list[_Mark] = []
    for path in [*paths, *settings.ca_files]:
        try:
            status = os.stat(path)
        except OSError:
            continue
        found.append((path, status.st_ino, status.st_mtime_ns, status.st_size))
    return tuple(found)


def _load_key(path: str) -> TlsKey:
    """The key in a PEM file, in which other things may be, too.

    Raises:
        ValueError: There is none, or one with a passphrase, for which there is nobody
            to ask.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    with open(path, "rb") as file:
        found = _KEY_BLOCK.search(file.read(_MAX_KEY_BYTES))
    if found is None:
        raise ValueError(f"{path} has no key in it")
    try:
        key = load_pem_private_key(found[0], None)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(f"the key in {path} cannot be used") from error
    kinds = (
        ec.EllipticCurvePrivateKey,
        ed25519.Ed25519PrivateKey,
        ed448.Ed448PrivateKey,
        rsa.RSAPrivateKey,
    )
    if not isinstance(key, kinds):
        raise ValueError(f"the key in {path} is none for TLS")
    return key


def make_tls_context(settings: TlsSettings) -> Context:
    """Make a context; reads files.

    Raises:
        OpenSSL.SSL.Error: A file has not in it what it should.
        ValueError: There is no certificate where one is needed.
    """
    from OpenSSL import SSL

    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(settings.ciphers.encode("ascii"))
    readable = [path for path in settings.ca_files if os.access(path, os.R_OK)]
    if readable or settings.ca_directory:
        context.load_verify_locations(
            readable[-1] if readable else None, settings.ca_directory
        )
    if settings.default_authorities:
        context.set_default_verify_paths()
    has_certificate = False
    for certificate, key in settings.pairs:
        if os.access(certificate, os.R_OK) and os.access(key, os.R_OK):
            context.use_certificate_chain_file(certificate)
            context.use_privatekey(_load_key(key))
            context.check_privatekey()
            has_certificate = True
    if settings.needs_certificate and not has_certificate:
        raise ValueError("there is no certificate with a key that can be read")
    if settings.allow_proxies:
        store = context.get_cert_store()
        if store is not None:
            store.set_flags(_ALLOW_PROXY_CERTIFICATES)
    context.set_verify(SSL.VERIFY_PEER, lambda *facts: bool(facts[-1]))
    return context
