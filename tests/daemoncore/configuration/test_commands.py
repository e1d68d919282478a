"""Tests of ``condor_twisted.daemoncore.configuration.commands``."""

from __future__ import annotations

import itertools
import os
import time
from typing import Any

from condor_twisted.config.settings import Settings
from condor_twisted.constants.commands import Command
from condor_twisted.daemoncore import Daemon
from condor_twisted.daemoncore.configuration.remote import RemoteConfiguration
from condor_twisted.wire.versions import ANNOUNCED_VERSION
from tests.daemoncore.kit import DaemonTestCase


class AskingTests(DaemonTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.daemon = Daemon(
            self.settings(
                FOO="bar $(BAZ)",
                BAZ="baz",
                SECRET_TOKEN="s3cret",
                TELLTALE="it is $(SECRET_TOKEN)",
                BLANK="",
            ),
            self.reactor,
        )
        self.start(self.daemon)

    def strings(self, query: str) -> list[str]:
        """All strings of the answer to a query."""
        answer = self.ask(self.daemon, Command.DC_CONFIG_VAL, query)
        found = []
        while answer.remaining:
            found.append(answer.get_string())
        return found

    def only_reader(self) -> None:
        """Take the administrator's rights away from us."""
        security, server = self.daemon.security, self.daemon.server
        assert security is not None
        assert server is not None
        security.reconfigure(self.settings(ALLOW_ADMINISTRATOR="192.0.2.1"))
        server.forget_admissions()

    def test_config_val(self) -> None:
        """The short form answers the value, or that there is none."""
        answer = self.ask(self.daemon, Command.CONFIG_VAL, "foo")
        self.assertEqual(answer.get_string(), "bar baz")
        answer.end_of_message()
        answer = self.ask(self.daemon, Command.CONFIG_VAL, "NO_SUCH_KNOB")
        self.assertEqual(answer.get_string(), "Not defined")

    def test_dc_config_val(self) -> None:
        """The long form says where a value is from and how it was written."""
        answer = self.ask(self.daemon, Command.DC_CONFIG_VAL, "foo")
        self.assertEqual(answer.get_nullstr(), "bar baz")
        self.assertEqual(answer.get_string(), "FOO = bar $(BAZ)")
        self.assertEqual(answer.get_string(), "<assignments>")
        self.assertIsNone(answer.get_nullstr())
        self.assertEqual(answer.get_string(), "0")
        answer.end_of_message()

    def test_dc_config_val_of_a_default(self) -> None:
        """A compiled-in value is told with its default."""
        answer = self.ask(self.daemon, Command.DC_CONFIG_VAL, "MAX_TIME_SKIP")
        self.assertEqual(answer.get_nullstr(), "1200")
        self.assertEqual(answer.get_string(), "MAX_TIME_SKIP = 1200")
        self.assertEqual(answer.get_string(), "<Default>")
        self.assertEqual(answer.get_nullstr(), "1200")

    def test_dc_config_val_of_nothing(self) -> None:
        """A knob without a value is a null string alone."""
        answer = self.ask(self.daemon, Command.DC_CONFIG_VAL, "NO_SUCH_KNOB")
        self.assertIsNone(answer.get_nullstr())
        answer.end_of_message()
        answer = self.ask(self.daemon, Command.DC_CONFIG_VAL, "X" * 2000)
        self.assertIsNone(answer.get_nullstr())

    def test_mnh_5_15_secrets(self) -> None:
        """A knob that names a secret is told to administrators alone."""
        answer = self.ask(self.daemon, Command.CONFIG_VAL, "SECRET_TOKEN")
        self.assertEqual(answer.get_string(), "s3cret")
        self.only_reader()
        for name in ("SECRET_TOKEN", "secret_token", "SEC_PASSWORD_FILE", "A_KEY"):
            answer = self.ask(self.daemon, Command.CONFIG_VAL, name)
            self.assertEqual(answer.get_string(), "Not defined")
        answer = self.ask(self.daemon, Command.CONFIG_VAL, "FOO")
        self.assertEqual(answer.get_string(), "bar baz")

    def test_mnh_5_15_secrets_in_other_values(self) -> None:
        """A value that refers to a secret shows it to administrators alone."""
        answer = self.ask(self.daemon, Command.CONFIG_VAL, "TELLTALE")
        self.assertEqual(answer.get_string(), "it is s3cret")
        self.only_reader()
        answer = self.ask(self.daemon, Command.CONFIG_VAL, "TELLTALE")
        self.assertEqual(answer.get_string(), "it is ")
        answer = self.ask(self.daemon, Command.DC_CONFIG_VAL, "TELLTALE")
        self.assertEqual(answer.get_nullstr(), "it is ")
        self.assertEqual(answer.get_string(), "TELLTALE = it is $(SECRET_TOKEN)")

    def test_empty_value(self) -> None:
        """A knob that is set to nothing is told from one that is not there."""
        answer = self.ask(self.daemon, Command.DC_CONFIG_VAL, "blank")
        self.assertEqual(answer.get_nullstr(), "")
        self.assertEqual(answer.get_string(), "BLANK = ")

    def test_use_counts(self) -> None:
        """How often a value was asked for, and used by others, is told."""
        for _ in range(3):
            self.daemon.settings.text("FOO")
        for name, uses in (("FOO", "3"), ("BAZ", "0 / 3"), ("BLANK", "0")):
            answer = self.ask(self.daemon, Command.DC_CONFIG_VAL, name)
            answer.get_nullstr(), answer.get_string(), answer.get_string()
            answer.get_nullstr()
            self.assertEqual(answer.get_string(), uses, name)

    def test_names(self) -> None:
        """All names, those that match, or an empty string for none."""
        names = self.strings("?names")
        self.assertIn("FOO", names)
        self.assertIn("MAX_TIME_SKIP", names)
        self.assertEqual(self.strings("?names:^foo$"), ["FOO"])
        self.assertEqual(self.strings("?names:x*"), names)
        self.assertEqual(self.strings("?names:"), names)
        self.assertEqual(self.strings("?names:no such name"), [""])

    def test_summary(self) -> None:
        """Each source stands in front of the names that it set."""
        lines = self.strings("?names:.*|.summary")
        self.assertEqual(lines[:2], [f"#DAEMON {ANNOUNCED_VERSION}", "#<assignments>"])
        self.assertIn("FOO", lines[2:])
        self.assertNotIn("MAX_TIME_SKIP", lines)

    def test_mnh_5_15_patterns(self) -> None:
        """A pattern is matched in linear time, or refused."""
        for pattern in ("(a", r"(a)\1", "a" * 5000, "(?:a{1000}){1000}"):
            (line,) = self.strings(f"?names:{pattern}")
            self.assertEqual(line, "!error:regex:0: error code 100", pattern[:20])
        self.assertEqual(self.strings("?names:(a*)*$x"), [""])
        self.assertEqual(
            self.strings("?names:a{400}b{400}"), ["!error:regex:0: error code 100"]
        )

    def test_mnh_0_1_time_for_patterns(self) -> None:
        """A pattern that takes too long is given up, names and all."""
        times = itertools.count()
        self.patch(time, "monotonic", lambda: float(next(times)))
        self.assertEqual(self.strings("?names:FOO"), ["!error:regex:0: error code -47"])

    def test_statistics(self) -> None:
        """How large the configuration is comes as an ad."""
        answer = self.ask(self.daemon, Command.DC_CONFIG_VAL, "?stats")
        self.assertEqual(answer.get_string(), "1")
        body = bytes(answer.get_ad(100).body)
        self.assertIn(b"Macros = %d" % len(list(self.daemon.settings)), body)
        self.assertIn(b"Files = 1", body)

    def test_other_queries(self) -> None:
        """A query that nobody knows is refused by name."""
        self.assertEqual(
            self.strings("?what:x"), ["!error:unsup:1: '?what:x' is not supported"]
        )


class ChangingTests(DaemonTestCase):
    def setUp(self) -> None:
        super().setUp()
        directory = self.mktemp()

        os.mkdir(directory, 0o700)
        self.settings(
            ENABLE_RUNTIME_CONFIG="True",
            ENABLE_PERSISTENT_CONFIG="True",
            PERSISTENT_CONFIG_DIR=os.path.abspath(directory),
            SETTABLE_ATTRS_ADMINISTRATOR="GREETING, START*",
            SETTABLE_ATTRS_CONFIG="OTHER",
            ALLOW_CONFIG="192.0.2.1",
        )

    def daemon(self, **knobs: str) -> Daemon:
        """A daemon that reads what is set from afar."""
        settings = self.settings(**knobs)
        self.remote = RemoteConfiguration("DAEMON")

        def load() -> Settings:
            texts = [each.text for each in self.remote.load(settings)]
            pairs = [
                text.partition(" = ")[::2] for text in texts if "ADMIN" not in text
            ]
            return settings.with_assignments(dict(pairs), "<runtime>")

        daemon = Daemon(
            load(),
            self.reactor,
            load_settings=load,
            remote_configuration=self.remote,
        )
        self.start(daemon)
        return daemon

    def change(self, daemon: Daemon, number: int, *items: str) -> Any:
        """The number that a change is answered with."""
        return self.ask(daemon, number, *items).get_int()

    def test_runtime(self) -> None:
        """A setting counts from the next reconfiguration on, and can be forgotten."""
        daemon = self.daemon()
        number = Command.DC_CONFIG_RUNTIME
        self.assertEqual(self.change(daemon, number, "greeting", "GREETING = hi"), 0)
        self.assertIsNone(daemon.settings.text("GREETING"))
        daemon.reconfigure()
        self.assertEqual(daemon.settings.text("GREETING"), "hi")
        self.assertEqual(self.change(daemon, number, "greeting", ""), 0)
        daemon.reconfigure()
        self.assertIsNone(daemon.settings.text("GREETING"))

    def test_persistent(self) -> None:
        """A persistent setting is there in the next process, too."""
        daemon = self.daemon()
        number = Command.DC_CONFIG_PERSIST
        self.assertEqual(self.change(daemon, number, "startles", "STARTLES = 1"), 0)
        again = self.daemon()
        self.assertEqual(again.settings.text("STARTLES"), "1")

    def test_mnh_5_2_guards(self) -> None:
        """Lists, levels, knobs and names: each refuses by itself."""
        daemon = self.daemon()
        for key, line in (
            ("unlisted", "UNLISTED = 1"),
            ("other", "OTHER = 1"),
            ("greeting", "UNLISTED = 1"),
            ("greeting", "GREETING : 1"),
            ("greeting", "nonsense"),
            ("allow_write", "ALLOW_WRITE = *"),
            ("greeting", "GREETING = 1\nALLOW_WRITE = *"),
        ):
            for number in (Command.DC_CONFIG_RUNTIME, Command.DC_CONFIG_PERSIST):
                self.assertEqual(self.change(daemon, number, key, line), -1, line)
        self.assertEqual(len(self.logged("request refused")), 14)
        self.assertEqual(self.remote.load(daemon.settings), [])

    def test_disabled(self) -> None:
        """Without the knobs nothing is kept."""
        daemon = self.daemon(
            ENABLE_RUNTIME_CONFIG="False", ENABLE_PERSISTENT_CONFIG="False"
        )
        for number in (Command.DC_CONFIG_RUNTIME, Command.DC_CONFIG_PERSIST):
            self.assertEqual(
                self.change(daemon, number, "greeting", "GREETING = 1"), -1
            )

    def test_embedded(self) -> None:
        """A daemon that nobody gave a place for such settings refuses them."""
        daemon = Daemon(self.settings(), self.reactor)
        self.start(daemon)
        number = Command.DC_CONFIG_RUNTIME
        self.assertEqual(self.change(daemon, number, "greeting", "GREETING = 1"), -1)
