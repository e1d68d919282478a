"""Reading the whole configuration of a process."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore.configuration.host_facts import HostFacts
from condor_twisted.daemoncore.configuration.reading import (
    Configuration,
    ConfigurationRequest,
    DynamicText,
    describe_configuration,
    read_configuration,
)
from condor_twisted.errors import ConfigError

USER = HostFacts(
    hostname="host",
    full_hostname="host.example.org",
    user_name="user",
    user_id=1000,
    effective_user_id=1000,
)
ROOT = HostFacts(user_name="root")


class ConfigurationCase(SynchronousTestCase):
    """Has a directory for files and a reader for them."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.environment: dict[str, str] = {}

    def write(self, name: str, *lines: str) -> str:
        path = self.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
        return str(path)

    def request(
        self,
        *,
        file: str | None = None,
        assignments: Sequence[tuple[str, str]] = (),
        embedded: bool = True,
        host: HostFacts = USER,
        search_order: Sequence[str] = (),
        subsystem: str = "COLLECTOR",
    ) -> ConfigurationRequest:
        return ConfigurationRequest(
            subsystem,
            file=file,
            assignments=tuple(assignments),
            embedded=embedded,
            host=host,
            environment=self.environment,
            search_order=tuple(search_order),
        )

    def read(self, *lines: str, host: HostFacts = USER) -> Configuration:
        return read_configuration(
            self.request(file=self.write("root", *lines), host=host)
        )

    def failure(self, request: ConfigurationRequest) -> ConfigError:
        error = self.assertRaises(ConfigError, read_configuration, request)
        assert isinstance(error, ConfigError)
        self.assertNotIn("\n", str(error))
        return error


class RootTests(ConfigurationCase):
    """Where reading starts."""

    def test_order(self) -> None:
        """-c beats CONDOR_CONFIG, that beats the usual places."""
        given = self.write("given", "A = given")
        named = self.write("named", "A = named")
        usual = self.write("usual", "A = usual")
        places = ("/no/such/file", str(self.directory), usual)
        request = self.request(search_order=places)
        self.assertEqual(read_configuration(request).root, usual)
        self.environment["CONDOR_CONFIG"] = named
        self.assertEqual(read_configuration(request).settings.text("A"), "named")
        request = self.request(file=given, search_order=places)
        configuration = read_configuration(request)
        self.assertEqual(configuration.settings.text("A"), "given")
        self.assertFalse(configuration.is_embedded)
        self.assertEqual(
            configuration.settings.text("CONFIG_ROOT"), str(self.directory)
        )

    def test_only_env(self) -> None:
        """ONLY_ENV reads no file, whatever there is."""
        usual = self.write("usual", "A = usual")
        self.environment.update(CONDOR_CONFIG="only_env", _CONDOR_B="2")
        configuration = read_configuration(self.request(search_order=[usual]))
        self.assertIsNone(configuration.root)
        self.assertIsNone(configuration.settings.text("A"))
        self.assertEqual(configuration.settings.text("B"), "2")

    def test_command(self) -> None:
        """A command that ends in a bar is run, and has to succeed."""
        configuration = read_configuration(self.request(file="/bin/echo A = 1 |"))
        self.assertEqual(configuration.settings.text("A"), "1")
        self.failure(self.request(file="/bin/false |"))

    def test_unusable(self) -> None:
        """Missing files and directories are errors of one line, at once."""
        for name in ("/no/such/file", str(self.directory)):
            self.assertIn(name, str(self.failure(self.request(file=name))))
            self.environment["CONDOR_CONFIG"] = name
            self.assertIn("CONDOR_CONFIG", str(self.failure(self.request())))

    def test_nothing_to_be_found(self) -> None:
        """Without embedded defaults nothing to read is an error."""
        self.failure(self.request(embedded=False))
        self.environment["CONDOR_CONFIG"] = "ONLY_ENV"
        settings = read_configuration(self.request(embedded=False)).settings
        self.assertIsNone(settings.text("ALLOW_READ"))
        self.assertEqual(settings.text("NETWORK_INTERFACE"), "*")


class LayerTests(ConfigurationCase):
    """What comes later wins."""

    def test_directory_then_files(self) -> None:
        """Files of a directory come sorted, then the list of files."""
        self.write("d/20-x", "ORDER = $(ORDER) 20")
        self.write("d/10-x", "ORDER = $(ORDER) 10")
        self.write("d/10-x~", "ORDER = $(ORDER) backup")
        self.write("d/.hidden", "ORDER = $(ORDER) hidden")
        (self.directory / "d" / "15-dir").mkdir()
        one = self.write("one", "ORDER = $(ORDER) one")
        two = self.write("two", "ORDER = $(ORDER) two")
        configuration = self.read(
            "ORDER = root",
            f"LOCAL_CONFIG_DIR = {self.directory}/d, {self.directory}/none",
            f"LOCAL_CONFIG_FILE = {one}, {two}",
        )
        self.assertEqual(configuration.settings.text("ORDER"), "root 10 20 one two")
        self.assertEqual(
            [os.path.basename(each) for each in configuration.files],
            ["10-x", "20-x", "one", "two"],
        )

    def test_list_that_changes_while_it_is_read(self) -> None:
        """A new list counts minus what is done; a new directory is read, too."""
        late = self.write("late/1", "ORDER = $(ORDER) late")
        three = self.write("three", "ORDER = $(ORDER) three")
        one = self.write(
            "one",
            "ORDER = $(ORDER) one",
            f"LOCAL_CONFIG_FILE = {self.directory}/one {three}",
            f"LOCAL_CONFIG_DIR = {os.path.dirname(late)}",
        )
        settings = self.read(
            "ORDER = root", f"LOCAL_CONFIG_FILE = {one}, /never/read"
        ).settings
        self.assertEqual(settings.text("ORDER"), "root one three late")

    def test_missing_local_file(self) -> None:
        """It is an error unless REQUIRE_LOCAL_CONFIG_FILE is false."""
        line = "LOCAL_CONFIG_FILE = /no/such/file"
        self.failure(self.request(file=self.write("root", line)))
        configuration = self.read(line, "REQUIRE_LOCAL_CONFIG_FILE = False", "A = 1")
        self.assertEqual(configuration.files, ())

    def test_bad_exclusion(self) -> None:
        """A pattern that is none is an error."""
        self.failure(
            self.request(
                file=self.write(
                    "root",
                    f"LOCAL_CONFIG_DIR = {self.directory}",
                    "LOCAL_CONFIG_DIR_EXCLUDE_REGEXP = (",
                )
            )
        )

    def test_user_file(self) -> None:
        """The user's own file counts for users, not for root."""
        self.write(".condor/user_config", "A = own")
        host = HostFacts(
            user_home=str(self.directory), effective_user_id=7, user_name="u"
        )
        self.assertEqual(self.read("A = root", host=host).settings.text("A"), "own")
        self.assertEqual(self.read("A = root", host=ROOT).settings.text("A"), "root")

    def test_environment(self) -> None:
        """_CONDOR_ variables beat files, in any case and with dots."""
        self.environment.update(
            {"_CONDOR_A": " 2 ", "_condor_collector.b": "3", "_CONDOR_": "x"}
        )
        self.environment["_CONDOR_BAD-NAME"] = "x"
        configuration = self.read("A = 1", "B = 1")
        settings = configuration.settings
        self.assertEqual((settings.text("A"), settings.text("B")), ("2 ", "3"))
        self.assertEqual(settings.source_of("A"), "<Environment>")
        (warning,) = configuration.warnings
        self.assertIn("_CONDOR_BAD-NAME", warning)

    def test_specials_stay(self) -> None:
        """Neither files nor environment replace what the process is."""
        self.environment["_CONDOR_FULL_HOSTNAME"] = "other"
        settings = self.read("USERNAME = x", "SUBSYSTEM = y", "ARCH = mine").settings
        self.assertEqual(settings.text("FULL_HOSTNAME"), "host.example.org")
        self.assertEqual(settings.text("USERNAME"), "user")
        self.assertEqual(settings.text("SUBSYSTEM"), "COLLECTOR")
        self.assertEqual(settings.text("LOCALNAME"), "COLLECTOR")
        self.assertEqual(settings.text("ARCH"), "mine")
        self.assertEqual(settings.text("UID_DOMAIN"), "host.example.org")

    def test_domains_and_addresses(self) -> None:
        """A default domain completes a bare name; an interface is the address."""
        host = HostFacts(hostname="h", full_hostname="h")
        settings = self.read(
            "DEFAULT_DOMAIN_NAME = example.org",
            "NETWORK_INTERFACE = 192.0.2.9",
            "UID_DOMAIN =",
            host=host,
        ).settings
        self.assertEqual(settings.text("FULL_HOSTNAME"), "h.example.org")
        self.assertEqual(settings.text("IP_ADDRESS"), "192.0.2.9")
        self.assertEqual(settings.text("UID_DOMAIN"), "h.example.org")

    def test_command_line_is_last(self) -> None:
        """--set beats everything, what was set from afar included."""

        class Remote:
            def load(self, settings: Settings) -> Sequence[DynamicText]:
                assert settings.text("A") == "environment"
                return [
                    DynamicText("<runtime>", "A = $(A) remote"),
                    DynamicText("<runtime>", "B = remote"),
                    DynamicText("<runtime>", "D = remote"),
                ]

        self.environment["_CONDOR_A"] = "environment"
        request = self.request(
            file=self.write("root", "A = 1"), assignments=[("B", " set "), ("C", "1")]
        )
        settings = read_configuration(request, Remote()).settings
        self.assertEqual(settings.text("A"), "environment remote")
        self.assertEqual(settings.text("B"), "set")
        self.assertEqual(settings.source_of("A"), "<runtime>, line 0")
        self.assertEqual(settings.source_of("D"), "<runtime>, line 2")
        self.assertEqual(settings.source_of("C"), "<Command line>")

    def test_bad_name_on_the_command_line(self) -> None:
        """A name that is none is an error."""
        self.failure(self.request(assignments=[("A B", "1")]))

    def test_auto_use(self) -> None:
        """AUTO_USE applies a template; trouble with it is a warning."""
        configuration = self.read(
            "AUTO_USE_ROLE_Execute = $(ONE)",
            "ONE = 1",
            "AUTO_USE_ROLE_Submit = 0",
            "AUTO_USE_ROLE_Nope = 1",
            "AUTO_USE_ROLE_Personal = what is this",
        )
        self.assertEqual(configuration.settings.text("DAEMON_LIST"), "MASTER STARTD")
        self.assertEqual(len(configuration.warnings), 2)


class EmbeddedTests(ConfigurationCase):
    """What a daemon runs with on a machine without HTCondor."""

    def embedded(
        self, *assignments: tuple[str, str], host: HostFacts = USER
    ) -> Settings:
        configuration = read_configuration(
            self.request(assignments=assignments, host=host)
        )
        self.assertTrue(configuration.is_embedded)
        return configuration.settings

    def test_safe(self) -> None:
        """Loopback only; reading is free; changes need the same user."""
        settings = self.embedded()
        self.assertEqual(settings.text("NETWORK_INTERFACE"), "127.0.0.1")
        self.assertEqual(settings.text("IPV4_ADDRESS"), "127.0.0.1")
        self.assertEqual(settings.text("ALLOW_READ"), "*")
        for level in ("WRITE", "DAEMON", "NEGOTIATOR", "ADMINISTRATOR"):
            self.assertEqual(settings.text(f"ALLOW_{level}"), "user@*", level)
        self.assertEqual(settings.text("SEC_DEFAULT_AUTHENTICATION"), "REQUIRED")
        self.assertEqual(settings.text("SEC_READ_AUTHENTICATION"), "OPTIONAL")
        self.assertEqual(
            settings.words("SEC_DEFAULT_AUTHENTICATION_METHODS"), ("FS", "IDTOKENS")
        )

    def test_root(self) -> None:
        """FS authentication calls root condor."""
        settings = self.embedded(host=ROOT)
        self.assertEqual(settings.words("ALLOW_WRITE"), ("condor@*", "root@*"))

    def test_set_does_what_it_says(self) -> None:
        """Opening WRITE opens updates, and nothing of the administrator's."""
        settings = self.embedded(
            ("ALLOW_WRITE", "*"), ("SEC_DEFAULT_AUTHENTICATION", "OPTIONAL")
        )
        self.assertEqual(settings.text("ALLOW_WRITE"), "*")
        self.assertEqual(settings.text("ALLOW_DAEMON"), "*")
        self.assertEqual(settings.text("ALLOW_ADMINISTRATOR"), "user@*")
        self.assertEqual(settings.text("SEC_DEFAULT_AUTHENTICATION"), "OPTIONAL")

    def test_no_files(self) -> None:
        """Without a directory there is no log and no address file."""
        settings = self.embedded()
        for name in (
            "LOG",
            "SPOOL",
            "COLLECTOR_LOG",
            "COLLECTOR_ADDRESS_FILE",
            "COLLECTOR_SUPER_ADDRESS_FILE",
        ):
            self.assertFalse(settings.defined(name), name)

    def test_directory_that_is_set(self) -> None:
        """With a directory the usual files are in it."""
        settings = self.embedded(("LOG", "/d"))
        self.assertEqual(
            settings.text("COLLECTOR_ADDRESS_FILE"), "/d/.collector_address"
        )
        settings = self.embedded(("COLLECTOR_ADDRESS_FILE", "/a"))
        self.assertEqual(settings.text("COLLECTOR_ADDRESS_FILE"), "/a")

    def test_not_with_a_file(self) -> None:
        """A configuration of one's own is taken as it is."""
        settings = self.read("A = 1").settings
        self.assertIsNone(settings.text("ALLOW_READ"))
        self.assertEqual(settings.text("NETWORK_INTERFACE"), "*")


class CheckTests(ConfigurationCase):
    """What is refused before anything changes."""

    def test_mnh_9_4_bad_values_name_file_and_line(self) -> None:
        """A bad value that a daemon of ours needs is refused on reading."""
        for line in (
            "COLLECTOR_UPDATE_INTERVAL = often",
            "COLLECTOR_SOCKET_BUFSIZE = 5",
            "COLLECTOR.QUERY_TIMEOUT = x",
            "MAX_ACCEPTS_PER_CYCLE = many",
            "SEC_DEFAULT_AUTHENTICATION_TIMEOUT = soon",
            "USE_SHARED_PORT = maybe",
            "CLASSAD_LIFETIME = x",
            "CLASSAD_LIFETIME = -1",
            "ALLOW_WRITE = $CHOICE(3,a)",
            "ALLOW_WRITE = $(ALLOW_READ)\nALLOW_READ = $(ALLOW_WRITE)",
            "nonsense",
            "include : /no/such/file",
        ):
            path = self.write("root", "A = 1", *line.split("\n"))
            error = self.failure(self.request(file=path))
            self.assertEqual(error.source, path, line)
            self.assertGreaterEqual(error.line or 0, 2, line)

    def test_mnh_9_4_old_settings_stay(self) -> None:
        """Settings that were read before are untouched by a failed reading."""
        path = self.write("root", "A = 1")
        request = self.request(file=path)
        old = read_configuration(request).settings
        self.write("root", "A = 2", "nonsense")
        self.failure(request)
        self.assertEqual(old.text("A"), "1")
        self.write("root", "A = 3")
        self.assertEqual(read_configuration(request).settings.text("A"), "3")
        self.assertEqual(old.text("A"), "1")

    def test_other_daemons_values_are_theirs(self) -> None:
        """Numbers of other daemons may be expressions over ads."""
        self.read("MaxJobRetirementTime = TARGET.X", "SCHEDD_INTERVAL = $(X) + y")


class DescribeTests(ConfigurationCase):
    """The text of --config-check."""

    def test_lines(self) -> None:
        """Each knob has its value and origin; defaults come last."""
        self.environment["_CONDOR_E"] = "env"
        text = describe_configuration(
            self.read("B = $(A)!", "A = 1", "M @=e", "x", "y", "@e", "COLLECTOR.Q = 2")
        )
        lines = text.splitlines()
        root = self.directory / "root"
        for line in (
            "# Subsystem: COLLECTOR",
            f"# Root: {root}",
            f"A = 1  # {root}, line 2",
            f"B = 1!  # {root}, line 1",
            "E = env  # <Environment>",
            f"M = x\\ny  # {root}, line 6",
            "PREEN_INTERVAL = 86400  # <Default>",
            "IsCollector = true  # <Default>, as COLLECTOR.IsCollector",
        ):
            self.assertIn(line, lines)
        separator = lines.index("# Compiled-in defaults")
        self.assertLess(lines.index("E = env  # <Environment>"), separator)
        self.assertGreater(
            lines.index("PREEN_INTERVAL = 86400  # <Default>"), separator
        )

    def test_secrets_are_not_shown(self) -> None:
        """Neither directly nor through another knob."""
        text = describe_configuration(
            self.read(
                "MY_PASSWORD = hunter2",
                "POOL_TOKEN = hunter2",
                "SOME_SECRET_THING = hunter2",
                "OTHER = x$(MY_PASSWORD)x",
                "SEC_PASSWORD_FILE = /etc/file",
            )
        )
        self.assertNotIn("hunter2", text)
        self.assertIn("OTHER = x(not shown)x", text)
        self.assertIn("SEC_PASSWORD_FILE = /etc/file", text)

    def test_embedded(self) -> None:
        """The text says when the embedded defaults are in use."""
        text = describe_configuration(read_configuration(self.request()))
        self.assertIn("# Root: none, the embedded defaults apply\n", text)
        self.assertRegex(text, r"ALLOW_READ = \*  # <Embedded>, line \d+\n")

    def test_what_cannot_be_expanded(self) -> None:
        """A broken value is shown as broken."""
        text = describe_configuration(self.read("X = $CHOICE(5,a)"))
        self.assertIn("X = (cannot be expanded: X $CHOICE()", text)
