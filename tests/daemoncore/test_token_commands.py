"""Tests of ``condor_twisted.daemoncore.token_commands``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from twisted.internet.defer import Deferred

from condor_twisted.classad.wire_ad import AdValue, WireAd
from condor_twisted.client import CommandClient
from condor_twisted.constants.commands import Command
from condor_twisted.daemoncore import CommandRequest
from condor_twisted.daemoncore.token_commands import TokenCommands
from condor_twisted.errors import AuthorizationDenied
from condor_twisted.security.peer import Transport, raw_peer
from condor_twisted.wire.ciphers import CfbCipher
from condor_twisted.wire.messages import MessageReader
from tests.daemoncore.token_kit import TokenDaemonTestCase
from tests.security.recordings import (
    load_vector,
)

START = {"ClientId": "host-1", "User": "carol@example"}


class TokenCommandsTests(TokenDaemonTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice = self.client("alice")
        self.root = self.client("root")

    def ask(  # type: ignore[override]
        self, client: CommandClient, command: Command, **values: AdValue
    ) -> list[WireAd]:
        """Send an ad; every ad of the answer."""
        channel = self.done(client.start(self.address, command))
        writer = channel.writer()
        writer.put_ad(WireAd.from_pairs(values).body)
        channel.send_message(writer.end_of_message())
        found = []
        while True:
            outcome = channel.receive_message()
            self.reactor.flush()
            if not channel.is_open and not outcome.called:
                break
            try:
                reader = self.successResultOf(outcome)
            except self.failureException:
                outcome.addErrback(lambda _: None)
                break
            found.append(WireAd(reader.get_ad().body))
            reader.end_of_message()
        channel.close()
        return found

    def start_request(self, **changes: AdValue) -> str:
        """Ask for a token; the request's id."""
        [answer] = self.ask(
            self.alice, Command.DC_START_TOKEN_REQUEST, **{**START, **changes}
        )
        request_id = answer.string("RequestId")
        assert request_id is not None, answer
        self.assertEqual(answer.names(), ["RequestId"])
        return request_id

    def test_the_whole_way(self) -> None:
        """The layout of every answer, from the request to its token."""
        request_id = self.start_request(LimitAuthorization="READ", TokenLifetime=60)
        ids = {"RequestId": request_id, "ClientId": "host-1"}
        [answer] = self.ask(self.alice, Command.DC_FINISH_TOKEN_REQUEST, **ids)
        self.assertEqual(answer.items(), [("Token", b'""')])
        shown, end = self.ask(self.root, Command.DC_LIST_TOKEN_REQUEST)
        self.assertEqual(
            sorted(shown.items()),
            [
                ("AuthenticatedIdentity", b'"alice@example"'),
                ("ClientId", b'"host-1"'),
                ("LimitAuthorization", b'"READ"'),
                ("PeerLocation", b'"127.0.0.1"'),
                ("RequestId", f'"{request_id}"'.encode()),
                ("RequestedIdentity", b'"carol@example"'),
                ("TokenLifetime", b"60"),
            ],
        )
        self.assertEqual(sorted(end.items()), [("ErrorCode", b"0"), ("Owner", b"0")])
        [answer] = self.ask(self.root, Command.DC_APPROVE_TOKEN_REQUEST, **ids)
        self.assertEqual(answer.items(), [("ErrorCode", b"0")])
        [answer] = self.ask(self.alice, Command.DC_FINISH_TOKEN_REQUEST, **ids)
        token = self.read(answer.string("Token"))
        self.assertEqual(token.subject, "carol@example")
        self.assertEqual(token.issuer, "pool.example")
        self.assertEqual(len(self.logged("approved by root@example")), 1)
        self.assertEqual(self.logged(token.signed[:40]), [])

    def test_errors(self) -> None:
        """What is not granted has a number and a text, and is logged."""
        [answer] = self.ask(self.alice, Command.DC_START_TOKEN_REQUEST)
        self.assertEqual(answer.integer("ErrorCode"), 2)
        self.assertEqual(answer.string("ErrorString"), "No client ID provided.")
        [answer] = self.ask(self.root, Command.DC_LIST_TOKEN_REQUEST, RequestId="x")
        self.assertEqual(answer.integer("Owner"), 0)
        self.assertEqual(answer.integer("ErrorCode"), 2)
        self.assertEqual(len(self.logged("is not granted: No client ID")), 1)
        self.assertEqual(self.logged("no signing key"), [])

    def test_privilege(self) -> None:
        """Others than administrators see and approve what is for themselves alone."""
        request_id = self.start_request()
        ids = {"RequestId": request_id, "ClientId": "host-1"}
        found = self.ask(self.alice, Command.DC_LIST_TOKEN_REQUEST)
        self.assertEqual([ad.integer("Owner") for ad in found], [0])
        [answer] = self.ask(self.alice, Command.DC_APPROVE_TOKEN_REQUEST, **ids)
        self.assertEqual(answer.integer("ErrorCode"), 6)
        carol = self.client("carol")
        self.assertEqual(len(self.ask(carol, Command.DC_LIST_TOKEN_REQUEST)), 2)
        [answer] = self.ask(carol, Command.DC_APPROVE_TOKEN_REQUEST, **ids)
        self.assertEqual(answer.integer("ErrorCode"), 0)
        self.failed(
            self.alice.start(self.address, Command.DC_AUTO_APPROVE_TOKEN_REQUEST),
            AuthorizationDenied,
        )

    def test_session_token(self) -> None:
        """A token for oneself, with all that may be said about it."""
        [answer] = self.ask(
            self.alice,
            Command.DC_GET_SESSION_TOKEN,
            LimitAuthorization="READ,WRITE",
            TokenLifetime=60,
            RequestedKey="POOL",
        )
        token = self.read(answer.string("Token"))
        self.assertEqual(token.subject, "alice@example")
        self.assertEqual(token.limits, "READ,WRITE")
        self.assertEqual(answer.names(), ["Token"])
        self.assertEqual(len(self.logged("was given a token for alice@example")), 1)
        [answer] = self.ask(
            self.alice, Command.DC_GET_SESSION_TOKEN, RequestedKey="OTHER"
        )
        self.assertEqual(answer.integer("ErrorCode"), 3)

    def test_mnh_4_10_a_limited_token_stays_limited(self) -> None:
        """Who came with a limited token gets none that is good for more."""
        [answer] = self.ask(
            self.alice,
            Command.DC_GET_SESSION_TOKEN,
            LimitAuthorization="READ",
            TokenLifetime=60,
        )
        first = answer.string("Token")
        assert first is not None
        bearer = self.client("nobody", first)
        [answer] = self.ask(bearer, Command.DC_GET_SESSION_TOKEN)
        second = self.read(answer.string("Token"))
        self.assertEqual(second.subject, "alice@example")
        self.assertEqual(second.limits, "READ")
        ends = self.read(first).expires_at
        assert ends is not None
        assert second.expires_at is not None
        self.assertLessEqual(second.expires_at, ends)
        [answer] = self.ask(
            bearer, Command.DC_GET_SESSION_TOKEN, LimitAuthorization="WRITE"
        )
        self.assertEqual(answer.integer("ErrorCode"), 4)

    def test_auto_approval(self) -> None:
        """A rule approves the requests that daemons make."""
        daemon = {"User": "condor@example", "LimitAuthorization": "ADVERTISE_STARTD"}
        request_id = self.start_request(ClientId="STARTD-host-1", **daemon)
        [answer] = self.ask(
            self.root,
            Command.DC_AUTO_APPROVE_TOKEN_REQUEST,
            Subnet="127.0.0.0/8",
            Lifetime=60,
        )
        self.assertEqual(answer.items(), [("ErrorCode", b"0")])
        [answer] = self.ask(
            self.alice,
            Command.DC_FINISH_TOKEN_REQUEST,
            ClientId="STARTD-host-1",
            RequestId=request_id,
        )
        self.assertEqual(self.read(answer.string("Token")).subject, "condor@example")
        [answer] = self.ask(
            self.alice, Command.DC_START_TOKEN_REQUEST, ClientId="2", **daemon
        )
        self.assertEqual(answer.names(), ["RequestId", "Token"])
        self.assertEqual(len(self.logged("passed via auto-approval rule 127")), 1)
        self.assertEqual(len(self.logged("approved via auto-approval rule 127")), 1)
        [answer] = self.ask(
            self.root, Command.DC_AUTO_APPROVE_TOKEN_REQUEST, Subnet="x", Lifetime=1
        )
        self.assertEqual(answer.integer("ErrorCode"), -2)

    def test_disabled(self) -> None:
        """Each service can be switched off; the list then ends with the reason."""
        self.daemon = self.start_daemon(
            SEC_ENABLE_TOKEN_REQUEST="false",
            SEC_ENABLE_TOKEN_FETCH="false",
            SEC_ENABLE_SCITOKEN_EXCHANGE="false",
        )
        for command, text in (
            (Command.DC_START_TOKEN_REQUEST, "Token request disabled."),
            (Command.DC_FINISH_TOKEN_REQUEST, "Token request disabled."),
            (Command.DC_LIST_TOKEN_REQUEST, "Token request disabled."),
            (Command.DC_APPROVE_TOKEN_REQUEST, "Token request disabled."),
            (Command.DC_AUTO_APPROVE_TOKEN_REQUEST, "Token request disabled."),
            (Command.DC_GET_SESSION_TOKEN, "Token fetch disabled."),
            (Command.DC_EXCHANGE_SCITOKEN, "SciToken exchange disabled."),
        ):
            [answer] = self.ask(self.root, command)
            self.assertEqual(answer.integer("ErrorCode"), 44, command.name)
            self.assertEqual(answer.string("ErrorString"), text)
            listing = command is Command.DC_LIST_TOKEN_REQUEST
            self.assertIs(answer.integer("Owner") == 0, listing)

    def test_exchange(self) -> None:
        """A SciToken of nobody is refused, and never shown."""
        [answer] = self.ask(self.alice, Command.DC_EXCHANGE_SCITOKEN, Token="a.b.c")
        self.assertEqual(answer.integer("ErrorCode"), 5)
        self.assertEqual(self.logged("a.b.c"), [])
        [answer] = self.ask(self.alice, Command.DC_EXCHANGE_SCITOKEN)
        self.assertEqual(answer.integer("ErrorCode"), 1)

    def test_no_key(self) -> None:
        """Whoever wants a token of a daemon without keys makes it say where they go."""
        (self.keys / "POOL").unlink()
        self.daemon = self.start_daemon(SEC_DEFAULT_AUTHENTICATION="OPTIONAL")
        nobody = self.client("nobody")
        nobody.opener.security.reconfigure(
            nobody.settings.with_assignments({"SEC_DEFAULT_AUTHENTICATION": "OPTIONAL"})
        )
        [answer] = self.ask(nobody, Command.DC_START_TOKEN_REQUEST, **START)
        self.assertEqual(answer.integer("ErrorCode"), 4)
        self.assertNotIn(str(self.keys), answer.string("ErrorString") or "")
        [line] = self.logged("there is no signing key")
        self.assertIn(str(self.keys / "POOL"), line)

    def test_reconfiguration(self) -> None:
        """Requests do not outlive the configuration."""
        request_id = self.start_request()
        self.assertTrue(self.daemon.reconfigure())
        [answer] = self.ask(
            self.alice,
            Command.DC_FINISH_TOKEN_REQUEST,
            ClientId="host-1",
            RequestId=request_id,
        )
        self.assertEqual(answer.string("ErrorString"), "Request failed.")

    def test_housekeeping(self) -> None:
        """Requests are forgotten in time, also if nobody asks."""
        commands = self.daemon._late_commands.tokens
        self.start_request()
        self.assertEqual(len(commands.requests), 1)
        self.reactor.advance(7300)
        self.reactor.advance(61)
        self.assertEqual(len(commands.requests), 0)

    def test_before_the_start(self) -> None:
        """A daemon that has not served anybody has nothing to forget."""
        commands = TokenCommands(self.daemon)
        commands.expire()
        commands.reset()

    def test_mnh_1_7_malformed(self) -> None:
        """What is no ad, or a large one, is refused without an answer."""
        for values in ({f"A{n}": n for n in range(101)},):
            self.assertEqual(
                self.ask(self.alice, Command.DC_START_TOKEN_REQUEST, **values), []
            )
        self.assertEqual(
            self.ask(self.alice, Command.DC_START_TOKEN_REQUEST, User="x" * 20_000),
            [],
        )


class _Answers:
    """A channel of an encrypted connection that keeps what is answered."""

    encrypted = True
    secrets: CfbCipher | None = None
    is_open = True

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send_message(self, payload: bytes) -> None:
        self.sent.append(payload)

    def send_parts(self, parts: Iterable[bytes]) -> Deferred[None]:
        raise AssertionError("an answer in parts")


class RecordedTests(TokenDaemonTestCase):
    """What a real client sent, and what the real collector answered."""

    def messages(self, connection: int) -> list[bytes]:
        """The messages behind the handshake, both ways."""
        packets = load_vector("token-request")["connections"][connection]["packets"]
        return [
            bytes.fromhex(each["plaintext"])
            for each in packets
            if each.get("note") == "command payload"
        ]

    def test_answers(self) -> None:
        """Our answers are the recorded ones, bit by bit; the token says the same."""
        security = self.daemon.security
        assert security is not None
        random_bytes = security.random_bytes
        security.random_bytes = lambda count: (3788564).to_bytes(count, "big")
        peer = replace(
            raw_peer("127.0.0.1", 1, Transport.TCP),
            user="alice@test.domain",
            method="CLAIMTOBE",
            encrypted=True,
        )
        commands = self.daemon._late_commands.tokens

        def answer(handler: Callable[[CommandRequest], None], payload: bytes) -> bytes:
            channel = _Answers()
            handler(
                CommandRequest(
                    0, payload, 0, True, peer, channel, None, lambda level, peer: False
                )
            )
            [sent] = channel.sent
            return sent

        request, expected = self.messages(0)
        self.assertEqual(answer(commands.start_request, request), expected)
        security.random_bytes = random_bytes
        commands.requests.approve(peer, security.now(), False, "vm-856", "3788564")
        request, expected = self.messages(1)
        tokens = []
        for payload in (answer(commands.finish_request, request), expected):
            reader = MessageReader(payload, encrypted=True)
            ad = WireAd(reader.get_ad().body)
            reader.end_of_message()
            self.assertEqual(ad.names(), ["Token"])
            tokens.append(self.read(ad.string("Token")))
        ours, theirs = tokens
        self.assertEqual(sorted(ours.claims), sorted(theirs.claims))
        self.assertEqual((ours.subject, ours.limits), (theirs.subject, theirs.limits))
        self.assertEqual(
            (ours.algorithm, ours.key_name), (theirs.algorithm, theirs.key_name)
        )
        self.assertEqual(len(ours.token_id), len(theirs.token_id))
