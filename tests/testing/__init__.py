"""Tests of ``condor_twisted.testing``."""
