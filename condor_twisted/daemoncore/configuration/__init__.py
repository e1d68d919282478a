"""The configuration of one process: read, asked for, and changed from afar.

`read_configuration` is how a program gets it; `ConfigurationRequest` says for whom.
"""

from condor_twisted.daemoncore.configuration.reading import (
    ConfigurationRequest,
    read_configuration,
)

__all__ = ["ConfigurationRequest", "read_configuration"]
