"""Tests of ``condor_twisted.tools.config_val``."""

from __future__ import annotations

import os
from pathlib import Path

from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore.configuration.remote import RemoteConfiguration
from condor_twisted.tools.config_val import remote
from condor_twisted.tools.config_val.command import main
from tests.client.kit import ad_of
from tests.tools.kit import ToolTestCase


class ConfigValTestCase(ToolTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.file = Path(self.mktemp()).absolute()
        self.file.write_text(
            "A = a $(B)\nB = b\nEMPTY =\nSEVERAL @=end\n one\n two\n@end\n"
            "NETWORK_INTERFACE = 127.0.0.1\nALLOW_WRITE = *\n"
            "COLLECTOR_HOST = 127.0.0.1:9618\nSEC_DEFAULT_AUTHENTICATION = OPTIONAL\n"
        )
        self.patch(os, "environ", {"CONDOR_CONFIG": str(self.file)})
        self.patch(remote, "run", lambda start: self.code(start(self.reactor)))

    def said(self, *arguments: str, code: int = 0) -> str:
        """What a command line prints."""
        before = len(self.out.text)
        self.assertEqual(main(list(arguments)), code, self.err.text)
        return self.out.text[before:]


class LocalTests(ConfigValTestCase):
    def test_values(self) -> None:
        """Expanded, raw, default; a missing one is an error in the end."""
        self.assertEqual(self.said("A", "B"), "a b\nb\n")
        self.assertEqual(self.said("-raw", "A", "EMPTY"), "a $(B)\n\n")
        self.assertEqual(self.said("-default", "COLLECTOR_PORT"), "9618\n")
        self.assertEqual(self.said("NO_SUCH", "B", code=1), "b\n")
        self.assertIn("Not defined: NO_SUCH", self.err.text)

    def test_verbose(self) -> None:
        """Where it is from, and how it is written."""
        self.assertEqual(
            self.said("-verbose", "a"),
            f"A = a b\n # at: {self.file}, line 1\n # raw: A = a $(B)\n\n",
        )
        self.assertTrue(
            self.said("-verbose", "SEVERAL").startswith(
                "SEVERAL @=end\n   one\n   two\n@end\n # at: "
            )
        )

    def test_dump_and_summary(self) -> None:
        """Many names at once."""
        self.assertIn("\nA = a $(B)\n", self.said("-dump", "^A$"))
        summary = self.said("-summary")
        self.assertIn(f"# from {self.file}\n#\nA = a $(B)\nB = b\n", summary)

    def test_trace(self) -> None:
        """What a name had before is shown, and where that was."""
        with self.file.open("a") as file:
            file.write("A = $(A) again\nb = other\n")
        self.assertEqual(
            self.said("-trace", "a"),
            f" # trace: A\n  # was: a $(B)\n  # set at: {self.file}, line 1\n"
            "a other again\n",
        )
        traced = self.said("-trace", "-dump", "^[AB]$", "(")
        self.assertIn(f"# trace: b\n  # was: b\n  # set at: {self.file}", traced)
        self.assertIn("'(' is no pattern to trace", self.err.text)

    def test_writing(self) -> None:
        """The configuration is written as one file, which says the same."""
        written = Path(self.mktemp())
        self.assertEqual(self.said("-writeconfig", str(written), "B"), "b\n")
        before = self.said("-dump", "-expanded", "^[A-Z]$")
        self.assertEqual(
            self.said("-config", str(written), "-dump", "-expanded", "^[A-Z]$").replace(
                str(written), str(self.file)
            ),
            before,
        )
        self.assertIn("\nB = b\n", self.said("-writeconfig:file,only", "-"))
        nowhere = str(written / "x")
        self.assertEqual(self.said("-writeconfig", nowhere, code=2), "")
        self.assertIn(f"create configuration file {nowhere}.", self.err.text)

    def test_writing_without_obsolete(self) -> None:
        """What only older versions had is left out, if that is wanted."""
        with self.file.open("a") as file:
            file.write("STORK = x\nRESERVED_DISK = 5\nRESERVED_SWAP = 5\n")
        self.assertIn("STORK = x\nRESERVED_DISK", self.said("-writeconfig:file", "-"))
        self.assertTrue(
            self.said("-writeconfig:upgrade", "-").endswith("\nRESERVED_SWAP = 5\n")
        )

    def test_other_file_and_sources(self) -> None:
        """-config reads another file, or tells which there are."""
        other = Path(self.mktemp())
        other.write_text("A = other\n")
        self.assertEqual(self.said("-config", str(other), "A"), "other\n")
        self.assertEqual(self.said("-config"), f"\t{self.file}\n")
        self.assertIn("Configuration source:", self.err.text)

    def test_reader_and_macros(self) -> None:
        """As another daemon reads it; a text of one's own."""
        with self.file.open("a") as file:
            file.write("STARTD.A = startd\n")
        self.assertEqual(self.said("-subsystem", "STARTD", "A"), "startd\n")
        self.assertEqual(self.said("-macro", "<$(A)>"), "<a b>\n")
        self.assertEqual(self.said("-macro:path", "/x//$(B)"), "/x/b\n")
        self.assertEqual(
            self.said("-macro", "-verbose", "$(B)"), "$(B) expands to: b\n"
        )

    def test_templates(self) -> None:
        """Which there are, and what they do."""
        self.assertIn("use ROLE accepts\n  CentralManager\n", self.said("use", "role"))
        text = self.said("use", "ROLE:Submit")
        self.assertEqual(
            text, "use ROLE:Submit is\nDAEMON_LIST = $(DAEMON_LIST) SCHEDD\n"
        )
        expanded = self.said("-expanded", "use", "ROLE:get_htcondor_submit")
        self.assertIn("expands to\n", expanded)
        self.assertIn("SEC_DEFAULT_ENCRYPTION = required\n", expanded)
        self.assertNotIn("use SECURITY", expanded)
        verbose = self.said("-expanded", "-verbose", "use", "ROLE:get_htcondor_submit")
        self.assertIn(" #begin-expanding# use SECURITY", verbose)
        self.assertIn("Not defined: use NOSUCH", self.said("use", "nosuch"))
        self.assertIn("ROLE:NOSUCH", self.said("use", "ROLE:nosuch"))
        self.assertIn(
            "use POLICY:LIMIT", self.said("use", "POLICY.LIMIT_JOB_RUNTIMES(5)")
        )
        self.assertIn("assuming POLICY:LIMIT_JOB_RUNTIMES(5)", self.err.text)

    def test_broken_configuration(self) -> None:
        """One line says what is wrong, and where."""
        self.file.write_text("A = 1\nnonsense here\n")
        self.said("A", code=1)
        self.assertIn(f"{self.file}, line 2", self.err.text)

    def test_usage(self) -> None:
        """Bad usage is code 2."""
        self.said("-nosuch", code=2)
        self.assertIn("-dump", self.said("-help"))
        self.assertIn("$CondorVersion", self.said("-version"))


class RemoteTests(ConfigValTestCase):
    def setUp(self) -> None:
        super().setUp()
        knobs = {
            "A": "a $(B)",
            "B": "b",
            "EMPTY": "",
            "SEVERAL": "one\ntwo",
            "ENABLE_RUNTIME_CONFIG": "True",
            "SETTABLE_ATTRS_ADMINISTRATOR": "B, $POLICY.*",
            "NUMBER": "Cpus * 2",
        }
        settings = self.collector.settings.with_assignments(knobs)
        self.remote = RemoteConfiguration("COLLECTOR")
        self.remote.load(settings)
        self.collector.settings = settings
        self.collector.remote_configuration = self.remote
        self.at = ("-address", str(self.collector.address))

    def kept(self) -> list[str]:
        """What was set."""
        texts = self.remote.load(Settings.from_assignments({}))
        return [each.text for each in texts]

    def test_values(self) -> None:
        """The daemon's own values, in every way of showing one."""
        self.assertEqual(self.said(*self.at, "A"), "a b\n")
        self.assertEqual(self.said(*self.at, "-raw", "A"), "a $(B)\n")
        self.assertEqual(self.said(*self.at, "-default", "COLLECTOR_PORT"), "9618\n")
        verbose = self.said(*self.at, "-verbose:use", "a")
        self.assertIn("A = a b\n # at: <assignments>\n # raw: A = a $(B)\n", verbose)
        self.assertIn(" # use_count: ", verbose)
        self.said(*self.at, "-raw", "NO_SUCH", code=1)
        self.assertIn("Not defined: NO_SUCH", self.err.text)

    def test_many(self) -> None:
        """Names that match, and what was set."""
        dump = self.said(*self.at, "-dump", "-verbose", "^A$", "SEVERAL")
        self.assertIn("A = a $(B)\n # at: <assignments>\n # expanded: a b\n", dump)
        self.assertIn("SEVERAL @=end\n   one\n   two\n@end\n", dump)
        self.assertIn("A = a b\n", self.said(*self.at, "-dump", "-expanded", "^A$"))
        summary = self.said(*self.at, "-summary")
        self.assertIn("\n#\n# from <assignments>\n#\n", summary)
        self.said(*self.at, "-dump", "(")
        self.assertIn("error:regex", self.err.text)
        self.assertIn("Macros = ", self.said(*self.at, "-stats"))

    def test_used(self) -> None:
        """What the daemon has used can be told from what it has not."""
        self.collector.settings.text("EMPTY")
        self.collector.settings.text("A")
        used = self.said(*self.at, "-dump", "-used", "^(A|NUMBER)$")
        self.assertIn("A = ", used)
        self.assertNotIn("NUMBER = ", used)
        unused = self.said(*self.at, "-dump", "-unused", "^(A|NUMBER)$")
        self.assertNotIn("A = a", unused)
        self.assertIn("NUMBER = ", unused)

    def test_evaluated(self) -> None:
        """An expression is evaluated with the daemon's ad."""
        ad: WireAd = ad_of(
            Name="NEGOTIATOR", Cpus=21, MyAddress=str(self.collector.address)
        )
        self.collector.ads = [ad]
        self.assertEqual(self.said("-negotiator", "-evaluate", "NUMBER"), "42\n")
        self.assertEqual(self.said(*self.at, "-evaluate", "NUMBER"), "undefined\n")
        self.assertIn("is null", self.err.text)

    def test_changes(self) -> None:
        """Set and forgotten; what is refused ends with code 1."""
        said = self.said(*self.at, "-rset", "B = new")
        self.assertIn('Successfully set configuration "B = new" on master  <', said)
        self.assertEqual(self.kept(), ["B = new"])
        self.said(*self.at, "-rset", "use POLICY : ALWAYS_RUN_JOBS")
        self.assertEqual(len(self.kept()), 2)
        self.assertIn("Successfully unset", self.said(*self.at, "-runset", "B"))
        self.assertEqual(self.kept(), ["use POLICY : ALWAYS_RUN_JOBS"])
        self.said(*self.at, "-rset", "A = 1", code=1)
        self.assertIn('Attempt to set configuration "A = 1"', self.err.text)
        self.said(*self.at, "-set", "B = 1", code=1)
        for setting in ("nonsense", "-unset"):
            self.said(*self.at, "-rset", setting, code=2 if "-" in setting else 1)
        self.said(*self.at, "-runset", "B = 1", code=1)
        self.assertIn("To unset, you only specify", self.err.text)

    def test_nobody_there(self) -> None:
        """No daemon, or none that is known."""
        self.said("-address", "<127.0.0.1:1>", "A", code=1)
        self.assertIn("Can't connect to master on  <127.0.0.1:1>", self.err.text)
        self.said("-schedd", "A", code=1)
        self.assertIn("Can't find address for schedd 'default'", self.err.text)
        self.said(*self.at, "use", "ROLE:Submit", code=1)
