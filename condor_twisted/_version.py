"""The package's version; the version announced on the wire is in wire.versions."""

__version__ = "26.11.0.dev0"
