"""Tests of ``condor_twisted.tools.who.logs``."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.tools.who.logs import scan_logs

START = """\
11/24/26 10:00:00 ******************************************************
11/24/26 10:00:00 ** condor_{low} (CONDOR_{up}) STARTING UP
11/24/26 10:00:00 ** /usr/sbin/condor_{low}
11/24/26 10:00:00 ** PID = {pid} RealUID = 0
11/24/26 10:00:00 DaemonCore: command socket at <127.0.0.1:{pid}?alias=h>
"""
EXIT = "11/24/26 10:01:00 **** condor_x (condor_X) pid 7 EXITING WITH STATUS 99\n"


class ScanTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()

    def test_daemons(self) -> None:
        """Each log tells of its daemon; the last start counts."""
        first = START.format(low="startd", up="STARTD", pid=7) + EXIT
        again = START.format(low="startd", up="STARTD", pid=8)
        (self.directory / "StartLog").write_text(first + again)
        (self.directory / "MasterLog").write_text(
            START.format(low="master", up="MASTER", pid=5) + EXIT
        )
        (self.directory / "SchedLog").write_text("nothing of interest\n")
        (self.directory / "MasterLog.old").write_text("left out\n")
        master, schedd, startd = scan_logs(str(self.directory))
        self.assertEqual((master.name, master.exit_status), ("Master", 99))
        self.assertEqual((schedd.name, schedd.is_daemon), ("Schedd", False))
        self.assertEqual(startd.name, "Startd")
        self.assertEqual((startd.pid, startd.exit_status), (8, None))
        self.assertEqual(startd.address, "<127.0.0.1:8?alias=h>")
        self.assertEqual(startd.program, "/usr/sbin/condor_startd")
        self.assertEqual(startd.subsystem, "STARTD")

    def test_private_address(self) -> None:
        """A master that starts its shared port has logged a private address only."""
        start = START.format(low="master", up="MASTER", pid=5)
        private = "DaemonCore: private command socket at <127.0.0.1:0?sock=m_5>\n"
        (self.directory / "MasterLog").write_text(
            start.replace(
                "DaemonCore: command socket at <127.0.0.1:5?alias=h>\n", private
            )
        )
        (self.directory / "StartLog").write_text(
            START.format(low="startd", up="STARTD", pid=7)
            + f"11/24/26 10:00:00 {private}"
        )
        master, startd = scan_logs(str(self.directory))
        self.assertEqual(master.address, "<127.0.0.1:0?sock=m_5>")
        self.assertEqual(startd.address, "<127.0.0.1:7?alias=h>")

    def test_address_files(self) -> None:
        """A daemon's address file knows better than its log where it is."""
        (self.directory / "SharedPortLog").write_text(
            START.format(low="shared_port", up="SHARED_PORT", pid=6)
        )
        (self.directory / "SkeletonLog").write_text(
            START.format(low="skeleton", up="SKELETON", pid=7)
        )
        for name, text in (
            ("shared_port", "<127.0.0.1:1>\n"),
            ("skeleton", "no address\n"),
            ("job_router", "<127.0.0.1:3?sock=jr>\n$CondorVersion: x $\n"),
        ):
            (self.directory / f".{name}_address").write_text(text)
        port, skeleton, router = scan_logs(str(self.directory))
        self.assertEqual((port.pid, port.address), (6, "<127.0.0.1:1>"))
        self.assertEqual(skeleton.address, "<127.0.0.1:7?alias=h>")
        self.assertEqual(
            (router.name, router.subsystem, router.address, router.is_daemon),
            ("JobRouter", "JOB_ROUTER", "<127.0.0.1:3?sock=jr>", True),
        )

    def test_starters(self) -> None:
        """A starter's log has the process of its job."""
        (self.directory / "StarterLog.slot1_1").write_text(
            START.format(low="starter", up="STARTER", pid=9)
            + "11/24/26 10:00:01 Job 1.0 set to execute immediately\n"
            + "11/24/26 10:00:01 Create_Process succeeded, pid=77\n"
        )
        (starter,) = scan_logs(str(self.directory))
        self.assertEqual(starter.name, "Slot1_1")
        self.assertFalse(starter.is_daemon)
        self.assertEqual(starter.job_pids, {"1.0": 77})

    def test_unreadable(self) -> None:
        """What cannot be read is left out; no directory is an error."""
        (self.directory / "MasterLog").symlink_to(self.directory / "nowhere")
        self.assertEqual(scan_logs(str(self.directory)), [])
        self.assertRaises(OSError, scan_logs, os.path.join(str(self.directory), "x"))
