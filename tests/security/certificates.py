"""Certificates for tests: an authority, and what it and others sign."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import SSL, crypto

BEGIN = datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)
END = datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc)
#: The content of a proxy certificate's extension: it may do all that its issuer may.
PROXY_INFO = bytes.fromhex("300c300a06082b06010505071501")


@dataclass(frozen=True)
class Identity:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as a file has it."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key as a file has it."""
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def make_identity(
    issuer: Identity | None,
    *names: str,
    hosts: tuple[str, ...] = (),
    authority: bool = False,
    until: datetime.datetime = END,
    purpose: x509.ObjectIdentifier | None = None,
    proxy: bool = False,
) -> Identity:
    """Make a certificate.

    Args:
        issuer: Who signs it; itself where this is ``None``.
        names: The common names of its subject, behind the organization.
        hosts: Its DNS names.
        authority: Whether it may sign others.
        until: Its end.
        purpose: What alone it is for.
        proxy: Whether it stands for its issuer.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "condor"),
            *(x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names),
        ]
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGIN)
        .not_valid_after(until)
    )
    if not proxy:
        builder = builder.add_extension(
            x509.BasicConstraints(ca=authority, path_length=None), critical=True
        )
    if authority:
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
    if issuer is not None:
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()),
            critical=False,
        )
    builder = builder.add_extension(
        x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=authority,
            crl_sign=authority,
            encipher_only=False,
            decipher_only=False,
        ),
        critical=True,
    )
    if hosts:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]),
            critical=False,
        )
    if purpose is not None:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([purpose]), critical=False
        )
    if proxy:
        oid = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.14")
        builder = builder.add_extension(
            x509.UnrecognizedExtension(oid, PROXY_INFO), critical=True
        )
    signer = key if issuer is None else issuer.key
    return Identity(builder.sign(signer, hashes.SHA256()), key)


AUTHORITY = make_identity(None, "test CA", authority=True)
OTHER_AUTHORITY = make_identity(None, "other CA", authority=True)
HOST = make_identity(AUTHORITY, "cm.example.org", hosts=("localhost", "*.pool.org"))
USER = make_identity(AUTHORITY, "alice")
PROXY = make_identity(USER, "alice", "proxy", proxy=True)
EXPIRED = make_identity(AUTHORITY, "old", until=BEGIN + datetime.timedelta(days=1))
WRONG_PURPOSE = make_identity(
    AUTHORITY, "mallory", purpose=ExtendedKeyUsageOID.CODE_SIGNING
)
STRANGER = make_identity(OTHER_AUTHORITY, "mallory")
SELF_SIGNED = make_identity(None, "mallory")


def make_context(
    identity: Identity | None = None,
    *chain: Identity,
    trusts: Identity = AUTHORITY,
    proxies: bool = False,
    version: int | None = None,
) -> SSL.Context:
    """A TLS context in memory, as the host makes one out of files."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    if version is not None:
        context.set_max_proto_version(version)
    store = context.get_cert_store()
    assert store is not None
    store.add_cert(crypto.X509.from_cryptography(trusts.certificate))
    if proxies:
        store.set_flags(0x40)
    if identity is not None:
        context.use_certificate(identity.certificate)
        context.use_privatekey(identity.key)
        for each in chain:
            context.add_extra_chain_cert(each.certificate)
    context.set_verify(SSL.VERIFY_PEER, lambda *facts: bool(facts[-1]))
    return context
