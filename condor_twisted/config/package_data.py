"""Files that come with the package: the compiled-in part of a configuration."""

from __future__ import annotations

import pkgutil

from condor_twisted.errors import ConfigError

__all__ = ["package_text"]


def package_text(package: str, name: str) -> str:
    """A text of a package; `importlib.resources` would take longer than its reading.

    Args:
        package: The package's full name.
        name: The file's.

    Raises:
        OSError: The file is missing: the package is installed without its data.
        ConfigError: Whatever has loaded the package has no data.
    """
    data = pkgutil.get_data(package, name)
    if data is None:
        raise ConfigError(f"{package} was loaded by something that has no {name} of it")
    return data.decode()
