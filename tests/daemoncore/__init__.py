"""Tests of ``condor_twisted.daemoncore``."""
