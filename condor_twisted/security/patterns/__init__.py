"""Patterns of names and hosts, read and matched in bounded time."""
