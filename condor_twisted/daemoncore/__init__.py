"""The framework that a daemon is written on."""
