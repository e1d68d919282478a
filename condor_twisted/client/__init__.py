"""The non-blocking client of a pool."""
