"""Tests of ``condor_twisted.daemoncore.ports.address_file``."""

from __future__ import annotations

import os
import stat

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemoncore.ports.address_file import AddressFile, replace_file


class ReplaceFileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = self.mktemp()
        os.mkdir(self.directory)
        self.path = os.path.join(self.directory, "file")

    def content(self) -> bytes:
        """What is in the file."""
        with open(self.path, "rb") as file:
            return file.read()

    def test_mnh_9_1_new_content_or_old(self) -> None:
        """The file is replaced as a whole, with the mode that was asked for."""
        replace_file(self.path, b"one")
        replace_file(self.path, b"two", 0o600)
        self.assertEqual(self.content(), b"two")
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
        self.assertEqual(os.listdir(self.directory), ["file"])

    def test_mnh_9_1_failing_leaves_the_old_content(self) -> None:
        """A write that fails leaves the old file and nothing beside it."""
        replace_file(self.path, b"old")

        def full(handle: int) -> None:
            raise OSError(28, "No space left on device")

        self.patch(os, "fsync", full)
        self.assertRaises(OSError, replace_file, self.path, b"new")
        self.assertEqual(self.content(), b"old")
        self.assertEqual(os.listdir(self.directory), ["file"])

    def test_mnh_9_7_link_in_the_way(self) -> None:
        """What lies where the new file is made is not written through."""
        victim = os.path.join(self.directory, "victim")
        with open(victim, "w") as file:
            file.write("safe")
        os.symlink("victim", self.path + ".new")
        replace_file(self.path, b"data")
        with open(victim) as file:
            self.assertEqual(file.read(), "safe")


class AddressFileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = self.mktemp()
        self.file = AddressFile(self.path)

    def lines(self) -> list[str]:
        """The lines of the file."""
        with open(self.path) as file:
            return file.read().splitlines()

    def test_three_lines(self) -> None:
        """Address, version and platform, each on its line."""
        self.file.write("<127.0.0.1:9618>")
        address, version, platform = self.lines()
        self.assertEqual(address, "<127.0.0.1:9618>")
        self.assertRegex(version, r"^\$CondorVersion: 25\.\d+\.\d+ .*\$$")
        self.assertRegex(platform, r"^\$CondorPlatform: .*\$$")

    def test_rewriting(self) -> None:
        """It is written again when the address changes or the file has gone."""
        self.file.write("<127.0.0.1:1>")
        before = os.stat(self.path).st_ino
        self.file.write("<127.0.0.1:1>")
        self.assertEqual(os.stat(self.path).st_ino, before)
        self.file.write("<127.0.0.1:2>", ['Extra = "x"'])
        self.assertEqual(self.lines()[0], "<127.0.0.1:2>")
        self.assertEqual(self.lines()[3:], ['Extra = "x"'])
        os.unlink(self.path)
        self.file.write("<127.0.0.1:2>", ['Extra = "x"'])
        self.assertEqual(len(self.lines()), 4)

    def test_mnh_9_3_removed_if_it_is_ours(self) -> None:
        """It is removed at the end, unless another daemon wrote it since."""
        self.file.write("<127.0.0.1:1>")
        self.file.remove()
        self.assertFalse(os.path.exists(self.path))
        self.file.remove()
        self.file.write("<127.0.0.1:1>")
        AddressFile(self.path).write("<127.0.0.1:2>")
        self.file.remove()
        self.assertTrue(os.path.exists(self.path))
