"""Tests of ``condor_twisted.client.tokens``."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.wire_ad import AdValue, WireAd
from condor_twisted.client import (
    CommandClient,
    StartedTokenRequest,
    approve_token_request,
    auto_approve_token_requests,
    exchange_scitoken,
    fetch_token,
    finish_token_request,
    list_token_requests,
    request_token,
    start_token_request,
)
from condor_twisted.client.tokens import new_client_id
from condor_twisted.config.settings import Settings
from condor_twisted.constants.commands import Command
from condor_twisted.daemoncore import CommandRequest, Daemon, Permission, command
from condor_twisted.errors import CommandRefused, HandshakeTimedOut, SecurityError
from condor_twisted.security.tokens.token import parse_token
from condor_twisted.wire.messages import MessageReader, MessageWriter
from tests.daemoncore.token_kit import TokenDaemonTestCase
from tests.security.recordings import (
    load_vector,
)


class TokenTests(TokenDaemonTestCase):
    """Against a daemon of ours."""

    def setUp(self) -> None:
        super().setUp()
        self.alice = self.client("alice")
        self.root = self.client("root")

    def pending(self, who: CommandClient, request_id: str | None = None) -> Any:
        """The requests that somebody sees."""
        return self.done(list_token_requests(who, self.address, request_id))

    def test_fetching(self) -> None:
        """A token for oneself, with all that may be said about it."""
        token = self.read(
            self.done(
                fetch_token(
                    self.alice,
                    self.address,
                    limits=["READ", "WRITE"],
                    lifetime_seconds=60,
                    key_name="POOL",
                )
            )
        )
        self.assertEqual(token.subject, "alice@example")
        self.assertEqual(token.limits, "READ,WRITE")
        self.assertIsNotNone(token.expires_at)
        whole = self.read(self.done(fetch_token(self.alice, self.address)))
        self.assertIsNone(whole.limits)
        self.assertIsNone(whole.expires_at)

    def test_refusals(self) -> None:
        """A daemon's own words and number come with the error."""
        error = self.failed(
            fetch_token(self.alice, self.address, key_name="OTHER"), CommandRefused
        )
        assert isinstance(error, CommandRefused)
        self.assertEqual(error.code, 3)
        self.assertEqual(error.reason, "Server will not sign with requested key.")
        self.failed(
            exchange_scitoken(self.alice, self.address, "a.b.c"), CommandRefused
        )
        self.failed(
            auto_approve_token_requests(self.root, self.address, "junk", 60),
            CommandRefused,
        )

    def test_the_whole_way(self) -> None:
        """Asked for, seen, approved and fetched."""
        started = self.done(
            start_token_request(self.alice, self.address, "carol", limits=["READ"])
        )
        self.assertIsNone(started.token)
        self.assertIsNone(
            self.done(finish_token_request(self.alice, self.address, started))
        )
        [ad] = self.pending(self.root)
        self.assertEqual(ad.string("RequestedIdentity"), "carol@example")
        self.assertEqual(self.pending(self.alice), [])
        self.assertEqual(self.pending(self.root, "1"), [])
        self.assertEqual(len(self.pending(self.root, started.request_id)), 1)
        self.failed(list_token_requests(self.root, self.address, "x"), CommandRefused)
        self.done(
            approve_token_request(
                self.root, self.address, started.client_id, started.request_id
            )
        )
        token = self.done(finish_token_request(self.alice, self.address, started))
        self.assertEqual(self.read(token).subject, "carol@example")
        self.assertNotIn(token, repr(StartedTokenRequest("a", "1", token)))

    def test_waiting(self) -> None:
        """Who waits asks every five seconds until there is a token."""
        seen: list[StartedTokenRequest] = []
        outcome = request_token(self.alice, self.address, pending=seen.append)
        self.reactor.flush()
        self.reactor.advance(5)
        self.reactor.flush()
        self.assertNoResult(outcome)
        [request] = seen
        self.done(
            approve_token_request(
                self.root, self.address, request.client_id, request.request_id
            )
        )
        self.reactor.advance(4.9)
        self.reactor.flush()
        self.assertNoResult(outcome)
        self.reactor.advance(0.1)
        self.assertEqual(self.read(self.done(outcome)).subject, "condor@example")

    def test_at_once(self) -> None:
        """What a rule approves needs no waiting."""
        self.done(
            auto_approve_token_requests(self.root, self.address, "127.0.0.0/8", 60)
        )
        seen: list[StartedTokenRequest] = []
        outcome = request_token(
            self.alice,
            self.address,
            limits=["ADVERTISE_STARTD"],
            lifetime_seconds=60,
            pending=seen.append,
        )
        token = self.read(self.done(outcome))
        self.assertEqual(token.limits, "ADVERTISE_STARTD")
        self.assertEqual(seen, [])

    def test_giving_up(self) -> None:
        """Waiting can be cancelled; nothing is left."""
        outcome = request_token(self.alice, self.address)
        outcome.addErrback(lambda failure: failure.trap(CancelledError))
        self.reactor.flush()
        outcome.cancel()
        self.done(outcome)

    def test_in_clear(self) -> None:
        """Nothing is asked for through a channel that others can read."""
        settings = Settings.from_assignments(
            {**self.knobs, "SEC_CLIENT_NEGOTIATION": "NEVER"}, "TOOL"
        )
        client = CommandClient(settings, self.reactor)
        self.addCleanup(lambda: self.done(client.close()))
        plain = Daemon(self.settings(), self.reactor, port=9701)
        self.start(plain)
        error = self.failed(
            exchange_scitoken(client, str(plain.address), "a.b.c"), SecurityError
        )
        self.assertIn("SEC_CLIENT_ENCRYPTION", str(error))

    def test_client_ids(self) -> None:
        """What we call ourselves differs from time to time."""
        self.assertGreater(len({new_client_id() for _ in range(20)}), 10)


class _OddDaemon(Daemon):
    """Answers token commands with what a test wants, or not at all."""

    answers: tuple[dict[str, AdValue], ...] | None = ()

    @command(Command.DC_GET_SESSION_TOKEN, Permission.ALLOW, answers=True)
    @command(Command.DC_START_TOKEN_REQUEST, Permission.ALLOW, answers=True)
    @command(Command.DC_LIST_TOKEN_REQUEST, Permission.ALLOW, answers=True)
    @command(Command.DC_APPROVE_TOKEN_REQUEST, Permission.ALLOW, answers=True)
    def odd(self, request: CommandRequest) -> Deferred[None] | None:
        """Answer."""
        if self.answers is None:
            request.keep_open()
            return Deferred()
        for each in self.answers:
            writer = request.writer()
            writer.put_ad(WireAd.from_pairs(each).body)
            request.reply(writer.end_of_message())
        return None


class OddAnswerTests(TokenDaemonTestCase):
    """Against daemons that do not do as they should."""

    def start_daemon(self, **knobs: str) -> Daemon:
        """Start one."""
        settings = super().start_daemon(**knobs).settings
        self.odd = _OddDaemon(settings, self.reactor, port=9702)
        self.start(self.odd)
        return self.odd

    def test_answers_without_sense(self) -> None:
        """An answer without a result is an error that says so."""
        client = self.client("alice")
        functions: tuple[Any, ...] = (
            lambda: fetch_token(client, self.address),
            lambda: start_token_request(client, self.address, "a@b"),
            lambda: approve_token_request(client, self.address, "a", "1"),
        )
        for ask in functions:
            self.odd.answers = ({},)
            self.assertIn("it sent n", str(self.failed(ask(), CommandRefused)))
            self.odd.answers = ()
            self.assertIn("without an answer", str(self.failed(ask(), CommandRefused)))
            self.odd.answers = ({"ErrorCode": 9},)
            error = self.failed(ask(), CommandRefused)
            assert isinstance(error, CommandRefused)
            self.assertEqual((error.code, error.reason), (9, "Unknown error."))

    def test_lists_that_break_off(self) -> None:
        """A list needs its end; an error of older daemons stands for one."""
        client = self.client("alice")
        self.odd.answers = ({"RequestId": "1"},)
        self.failed(list_token_requests(client, self.address), CommandRefused)
        self.odd.answers = ({"ErrorCode": 44, "ErrorString": "disabled"},)
        error = self.failed(list_token_requests(client, self.address), CommandRefused)
        assert isinstance(error, CommandRefused)
        self.assertEqual(error.code, 44)

    def test_silence(self) -> None:
        """A daemon that says nothing is given up."""
        self.odd.answers = None
        outcome = fetch_token(self.client("alice"), self.address)
        self.reactor.flush()
        self.reactor.advance(21)
        self.failed(outcome, HandshakeTimedOut)


class _RecordedClient:
    """A client whose one channel gives a recorded answer."""

    encrypted = True
    address = "<127.0.0.1:22804>"

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.sent: list[bytes] = []
        self.send_message = self.sent.append
        self.settings = Settings.from_assignments({})

    def start(self, address: Any, number: int) -> Deferred[Any]:
        return succeed(self)

    def writer(self) -> MessageWriter:
        return MessageWriter(encrypted=True)

    def receive_message(self, seconds: float) -> Deferred[Any]:
        return succeed(MessageReader(self.answer, encrypted=True))

    def close(self) -> None:
        pass


class RecordedTests(SynchronousTestCase):
    """What we send is what the real client sent, and its answers are understood."""

    def client(self, connection: int) -> tuple[Any, bytes]:
        """A client for one connection, and what it should send."""
        packets = load_vector("token-request")["connections"][connection]["packets"]
        request, answer = (
            bytes.fromhex(each["plaintext"])
            for each in packets
            if each.get("note") == "command payload"
        )
        return _RecordedClient(answer), request

    def test_starting(self) -> None:
        """The request is the recorded one, bit by bit."""
        client, request = self.client(0)
        outcome = start_token_request(
            client, "", "alice@test.domain", limits=["READ"], client_id="vm-856"
        )
        started = self.successResultOf(outcome)
        self.assertEqual(client.sent, [request])
        self.assertEqual(started, StartedTokenRequest("vm-856", "3788564"))

    def test_finishing(self) -> None:
        """So is what fetches the token."""
        client, request = self.client(1)
        started = StartedTokenRequest("vm-856", "3788564")
        token = self.successResultOf(finish_token_request(client, "", started))
        self.assertEqual(client.sent, [request])
        assert token is not None
        self.assertEqual(parse_token(token).subject, "alice@test.domain")
