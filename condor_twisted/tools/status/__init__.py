"""The ``status`` command: ads of a collector in tables, or whole."""
