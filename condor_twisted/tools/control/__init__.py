"""``off``, ``on``, ``restart`` and ``reconfig``: one tool with four names."""
