"""The configuration of this host, as tools read it.

Reading a configuration belongs to ``daemoncore``, beside which the client stands. This
module alone reaches over, and it is imported only when somebody asks for it.
"""

from __future__ import annotations

from condor_twisted.config.settings import Settings

__all__ = ["read_tool_settings"]


def read_tool_settings(file: str | None = None, *, embedded: bool = True) -> Settings:
    """Read the configuration. May block for as long as reading takes.

    Args:
        file: The configuration file, instead of CONDOR_CONFIG and the usual ones.
        embedded: Do without where there is none; else that is an error.

    Raises:
        ConfigError: There is none, or it cannot be used.
    """
    from condor_twisted.daemoncore.configuration.reading import (
        ConfigurationRequest,
        read_configuration,
    )

    request = ConfigurationRequest("TOOL", file=file, embedded=embedded)
    return read_configuration(request).settings
