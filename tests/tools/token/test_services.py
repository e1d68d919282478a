"""Tests of ``condor_twisted.tools.token.services`` and ``.command``."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed

from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.client import Pool, daemons, start_token_request
from condor_twisted.config.settings import Settings
from condor_twisted.errors import ConfigError
from condor_twisted.testing.reactor import blocking_at_once
from condor_twisted.tools.token import command, files, services
from condor_twisted.tools.token.command import main
from condor_twisted.tools.token.services import Answers
from tests.daemoncore.token_kit import TokenDaemonTestCase
from tests.tools.kit import ToolTestCase


class TokenToolTestCase(TokenDaemonTestCase, ToolTestCase):
    """The tool in memory, as a user of a daemon in memory."""

    def setUp(self) -> None:
        super().setUp()
        self.user = "alice"
        self.answers: list[str] = []
        self.patch(services, "pool_of", self.pool_of)
        self.patch(daemons, "run_in_threads", lambda _: blocking_at_once)
        self.patch(socket, "gethostbyname_ex", lambda name: (name, [], []))
        self.patch(command, "run", lambda start: self.code(start(self.reactor)))
        self.patch(Answers, "next", lambda _: succeed(self.answers.pop(0)))

    def pool_of(self, address: str | None, reactor: Any) -> Pool:
        """The pool whose collector is the daemon, with this user's identity."""
        settings = self.client(self.user).settings
        pool = Pool(address or self.address, settings, self.reactor)
        pool.client.opener.security.token = self.make_token(self.user)
        return pool

    def tool(self, line: str, user: str = "alice") -> int:
        """Run the tool to its end; its exit code."""
        self.user = user
        return main(line.split())

    def request(self, identity: str = "carol@example", **wishes: Any) -> str:
        """Alice asks for a token; the request's id."""
        outcome = start_token_request(
            self.client("alice"), self.address, identity, **wishes
        )
        found: str = self.done(outcome).request_id
        return found


class FetchTests(TokenToolTestCase):
    def test_fetching(self) -> None:
        """A token is printed."""
        code = self.tool("fetch -type collector -authz READ -lifetime 60 -key POOL")
        self.assertEqual(code, 0, self.err.text)
        token = self.read(self.out.text.strip())
        self.assertEqual((token.subject, token.limits), ("alice@example", "READ"))

    def test_writing(self) -> None:
        """Or written."""
        file = Path(self.mktemp())
        self.assertEqual(self.tool(f"fetch -addr {self.address} -file {file}"), 0)
        self.read(file.read_text().strip())
        self.assertEqual(self.out.text, "")

    def test_failures(self) -> None:
        """What the daemon says is passed on."""
        self.assertEqual(self.tool("fetch -type collector -key X"), 1)
        self.assertEqual(
            self.err.text,
            "Failed to request a session token: DAEMON:3:Server will not sign with "
            "requested key.\n",
        )
        self.assertEqual(self.tool("fetch -name nobody"), 1)
        self.assertIn("ERROR: couldn't locate daemon nobody!\n", self.err.text)
        self.assertEqual(self.tool("fetch"), 1)
        self.assertIn("ERROR: couldn't locate default daemon type.\n", self.err.text)


class RequestTests(TokenToolTestCase):
    def begin(self, line: str) -> Deferred[int]:
        """Run the tool until it waits."""
        started: list[Deferred[int]] = []

        def run(start: Any) -> int:
            started.append(Deferred.fromCoroutine(start(self.reactor)))
            return 0

        self.patch(command, "run", run)
        self.tool(line)
        self.reactor.flush()
        return started[0]

    def test_waiting(self) -> None:
        """It says what has to be approved, waits, and prints the token."""
        outcome = self.begin("request -identity carol -authz READ")
        self.assertNoResult(outcome)
        text = self.out.text
        self.assertRegex(
            text,
            r"^Token request enqueued\.  Ask an administrator to please approve "
            r"request [0-9]{7}\.\n$",
        )
        self.answers = ["yes"]
        self.patch(command, "run", lambda start: self.code(start(self.reactor)))
        request_id = text.split()[-1].rstrip(".")
        self.assertEqual(self.tool(f"approve -reqid {request_id}", "root"), 0)
        self.reactor.advance(5)
        self.assertEqual(self.done(outcome), 0)
        token = self.read(self.out.text.splitlines()[-1])
        self.assertEqual(token.subject, "carol@example")

    def test_failures(self) -> None:
        """It tells a request that is not taken from one of which nothing comes."""
        self.assertEqual(self.tool("request -identity a@family"), 1)
        self.assertIn(
            "Failed to request a new token: DAEMON:2:No token can have", self.err.text
        )
        outcome = self.begin("request")
        self.daemon.reconfigure()
        self.reactor.advance(5)
        self.assertEqual(self.done(outcome), 1)
        self.assertIn(
            "Failed to get a status update for token request: DAEMON:4:Request failed.",
            self.err.text,
        )
        self.assertEqual(self.done(self.begin("request -type schedd -name x")), 1)


class ListTests(TokenToolTestCase):
    def test_listing(self) -> None:
        """Requests are listed as ads, or as JSON."""
        request_id = self.request(limits=["READ"], lifetime_seconds=60)
        self.assertEqual(self.tool("request-list", "root"), 0)
        lines = self.out.text.splitlines()
        self.assertEqual(lines[0], 'AuthenticatedIdentity = "alice@example"')
        self.assertEqual(
            lines[5:], [f'RequestId = "{request_id}"', "TokenLifetime = 60", ""]
        )
        self.assertEqual(self.tool(f"requests -json -reqid {request_id}", "root"), 0)
        self.assertIn('[\n{\n  "AuthenticatedIdentity": "alice@', self.out.text)
        self.assertTrue(self.out.text.endswith("}\n]\n"))

    def test_nothing(self) -> None:
        """Nothing pending is no failure, but a request that is not there is."""
        self.assertEqual(self.tool("request-list"), 0)
        self.assertEqual(self.err.text, "Remote daemon reports no requests pending.\n")
        self.assertEqual(self.tool("request-list -reqid 7"), 1)
        self.assertIn("information for request ID 7.", self.err.text)
        self.assertEqual(self.tool("request-list -reqid x"), 1)
        self.assertIn(
            "Failed to locate request corresponding to ID x: DAEMON:2:", self.err.text
        )
        self.assertEqual(self.tool("request-list -type schedd -name x"), 1)
        self.daemon = self.start_daemon(SEC_ENABLE_TOKEN_REQUEST="false")
        self.assertEqual(self.tool("request-list"), 1)
        self.assertIn(
            "Failed to list token requests: DAEMON:44:Token request disabled.",
            self.err.text,
        )


class ApproveTests(TokenToolTestCase):
    def test_one_by_one(self) -> None:
        """Each request is shown and asked about, until the user does not say yes."""
        first, second = self.request(), self.request()
        self.answers = ["yes", "no"]
        self.assertEqual(self.tool("approve", "root"), 1)
        self.assertEqual(self.out.text.count("Request contents:\nClientId = "), 2)
        self.assertIn("\n\nTo approve, please type 'yes'\n", self.out.text)
        self.assertIn(f"Request {first} approved successfully.\n", self.out.text)
        self.assertNotIn(f"Request {second} approved", self.out.text)
        self.assertEqual(self.err.text, "Request was NOT approved.\n")

    def test_nothing(self) -> None:
        """There has to be something to approve."""
        self.assertEqual(self.tool("approve", "root"), 1)
        self.assertEqual(self.tool("approve -reqid 7", "root"), 1)
        self.assertEqual(self.tool("approve -reqid x", "root"), 1)
        self.assertEqual(self.tool("approve -type schedd -name x", "root"), 1)
        for text in ("has no request to approve.", "information for request ID 7."):
            self.assertIn(text, self.err.text)

    def test_too_late(self) -> None:
        """A request may be gone before it is approved."""
        request_id = self.request()

        def answer(_: Any) -> Deferred[str]:
            self.daemon.reconfigure()
            return succeed("yes")

        self.patch(Answers, "next", answer)
        self.assertEqual(self.tool(f"approve -reqid {request_id}", "root"), 1)
        self.assertIn("Failed to approve token request: DAEMON:5:", self.err.text)

    def test_odd_requests(self) -> None:
        """A request without ids cannot be approved; what is shown is harmless."""
        for ad, missing in (
            (WireAd.from_pairs({"RequestId": "1"}), "client"),
            (WireAd.from_pairs({"ClientId": "1"}), "request"),
        ):
            self.patch(services, "list_token_requests", lambda *_, ad=ad: succeed([ad]))
            self.assertEqual(self.tool("approve", "root"), 1)
            self.assertIn(f"did not provide a {missing} ID.", self.err.text)
        ad = WireAd.from_pairs({"ClientId": "1\x1b[2J", "RequestId": "1"})
        self.patch(services, "list_token_requests", lambda *_: succeed([ad]))
        self.answers = [""]
        self.assertEqual(self.tool("approve", "root"), 1)
        self.assertNotIn("\x1b", self.out.text)


class AutoApproveTests(TokenToolTestCase):
    def test_a_rule(self) -> None:
        """It says that the rule stands, and what is left."""
        self.request("condor@example", limits=["ADVERTISE_STARTD"])
        line = "auto-approve -netblock 127.0.0.0/8 -lifetime 1800"
        self.assertEqual(self.tool(line, "root"), 0)
        self.assertEqual(
            self.out.text,
            "Successfully installed auto-approval rule for netblock 127.0.0.0/8 with "
            "lifetime of 0.50 hours\n",
        )
        self.assertIn("no un-approved requests pending.", self.err.text)
        self.request()
        self.assertEqual(self.tool(line, "root"), 0)
        self.assertIn(f"{'=' * 50}\nClientId = ", self.out.text)
        self.assertIn("please run condor-twisted token approve.\n", self.out.text)

    def test_failures(self) -> None:
        """What is no rule is not even asked for; what is refused is said."""
        for line, text in (
            ("-netblock x", "DAEMON:2:Auto-approval rule netblock invalid."),
            ("-netblock 10.0.0.0/8 -lifetime 0", "must be greater than zero."),
            ("-netblock *", "DAEMON:-3:DAEMON:-3:Auto-approval rule netblock is wider"),
            ("-netblock 10.0.0.0/8 -type schedd -name x", "couldn't locate"),
        ):
            self.assertEqual(self.tool(f"auto-approve {line}", "root"), 1)
            self.assertIn(text, self.err.text)
        self.assertEqual(self.tool("auto-approve -netblock 10.0.0.0/8"), 1)
        self.assertIn("'DENIED' for user alice@example", self.err.text)
        self.assertEqual(self.tool("auto-approve"), 2)
        self.assertIn("-netblock is required", self.err.text)

    def test_no_list(self) -> None:
        """A rule stands even where the requests cannot be listed."""

        def refuse(*_: Any) -> Any:
            raise ConfigError("no list")

        self.patch(services, "list_token_requests", refuse)
        self.assertEqual(self.tool("auto-approve -netblock 10.0.0.0/8", "root"), 0)
        self.assertIn("Failed to list remaining token requests: no list", self.err.text)


class CommandTests(TokenToolTestCase):
    def test_local_actions(self) -> None:
        """What needs no daemon runs without a reactor; errors are said."""
        settings = Settings.from_assignments(self.key_knobs, "TOOL")
        self.patch(files, "read_tool_settings", lambda: settings)
        self.assertEqual(self.tool("create -identity a@b"), 0)
        self.read(self.out.text.strip())
        self.assertEqual(self.tool("create"), 2)

        def broken() -> Settings:
            raise ConfigError("broken")

        self.patch(files, "read_tool_settings", broken)
        self.assertEqual(self.tool("list"), 1)
        self.assertIn("Error: broken", self.err.text)

    def test_help(self) -> None:
        """It tells what can be done, and how."""
        for line in ("-help", "--help"):
            self.assertEqual(self.tool(line), 0)
        for name in ("create", "list", "fetch", "request", "approve", "auto-approve"):
            self.assertIn(f"\n  {name} ", self.out.text)
        self.assertEqual(self.tool("fetch -help"), 0)
        self.assertIn("schedd by default", self.out.text)
        self.assertNotIn("-remote", self.out.text)
        self.assertEqual(self.tool("list -help"), 0)
        self.assertIn("look into this file", self.out.text)

    def test_bad_usage(self) -> None:
        """What cannot be understood is bad usage."""
        for line in ("", "revoke", "fetch -foo"):
            self.assertEqual(self.tool(line), 2)
        self.assertIn("There is no action 'revoke'.", self.err.text)
        self.assertIn("Invalid command line argument: -foo", self.err.text)


class AnswersTests(ToolTestCase):
    def test_lines(self) -> None:
        """Lines come one by one; at the end there are empty ones."""
        opened: list[Any] = []
        self.patch(
            services, "StandardIO", lambda protocol, reactor: opened.append(protocol)
        )
        answers = Answers(self.reactor)
        first = answers.next()
        self.assertEqual(opened, [answers])
        answers.lineReceived(b"yes\r")
        answers.lineReceived(b"\xff")
        self.assertEqual(self.successResultOf(first), "yes")
        self.assertEqual(self.successResultOf(answers.next()), "\ufffd")
        waiting = answers.next()
        answers.connectionLost()
        self.assertEqual(self.successResultOf(waiting), "")
        self.assertEqual(len(opened), 1)
        answers.close()
