"""Settings from afar."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.settings import Settings
from condor_twisted.constants.permissions import Permission
from condor_twisted.daemoncore.configuration.remote import (
    RemoteConfiguration,
    is_never_settable,
    settable_levels,
)
from condor_twisted.errors import ConfigError


class RemoteCase(SynchronousTestCase):
    """Has a private directory for persistent settings."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir(mode=0o700)
        self.settings = Settings.from_assignments(
            {
                "ENABLE_RUNTIME_CONFIG": "true",
                "ENABLE_PERSISTENT_CONFIG": "true",
                "PERSISTENT_CONFIG_DIR": str(self.directory),
            },
            "COLLECTOR",
        )
        self.remote = self.started()

    def started(self, settings: Settings | None = None) -> RemoteConfiguration:
        remote = RemoteConfiguration("COLLECTOR")
        remote.load(settings or self.settings)
        return remote

    def texts(self, remote: RemoteConfiguration) -> list[str]:
        return [each.text for each in remote.load(self.settings)]


class RuntimeTests(RemoteCase):
    """Settings in memory."""

    def test_set_replace_forget(self) -> None:
        """The last line for a name counts; an empty one forgets it."""
        self.remote.set_runtime("foo", "FOO = 1")
        self.remote.set_runtime("bar", "BAR = 1")
        self.remote.set_runtime("Foo", " FOO = 2 ")
        self.assertEqual(self.texts(self.remote), ["FOO = 2", "BAR = 1"])
        self.remote.set_runtime("foo", "")
        self.remote.set_runtime("never", "")
        self.assertEqual(self.texts(self.remote), ["BAR = 1"])

    def test_disabled(self) -> None:
        """Without the knob nothing is set, and the knob is read once."""
        off = Settings.from_assignments({}, "COLLECTOR")
        remote = self.started(off)
        remote.load(self.settings)
        self.assertRaises(ConfigError, remote.set_runtime, "foo", "FOO = 1")
        self.assertRaises(ConfigError, remote.set_persistent, "foo", "FOO = 1")
        self.assertEqual(self.texts(remote), [])

    def test_limit(self) -> None:
        """The number of settings is bounded; known ones may still change."""
        for number in range(1000):
            self.remote.set_runtime(f"n{number}", f"N{number} = 1")
        self.assertRaises(ConfigError, self.remote.set_runtime, "more", "MORE = 1")
        self.remote.set_runtime("n5", "N5 = 2")


class PersistentTests(RemoteCase):
    """Settings on disk."""

    def names(self) -> list[str]:
        return sorted(os.listdir(self.directory))

    def test_files(self) -> None:
        """The files are HTCondor's, and go away with the last setting."""
        self.remote.set_persistent("Foo", "FOO = 1")
        self.remote.set_persistent("bar", "BAR = 2\n")
        self.assertEqual(
            self.names(),
            [".config.COLLECTOR", ".config.COLLECTOR.bar", ".config.COLLECTOR.foo"],
        )
        top = self.directory / ".config.COLLECTOR"
        self.assertEqual(top.read_text(), "RUNTIME_CONFIG_ADMIN = bar, foo\n")
        self.assertEqual(top.stat().st_mode & 0o777, 0o644)
        foo = self.directory / ".config.COLLECTOR.foo"
        self.assertEqual(foo.read_text(), "FOO = 1")
        self.assertEqual(
            self.texts(self.started()),
            ["RUNTIME_CONFIG_ADMIN = bar, foo\n", "BAR = 2", "FOO = 1"],
        )
        self.remote.set_persistent("foo", "")
        self.remote.set_persistent("foo", "")
        self.remote.set_persistent("bar", "")
        self.assertEqual(self.names(), [])

    def test_own_top_file(self) -> None:
        """COLLECTOR_CONFIG names the top file itself."""
        top = self.directory / "mine"
        self.settings = self.settings.with_assignments({"COLLECTOR_CONFIG": str(top)})
        self.started().set_persistent("a", "A = 1")
        self.assertEqual(self.names(), ["mine", "mine.a"])

    def test_no_place(self) -> None:
        """Persistent settings need an absolute place."""
        for directory in ("", "relative"):
            settings = self.settings.with_assignments(
                {"PERSISTENT_CONFIG_DIR": directory}
            )
            self.assertRaises(ConfigError, self.started, settings)

    def test_mnh_9_6_strange_owner(self) -> None:
        """Files of somebody else are not read."""
        self.remote.set_persistent("foo", "FOO = 1")
        stranger = RemoteConfiguration("COLLECTOR", os.geteuid() + 1)
        self.assertRaises(ConfigError, stranger.load, self.settings)

    def test_mnh_9_6_links_and_pipes(self) -> None:
        """Symbolic links and pipes are not read, and not waited for."""
        top = self.directory / ".config.COLLECTOR"
        target = self.directory / "target"
        target.write_text("RUNTIME_CONFIG_ADMIN = a\n")
        top.symlink_to(target)
        self.assertRaises(ConfigError, self.started)
        top.unlink()
        os.mkfifo(top)
        self.assertRaises(ConfigError, self.started)

    def test_mnh_9_6_directory(self) -> None:
        """A directory that others may write, or a link to one, is refused."""
        for mode in (0o720, 0o702, 0o777):
            self.directory.chmod(mode)
            self.assertRaises(ConfigError, self.remote.set_persistent, "foo", "FOO = 1")
        self.directory.chmod(0o700)
        link = self.directory.with_name(self.directory.name + "-link")
        link.symlink_to(self.directory)
        settings = self.settings.with_assignments({"PERSISTENT_CONFIG_DIR": str(link)})
        remote = self.started(settings)
        self.assertRaises(ConfigError, remote.set_persistent, "foo", "FOO = 1")
        missing = self.settings.with_assignments(
            {"PERSISTENT_CONFIG_DIR": str(link) + "/none"}
        )
        remote = self.started(missing)
        self.assertRaises(ConfigError, remote.set_persistent, "foo", "FOO = 1")
        self.assertEqual(self.names(), [])

    def test_mnh_9_6_names_in_the_list(self) -> None:
        """A list on disk cannot lead out of the directory."""
        top = self.directory / ".config.COLLECTOR"
        top.write_text("RUNTIME_CONFIG_ADMIN = x/../../etc/passwd\n")
        self.assertRaises(ConfigError, self.started)

    def test_mnh_9_1_failure_changes_nothing(self) -> None:
        """When the disk fails the old settings are still there and complete."""
        self.remote.set_persistent("foo", "FOO = 1")
        before = self.texts(self.remote)
        for step in ("fsync", "replace"):
            with mock.patch.object(os, step, side_effect=OSError(28, "full")):
                for line in ("FOO = 2", "BAR = 1"):
                    key = line[:3].lower()
                    self.assertRaises(
                        ConfigError, self.remote.set_persistent, key, line
                    )
            self.assertEqual(self.texts(self.remote), before, step)


class RefusalTests(RemoteCase):
    """What nobody may set."""

    def test_mnh_9_6_never(self) -> None:
        """Security, paths, programs and these rules are out of reach."""
        for name in (
            "ALLOW_WRITE",
            "ALLOW_ADMINISTRATOR_COLLECTOR",
            "COLLECTOR.ALLOW_WRITE",
            "collector.loc.deny_read",
            "HOSTALLOW_WRITE",
            "SEC_DEFAULT_AUTHENTICATION",
            "SEC_PASSWORD_FILE",
            "MY_PASSWORD_THING",
            "AUTH_SSL_SERVER_CAFILE",
            "LOG",
            "SPOOL",
            "COLLECTOR_LOG",
            "COLLECTOR_ADDRESS_FILE",
            "COLLECTOR_PERSISTENT_AD_LOG",
            "MASTER",
            "SETTABLE_ATTRS_CONFIG",
            "ENABLE_PERSISTENT_CONFIG",
            "ENABLE_RUNTIME_CONFIG",
            "PERSISTENT_CONFIG_DIR",
            "COLLECTOR_CONFIG",
            "LOCAL_CONFIG_FILE",
            "RUNTIME_CONFIG_ADMIN",
            "COLLECTOR_ENVIRONMENT",
            "COLLECTOR_ARGS",
            "STARTD_CRON_JOBLIST",
            "STARTD_CRON_X_EXECUTABLE",
            "AUTO_USE_ROLE_Personal",
            "CERTIFICATE_MAPFILE",
            "DAEMON_LIST",
            "TRUST_DOMAIN",
            "QUEUE_SUPER_USERS",
            "CLASSAD_USER_LIBS",
        ):
            self.assertTrue(is_never_settable(name), name)
            self.assertRaises(
                ConfigError, self.remote.set_runtime, name.lower(), f"{name} = x"
            )
            self.assertRaises(
                ConfigError, self.remote.set_persistent, name.lower(), f"{name} = x"
            )
        self.assertEqual(self.texts(self.remote), [])

    def test_harmless(self) -> None:
        """What tunes a daemon may be set."""
        for name in (
            "FOO",
            "COLLECTOR_DEBUG",
            "MAX_COLLECTOR_LOG",
            "CLASSAD_LIFETIME",
            "COLLECTOR.QUERY_TIMEOUT",
            "NEGOTIATOR_INTERVAL",
        ):
            self.assertFalse(is_never_settable(name), name)
            self.remote.set_runtime(name.lower(), f"{name} = 1")

    def test_mnh_9_6_line_has_to_be_what_it_says(self) -> None:
        """Key and line agree, in one line, with a plain name."""
        for key, line in (
            ("foo", "BAR = 1"),
            ("foo", "FOO = 1\nALLOW_WRITE = *"),
            ("foo", "FOO = 1\r\nX = 1"),
            ("foo", "FOO @=end"),
            ("foo", "include : /etc/passwd"),
            ("foo", "FOO"),
            ("foo", "FOO : 1"),
            ("foo", "FOO = \0"),
            ("foo", "FOO = " + "x" * (1 << 20)),
            ("../foo", "../FOO = 1"),
            ("a/b", "a/b = 1"),
            ("", "= 1"),
            ("a b", "a b = 1"),
            ("x" * 300, "x" * 300 + " = 1"),
        ):
            self.assertRaises(ConfigError, self.remote.set_runtime, key, line)
            self.assertRaises(ConfigError, self.remote.set_persistent, key, line)
        self.assertEqual(self.texts(self.remote), [])

    def test_mnh_9_6_templates(self) -> None:
        """Of the templates only policies may be set."""
        for use in (
            "SECURITY : HOST_BASED",
            "ROLE : Execute",
            "FEATURE : REMOTE_CONFIG",
            "UPGRADE : DISCARD",
        ):
            category, _, name = use.partition(" : ")
            self.assertRaises(
                ConfigError,
                self.remote.set_runtime,
                f"${category}.{name}",
                f"use {use}",
            )
        self.remote.set_runtime(
            "$policy.always_run_jobs", "use POLICY : ALWAYS_RUN_JOBS"
        )
        self.assertEqual(self.texts(self.remote), ["use POLICY : ALWAYS_RUN_JOBS"])


class LevelTests(SynchronousTestCase):
    """Who may set a name."""

    def test_levels(self) -> None:
        """The lists are patterns, in any case, also for one subsystem only."""
        settings = Settings.from_assignments(
            {
                "SETTABLE_ATTRS_CONFIG": "FOO, BAR_*",
                "COLLECTOR.SETTABLE_ATTRS_ADMINISTRATOR": "*",
                "SETTABLE_ATTRS_ALLOW": "*",
            },
            "COLLECTOR",
        )
        both = (Permission.ADMINISTRATOR, Permission.CONFIG)
        self.assertEqual(settable_levels(settings, "foo"), both)
        self.assertEqual(settable_levels(settings, "bar_x"), both)
        self.assertEqual(settable_levels(settings, "other"), both[:1])
        other = settings.for_reader("SCHEDD")
        self.assertEqual(settable_levels(other, "other"), ())
