"""How the administrators of the pool's collector get at a daemon: by its ad.

Source: see `condor_twisted.security.sessions.remote_administration`.
"""

from __future__ import annotations

from collections.abc import Callable

from condor_twisted.config.settings import Settings
from condor_twisted.security.commands import CommandRules
from condor_twisted.security.context import SecurityState
from condor_twisted.security.sessions.remote_administration import RemoteAdministration

__all__ = ["Administration"]


class Administration:
    """Gives out capabilities; one of a daemon's facilities.

    Args:
        settings: The settings in force.
        security: The daemon's security, while it serves.
        rules: The commands that it serves.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        security: Callable[[], SecurityState | None],
        rules: CommandRules,
    ) -> None:
        self._settings = settings
        self._security = security
        self._rules = rules
        self._remote: RemoteAdministration | None = None

    def begin(self) -> None:
        """The daemon serves now."""
        security = self._security()
        if security is not None:
            self._remote = RemoteAdministration(security, self._rules)
            self.renew()

    def renew(self) -> None:
        """The daemon has new settings."""
        if self._remote is not None:
            self._remote.enable(
                self._settings().boolean("SEC_ENABLE_REMOTE_ADMINISTRATION", True)
            )

    def end(self) -> None:
        """The daemon stops; its sessions end with its security."""
        self._remote = None

    def capability(self) -> str | None:
        """What a collector is told in confidence; ``None`` for nothing.

        Never let it go anywhere but into a message that hides it.
        """
        claim = None if self._remote is None else self._remote.capability()
        return None if claim is None else claim.serialize()
