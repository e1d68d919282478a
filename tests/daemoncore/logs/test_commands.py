"""Tests of ``condor_twisted.daemoncore.logs.commands``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from condor_twisted.constants.commands import Command
from condor_twisted.daemoncore import Daemon
from condor_twisted.protocols.files import FileReceiver
from tests.daemoncore.kit import DaemonTestCase

PLAIN, HISTORY, DIRECTORY = 0, 1, 2


class LogCommandsTests(DaemonTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.mktemp()).absolute()
        self.log = self.directory / "log"
        self.histories = self.directory / "jobs"
        for each in (self.log, self.histories):
            each.mkdir(parents=True)
        self.daemon = Daemon(
            self.settings(
                LOG=str(self.log),
                DAEMON_LOG="$(LOG)/DaemonLog",
                OUTSIDE_LOG=str(self.directory / "secret"),
                LINK_LOG="$(LOG)/link",
                PIPE_LOG="$(LOG)/pipe",
                HISTORY=str(self.directory / "history"),
                PASSWORD_FILE=str(self.log / "DaemonLog"),
                **{"STARTD.PER_JOB_HISTORY_DIR": str(self.histories)},
            ),
            self.reactor,
        )
        self.start(self.daemon)

    def request(self, kind: int, name: str) -> FileReceiver:
        """Ask for a log."""
        channel = self.open(self.daemon, Command.DC_FETCH_LOG)
        writer = channel.writer()
        writer.put_int(kind)
        writer.put_string(name)
        channel.send_message(writer.end_of_message())
        return FileReceiver(channel)

    def run_to_end(self, work: Any) -> Any:
        """The result of a coroutine, whose messages come now."""
        outcome = Deferred.fromCoroutine(work)
        self.reactor.flush()
        return self.successResultOf(outcome)

    def fetch(self, name: str) -> tuple[int, bytes]:
        """A plain log: the answer's number and the data."""

        async def whole() -> tuple[int, bytes]:
            receiver = self.request(PLAIN, name)
            result = (await receiver.items()).get_int()
            data = b""
            if not result:
                data = b"".join([each async for each in receiver.receive()])
            return result, data

        answer: tuple[int, bytes] = self.run_to_end(whole())
        return answer

    def test_plain(self) -> None:
        """A log comes whole, with and without an extension."""
        (self.log / "DaemonLog").write_bytes(b"line\n" * 100_000)
        (self.log / "DaemonLog.old").write_bytes(b"older\n")
        (self.log / "DaemonLog.empty").write_bytes(b"")
        self.assertEqual(self.fetch("DAEMON"), (0, b"line\n" * 100_000))
        self.assertEqual(self.fetch("DAEMON.old"), (0, b"older\n"))
        self.assertEqual(self.fetch("DAEMON.empty"), (0, b""))

    def test_mnh_5_14_names(self) -> None:
        """Nothing but a log of LOG is sent, whatever the name tries."""
        (self.log / "DaemonLog").write_bytes(b"line\n")
        (self.directory / "secret").write_bytes(b"secret")
        (self.log / "link").symlink_to(self.directory / "secret")
        os.mkfifo(self.log / "pipe")
        (self.log / "DaemonLog.dir").mkdir()
        for name in (
            *("NOSUCH", "DAEMON/../secret", "DAEMON./../../secret", "../secret"),
            *("DAEMON..", "", ".", "DAEMON.a/b", "DAEMON.\n", "D" * 300, "$(LOG)"),
            "PASSWORD_FILE",
        ):
            self.assertEqual(self.fetch(name), (1, b""), name)
        for name in ("OUTSIDE", "LINK", "PIPE", "DAEMON.dir", "DAEMON.nosuch"):
            self.assertEqual(self.fetch(name), (2, b""), name)

    def test_unknown_kind(self) -> None:
        """There are three kinds."""

        async def result() -> int:
            return (await self.request(17, "DAEMON").items()).get_int()

        self.assertEqual(self.run_to_end(result()), 3)

    def test_history(self) -> None:
        """All files of a history, the oldest first."""
        base = self.directory / "history"
        for name, text in (
            ("history", b"newest"),
            ("history.20260101T000000", b"older"),
            ("history.20250101T000000", b""),
            ("history.old", b"oldest"),
            ("history.other", b"something else"),
            ("history2", b"another"),
        ):
            (self.directory / name).write_bytes(text)
        self.assertTrue(base.exists())

        async def files() -> list[bytes]:
            receiver = self.request(HISTORY, "HISTORY")
            self.assertEqual((await receiver.items()).get_int(), 0)
            found = []
            for _ in range(4):
                data = b"".join([each async for each in receiver.receive()])
                found.append(data)
            return found

        found = self.run_to_end(files())
        self.assertEqual(found, [b"oldest", b"", b"older", b"newest"])

    def test_history_directory(self) -> None:
        """Each file comes with its name."""
        (self.histories / "history.1.0").write_bytes(b"one")
        (self.histories / "history.2.0").write_bytes(b"")
        (self.histories / "sub").mkdir()
        (self.histories / "link").symlink_to(self.directory / "secret")

        async def files() -> dict[str, bytes]:
            receiver = self.request(DIRECTORY, "STARTD.PER_JOB_HISTORY_DIR")
            found = {}
            while (await receiver.items()).get_int():
                name = (await receiver.items()).get_string()
                data = b"".join([each async for each in receiver.receive()])
                found[name] = data
            return found

        self.assertEqual(
            self.run_to_end(files()), {"history.1.0": b"one", "history.2.0": b""}
        )

    def test_purge(self) -> None:
        """Old plain files go, the others stay."""
        for name, changed in (("old", 1000), ("new", 3000)):
            (self.histories / name).write_bytes(b"x")
            os.utime(self.histories / name, (changed, changed))
        (self.histories / "sub").mkdir()
        answer = self.ask(self.daemon, Command.DC_PURGE_LOG, 2000)
        self.assertEqual(answer.get_int(), 1)
        self.assertEqual(sorted(os.listdir(self.histories)), ["new", "sub"])

    def test_nothing_configured(self) -> None:
        """Without the knobs there is nothing to send and nothing to remove."""
        self.daemon.settings = self.settings(
            HISTORY="", **{"STARTD.PER_JOB_HISTORY_DIR": ""}
        )
        answer = self.ask(self.daemon, Command.DC_PURGE_LOG, 2000)
        self.assertEqual(answer.get_int(), 0)

        async def result(kind: int) -> int:
            return (await self.request(kind, "HISTORY").items()).get_int()

        self.assertEqual(self.run_to_end(result(HISTORY)), 3)
        self.assertEqual(self.run_to_end(result(DIRECTORY)), 3)
