"""Tests of ``condor_twisted.protocols``."""
