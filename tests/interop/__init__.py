"""Tests of the pure parts of `interop`."""
