"""Capabilities: who administers the pool's collector may administer its daemons.

A daemon makes a session, and tells the collector of its id and key: a private attribute
of its ad (``_condor_PrivRemoteAdminCapability``, a claim id). The collector gives it to
its own administrators alone, and on an encrypted channel. With it they are at the
daemon ``collector-side@matchsession``, who is ADMINISTRATOR there, whatever its lists
say. A capability is good for half an hour; each update brings a new one, unless the
last was a moment ago. SEC_ENABLE_REMOTE_ADMINISTRATION turns all of this off.

Source: ``src/condor_daemon_core.V6/daemon_core.cpp: DaemonCore::sendUpdates,
SetupAdministratorSession, SetRemoteAdmin``;
``src/condor_daemon_client/daemon.cpp: Daemon::getInfoFromAd``.
"""

from __future__ import annotations

from typing import Final

from condor_twisted.constants.permissions import Permission
from condor_twisted.security.commands import CommandRules
from condor_twisted.security.context import SecurityState
from condor_twisted.security.identity import COLLECTOR_SIDE_USER
from condor_twisted.security.sessions.claim_ids import ClaimId
from condor_twisted.security.sessions.shared import import_session, new_claim

__all__ = ["CAPABILITY_SECONDS", "RemoteAdministration", "take_capability"]

#: How long a capability is good.
CAPABILITY_SECONDS: Final = 1800
#: One that is younger is given out again.
_KEPT_SECONDS: Final = 30
_METHOD: Final = "MATCH"
_PREFIX: Final = "admin_"


class RemoteAdministration:
    """The capabilities that one daemon gives out.

    Args:
        security: The daemon's.
        rules: The commands that it serves.
    """

    def __init__(self, security: SecurityState, rules: CommandRules) -> None:
        self._security = security
        self._rules = rules
        self._is_enabled = False
        self._claim: ClaimId | None = None
        self._made_at = 0.0

    def enable(self, enabled: bool) -> None:
        """Take administrators by their capabilities, or do not any more."""
        if enabled == self._is_enabled:
            return
        self._is_enabled = enabled
        authorizer = self._security.authorizer
        if enabled:
            authorizer.punch_hole(Permission.ADMINISTRATOR, COLLECTOR_SIDE_USER)
        else:
            authorizer.fill_hole(Permission.ADMINISTRATOR, COLLECTOR_SIDE_USER)
            self._claim = None

    def capability(self) -> ClaimId | None:
        """What the next update tells the collector; ``None`` if nobody is taken so."""
        if not self._is_enabled:
            return None
        security = self._security
        now = security.now()
        if self._claim is None or now - self._made_at >= _KEPT_SECONDS:
            commands = self._rules.valid_commands(Permission.ADMINISTRATOR, True)
            claim = new_claim(security, _PREFIX, commands)
            import_session(
                security,
                claim,
                COLLECTOR_SIDE_USER,
                permission=Permission.ADMINISTRATOR,
                method=_METHOD,
                lifetime_seconds=CAPABILITY_SECONDS,
            )
            self._claim, self._made_at = claim, now
        return self._claim


def take_capability(security: SecurityState, text: str, address: str) -> None:
    """Use what a collector told us for commands to a daemon.

    Args:
        security: Ours.
        text: The capability, as it stands in the daemon's ad.
        address: The sinful string under which we call the daemon.

    Raises:
        MalformedMessage: It is none. The error says nothing of its content.
    """
    claim = ClaimId.parse(text)
    if security.outgoing.find(claim.session_id, security.now()) is not None:
        return
    import_session(
        security,
        claim,
        COLLECTOR_SIDE_USER,
        permission=Permission.CLIENT,
        method=_METHOD,
        address=address,
        lifetime_seconds=CAPABILITY_SECONDS,
    )
