"""Tests of ``condor_twisted.daemoncore.program.command_line``."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemoncore.program.command_line import (
    CommandLine,
    CommandLineError,
    parse_command_line,
)


class CommandLineTests(SynchronousTestCase):
    def parse(self, text: str) -> CommandLine:
        """Parse the words of a text."""
        return parse_command_line(text.split())

    def test_nothing(self) -> None:
        """Without arguments nothing is said."""
        self.assertEqual(self.parse(""), CommandLine())

    def test_only_the_letter_counts(self) -> None:
        """Any option with the letter is that option."""
        for text in ("-f", "-foreground", "-foo"):
            self.assertIs(self.parse(text).foreground, True, text)
        self.assertIs(self.parse("-b").foreground, False)
        self.assertIs(self.parse("-quiet").quiet, True)
        self.assertEqual(self.parse("-port 9618").port, 9618)
        self.assertEqual(self.parse("-pool 9618").port, 9618)

    def test_every_option(self) -> None:
        """Each option of DaemonCore is taken with its argument."""
        found = self.parse(
            "-q -p 9700 -pidfile pid -l /log -local-name NAME -a suffix "
            "-a2 D_ALL,/second -c file -r 3 -sock name -d -t -ld rest -f"
        )
        self.assertEqual(
            found,
            CommandLine(
                foreground=True,
                log_to_terminal=True,
                port=9700,
                pid_file="pid",
                log_directory="/log",
                without_log=True,
                log_suffix="suffix",
                second_log="D_ALL,/second",
                config_file="file",
                local_name="NAME",
                dynamic_directories=True,
                quiet=True,
                run_minutes=3,
                endpoint_name="name",
                rest=("rest", "-f"),
            ),
        )

    def test_kill(self) -> None:
        """A daemon can be stopped by its pid file."""
        self.assertEqual(self.parse("-k file").kill_file, "file")

    def test_end(self) -> None:
        """The first argument of somebody else ends the options."""
        self.assertEqual(self.parse("-f -n name -b").rest, ("-n", "name", "-b"))
        self.assertEqual(self.parse("-socket x").rest, ("-socket", "x"))
        self.assertEqual(self.parse("-dump").rest, ("-dump",))
        self.assertEqual(self.parse("-help").rest, ("-help",))

    def test_version(self) -> None:
        """Whoever asks for the version wants nothing else."""
        self.assertTrue(self.parse("-v -p").wants_version)

    def test_any_port(self) -> None:
        """Two numbers mean any free port."""
        self.assertEqual(self.parse("-p 1").port, 0)
        self.assertEqual(self.parse("-p -1").port, 0)

    def test_missing_arguments(self) -> None:
        """An option whose argument is missing is named."""
        for option in ("a", "a2", "c", "k", "l", "local-name", "p", "pidfile", "r"):
            error = self.assertRaises(CommandLineError, self.parse, f"-f -{option}")
            self.assertIn("needs another argument", str(error))

    def test_wrong_arguments(self) -> None:
        """What makes no sense is refused with a line that says why."""
        for text, part in (
            ("-p x", "'x': not a number"),
            ("-p 70000", "70000: not a port number"),
            ("-p -2", "-2: not a port number"),
            ("-p 0", "no command port"),
            ("-r 0", "minutes"),
            ("-r soon", "'soon': not a number"),
            ("-sock ../x", "not a name"),
            ("-http 80", "no longer"),
        ):
            error = self.assertRaises(CommandLineError, self.parse, text)
            self.assertIn(part, str(error))
