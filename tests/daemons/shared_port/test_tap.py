"""Tests of ``condor_twisted.daemons.shared_port.tap`` and ``main``."""

from __future__ import annotations

from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemons.shared_port import SharedPort, main, tap


class TapTests(SynchronousTestCase):
    def test_service(self) -> None:
        """The plugin makes the daemon of its options."""
        options = tap.Options()
        options.parseOptions(["--set", "SHARED_PORT_PORT=9700", "--config", "ONLY_ENV"])
        with mock.patch.object(SharedPort, "own_process"):
            made = tap.makeService(options)
        assert isinstance(made, SharedPort)
        self.assertEqual(made.default_port(), 9700)
        self.assertEqual(made.settings.subsystem, "SHARED_PORT")

    def test_program(self) -> None:
        """The program runs the daemon."""
        with mock.patch.object(main, "run_daemon") as run:
            main.main()
        run.assert_called_once_with(SharedPort)
