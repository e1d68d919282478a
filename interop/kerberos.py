"""Phase: KERBEROS with tickets of a real KDC, in every pairing of client and server.

Somebody advertises a daemon's ad, and the collector then says whose it is. Whoever is
let in or kept out under the real client and the real collector has to be under the
other three pairs, by the same name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from interop import ads
from interop.kdc import REALM, Realm, start_realm
from interop.peers import ADDRESS, Collector, Kind, start
from interop.queries import settle
from interop.report import Report
from interop.sandbox import Sandbox

__all__ = ["Findings", "compare", "observe"]

_ALICE = "tester"
_BOB = "daemon"
_NOBODY = "nobody"
"""Users of the sandbox: two with tickets, one without."""
_BOUND: Mapping[str, tuple[str, ...]] = {
    "games": ("127.0.0.1",),
    "man": ("192.0.2.7",),
    "bin": ("127.0.0.1", "192.0.2.7"),
    "sys": ("192.0.2.7", "127.0.0.1"),
}
"""Users with tickets that are good at some addresses only; all come from 127.0.0.1."""

_WAIT_SECONDS = 12
"""How long a tool may take: some are told nothing of a refusal."""

_POLICY: Mapping[str, str] = {
    **{f"ALLOW_{level}": "*" for level in ("READ", "WRITE", "DAEMON")},
    "SEC_DEFAULT_AUTHENTICATION": "REQUIRED",
    "SEC_READ_AUTHENTICATION": "OPTIONAL",
    "SEC_DEFAULT_AUTHENTICATION_METHODS": "KERBEROS",
    "SEC_DEFAULT_AUTHENTICATION_TIMEOUT": "4",
}
_CLIENT: Mapping[str, str] = {
    "SEC_CLIENT_AUTHENTICATION": "REQUIRED",
    "SEC_CLIENT_AUTHENTICATION_METHODS": "KERBEROS, FS",
    "SEC_FS_ENFORCE_CHANNEL_BINDING": "False",  # 23.9 does without
    "KERBEROS_MAP_FILE": "",
    "CERTIFICATE_MAPFILE": "",
}
_ABOUT_ADDRESSES = ("as it comes", "from anywhere")
_WAIVED = {("from anywhere", "sys")}
"""Where our collector lets somebody in whom the real one keeps out, waived or not."""
_PAIRS = (("real", "twisted"), ("twisted", "real"), ("twisted", "twisted"))
"""Client and server, besides the real ones of both."""
_ABOUT_OTHER_KEYS = ("the key of another service", "no key")
_READER: Mapping[str, str] = {"SEC_CLIENT_AUTHENTICATION": "NEVER"}


def _scenarios(realm: Realm) -> dict[str, dict[str, str]]:
    """Knobs of the collector by what they are about."""
    place = realm.place
    (place / "realms").write_text(f"# ours\nOTHER = x\n{REALM} = Pool.Example.Org\n")
    (place / "others").write_text("OTHER.EXAMPLE = other.example\n")
    (place / "users").write_text(f"KERBEROS ^alice@{REALM}$ carol@elsewhere.example\n")
    keys = {"KERBEROS_SERVER_KEYTAB": realm.keytab("host")}
    with_fs = {"SEC_DEFAULT_AUTHENTICATION_METHODS": "KERBEROS, FS"}
    return {
        "as it comes": keys,
        "or FS": {**keys, **with_fs},
        "from anywhere": {**keys, "DISABLE_AUTHENTICATION_IP_CHECK": "True"},
        "a realm with a domain": {**keys, "KERBEROS_MAP_FILE": str(place / "realms")},
        "a realm without": {**keys, "KERBEROS_MAP_FILE": str(place / "others")},
        "a map file": {**keys, "CERTIFICATE_MAPFILE": str(place / "users")},
        "a service of its own": {
            "KERBEROS_SERVER_KEYTAB": realm.keytab("pool"),
            "KERBEROS_SERVER_SERVICE": "pool",
            "KERBEROS_SERVER_USER": "poolmaster",
        },
        "a principal of its own": {
            **keys,
            "KERBEROS_SERVER_PRINCIPAL": f"host/localhost@{REALM}",
            "KERBEROS_SERVER_USER": "hostmaster",
        },
        "the key of another service": {
            "KERBEROS_SERVER_KEYTAB": realm.keytab("pool"),
            **with_fs,
        },
        "no key": {"KERBEROS_SERVER_KEYTAB": realm.keytab("absent"), **with_fs},
    }


@dataclass(slots=True)
class Findings:
    """Who was let in, and as whom.

    Args:
        stored: By scenario, user and client: the identity and the method that the
            collector stored; empty for whoever was kept out.
        said: What the tool said, likewise.
    """

    stored: dict[tuple[str, str, str], str] = field(default_factory=dict)
    said: dict[tuple[str, str, str], str] = field(default_factory=dict)


def observe(kind: Kind, sandbox: Sandbox) -> Findings:
    """Have everybody advertise with both clients under every scenario.

    Args:
        kind: Which collector.
        sandbox: A fresh sandbox.
    """
    findings = Findings()
    with start_realm(sandbox) as realm:
        realm.log_in(_ALICE, "alice")
        realm.log_in(_BOB, "bob/helper")
        for user, addresses in _BOUND.items():
            realm.log_in(user, "alice", *addresses)
        for scenario, knobs in _scenarios(realm).items():
            with start(
                kind, sandbox, {**_POLICY, **knobs}, environment=realm.environment
            ) as collector:
                for user in _users(scenario):
                    for ours in (False, True):
                        _advertise(collector, findings, scenario, user, ours)
    return findings


def _users(scenario: str) -> tuple[str, ...]:
    """Who tries a scenario."""
    users: tuple[str, ...] = (_ALICE, _BOB, _NOBODY)
    if scenario not in _ABOUT_OTHER_KEYS:  # root has another name where FS decides
        users += ("root",)
    return users + tuple(_BOUND) if scenario in _ABOUT_ADDRESSES else users


def _advertise(
    collector: Collector, findings: Findings, scenario: str, user: str, ours: bool
) -> None:
    client = "twisted" if ours else "real"
    name = f"{user}-{client}.pool.example"
    file = collector.sandbox.work / "kerberos.ads"
    file.write_text(ads.render_ads([ads.master_ad(name)]), encoding="utf-8")
    arguments = ("-pool", ADDRESS, "-tcp", "UPDATE_MASTER_AD", str(file))
    tool = collector.our_tool if ours else collector.tool
    command = "advertise" if ours else "condor_advertise"
    done = tool(
        command, *arguments, user=user, knobs=_CLIENT, timeout_seconds=_WAIT_SECONDS
    )
    settle(collector)
    listed = collector.tool(
        "condor_status",
        "-master",
        "-constraint",
        f'Name == "{name}"',
        "-af",
        "AuthenticatedIdentity",
        "AuthenticationMethod",
        knobs=_READER,
    ).checked()
    key = (scenario, user, client)
    findings.stored[key] = listed.strip()
    findings.said[key] = f"exit code {done.exit_code}\n{done.output}{done.errors}"


def compare(report: Report, expected: Findings, actual: Findings) -> None:
    """Record one check for each scenario, user and pair."""
    by_server = {"real": expected, "twisted": actual}
    for scenario, user in dict.fromkeys(key[:2] for key in expected.stored):
        reference = expected.stored[scenario, user, "real"]
        said = expected.said[scenario, user, "real"]
        report.check(
            f"kerberos: {scenario}: {user}: real to real: {reference or 'kept out'}",
            bool(reference) is said.startswith("exit code 0\n"),
            said,
        )
        for client, server in _PAIRS:
            findings = by_server[server]
            found = findings.stored[scenario, user, client]
            wanted, why = reference, ""
            if server == "twisted" and (scenario, user) in _WAIVED:
                wanted = f"alice@{REALM.lower()} KERBEROS"
                why = " [differs as expected: the check that is waived is left out]"
            report.check(
                f"kerberos: {scenario}: {user}: {client} to {server}: "
                f"{wanted or 'kept out'}{why}",
                found == wanted,
                f"stored: {found or 'nothing'}\n"
                f"{findings.said[scenario, user, client]}",
            )
