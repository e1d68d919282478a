"""Tests of ``condor_twisted.tools.ping``: what it prints, and its exit codes."""

from __future__ import annotations

import os
import socket

from condor_twisted.client import daemons
from condor_twisted.config.settings import Settings
from condor_twisted.testing.reactor import blocking_at_once
from condor_twisted.tools.ping import command
from condor_twisted.tools.ping.command import main
from condor_twisted.tools.ping.texts import TABLE_HEADING
from tests.client.kit import ad_of
from tests.protocols.kit import SECURE
from tests.tools.kit import ToolTestCase

OPEN = ("-addr", "<127.0.0.1:9618>")
CLOSED = ("-addr", "<127.0.0.1:9700>")


class _Hosts(dict[str, str]):
    def __missing__(self, name: str) -> str:
        raise OSError(f"no host {name}")


HOSTS = _Hosts({"cm.example": "127.0.0.1"})


class PingCommandTests(ToolTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.patch(command, "run", lambda start: self.code(start(self.reactor)))
        self.patch(command, "read_tool_settings", self.tool_settings)
        self.patch(daemons, "run_in_threads", lambda _: blocking_at_once)
        self.patch(os, "geteuid", lambda: 1000)
        self.patch(socket, "gethostbyname", HOSTS.__getitem__)
        self.patch(socket, "gethostbyname_ex", lambda name: (name, [], []))

    def tool_settings(self, file: str | None = None) -> Settings:
        """The configuration of the tool."""
        made = {"FULL_HOSTNAME": "me.example", "COLLECTOR_HOST": "cm.example"}
        return Settings.from_assignments({**made, **self.knobs}, "TOOL")

    def secure(self, **knobs: str) -> None:
        """Start a collector that wants authentication."""
        self.knobs.update({**SECURE, **knobs})
        self.start_double(9700)

    def ping(self, *arguments: str) -> int:
        """Run the tool; its exit code."""
        return main(list(arguments))

    def destination(self, *arguments: str) -> str:
        """What the daemon is called that a command line means."""
        self.assertEqual(self.ping(*arguments, "-verbose", "READ"), 0, self.err.text)
        line = self.out.text.splitlines()[-1]
        for each in self.out.text.splitlines():
            if each.startswith("Destination:"):
                line = each
        return line.partition(":")[2].strip()

    def test_address(self) -> None:
        """An address is taken as it is; its parameters are not shown."""
        for address in ("<127.0.0.1:9618?alias=x>", "127.0.0.1:9618"):
            found = self.destination("-addr", address)
            self.assertEqual(found, "daemon at <127.0.0.1:9618>")
        for junk in ("junk", "<192.0.2.1>", "<:1>", "<[:1>"):
            self.assertEqual(self.ping("-addr", junk, "READ"), 1)
            line = self.err.text.splitlines()[-1]
            self.assertEqual(line, f"ERROR: unable to parse sinful string: {junk}")

    def test_collector(self) -> None:
        """A collector is COLLECTOR_HOST, or what is named like one."""
        of = ("-type", "Collector")
        self.assertEqual(self.destination(*of), "local collector")
        self.assertEqual(
            self.destination(*of, "-pool", "cm.example:9618"),
            "collector <127.0.0.1:9618?alias=cm.example>",
        )
        found = self.destination(*of, "-name", "127.0.0.1")
        self.assertEqual(found, "collector 127.0.0.1")
        self.assertEqual(self.ping(*of, "-pool", "nowhere.example", "READ"), 1)
        self.assertIn("ERROR: unknown host nowhere.example\n", self.err.text)
        self.assertEqual(self.ping(*of, "-pool", "a", "-name", "b", "READ"), 2)
        self.assertIn("-pool a and -name b name two collectors", self.err.text)

    def test_daemons_of_a_pool(self) -> None:
        """A daemon is where the collector says it is, this host's by default."""
        self.collector.ads = [ad_of(Name="n@x", MyAddress="<127.0.0.1:9618>")]
        self.assertEqual(self.destination("-name", "s@x"), "schedd n@x")
        self.assertEqual(self.destination(), "local schedd")
        named = self.destination("-pool", "cm.example", "-name", "s@x")
        self.assertEqual(named, "schedd n@x")
        found = self.destination("-type", "negotiator")
        self.assertEqual(found, "negotiator n@x")
        self.collector.ads = []
        self.assertEqual(self.ping("-type", "startd", "-name", "foo", "READ"), 1)
        self.assertIn("ERROR: couldn't locate startd foo! (", self.err.text)

    def test_sentence(self) -> None:
        """One line tells what protects the session, and who we are."""
        self.assertEqual(self.ping(*OPEN, "READ"), 0)
        self.assertEqual(
            self.out.text,
            "READ command using (no encryption, no integrity, and no authentication) "
            "succeeded as unauthenticated@unmapped to daemon at <127.0.0.1:9618>.\n",
        )

    def test_paragraph(self) -> None:
        """All facts of a session that is protected."""
        self.secure()
        self.assertEqual(self.ping(*CLOSED, "-verbose", "WRITE"), 0)
        facts = dict(
            line.split(":", 1) for line in self.out.text.splitlines() if line.strip()
        )
        shown = {name: text.strip() for name, text in facts.items()}
        self.assertEqual(shown["Destination"], "daemon at <127.0.0.1:9700>")
        self.assertEqual(shown["Command"], "60021")
        self.assertEqual((shown["Encryption"], shown["Integrity"]), ("AES", "AES"))
        self.assertEqual(shown["Authenticated using"], "CLAIMTOBE")
        self.assertEqual(shown["All authentication methods"], "CLAIMTOBE")
        self.assertEqual(shown["Authorized"], "TRUE")
        self.assertTrue(self.out.text.startswith("Destination:                 daemon"))
        self.assertTrue(self.out.text.endswith("\n\n"))

    def test_table(self) -> None:
        """One row for each level; the code is 1 if one is not allowed."""
        self.secure(DENY_WRITE="*")
        self.assertEqual(self.ping(*CLOSED, "-table", "READ", "WRITE"), 1)
        heading, read, write = self.out.text.splitlines()
        self.assertEqual(f"{heading}\n", TABLE_HEADING)
        self.assertTrue(
            read.startswith(
                "                READ      CLAIMTOBE        AES       AES    ALLOW "
            )
        )
        self.assertIn("WRITE           FAIL       FAIL      FAIL     FAIL FAIL", write)

    def test_refused(self) -> None:
        """A refusal is told in the words of the error stack."""
        self.secure(DENY_WRITE="*")
        self.assertEqual(self.ping(*CLOSED, "-verbose", "WRITE"), 1)
        lines = self.out.text.splitlines()
        self.assertEqual(lines[0], "WRITE failed!")
        self.assertIn('SECMAN:2010:Received "DENIED" from server for user', lines[1])
        self.assertTrue(lines[1].endswith("using method CLAIMTOBE."))

    def test_host_based(self) -> None:
        """Without a method the refusal names both addresses."""
        self.secure(
            SEC_DEFAULT_AUTHENTICATION="NEVER",
            SEC_DEFAULT_ENCRYPTION="NEVER",
            SEC_DEFAULT_INTEGRITY="NEVER",
            DENY_WRITE="*",
        )
        self.assertEqual(self.ping(*CLOSED, "-verbose", "WRITE"), 1)
        self.assertIn("which may imply host-based security", self.out.text)
        self.assertIn("server's address was '127.0.0.1'", self.out.text)

    def test_our_own_lists(self) -> None:
        """A server that we do not talk to is told as HTCondor does."""
        self.knobs["DENY_CLIENT"] = "127.0.0.1"
        self.assertEqual(self.ping(*OPEN, "-verbose", "-explain", "READ"), 1)
        self.assertIn(
            "SECMAN:2009:DENIED authorization of server "
            "'unauthenticated@unmapped/127.0.0.1' (I am acting as the client): reason: "
            "CLIENT authorization policy denies IP address 127.0.0.1.",
            self.out.text,
        )
        self.assertIn("DENY_CLIENT = 127.0.0.1\n      in <assignments>", self.out.text)

    def test_unknown_command(self) -> None:
        """A daemon that closes at once is told by the usual cause."""
        self.assertEqual(self.ping(*OPEN, "-verbose", "12345"), 1)
        self.assertIn("SECMAN:2011:Connection closed during", self.out.text)

    def test_quiet(self) -> None:
        """The exit code alone tells."""
        self.assertEqual(self.ping(*OPEN, "-quiet", "READ"), 0)
        self.assertEqual(self.ping(*OPEN, "-quiet", "-explain", "12345"), 1)
        self.assertEqual((self.out.text, self.err.text), ("", ""))

    def test_nobody_there(self) -> None:
        """A connection that does not come about is an error."""
        self.assertEqual(self.ping("-addr", "<127.0.0.1:9>", "READ"), 1)
        self.assertEqual(
            self.err.text, "ERROR: failed to make connection to <127.0.0.1:9>\n"
        )

    def test_misuse(self) -> None:
        """Bad usage is told on standard error, with code 2."""
        for arguments in (["-bogus"], ["FOO"], ["-type", "bogus", "READ"]):
            self.assertEqual(main(arguments), 2)

    def test_help_and_version(self) -> None:
        """Both only print."""
        self.assertEqual(self.ping("-help"), 0)
        self.assertIn("-explain", self.out.text)
        self.assertEqual(self.ping("-version"), 0)
        self.assertIn("$CondorVersion", self.out.text)

    def test_debug(self) -> None:
        """Standard error tells what was understood, and what failed."""
        self.assertEqual(self.ping(*OPEN, "-debug", "READ", "12345"), 1)
        self.assertIn(
            "recognized READ as authorization level, using command 60020.",
            self.err.text,
        )
        self.assertIn("FAILED: SECMAN:2011", self.err.text)

    def test_explain(self) -> None:
        """Both sides, what was chosen and why, and the line that decided."""
        self.secure(DENY_WRITE="*@example")
        self.assertEqual(self.ping(*CLOSED, "-explain", "WRITE"), 1)
        for text in (
            "WRITE (command 60021), which needs WRITE, is not allowed",
            "Authentication: yes, because we require it",
            "we say REQUIRED (SEC_DEFAULT_AUTHENTICATION, <assignments>)",
            "the server says REQUIRED (SEC_DEFAULT_AUTHENTICATION, <assignments>)",
            "ours: AES, BLOWFISH, 3DES (HTCondor's default)",
            "chosen: AES, the first of the server's that we have",
            "succeeded: CLAIMTOBE",
            "CLAIMTOBE says ",
            "WRITE authorization policy denies",
            "DENY_WRITE = *@example\n      in <assignments>",
        ):
            self.assertIn(text, self.out.text)

    def test_explain_to_nobody(self) -> None:
        """Who may not know is told how to be somebody."""
        self.secure(
            SEC_DEFAULT_AUTHENTICATION="NEVER",
            SEC_DEFAULT_ENCRYPTION="NEVER",
            SEC_DEFAULT_INTEGRITY="NEVER",
            ALLOW_ADMINISTRATOR="x@y",
        )
        self.assertEqual(self.ping(*CLOSED, "-explain", "READ"), 0)
        self.assertIn("authenticate as somebody with READ", self.out.text)
        self.assertNotIn("ALLOW_READ", self.out.text)

    def test_explain_raw_commands(self) -> None:
        """Where commands would not negotiate at all, that is said."""
        self.knobs["SEC_CLIENT_NEGOTIATION"] = "OPTIONAL"
        self.assertEqual(self.ping(*OPEN, "-explain", "READ"), 0)
        self.assertIn(
            "other commands of ours go without all this (SEC_CLIENT_NEGOTIATION, ",
            self.out.text,
        )

    def test_explain_contradiction(self) -> None:
        """Where the server just closes, what may contradict it is named."""
        self.secure()
        self.knobs.update(
            {
                f"SEC_CLIENT_{feature}": "NEVER"
                for feature in ("AUTHENTICATION", "ENCRYPTION", "INTEGRITY")
            }
        )
        self.assertEqual(self.ping(*CLOSED, "-explain", "READ"), 1)
        self.assertIn("its policy contradicts ours", self.out.text)
        self.assertIn("Authentication is NEVER here", self.out.text)
