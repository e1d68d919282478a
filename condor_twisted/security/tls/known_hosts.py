"""Known hosts: which servers we have met, and whether we talk to them.

A client that meets a server for whose certificate no authority of its own vouches looks
into the file of known hosts. The first line of the host's name decides: only one that
permits it, by SSL, with this very certificate makes it trusted. A host without a line
is trusted, and gets one, where BOOTSTRAP_SSL_SERVER_TRUST says so or the user confirms
the certificate's fingerprint. Whatever is refused gets a line that says so: who wants
to trust the host later takes its ``!`` away.

Layout of the file: lines of ``[!]host METHOD info``; empty lines and those that begin
with ``#`` are left out. For SSL the info is the certificate in base64, or ``@trusted``
where an authority vouched for it; for other methods it is the server's user.

Source: ``src/condor_io/condor_auth_ssl.cpp: verify_callback``,
``src/condor_io/ca_utils.cpp``.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Final, TypeGuard

from condor_twisted.security.facts import HostFacts
from condor_twisted.security.host_requests import (
    ConfirmServer,
    KnownHost,
    confirm_server,
    read_known_host,
    record_known_host,
)
from condor_twisted.security.knobs import Knobs
from condor_twisted.security.tls.certificates import one_line_name

if TYPE_CHECKING:
    from OpenSSL.crypto import X509
    from OpenSSL.SSL import Connection

    from condor_twisted.security.steps import Handshake

__all__ = [
    "TRUST_SWITCHES",
    "ServerTrust",
    "find_known_host",
    "format_known_host",
    "known_hosts_file",
    "note_known_host",
    "server_trust",
]

_BOOTSTRAP: Final = "BOOTSTRAP_SSL_SERVER_TRUST"
_PROMPT: Final = "BOOTSTRAP_SSL_SERVER_TRUST_PROMPT_USER"
#: The truth values among the knobs of trust, with their defaults.
TRUST_SWITCHES: Final = {_BOOTSTRAP: False, _PROMPT: True}

_SSL: Final = "SSL"
_TRUSTED: Final = "@trusted"
_UNKNOWN_USER: Final = "unknown"
_TOOLS: Final = frozenset({"TOOL", "SUBMIT"})
#: What OpenSSL says of a certificate for whose authority nobody vouches: it is not
#: here, it is unknown, and it signed itself. Of those the first two and the last are
#: about an authority's own certificate.
_NO_ISSUER: Final = 2
_NO_LOCAL_ISSUER: Final = 20
_SELF_SIGNED: Final = 18
_SELF_SIGNED_IN_CHAIN: Final = 19
_NO_LEAF_ISSUER: Final = 21
_ABOUT_AUTHORITIES: Final = frozenset(
    {_NO_ISSUER, _NO_LOCAL_ISSUER, _SELF_SIGNED_IN_CHAIN}
)
_UNVOUCHED: Final = _ABOUT_AUTHORITIES | {_SELF_SIGNED, _NO_LEAF_ISSUER}


def known_hosts_file(knobs: Knobs, host: HostFacts) -> str | None:
    """The file of known hosts, or ``None`` where there shall be none.

    It is SEC_KNOWN_HOSTS, else ``~/.condor/known_hosts``, and for root
    SEC_SYSTEM_KNOWN_HOSTS.
    """
    path = knobs.text("SEC_KNOWN_HOSTS")
    if not path and host.user_directory:
        path = f"{host.user_directory}/known_hosts"
    return path or knobs.text("SEC_SYSTEM_KNOWN_HOSTS") or None


def find_known_host(text: str, host: str) -> KnownHost | None:
    """The first line about a host in a file of known hosts.

    Args:
        text: What is in the file.
        host: The host's name.
    """
    for line in text.splitlines():
        words = line.split()
        if len(words) < 3 or words[0].startswith("#"):
            continue
        if words[0] in (host, f"!{host}"):
            return KnownHost(host, words[0] == host, words[1], words[2])
    return None


def format_known_host(known: KnownHost) -> str:
    """The line that says what is known of a host."""
    sign = "" if known.permitted else "!"
    return f"{sign}{known.host} {known.method} {known.info}"


def _is_host(name: str | None) -> TypeGuard[str]:
    """Whether a line may begin with a name."""
    return name is not None and name.split() == [name] and name[0] not in "!#"


def note_known_host(
    knobs: Knobs, host: HostFacts, name: str | None, method: str, user: str | None
) -> Handshake[None]:
    """Write down that a server has proved by a method who it is; a client's part.

    Args:
        knobs: The configuration.
        host: Who we are.
        name: The server's host name; without one nothing is written.
        method: The method; SSL writes down more, and does so itself.
        user: Who the server is, before the identity map.
    """
    path = known_hosts_file(knobs, host)
    if path is None or not _is_host(name) or method == _SSL:
        return
    info = user if user and user.split() == [user] else _UNKNOWN_USER
    yield from record_known_host(path, KnownHost(name, True, method, info))


def server_trust(
    knobs: Knobs, host: HostFacts, name: str | None
) -> Handshake[ServerTrust | None]:
    """What judges a server; ``None`` where nothing but authorities may.

    Args:
        knobs: The configuration.
        host: Who we are.
        name: The server's host name, as it was dialled.
    """
    path = known_hosts_file(knobs, host)
    if path is None or not _is_host(name):
        return None
    known = yield from read_known_host(path, name)
    asks = host.terminal and knobs.subsystem in _TOOLS and knobs.boolean(_PROMPT, True)
    return ServerTrust(path, name, known, knobs.boolean(_BOOTSTRAP, False), asks)


class ServerTrust:
    """Judges one server's certificate where no authority of ours vouches for it.

    `verify` is called in the middle of TLS and cannot wait; so a server that may be
    trusted is let pass there, and `settle` asks before anything goes out.

    Args:
        path: The file of known hosts.
        host: The server's name.
        known: What the file says of it.
        bootstraps: Whether a host without a line is trusted.
        asks: Whether else the user is asked.

    Attributes:
        problem: Why the server is not trusted; ``None`` if it is, or was not judged.
    """

    def __init__(
        self,
        path: str,
        host: str,
        known: KnownHost | None,
        bootstraps: bool,
        asks: bool,
    ) -> None:
        self.problem: str | None = None
        self._path = path
        self._host = host
        self._known = known
        self._bootstraps = bootstraps
        self._asks = asks
        self._vouched = True
        self._passed: set[str] = set()
        self._question: ConfirmServer | None = None
        self._lines: list[KnownHost] = []

    def verify(
        self,
        connection: Connection,
        certificate: X509,
        error: int,
        depth: int,
        sound: int,
    ) -> bool:
        """Whether TLS may go on; OpenSSL asks for each certificate and each doubt."""
        if sound:
            return True
        if error not in _UNVOUCHED:
            # Differs from HTCondor, which has trusted it by now for another day.
            self._question = None
            self._lines = [line for line in self._lines if not line.permitted]
            return False
        try:
            read = certificate.to_cryptography()
            from cryptography.hazmat.primitives.serialization import Encoding

            content = read.public_bytes(Encoding.DER)
            subject = one_line_name(read)
        except ValueError:
            return False
        return self.judge(content, subject, error in _ABOUT_AUTHORITIES)

    def judge(self, certificate: bytes, subject: str, is_authority: bool) -> bool:
        """Whether TLS may go on with a certificate that nobody vouches for.

        Args:
            certificate: The certificate in DER.
            subject: Whose it is, in one line.
            is_authority: Whether it is the certificate of an authority.
        """
        self._vouched = False
        info = base64.b64encode(certificate).decode("ascii")
        if info in self._passed:
            return True
        if self._known is not None:
            return self._judge_known(self._known, info)
        if not self._passed and (self._bootstraps or self._asks):
            if not self._bootstraps:
                digest = hashlib.sha256(certificate).digest().hex(":")
                self._question = ConfirmServer(
                    self._host, digest, subject, is_authority
                )
            self._note(True, info)
            self._passed.add(info)
            return True
        self._note(False, info)
        self.problem = (
            f"no authority that is known here vouches for {self._host}: add it to "
            f"AUTH_SSL_CLIENT_CAFILE, or take the ! away from the host's line in "
            f"{self._path}"
        )
        return False

    def _judge_known(self, known: KnownHost, info: str) -> bool:
        if known.permitted and known.method == _SSL:
            if known.info == info:
                self._passed.add(info)
                return True
            self._note(False, info)
        self.problem = (
            f"the certificate of {self._host} is not the one that the host's first "
            f"line in {self._path} permits"
        )
        return False

    def _note(self, permitted: bool, info: str) -> None:
        self._lines.append(KnownHost(self._host, permitted, _SSL, info))

    def settle(self) -> Handshake[bool]:
        """Ask what is to be asked, and write down what is new; whether to go on."""
        question, self._question = self._question, None
        trusted = True
        if question is not None:
            trusted = yield from confirm_server(question)
            if not trusted:
                self.problem = f"{self._host} was not confirmed"
        lines, self._lines = self._lines, []
        for line in lines:
            known = line
            if line.permitted and not trusted:
                known = KnownHost(line.host, False, line.method, line.info)
            recorded = yield from record_known_host(self._path, known)
            if known.permitted and not recorded:
                self.problem = f"{self._host} cannot be written down in {self._path}"
                trusted = False
        return trusted

    def finish(self) -> Handshake[None]:
        """Write down that an authority vouched for the server, if one did."""
        if self._vouched:
            known = KnownHost(self._host, True, _SSL, _TRUSTED)
            yield from record_known_host(self._path, known)
