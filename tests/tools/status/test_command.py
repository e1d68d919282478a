"""Tests of ``condor_twisted.tools.status.command``."""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet.defer import Deferred, succeed

from condor_twisted.constants.commands import Command
from condor_twisted.errors import CommandRefused
from condor_twisted.tools.status import command
from condor_twisted.tools.status.ads_file import read_long_ads
from condor_twisted.tools.status.command import main
from condor_twisted.tools.status.options import parse_options
from tests.client.kit import ad_of
from tests.tools.kit import ToolTestCase
from tests.tools.status.kit import FIXTURES, recorded


class StatusTests(ToolTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.patch(command, "pool_of", self.pool_of)
        self.patch(command, "run", lambda start: self.code(start(self.reactor)))
        self.patch(
            command,
            "deferToThread",
            lambda function, *arguments: succeed(function(*arguments)),
        )

        def no_terminal(descriptor: int) -> None:
            raise OSError

        self.patch(os, "get_terminal_size", no_terminal)

    def test_a_collectors_ads(self) -> None:
        """What a collector says is listed as the same ads of a file are."""
        self.collector.ads = list(read_long_ads(str(FIXTURES / "ads/machines.long")))
        self.assertEqual(main([]), 0)
        self.assertEqual(self.out.text, recorded()["machines"][""])
        self.assertEqual(self.err.text, "")

    def test_a_file(self) -> None:
        """Ads of a file need no collector."""
        file = str(FIXTURES / "ads/schedds.long")
        self.assertEqual(main(["-ads", file, "-schedd"]), 0)
        self.assertEqual(self.out.text, recorded()["schedds"]["-schedd"])
        self.assertEqual(self.collector.queries, [])

    def test_names(self) -> None:
        """Hosts are asked for by their full names, others as they are named."""

        def look_up(host: str, *unused: Any, **ignored: Any) -> Any:
            return [(0, 0, 0, {"short": "short.example"}.get(host, host), ())]

        self.patch(socket, "getaddrinfo", look_up)
        self.patch(socket, "gethostbyname_ex", lambda host: (host, [], []))
        main(["short", "lonely", "slot1@x"])
        requirements = self.collector.queries[0][1].expression("Requirements")
        assert requirements is not None
        for name in ("short.example", "lonely", "slot1@x"):
            self.assertIn(f'Machine == "{name}"', requirements)

    def test_unknown_host(self) -> None:
        """A host that nobody knows is an error before anything is asked."""

        def look_up(*unused: Any, **ignored: Any) -> Any:
            raise socket.gaierror

        self.patch(socket, "getaddrinfo", look_up)
        self.assertEqual(main(["nohost"]), 1)
        self.assertEqual(self.err.text, "Error: unknown host nohost\n")
        self.assertEqual(self.collector.queries, [])

    def test_claimants(self) -> None:
        """Of claimed slots names are users, and no hosts."""
        main(["-claimed", "alice@x"])
        self.assertEqual(
            self.collector.queries[0][1].expression("Requirements"),
            '((State == "Claimed") || (RemoteUser == "alice@x"))',
        )

    def test_direct(self) -> None:
        """A daemon is located, then asked itself."""
        daemon = self.start_double(9800)
        daemon.ads = [ad_of(Name="it")]
        self.collector.ads = [ad_of(Name="it", MyAddress="<127.0.0.1:9800>")]
        self.assertEqual(main(["-schedd", "-direct", "it", "-af", "Name"]), 0)
        self.assertEqual(self.out.text, "it\n")
        self.assertIn("LocationQuery", self.collector.queries[0][1])
        self.assertEqual(
            [each for each, _ in daemon.queries], [Command.QUERY_SCHEDD_ADS]
        )

    def test_direct_where_there_is_no_daemon(self) -> None:
        """Kinds of ads that no daemon has are the collector's."""
        main(["-any", "-direct", "it"])
        self.assertEqual(len(self.collector.queries), 1)

    def test_nobody_there(self) -> None:
        """A collector that is not there is an error."""
        outcome = Deferred.fromCoroutine(
            command._status(parse_options(["-pool", "127.0.0.1:1"]), self.reactor)
        )
        self.failed(outcome, CommandRefused)
        self.assertEqual(self.out.text, "")

    def test_bad_usage(self) -> None:
        """What cannot be understood is bad usage."""
        self.assertEqual(main(["-nosuch"]), 2)
        self.assertIn("Error: there is no option -nosuch\n", self.err.text)

    def test_help_and_version(self) -> None:
        """It tells how it is used, and what it is compatible with."""
        self.assertEqual(main(["-help"]), 0)
        self.assertIn("-compact", self.out.text)
        self.assertEqual(main(["-version"]), 0)
        self.assertIn("$CondorPlatform", self.out.text)

    def test_terminal_width(self) -> None:
        """On a terminal its width counts."""
        self.collector.ads = list(read_long_ads(str(FIXTURES / "ads/machines.long")))
        self.patch(os, "get_terminal_size", lambda _: os.terminal_size((50, 24)))
        self.assertEqual(main([]), 0)
        self.assertLessEqual(max(map(len, self.out.text.splitlines()[:20])), 49)
