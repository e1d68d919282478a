"""Tests of ``condor_twisted.protocols.host_steps``."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any, cast

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.protocols import host_steps
from condor_twisted.protocols.host_steps import (
    AnswerCache,
    Host,
    HostNames,
    confirmed_host_names,
    run_in_threads,
)
from condor_twisted.security.sspi import AdvanceSspi, OpenSspi, SspiTurn
from condor_twisted.security.steps import (
    DecodeMunge,
    EncodeMunge,
    EvaluateCondition,
    FetchIssuerKeys,
    FindBearerToken,
    LookupHost,
    LookupUser,
    MakeDirectory,
    MakeTemporaryName,
    OpenTls,
    PathKind,
    PathStatus,
    ReadTokens,
    ReceiveMessage,
    RemoveDirectory,
    StatPath,
)
from condor_twisted.security.tickets import AcceptTicket, RequestTicket
from condor_twisted.security.tls.settings import TlsSettings
from condor_twisted.testing.reactor import MemoryReactor, blocking_at_once
from tests.security.kit import DictKnobs


class AnswerCacheTests(SynchronousTestCase):
    def test_mnh_3_2_answers_are_believed_for_their_time(self) -> None:
        """An answer is there just before its time is over, and not just after."""
        clock = Clock()
        cache: AnswerCache[str, int] = AnswerCache(clock)
        cache.put("a", 1, 60.0)
        clock.advance(59.9)
        self.assertEqual(cache.get("a"), 1)
        clock.advance(0.2)
        self.assertIsNone(cache.get("a"))
        self.assertEqual(len(cache), 0)

    def test_is_bounded(self) -> None:
        """The oldest answer goes when there are too many."""
        cache: AnswerCache[int, int] = AnswerCache(Clock(), count=3)
        for number in range(4):
            cache.put(number, number, 60.0)
        self.assertEqual(len(cache), 3)
        self.assertIsNone(cache.get(0))
        self.assertEqual(cache.get(3), 3)
        cache.clear()
        self.assertIsNone(cache.get(3))


class HostNamesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.asked: list[str] = []
        self.answers: list[Deferred[tuple[str, ...]]] = []

    def slow(self, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        """A look-up that ends when the test says so."""
        self.asked.append(arguments[0])
        answer: Deferred[Any] = Deferred()
        self.answers.append(answer)
        return answer

    def wait(self, names: HostNames, address: str) -> Deferred[tuple[str, ...]]:
        """Ask for names that are not known yet."""
        outcome = names.names(address)
        assert isinstance(outcome, Deferred)
        return outcome

    def test_measured(self) -> None:
        """Look-ups are counted and measured by what came of them."""
        names = HostNames(self.clock, self.slow)
        for seconds, answer in ((1.0, ("a.example",)), (2.5, ("b.example",))):
            self.wait(names, f"192.0.2.{len(self.answers)}")
            self.clock.advance(seconds)
            self.answers[-1].callback(answer)
        self.wait(names, "192.0.2.8")
        self.answers[-1].callback(())
        self.wait(names, "192.0.2.9")
        self.answers[-1].errback(OSError("no resolver"))
        found = {name: (t.count, t.seconds) for name, t in names.lookups.items()}
        expected = {"": (4, 3.5), "Fast": (1, 1.0), "Slow": (1, 2.5), "Fail": (2, 0.0)}
        self.assertEqual(found, expected)

    def test_mnh_3_2_shared_cached_and_again_later(self) -> None:
        """Askers share one look-up; its answer holds for 60 s."""
        names = HostNames(self.clock, self.slow)
        first, second = self.wait(names, "192.0.2.1"), self.wait(names, "192.0.2.1")
        self.assertEqual(self.asked, ["192.0.2.1"])
        self.answers[0].callback(("a.example",))
        self.assertEqual(self.successResultOf(first), ("a.example",))
        self.assertEqual(self.successResultOf(second), ("a.example",))
        self.assertEqual(names.names("192.0.2.1"), ("a.example",))
        self.assertEqual(names.known("192.0.2.1"), ("a.example",))
        self.clock.advance(60.1)
        self.assertIsNone(names.known("192.0.2.1"))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_mnh_3_2_no_name_is_believed_for_15_seconds(self) -> None:
        """The absence of a name is cached as well, for a shorter time."""
        names = HostNames(self.clock, blocking_at_once, lambda address: ())
        self.assertEqual(self.successResultOf(self.wait(names, "192.0.2.1")), ())
        self.clock.advance(14.9)
        self.assertEqual(names.known("192.0.2.1"), ())
        self.clock.advance(0.2)
        self.assertIsNone(names.known("192.0.2.1"))

    def test_mnh_3_2_nobody_waits_longer_than_5_seconds(self) -> None:
        """A resolver that hangs means no name, and its late answer is still kept."""
        names = HostNames(self.clock, self.slow)
        outcome = self.wait(names, "192.0.2.1")
        self.clock.advance(4.9)
        self.assertNoResult(outcome)
        self.clock.advance(0.2)
        self.assertEqual(self.successResultOf(outcome), ())
        self.answers[0].callback(("late.example",))
        self.assertEqual(names.known("192.0.2.1"), ("late.example",))

    def test_mnh_3_2_few_at_a_time(self) -> None:
        """At most four look-ups run; the fifth starts when one has ended."""
        names = HostNames(self.clock, self.slow)
        for number in range(6):
            self.wait(names, f"192.0.2.{number}")
        self.assertEqual(len(self.asked), 4)
        self.answers[0].callback(())
        self.assertEqual(len(self.asked), 5)
        names.clear()

    def test_resolver_that_raises(self) -> None:
        """A resolver's error is no name."""

        def broken(address: str) -> tuple[str, ...]:
            raise OSError("no network")

        names = HostNames(self.clock, blocking_at_once, broken)
        self.assertEqual(self.successResultOf(self.wait(names, "192.0.2.1")), ())

    def test_cancelling(self) -> None:
        """An asker who goes away leaves no timer, and disturbs no other."""
        names = HostNames(self.clock, self.slow)
        first, second = self.wait(names, "192.0.2.1"), self.wait(names, "192.0.2.1")
        first.addErrback(lambda _: None)
        first.cancel()
        self.answers[0].callback(("a.example",))
        self.assertEqual(self.successResultOf(second), ("a.example",))
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ConfirmedHostNamesTests(SynchronousTestCase):
    def resolve(self, reverse: Any, forward: dict[str, str]) -> tuple[str, ...]:
        """Ask with a resolver out of two tables."""

        def gethostbyaddr(address: str) -> Any:
            if isinstance(reverse, Exception):
                raise reverse
            return reverse

        def getaddrinfo(name: str, port: object, **options: object) -> Any:
            if name not in forward:
                raise socket.gaierror("unknown")
            return [(0, 0, 0, "", (forward[name], 0))]

        self.patch(socket, "gethostbyaddr", gethostbyaddr)
        self.patch(socket, "getaddrinfo", getaddrinfo)
        return confirmed_host_names("192.0.2.1")

    def test_mnh_5_1_forward_confirmation(self) -> None:
        """Only names that resolve back count, in lower case and once."""
        names = self.resolve(
            ("A.example", ["b.example", "liar.example", "a.example"], []),
            {
                "A.example": "192.0.2.1",
                "b.example": "192.0.2.1",
                "liar.example": "203.0.113.9",
            },
        )
        self.assertEqual(names, ("a.example", "b.example"))

    def test_mnh_5_1_no_reverse_name(self) -> None:
        """Without a reverse name there is none."""
        for error in (socket.herror("none"), UnicodeError("bad name")):
            self.assertEqual(self.resolve(error, {}), ())


class HostTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.directory = os.path.realpath(self.mktemp())
        os.mkdir(self.directory)
        self.host = Host(self.clock, blocking_at_once)

    def answer(self, step: Any) -> Any:
        """The answer of a step, waited for."""
        answer = self.host.perform(step)
        return self.successResultOf(answer) if isinstance(answer, Deferred) else answer

    def test_fs_round(self) -> None:
        """A name, a directory of that name, its status, and it is gone again."""
        path = self.answer(MakeTemporaryName(self.directory, "FS_", "ext"))
        head, tail = os.path.split(path)
        self.assertEqual(head, self.directory)
        self.assertRegex(tail, r"^FS_[A-Za-z0-9]{9}_$")
        self.assertFalse(os.path.exists(path))
        old = os.umask(0o077)
        self.addCleanup(os.umask, old)
        self.assertIs(self.answer(MakeDirectory(path, 0o755)), True)
        self.assertIs(self.answer(MakeDirectory(path, 0o755)), False)
        status = self.answer(StatPath(path))
        self.assertEqual(status.kind, PathKind.DIRECTORY)
        self.assertEqual(status.mode, 0o755)
        self.assertEqual(status.owner_uid, os.geteuid())
        self.assertEqual(status.entry_count, 0)
        with open(os.path.join(path, "inside"), "w"):
            pass
        self.assertEqual(self.answer(StatPath(path)).entry_count, 1)
        self.answer(RemoveDirectory(path))
        self.assertTrue(os.path.isdir(path))  # it is not empty
        os.unlink(os.path.join(path, "inside"))
        self.answer(RemoveDirectory(path))
        self.assertFalse(os.path.exists(path))
        self.answer(RemoveDirectory(path))

    def test_mnh_4_41_kinds_of_paths(self) -> None:
        """Links are not followed, and what is no directory is told apart."""
        file, link, fifo = (os.path.join(self.directory, name) for name in "abc")
        with open(file, "w"):
            pass
        os.symlink(self.directory, link)
        os.mkfifo(fifo)
        kinds = [self.answer(StatPath(path)).kind for path in (file, link, fifo)]
        self.assertEqual(kinds, [PathKind.FILE, PathKind.LINK, PathKind.OTHER])
        self.assertIsNone(self.answer(StatPath(os.path.join(self.directory, "no"))))
        self.assertIsNone(self.answer(StatPath("with\0nul")))

    def test_refreshing_leaves_nothing(self) -> None:
        """Looking again at a network file system leaves no file behind."""
        status = self.answer(StatPath(os.path.join(self.directory, "."), True))
        self.assertIsInstance(status, PathStatus)
        self.assertEqual(os.listdir(self.directory), [])

    def test_directory_that_cannot_be_used(self) -> None:
        """There is no temporary name in what is no directory."""
        for directory in ("/nonexistent", os.devnull, "a\0b"):
            self.assertIsNone(self.answer(MakeTemporaryName(directory, "FS_", "")))

    def test_local_directories_are_used_at_once(self) -> None:
        """Nothing waits for a thread where the file system is local."""
        blocked: list[object] = []

        def never(function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
            blocked.append(function)
            return Deferred()

        host = Host(self.clock, never, local_directories=(self.directory,))
        path = os.path.join(self.directory, "d")
        self.assertIs(host.perform(MakeDirectory(path, 0o700)), True)
        self.assertIsInstance(host.perform(StatPath(path)), PathStatus)
        self.assertEqual(blocked, [])
        self.assertIsInstance(host.perform(StatPath(path, True)), Deferred)
        self.assertIsInstance(host.perform(MakeDirectory("/else/d", 0o700)), Deferred)
        self.assertEqual(len(blocked), 2)

    def test_users(self) -> None:
        """A user's name is looked up once, and one without a name as well."""
        self.assertEqual(self.answer(LookupUser(0)), "root")
        self.assertEqual(self.host.perform(LookupUser(0)), "root")
        self.assertIsNone(self.answer(LookupUser(2**31 - 7)))
        self.assertIsNone(self.host.perform(LookupUser(2**31 - 7)))

    def test_host_names(self) -> None:
        """Host names come from the shared cache."""
        names = HostNames(self.clock, blocking_at_once, lambda address: ("a.example",))
        host = Host(self.clock, blocking_at_once, names)
        answer = host.perform(LookupHost("192.0.2.1"))
        assert isinstance(answer, Deferred)
        self.assertEqual(self.successResultOf(answer), ("a.example",))
        self.assertEqual(host.perform(LookupHost("192.0.2.1")), ("a.example",))

    def test_steps_of_the_channel_are_not_the_hosts(self) -> None:
        """A step that belongs to the channel is a mistake of the driver."""
        self.assertRaises(TypeError, self.host.perform, ReceiveMessage())

    def test_threads(self) -> None:
        """Blocking functions run in the reactor's pool."""
        reactor = MemoryReactor()
        self.assertIsInstance(reactor, MemoryReactorClock)
        outcome = run_in_threads(cast(IReactorFromThreads, reactor))(
            lambda number: number + 1, 4
        )
        self.assertEqual(self.successResultOf(outcome), 5)


class SecretStepTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = os.path.realpath(self.mktemp())
        os.mkdir(self.directory)
        self.host = Host(Clock(), blocking_at_once)

    def answer(self, step: Any) -> Any:
        """The answer of a step, waited for."""
        answer = self.host.perform(step)
        return self.successResultOf(answer) if isinstance(answer, Deferred) else answer

    def test_tokens(self) -> None:
        """Tokens are the lines of files that are ours alone."""
        for name, mode in (("a", 0o600), ("b", 0o644)):
            path = os.path.join(self.directory, name)
            with open(path, "w") as file:
                file.write(f"# note\ntoken-{name}\n")
            os.chmod(path, mode)
        self.assertEqual(self.answer(ReadTokens(self.directory, "x", "")), ("token-a",))
        self.assertEqual(self.answer(ReadTokens("/nonexistent", "x", "")), ())

    def test_conditions(self) -> None:
        """A condition is evaluated whatever it costs; what has no value is ``None``."""
        for text, value in (
            (b'regexp("^a", sub)', True),
            (b"iat < 3", False),
            (b'sub =?= "x" || true', True),
        ):
            step = EvaluateCondition(text, {"sub": b'"alice"', "iat": b"5"}, 10)
            self.assertIs(self.answer(step), value)
        deep = EvaluateCondition(b"(" * 5000 + b"1" + b")" * 5000, {}, 10)
        self.assertNotIn(self.answer(deep), (False, 0))

    def test_tls(self) -> None:
        """A TLS context is made of files, or there is none."""
        knobs = DictKnobs({"AUTH_SSL_CLIENT_USE_DEFAULT_CAS": "False"})
        context = self.answer(OpenTls(TlsSettings.for_client(knobs)))
        self.assertIsInstance(context, SSL.Context)
        self.assertIsNone(self.answer(OpenTls(TlsSettings.for_server(knobs))))

    def test_munge(self) -> None:
        """MUNGE's steps ask its library."""
        self.patch(host_steps, "encode_munge", lambda payload: f"M{len(payload)}")
        self.patch(host_steps, "decode_munge", lambda credential: len(credential))
        self.assertEqual(self.answer(EncodeMunge(b"abc")), "M3")
        self.assertEqual(self.answer(DecodeMunge("abcd")), 4)

    def test_kerberos(self) -> None:
        """Kerberos' steps ask its library."""
        self.patch(host_steps, "request_ticket", lambda step: step.host)
        self.patch(host_steps, "accept_ticket", lambda step: step.request)
        self.assertEqual(
            self.answer(RequestTicket("host", "a.example", ())), "a.example"
        )
        step = AcceptTicket(b"request", None, "127.0.0.1", "127.0.0.1")
        self.assertEqual(self.answer(step), b"request")

    def test_tickets_leave_threads_to_others(self) -> None:
        """At most four tickets are asked for at a time, the others wait."""
        asked: list[Deferred[Any]] = []

        def slow(function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
            asked.append(Deferred())
            return asked[-1]

        host = Host(Clock(), slow)
        answers = [host.perform(RequestTicket("host", "a", ())) for _ in range(6)]
        self.assertEqual(len(asked), 4)
        asked[0].callback("ticket")
        self.assertEqual(len(asked), 5)
        first = answers[0]
        assert isinstance(first, Deferred)
        self.assertEqual(self.successResultOf(first), "ticket")

    def test_sspi(self) -> None:
        """SSPI's steps ask its library, and then what it began."""

        class Exchange:
            def advance(self, token: bytes) -> SspiTurn:
                return SspiTurn(token * 2, True)

        self.patch(host_steps, "open_sspi", lambda step: step.server)
        self.assertIs(self.answer(OpenSspi(True)), True)
        turn = self.answer(AdvanceSspi(Exchange(), b"x"))
        self.assertEqual(turn, SspiTurn(b"xx", True))

    def test_scitokens(self) -> None:
        """Tokens that we bear, and keys of issuers, are asked for at their places."""
        path = os.path.join(self.directory, "bearer")
        with open(path, "w") as file:
            file.write("token\n")
        self.assertEqual(self.answer(FindBearerToken(path)), "token")
        self.assertIsNone(self.answer(FetchIssuerKeys("http://no-issuer")))
