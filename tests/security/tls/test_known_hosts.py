"""`condor_twisted.security.tls.known_hosts`."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import AuthenticationFailed
from condor_twisted.security.facts import HostFacts
from condor_twisted.security.host_requests import (
    ConfirmServer,
    KnownHost,
    RecordKnownHost,
)
from condor_twisted.security.methods.base import AuthResult
from condor_twisted.security.methods.ssl import SslMethod
from condor_twisted.security.tls.conversation import TlsStatus
from condor_twisted.security.tls.known_hosts import (
    ServerTrust,
    find_known_host,
    format_known_host,
    known_hosts_file,
    note_known_host,
    server_trust,
)
from condor_twisted.wire.messages import MessageReader
from tests.security.certificates import (
    AUTHORITY,
    END,
    HOST,
    OTHER_AUTHORITY,
    USER,
    Identity,
    make_context,
    make_identity,
)
from tests.security.kit import DictKnobs, FakeHost, Side, pump
from tests.security.methods.kit import client_side, server_side
from tests.security.tls.test_conversation import statuses

DIALLED = "<127.0.0.1:9618?alias=localhost>"
FILE = {"SEC_KNOWN_HOSTS": "/known_hosts"}
BOOTSTRAP = {**FILE, "BOOTSTRAP_SSL_SERVER_TRUST": "True"}
#: Nobody that a client knows vouches for these.
ALONE = make_identity(None, "localhost", hosts=("localhost",))
FOREIGN = make_identity(OTHER_AUTHORITY, "localhost", hosts=("localhost",))
OLD = make_identity(OTHER_AUTHORITY, "localhost", hosts=("localhost",), until=END)


def info(identity: Identity) -> str:
    """A certificate as a line has it."""
    return base64.b64encode(identity.certificate.public_bytes(Encoding.DER)).decode()


class FileTests(SynchronousTestCase):
    """The file."""

    def test_first_line_counts(self) -> None:
        """The first line of the name, permitting or not; comments are none."""
        text = "# a b c\n\nshort line\n!a SSL one\na SSL two\n  b  FS  bob@x more\n"
        self.assertEqual(
            find_known_host(text, "a"), KnownHost("a", False, "SSL", "one")
        )
        self.assertEqual(
            find_known_host(text, "b"), KnownHost("b", True, "FS", "bob@x")
        )
        for name in ("c", "#", "short", "!a", "A"):
            found = find_known_host(text, name)
            self.assertTrue(found is None or name == "!a", name)

    def test_lines(self) -> None:
        """A line is read as it was written."""
        for known in (
            KnownHost("a", True, "SSL", "x"),
            KnownHost("a", False, "S", "y"),
        ):
            self.assertEqual(find_known_host(format_known_host(known), "a"), known)

    def test_places(self) -> None:
        """The knob, else the user's file, else the system's."""
        system = {"SEC_SYSTEM_KNOWN_HOSTS": "/etc/known_hosts"}
        user = HostFacts("host", 1, user_directory="/home/a/.condor")
        root = HostFacts("host", 1)
        for knobs, host, path in (
            ({**system, **FILE}, user, "/known_hosts"),
            (system, user, "/home/a/.condor/known_hosts"),
            (system, root, "/etc/known_hosts"),
            ({}, root, None),
        ):
            self.assertEqual(known_hosts_file(DictKnobs(knobs), host), path)

    def test_notes(self) -> None:
        """Other methods note the server's user; SSL does so by itself."""
        facts = HostFacts("host", 1)
        for name, method, user, line in (
            ("h", "FS", None, "h FS unknown\n"),
            ("h", "PASSWORD", "condor@password", "h PASSWORD condor@password\n"),
            ("h", "KERBEROS", "two words", "h KERBEROS unknown\n"),
            ("h", "SSL", "ssl@unmapped", ""),
            (None, "FS", None, ""),
        ):
            host = FakeHost()
            Side(note_known_host(DictKnobs(FILE), facts, name, method, user), host)
            self.assertEqual(host.known_hosts, line)
            host = FakeHost()
            Side(note_known_host(DictKnobs(), facts, name, method, user), host)
            self.assertEqual(host.asked, [])


class SslCase(SynchronousTestCase):
    """A client and a server whose certificate it may know."""

    def talk(
        self,
        server: Identity,
        *chain: Identity,
        lines: str = "",
        knobs: Mapping[str, str] = FILE,
        subsystem: str = "TOOL",
        terminal: bool = False,
        **facts: Any,
    ) -> tuple[Side[AuthResult], Side[AuthResult]]:
        """Both sides, once they have talked."""
        mine = FakeHost(tls=lambda _: make_context(USER), known_hosts=lines, **facts)
        theirs = FakeHost(tls=lambda _: make_context(server, *chain))
        one = client_side(
            SslMethod(),
            knobs=knobs,
            host=mine,
            dialled=DIALLED,
            subsystem=subsystem,
            terminal=terminal,
        )
        other = server_side(SslMethod(), host=theirs)
        pump(one, other)
        return one, other

    def assert_refused(self, sides: tuple[Side[AuthResult], Side[AuthResult]]) -> str:
        """Neither side has anybody; why the client has not."""
        one, other = sides
        error = self.assertRaises(AuthenticationFailed, one.outcome)
        self.assertRaises(AuthenticationFailed, other.outcome)
        assert isinstance(error, AuthenticationFailed)
        return error.reason


class KnownTests(SslCase):
    """Hosts that have a line."""

    def test_trusted(self) -> None:
        """The very certificate that the first line permits is enough."""
        for server in (ALONE, FOREIGN):
            lines = f"localhost SSL {info(server)}\n"
            one, other = self.talk(server, lines=lines)
            self.assertEqual(one.outcome().user, "ssl@unmapped")
            self.assertEqual(other.outcome().authenticated_name, "/O=condor/CN=alice")
            self.assertEqual(one.host.known_hosts, lines)

    def test_chain(self) -> None:
        """Behind an authority that is sent along, the authority is what is known."""
        lines = f"localhost SSL {info(OTHER_AUTHORITY)}\n"
        one, _ = self.talk(FOREIGN, OTHER_AUTHORITY, lines=lines)
        one.outcome()
        self.assert_refused(
            self.talk(FOREIGN, OTHER_AUTHORITY, lines=lines.replace("l", "!l", 1))
        )

    def test_another_certificate(self) -> None:
        """Another one is refused and noted, and BOOTSTRAP changes nothing."""
        lines = f"localhost SSL {info(ALONE)}\n"
        for knobs in (FILE, BOOTSTRAP):
            sides = self.talk(FOREIGN, lines=lines, knobs=knobs, confirms=True)
            self.assertIn("not the one", self.assert_refused(sides))
            noted = f"!localhost SSL {info(FOREIGN)}\n"
            self.assertEqual(sides[0].host.known_hosts, lines + noted)

    def test_other_lines(self) -> None:
        """A host that is not permitted, or was met otherwise, is refused for good."""
        for lines in (
            f"!localhost SSL {info(ALONE)}\n",
            f"!localhost SSL {info(ALONE)}\nlocalhost SSL {info(ALONE)}\n",
            "localhost FS unknown\n",
            "localhost PASSWORD condor@password\n",
        ):
            sides = self.talk(ALONE, lines=lines, knobs=BOOTSTRAP)
            self.assert_refused(sides)
            self.assertEqual(sides[0].host.known_hosts, lines)
        sides = self.talk(ALONE, lines="localhost SSL @trusted\n", knobs=BOOTSTRAP)
        self.assert_refused(sides)

    def test_wrong_host(self) -> None:
        """What is known does not make it the host that was dialled."""
        server = make_identity(None, "elsewhere")
        sides = self.talk(server, lines=f"localhost SSL {info(server)}\n")
        self.assertIn("not for localhost", self.assert_refused(sides))

    def test_mnh_4_43_other_faults(self) -> None:
        """A certificate that is over is refused, known or not."""
        import datetime

        past = END - datetime.timedelta(days=365 * 90)
        server = make_identity(None, "localhost", hosts=("localhost",), until=past)
        lines = f"localhost SSL {info(server)}\n"
        for knobs in (FILE, BOOTSTRAP):
            self.assert_refused(self.talk(server, lines=lines, knobs=knobs))
        for facts in ({"knobs": BOOTSTRAP}, {"terminal": True, "confirms": True}):
            sides = self.talk(server, **facts)
            self.assert_refused(sides)
            self.assertEqual(sides[0].host.known_hosts, "")
            asked = [s for s in sides[0].host.asked if isinstance(s, ConfirmServer)]
            self.assertEqual(asked, [])

    def test_authority(self) -> None:
        """A host for which an authority vouches is noted once, and needs no line."""
        for lines in ("", "!localhost SSL x\n"):
            one, _ = self.talk(HOST, lines=lines)
            one.outcome()
            noted = lines + "localhost SSL @trusted\n"
            self.assertEqual(one.host.known_hosts, noted)
        one, _ = self.talk(HOST, knobs={})
        one.outcome()
        self.assertFalse([s for s in one.host.asked if isinstance(s, RecordKnownHost)])


class UnknownTests(SslCase):
    """Hosts without a line."""

    def test_refused(self) -> None:
        """By default nobody is trusted; the line says how to."""
        sides = self.talk(ALONE)
        self.assertIn("AUTH_SSL_CLIENT_CAFILE", self.assert_refused(sides))
        self.assertEqual(sides[0].host.known_hosts, f"!localhost SSL {info(ALONE)}\n")
        later = self.talk(ALONE, lines=sides[0].host.known_hosts[1:])
        later[0].outcome()

    def test_bootstrap(self) -> None:
        """With BOOTSTRAP the first certificate is trusted, and then it alone."""
        one, other = self.talk(ALONE, knobs=BOOTSTRAP)
        one.outcome(), other.outcome()
        lines = one.host.known_hosts
        self.assertEqual(lines, f"localhost SSL {info(ALONE)}\n")
        self.talk(ALONE, lines=lines)[0].outcome()
        self.assert_refused(self.talk(FOREIGN, lines=lines, knobs=BOOTSTRAP))

    def test_unwritable(self) -> None:
        """What cannot be written down is not trusted: the next one could be another."""
        sides = self.talk(ALONE, knobs=BOOTSTRAP, can_record=False)
        self.assertIn("cannot be written down", self.assert_refused(sides))

    def test_confirmation(self) -> None:
        """At a terminal the user of a tool is asked, and the answer is kept."""
        for confirms, sign in ((True, ""), (False, "!")):
            one, other = self.talk(ALONE, terminal=True, confirms=confirms)
            (asked,) = (s for s in one.host.asked if isinstance(s, ConfirmServer))
            self.assertEqual(asked.subject, "/O=condor/CN=localhost")
            self.assertEqual(len(asked.fingerprint), 32 * 3 - 1)
            self.assertFalse(asked.is_authority)
            self.assertEqual(
                one.host.known_hosts, f"{sign}localhost SSL {info(ALONE)}\n"
            )
            if confirms:
                one.outcome(), other.outcome()
            else:
                self.assertIn("not confirmed", self.assert_refused((one, other)))
                # The server has not heard who we are.
                last = MessageReader(one.sent[-1])
                self.assertEqual(last.get_int(), TlsStatus.QUITTING)
                self.assertEqual(last.get_int(), 0)
                self.assertEqual(statuses(one)[-1], TlsStatus.QUITTING)

    def test_nobody_is_asked(self) -> None:
        """Not by daemons, not without a terminal, not against the configuration."""
        quiet = {**FILE, "BOOTSTRAP_SSL_SERVER_TRUST_PROMPT_USER": "False"}
        for facts in (
            {"terminal": True, "subsystem": "STARTD"},
            {"terminal": False},
            {"terminal": True, "knobs": quiet},
        ):
            sides = self.talk(ALONE, confirms=True, **facts)
            self.assert_refused(sides)
            asked = [s for s in sides[0].host.asked if isinstance(s, ConfirmServer)]
            self.assertEqual(asked, [])

    def test_nameless(self) -> None:
        """Who is dialled by address alone is no known host."""
        side = Side(server_trust(DictKnobs(BOOTSTRAP), HostFacts("h", 1), None))
        self.assertIsNone(side.value)
        side = Side(server_trust(DictKnobs(), HostFacts("h", 1), "localhost"))
        self.assertIsNone(side.value)


class JudgeTests(SynchronousTestCase):
    """`ServerTrust.verify`."""

    def test_doubts(self) -> None:
        """Only doubts about who vouches are judged at all."""
        from OpenSSL import crypto

        trust = ServerTrust("/f", "h", None, True, False)
        certificate = crypto.X509.from_cryptography(AUTHORITY.certificate)
        connection: Any = SSL.Connection(make_context(), None)
        self.assertTrue(trust.verify(connection, certificate, 0, 0, 1))
        for error in (3, 9, 10, 23, 26, 62):
            self.assertFalse(trust.verify(connection, certificate, error, 0, 0))
        for error in (2, 18, 19, 20, 21):
            self.assertTrue(trust.verify(connection, certificate, error, 0, 0))

    def test_one_certificate(self) -> None:
        """Who is met first shows one certificate that is trusted, and no second."""
        trust = ServerTrust("/f", "h", None, True, True)
        host = FakeHost()
        for content, passes in ((b"one", True), (b"one", True), (b"two", False)):
            self.assertEqual(trust.judge(content, "/CN=h", False), passes)
        self.assertTrue(Side(trust.settle(), host).value)
        self.assertEqual(host.known_hosts, "h SSL b25l\n!h SSL dHdv\n")
        self.assertIn("AUTH_SSL_CLIENT_CAFILE", trust.problem or "")
