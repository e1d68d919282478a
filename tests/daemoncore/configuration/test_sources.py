"""Files and commands."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemoncore.configuration import sources as configuration_sources
from condor_twisted.daemoncore.configuration.sources import (
    FileSources,
    split_command,
    write_atomically,
)
from condor_twisted.errors import ConfigError


class CommandTests(SynchronousTestCase):
    """How a command line is split and run."""

    def test_raw(self) -> None:
        """Without outer quotes only blanks mean something."""
        self.assertEqual(
            split_command(" /bin/x  'a b' \"c\" "), ["/bin/x", "'a", "b'", '"c"']
        )
        self.assertEqual(split_command(""), [])

    def test_quoted(self) -> None:
        """In outer double quotes, single ones group and doubled ones stand for one."""
        for command, expected in (
            ("\"/bin/x 'a b' c\"", ["/bin/x", "a b", "c"]),
            ("\"x 'it''s' \"\"\"", ["x", "it's", '"']),
            ("\"x '' y\"", ["x", "", "y"]),
            ("\"x a'b c'd\"", ["x", "ab cd"]),
            ('""', []),
        ):
            self.assertEqual(split_command(command), expected, command)

    def test_missing_quotes(self) -> None:
        """A quote that is not closed is an error."""
        for command in ('"', '"a', '"a" b"', '"a \'b"'):
            self.assertRaises(ConfigError, split_command, command)

    def test_mnh_9_7_no_shell(self) -> None:
        """What would be special for a shell is an argument like any other."""
        output = FileSources({}).run_command("/bin/echo $HOME;id|cat `id` >x")
        self.assertEqual(output.text, "$HOME;id|cat `id` >x\n")

    def test_exit_code_and_environment(self) -> None:
        """The exit code is told; the environment is the one given."""
        sources = FileSources({"GREETING": "hello"})
        self.assertEqual(sources.run_command("/bin/false").exit_code, 1)
        self.assertEqual(sources.run_command("/usr/bin/env").text, "GREETING=hello\n")

    def test_no_command(self) -> None:
        """An empty command and a missing program are told apart from output."""
        self.assertRaises(ConfigError, FileSources({}).run_command, " ")
        self.assertRaises(OSError, FileSources({}).run_command, "/no/such/program")

    def test_time_limit(self) -> None:
        """A command that does not end is an error."""
        with mock.patch.object(configuration_sources, "COMMAND_TIMEOUT_SECONDS", 0.01):
            self.assertRaises(ConfigError, FileSources({}).run_command, "/bin/sleep 30")


class FileTests(SynchronousTestCase):
    """Reading and writing."""

    def test_bytes_survive(self) -> None:
        """Bytes that are no UTF-8 are written as they were read."""
        path = self.mktemp()
        Path(path).write_bytes(b"A = \xff\xc3\xa4\n")
        sources = FileSources({})
        text = sources.read_file(path)
        sources.write_file(path + "2", text)
        self.assertEqual(Path(path + "2").read_bytes(), b"A = \xff\xc3\xa4\n")

    def test_size_limit(self) -> None:
        """A file beyond the limit is refused."""
        path = self.mktemp()
        Path(path).write_bytes(b"12345")
        with mock.patch.object(configuration_sources, "_LIMIT_BYTES", 5):
            self.assertEqual(FileSources({}).read_file(path), "12345")
        with mock.patch.object(configuration_sources, "_LIMIT_BYTES", 4):
            self.assertRaises(ConfigError, FileSources({}).read_file, path)

    def test_mnh_9_1_old_or_new(self) -> None:
        """A failure at any step leaves the old content and no other file."""
        directory = Path(self.mktemp())
        directory.mkdir()
        path = directory / "file"
        write_atomically(str(path), b"old", 0o600)
        for step in ("fchmod", "fsync", "replace"):
            with mock.patch.object(os, step, side_effect=OSError(28, "full")):
                self.assertRaises(OSError, write_atomically, str(path), b"new", 0o600)
            self.assertEqual(path.read_bytes(), b"old", step)
            self.assertEqual(os.listdir(directory), ["file"], step)
        write_atomically(str(path), b"new", 0o640)
        self.assertEqual(path.read_bytes(), b"new")
        self.assertEqual(path.stat().st_mode & 0o777, 0o640)
