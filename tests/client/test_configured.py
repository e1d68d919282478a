"""Tests of ``condor_twisted.client.configured``."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.client.configured import read_tool_settings
from condor_twisted.errors import ConfigError


class ToolSettingsTests(SynchronousTestCase):
    def test_a_file(self) -> None:
        """A file is read as a tool reads it."""
        file = Path(self.mktemp())
        file.write_text("A = plain\nTOOL.A = for tools\n")
        self.assertEqual(read_tool_settings(str(file)).text("A"), "for tools")

    def test_no_configuration(self) -> None:
        """Without any, the embedded defaults hold; or it is an error."""
        self.patch(os, "environ", {**os.environ, "CONDOR_CONFIG": "ONLY_ENV"})
        self.assertEqual(read_tool_settings().integer("QUERY_TIMEOUT"), 60)
        self.assertRaises(ConfigError, read_tool_settings, self.mktemp())
