"""Tests of how the ClassAd library is loaded, each in an interpreter of its own."""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

_PROGRAM = """
import os
from condor_twisted.classad.expressions import evaluate
before = dict(os.environ)
print(evaluate(b'stringListMember("b", "a,b")', {}, 0))
print(evaluate(b'size(split("a b c"))', {}, 0))
print(os.environ == before)
"""


class LoadingTests(SynchronousTestCase):
    """The first expression of a process."""

    def check(self, **environment: str) -> None:
        """Run the program with further environment variables."""
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.stdout.split(), ["True", "3", "True"], done.stderr)
        self.assertEqual(done.stderr, "")

    def test_all_functions_at_once(self) -> None:
        """Every function of the language is there for the very first expression."""
        self.check()

    def test_no_configuration(self) -> None:
        """A bad HTCondor configuration neither matters nor is complained about."""
        self.check(CONDOR_CONFIG="/nonexistent/condor_config")
