"""Whether a command may run, with what its channel has proved.

`admit` is the one answer for raw commands, new sessions, resumed sessions, datagrams
and kept connections, and `holds` the same for a further level that a handler asks
about. In this order, and each step can only say no:

1.  The command is registered and comes by a transport that it may come by.
2.  The level's own security requirements hold for this channel as it is: what the
    session was made for does not matter.
3.  Where the command forces authentication, the user is mapped.
4.  The limits of the peer's credential include the level, or an alternate.
5.  DENY and ALLOW lists, for the level and then for each alternate.

Source: ``src/condor_daemon_core.V6/daemon_command.cpp:
DaemonCommandProtocol::VerifyCommand``, ``src/condor_io/condor_secman.cpp:
SecMan::IsAuthenticationSufficient``.
"""

from __future__ import annotations

from condor_twisted.constants.permissions import Permission
from condor_twisted.security.authorization import Authorizer, Decision
from condor_twisted.security.commands import CommandRule, CommandRules
from condor_twisted.security.method_names import canonical_method
from condor_twisted.security.peer import Peer, Transport
from condor_twisted.security.policy import FeatureLevel, Policies, SidePolicy

__all__ = ["admit", "holds", "unfit_levels", "unmet_requirement"]

#: Methods that no list names: sessions that were set up without the network.
_EXEMPT_METHODS = frozenset({"FAMILY", "MATCH"})
#: Methods whose client may be nobody in particular: it has run authentication, and
#: the lists decide what nobody may.
_NAMELESS_METHODS = frozenset({"SSL"})
_REQUIRED = FeatureLevel.REQUIRED


def unmet_requirement(policy: SidePolicy, peer: Peer) -> str | None:
    """What a level requires and this channel has not; ``None`` if nothing.

    Level ALLOW requires nothing.
    """
    if policy.permission is Permission.ALLOW:
        return None
    level = policy.permission.name
    if policy.problem is not None:
        return f"the security policy of {level} cannot be met: {policy.problem}"
    if policy.authentication_wish is _REQUIRED and not (
        peer.is_authenticated or peer.method in _NAMELESS_METHODS
    ):
        return f"{level} requires authentication"
    if policy.negotiation is _REQUIRED and not peer.negotiated:
        return f"{level} requires negotiation"
    if policy.encryption is _REQUIRED and not peer.encrypted:
        return f"{level} requires encryption"
    if policy.integrity is _REQUIRED and not peer.integrity:
        return f"{level} requires integrity"
    method = peer.method
    if (
        method is not None
        and method not in _EXEMPT_METHODS
        and canonical_method(method) not in policy.methods
    ):
        return f"{level} does not take authentication by {method}"
    return None


def unfit_levels(
    first: CommandRule, rules: CommandRules, peer: Peer, policies: Policies
) -> frozenset[Permission]:
    """Levels whose requirements a new session does not fulfil.

    A client that resumed it for one of their commands would be sent away, so it is not
    told that it might. The level of the first command stays in any case: a client
    takes a session that is good for nothing as a failure.

    Args:
        first: What the command that the session is made for demands.
        rules: What all commands demand.
        peer: Who the client will be when it comes back.
        policies: The security policies in force.
    """
    levels = {rule.permission for rule in rules} - {first.permission}
    return frozenset(
        level for level in levels if unmet_requirement(policies.of(level), peer)
    )


def admit(
    rule: CommandRule, peer: Peer, policies: Policies, authorizer: Authorizer
) -> Decision:
    """Whether this peer may send this command over this channel now.

    Args:
        rule: What the command demands.
        peer: Who sends it, and what the channel has proved.
        policies: The security policies in force.
        authorizer: The ALLOW and DENY lists in force.

    Returns:
        The decision. `Decision.needs_names`: look up the peer's host names, set
        `Peer.host_names`, and ask again.
    """
    permission = rule.permission
    if not (rule.tcp if peer.transport is Transport.TCP else rule.udp):
        return Decision(
            False,
            permission,
            f"command {rule.number} does not come by {peer.transport.value}",
        )
    unmet = unmet_requirement(policies.of(permission), peer)
    if unmet is not None:
        return Decision(False, permission, unmet)
    if rule.force_authentication and not (peer.is_authenticated and peer.is_mapped):
        return Decision(
            False, permission, f"command {rule.number} requires a mapped user"
        )
    first: Decision | None = None
    for level in rule.levels:
        decision = authorizer.decide(
            level, peer.address, peer.user, peer.limits, peer.host_names
        )
        if decision.allowed or decision.needs_names:
            return decision
        first = first or decision
    assert first is not None, "a rule has at least one level"
    return first


def holds(
    permission: Permission, peer: Peer, policies: Policies, authorizer: Authorizer
) -> Decision:
    """Whether this peer holds a level: the check of a handler that wants more.

    The level's requirements, the limits of the peer's credential and the lists count
    as they do for a command of that level.

    Args:
        permission: The level.
        peer: Who asks, and what the channel has proved.
        policies: The security policies in force.
        authorizer: The ALLOW and DENY lists in force.
    """
    unmet = unmet_requirement(policies.of(permission), peer)
    if unmet is not None:
        return Decision(False, permission, unmet)
    return authorizer.decide(
        permission, peer.address, peer.user, peer.limits, peer.host_names
    )
