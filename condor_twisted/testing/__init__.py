"""Test doubles for programs that use this package."""
