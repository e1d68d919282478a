"""Who the other side of TLS is: its certificate's name, and the host that it is for.

Source: ``src/condor_io/condor_auth_ssl.cpp: get_peer_identity,
post_connection_check``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from condor_twisted.errors import TlsFailed
from condor_twisted.security.facts import dialled_host

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from OpenSSL.SSL import Connection

__all__ = ["matches_host", "name_of_peer", "name_of_server", "one_line_name"]

_MAX_NAME_CHARACTERS: Final = 1023
_PROXY_EXTENSION: Final = "1.3.6.1.5.5.7.1.14"

#: The short names that OpenSSL has for the parts of a subject.
_SHORT_NAMES: Final = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.13": "description",
    "2.5.4.15": "businessCategory",
    "2.5.4.17": "postalCode",
    "2.5.4.41": "name",
    "2.5.4.42": "GN",
    "2.5.4.43": "initials",
    "2.5.4.44": "generationQualifier",
    "2.5.4.45": "x500UniqueIdentifier",
    "2.5.4.46": "dnQualifier",
    "2.5.4.65": "pseudonym",
    "2.5.4.97": "organizationIdentifier",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.3": "mail",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
    "1.2.840.113549.1.9.2": "unstructuredName",
    "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionL",
    "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST",
    "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
}


def one_line_name(certificate: Certificate) -> str:
    r"""The subject of a certificate in one line, ``/O=condor/CN=alice``.

    Bytes that do not print are ``\xHH``; text is in UTF-8.

    Raises:
        ValueError: The subject cannot be read.

    Source: ``X509_NAME_oneline`` of OpenSSL.
    """
    parts: list[str] = []
    for each in certificate.subject:
        oid = each.oid.dotted_string
        value = each.value if isinstance(each.value, bytes) else each.value.encode()
        text = "".join(
            chr(byte) if 32 <= byte <= 126 else f"\\x{byte:02X}" for byte in value
        )
        parts.append(f"/{_SHORT_NAMES.get(oid, oid)}={text}")
    return "".join(parts)


def name_of_peer(connection: Connection) -> str | None:
    """The name in the other side's certificate; ``None`` without a certificate.

    A proxy bears the name of the certificate that it stands for.

    Raises:
        TlsFailed: The name cannot be read, is empty, or too long to be one.
    """
    from cryptography import x509

    certificate = connection.get_peer_certificate(as_cryptography=True)
    if certificate is None:
        return None
    try:
        if _is_proxy(certificate):
            chain = connection.get_verified_chain(as_cryptography=True) or []
            bearers = [
                each
                for each in chain
                if not _is_proxy(each) and not _is_authority(each)
            ]
            if not bearers:
                raise TlsFailed("a proxy certificate that stands for nobody")
            certificate = bearers[-1]
        name = one_line_name(certificate)
    except (ValueError, x509.DuplicateExtension) as error:
        raise TlsFailed("a certificate that cannot be read") from error
    if not 0 < len(name) <= _MAX_NAME_CHARACTERS:
        raise TlsFailed("the certificate's subject is empty or too long")
    return name


def _is_proxy(certificate: Certificate) -> bool:
    return any(
        each.oid.dotted_string == _PROXY_EXTENSION for each in certificate.extensions
    )


def _is_authority(certificate: Certificate) -> bool:
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return False
    return found.value.ca


def matches_host(connection: Connection, host: str) -> bool:
    """Whether the other side's certificate is for a host.

    A DNS name among its alternative names counts, else its common name.

    Args:
        connection: Whose handshake has ended.
        host: The host's name as it was dialled.

    Source: ``src/condor_io/condor_auth_ssl.cpp: post_connection_check``.
    """
    from cryptography.x509 import NameOID
    from service_identity import CertificateError, VerificationError
    from service_identity.cryptography import verify_certificate_hostname

    certificate = connection.get_peer_certificate(as_cryptography=True)
    if certificate is None or not host:
        return False
    try:
        verify_certificate_hostname(certificate, host)
    except (VerificationError, CertificateError, ValueError):
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return bool(names) and str(names[0].value).lower() == host.lower()
    return True


def name_of_server(connection: Connection, dialled: str | None, skip_host: bool) -> str:
    """The name of a server that is the host that was dialled.

    Args:
        connection: Whose handshake has ended.
        dialled: The sinful string that was dialled.
        skip_host: Whether any host will do.

    Raises:
        TlsFailed: It is not.
    """
    name = name_of_peer(connection)
    if name is None:
        raise TlsFailed("the server has no certificate")
    if skip_host:
        return name
    host = dialled_host(dialled)
    if not host:
        raise TlsFailed("the server was not dialled by a host name")
    if not matches_host(connection, host):
        raise TlsFailed(f"the server's certificate is not for {host}")
    return name
