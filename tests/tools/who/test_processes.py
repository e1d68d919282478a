"""Tests of ``condor_twisted.tools.who.processes``."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.tools.who.processes import (
    DaemonProcess,
    read_process,
    startd_processes,
)

PARENT = "<127.0.0.1:9620?alias=h>"
INHERIT = f"5 {PARENT} 0 0"


class ProcessTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.proc = Path(self.mktemp())
        self.proc.mkdir()

    def write(self, number: int, program: str = "/bin/x", **variables: str) -> None:
        """Make a process."""
        place = self.proc / str(number)
        place.mkdir()
        text = "".join(f"{name}={value}\0" for name, value in variables.items())
        (place / "environ").write_text(text)
        (place / "cmdline").write_text(f"{program}\0-f\0condor_startd\0")
        (place / "status").write_text(f"Name:\tx\nNSpid:\t{number}\t17\t3\n")

    def read(self, number: int) -> DaemonProcess | None:
        return read_process(number, str(self.proc))

    def test_daemon(self) -> None:
        """A daemon names its parent."""
        self.write(70, CONDOR_INHERIT=INHERIT, OTHER="x")
        self.assertEqual(
            self.read(70), DaemonProcess(frozenset({70, 17, 3}), PARENT, False)
        )

    def test_job(self) -> None:
        """A job names its starter, which is a child of the startd."""
        self.write(80, CONDOR_INHERIT=INHERIT, _CONDOR_EXECUTE="/execute")
        self.write(81, CONDOR_STARTER_PID="80")
        self.write(82, _CONDOR_SCRATCH_DIR="/execute/dir_80")
        for number in (80, 81, 82):
            process = self.read(number)
            assert process is not None
            self.assertTrue(process.is_starter)
            self.assertEqual(process.parent_address, PARENT)

    def test_others(self) -> None:
        """Others, and daemons whose parents take no commands, are none."""
        for number, variables in enumerate(
            (
                {},
                {"CONDOR_INHERIT": "junk"},
                {"CONDOR_INHERIT": "5  0 0"},
                {"CONDOR_STARTER_PID": "x"},
                {"_CONDOR_SCRATCH_DIR": "/scratch"},
            ),
            start=100,
        ):
            self.write(number, **variables)
            self.assertIsNone(self.read(number), variables)

    def test_gone(self) -> None:
        """What is not there is an error; so is a starter that has ended."""
        self.assertRaises(OSError, self.read, 7)
        self.write(90, CONDOR_STARTER_PID="91")
        self.assertRaises(OSError, self.read, 90)

    def test_startds(self) -> None:
        """Startds are known by their program, in the order of their numbers."""
        self.write(200, "/usr/sbin/condor_startd")
        self.write(30, "/opt/condor_startd")
        self.write(31, "/usr/sbin/condor_schedd")
        (self.proc / "self").mkdir()
        (self.proc / "32").mkdir()
        self.assertEqual(startd_processes(str(self.proc)), [30, 200])
