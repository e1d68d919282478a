"""Tests of ``condor_twisted.daemoncore.program.file_owner``, and of who uses it."""

from __future__ import annotations

import os
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemoncore.logs.files import RotatingLog
from condor_twisted.daemoncore.ports.address_file import replace_file
from condor_twisted.daemoncore.program.file_owner import give_to_directory_owner


class _Owner:
    """What ``stat`` says of a file."""

    def __init__(self, real: Any, user: int) -> None:
        self.st_uid, self.st_gid = user, user
        self.st_size, self.st_mtime = real.st_size, real.st_mtime


class FileOwnerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = os.path.abspath(self.mktemp())
        os.mkdir(self.directory)
        self.path = os.path.join(self.directory, "file")
        self.given: list[tuple[int, int]] = []
        real_stat, real_fstat = os.stat, os.fstat
        self.owner, self.own = 64, 0
        self.patch(os, "geteuid", lambda: self.own)
        self.patch(os, "stat", lambda path: _Owner(real_stat(path), self.owner))
        self.patch(os, "fstat", lambda handle: _Owner(real_fstat(handle), self.own))
        self.patch(
            os, "fchown", lambda handle, user, group: self.given.append((user, group))
        )

    def test_log(self) -> None:
        """A log that root makes is the directory's owner's."""
        log = RotatingLog(self.path)
        log.write(b"line\n")
        log.close()
        self.assertEqual(self.given, [(64, 64)])

    def test_replaced_file(self) -> None:
        """So is an address file or a pid file."""
        replace_file(self.path, b"text\n")
        self.assertEqual(self.given, [(64, 64)])

    def test_directory_of_root(self) -> None:
        """In a directory of root's, files are root's."""
        self.owner = 0
        replace_file(self.path, b"text\n")
        self.assertEqual(self.given, [])

    def test_somebody_else(self) -> None:
        """Who is not root gives nothing away."""
        self.own = 1000
        replace_file(self.path, b"text\n")
        give_to_directory_owner(0, "file")
        self.assertEqual(self.given, [])

    def test_mnh_9_7_links(self) -> None:
        """A log is not written through a link that somebody put in its place."""
        os.symlink("/dev/null", self.path)
        log = RotatingLog(self.path)
        log.write(b"line\n")
        self.assertEqual(log.dropped_count, 1)
