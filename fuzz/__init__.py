"""Mutated inputs against daemons in memory: ``python -m fuzz``, ``make fuzz``."""
