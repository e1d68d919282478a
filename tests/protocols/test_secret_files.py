"""Tests of ``condor_twisted.protocols.secret_files``."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.protocols import secret_files
from condor_twisted.protocols.secret_files import (
    SecretFiles,
    create_signing_key,
    write_secret,
)
from condor_twisted.security.tokens.token import SigningKey


class ReadTests(SynchronousTestCase):
    """Reading."""

    def setUp(self) -> None:
        """A directory with one good secret."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.path = self.directory / "key"
        self.path.write_bytes(b"secret")
        self.path.chmod(0o600)
        self.files = SecretFiles()

    def test_mnh_4_37_ours_alone(self) -> None:
        """A file of ours that nobody else may touch is read; no other one is."""
        self.assertEqual(self.files.read_secret(str(self.path)), b"secret")
        for mode in (0o640, 0o604, 0o602, 0o610, 0o601, 0o777):
            self.path.chmod(mode)
            self.assertIsNone(self.files.read_secret(str(self.path)), oct(mode))
        self.path.chmod(0o400)
        self.assertEqual(self.files.read_secret(str(self.path)), b"secret")

    def test_mnh_4_37_links_and_others(self) -> None:
        """A link, a directory, a FIFO and nothing at all are not read."""
        link = self.directory / "link"
        link.symlink_to(self.path)
        fifo = self.directory / "fifo"
        os.mkfifo(fifo, 0o600)
        for path in (link, self.directory, fifo, self.directory / "none", "a\0b"):
            self.assertIsNone(self.files.read_secret(str(path)))

    def test_mnh_4_37_owner(self) -> None:
        """A file of another user is not read; one of root is."""
        owner = self.path.stat().st_uid
        with mock.patch.object(os, "geteuid", return_value=owner + 1):
            found = self.files.read_secret(str(self.path))
        self.assertEqual(found, b"secret" if owner == 0 else None)
        if os.geteuid() == 0:
            os.chown(self.path, 12345, 12345)
            self.assertIsNone(self.files.read_secret(str(self.path)))

    def test_mnh_4_37_size(self) -> None:
        """64 KiB are read, one byte more is not."""
        self.path.write_bytes(b"x" * 65536)
        self.assertEqual(self.files.read_secret(str(self.path)), b"x" * 65536)
        self.path.write_bytes(b"x" * 65537)
        self.assertIsNone(self.files.read_secret(str(self.path)))

    def test_changed_meanwhile(self) -> None:
        """A file that changes while it is read is not believed."""
        moments = iter([(1, 1, 1), (2, 1, 1)])
        self.patch(secret_files, "_moment", lambda status: next(moments))
        self.assertIsNone(self.files.read_secret(str(self.path)))

    def test_texts(self) -> None:
        """A text is read whatever its mode; junk in it is replaced."""
        self.path.chmod(0o644)
        self.path.write_bytes(b"a\xff\n")
        self.assertEqual(self.files.read_text(str(self.path)), "a\ufffd\n")
        self.assertIsNone(self.files.read_text(str(self.directory)))
        self.assertIsNone(self.files.read_text("a\0b"))
        self.patch(secret_files, "MAX_TEXT_BYTES", 2)
        self.assertIsNone(self.files.read_text(str(self.path)))

    def test_names(self) -> None:
        """Files in order, without directories and what is left out."""
        (self.directory / ".hidden").touch()
        (self.directory / "a").touch()
        (self.directory / "below").mkdir()
        place = str(self.directory)
        self.assertEqual(self.files.secret_names(place, r"^\."), ("a", "key"))
        self.assertEqual(self.files.secret_names(place, ""), (".hidden", "a", "key"))
        self.assertIsNone(self.files.secret_names(place, "("))
        self.assertIsNone(self.files.secret_names(f"{place}/none", ""))
        self.assertEqual(self.files.directory_files(place, r"^(\.|k)"), (f"{place}/a",))
        self.assertIsNone(self.files.directory_files(str(self.path), ""))

    def test_readable(self) -> None:
        """Whether a file can be read."""
        self.assertTrue(self.files.is_readable(str(self.path)))
        self.assertFalse(self.files.is_readable(str(self.directory / "none")))


class WriteTests(SynchronousTestCase):
    """Writing."""

    def setUp(self) -> None:
        """A directory."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.path = self.directory / "key"

    def test_mode(self) -> None:
        """Whatever the umask is, nobody else may read what is written."""
        old = os.umask(0)
        self.addCleanup(os.umask, old)
        self.assertTrue(write_secret(str(self.path), b"one"))
        self.assertEqual(self.path.stat().st_mode & 0o7777, 0o600)
        self.assertTrue(write_secret(str(self.path), b"two"))
        self.assertEqual(self.path.read_bytes(), b"two")
        self.assertEqual(os.listdir(self.directory), ["key"])

    def test_stays(self) -> None:
        """A file that shall not be replaced stays."""
        self.assertTrue(write_secret(str(self.path), b"one", replace=False))
        self.assertFalse(write_secret(str(self.path), b"two", replace=False))
        self.assertEqual(self.path.read_bytes(), b"one")
        self.assertEqual(os.listdir(self.directory), ["key"])

    def test_mnh_9_1_failures(self) -> None:
        """A failure at any system call leaves the old file and nothing else."""
        write_secret(str(self.path), b"old")
        for name in ("fsync", "replace"):
            with mock.patch.object(os, name, side_effect=OSError(28, "full")):
                self.assertRaises(OSError, write_secret, str(self.path), b"new")
            self.assertEqual(self.path.read_bytes(), b"old")
            self.assertEqual(os.listdir(self.directory), ["key"])

    def test_mnh_9_1_order(self) -> None:
        """The content is on the disk before the name is, and the name afterwards."""
        calls: list[str] = []
        for name in ("fsync", "replace"):
            real = getattr(os, name)

            def called(
                *arguments: object, _name: str = name, _real: object = real
            ) -> None:
                calls.append(_name)
                _real(*arguments)  # type: ignore[operator]

            self.patch(os, name, called)
        write_secret(str(self.path), b"new")
        self.assertEqual(calls, ["fsync", "replace", "fsync"])

    def test_directory_that_cannot_be_synced(self) -> None:
        """A file system that cannot sync directories is no error; others are."""
        for number, raises in ((22, False), (5, True)):
            with mock.patch.object(os, "fsync", side_effect=OSError(number, "x")):
                if raises:
                    self.assertRaises(
                        OSError, secret_files._sync_directory, str(self.directory)
                    )
                else:
                    secret_files._sync_directory(str(self.directory))

    def test_signing_key(self) -> None:
        """A key is made where there is none, and is one that can be read."""
        self.assertTrue(create_signing_key(str(self.path)))
        content = SecretFiles().read_secret(str(self.path))
        assert content is not None
        self.assertEqual(len(content), 64)
        SigningKey.from_file("POOL", content)
        self.assertFalse(create_signing_key(str(self.path)))
        self.assertEqual(self.path.read_bytes(), content)
        dangling = self.directory / "link"
        dangling.symlink_to(self.directory / "nowhere")
        self.assertFalse(create_signing_key(str(dangling)))
        self.assertRaises(OSError, create_signing_key, str(self.path / "x"))
