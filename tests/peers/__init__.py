"""Tests of our daemons against peers that are HTCondor's own."""
