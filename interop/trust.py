"""Phase: whom clients trust, and whom plugins make of a token, in every pairing.

Known hosts: a client pings a collector for whose certificate somebody vouches or not,
with a file of known hosts that has lines of all kinds; then its verdict, and what the
file has become, are looked at. Plugins: the collector asks programs who bears a
SciToken; who the bearer then is, and what the programs were told, are looked at.
"""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from interop.credentials import CLIENT_USER, Credentials, prepare_credentials
from interop.many_pings import ask_with_ours
from interop.matrix import outcome
from interop.peers import ADDRESS, Collector, Kind, start
from interop.ping_facts import parse_verbose
from interop.report import Report
from interop.sandbox import HOST_NAME, Sandbox

__all__ = ["Findings", "compare", "observe"]

_ADDRESS = f"<{ADDRESS}?alias={HOST_NAME}>"
_POLICY: Mapping[str, str] = {
    "SEC_CLAIMTOBE_INCLUDE_DOMAIN": "True",  # 23.9 does without
    **{f"ALLOW_{level}": "*" for level in ("READ", "WRITE", "DAEMON")},
    "SEC_DEFAULT_AUTHENTICATION": "OPTIONAL",
    "SEC_DEFAULT_AUTHENTICATION_METHODS": (
        "CLAIMTOBE, ANONYMOUS, FS, PASSWORD, IDTOKENS, SSL, SCITOKENS, KERBEROS, MUNGE"
    ),
}
_ALONE: Mapping[str, str] = {
    "AUTH_SSL_CLIENT_CAFILE": "",
    "AUTH_SSL_CLIENT_USE_DEFAULT_CAS": "False",
}
"""No authority at all."""
_BOOTSTRAP: Mapping[str, str] = {**_ALONE, "BOOTSTRAP_SSL_SERVER_TRUST": "True"}
_CERTIFICATE = re.compile(r"[A-Za-z0-9+/]{200,}={0,2}")
_PAIRS = (("real", "twisted"), ("twisted", "real"), ("twisted", "twisted"))
#: What has to come of some scenarios, so that they are about what they say.
_EXPECTED: Mapping[str, tuple[str, ...]] = {
    "known hosts: an authority that is known": ("SSL,", "@trusted"),
    "known hosts: nobody vouches": ("refused;", "!"),
    "known hosts: trust on first use": ("SSL,", "SSL CERT"),
    "known hosts: a line for it": ("SSL,", "SSL CERT"),
    "known hosts: a line against it": ("refused;",),
    "known hosts: a line for another certificate": ("refused;", "SSL CERT"),
    "plugins: a plugin declines, the next one accepts": (
        "two@",
        "BEARER_TOKEN_0_SUBJECT=somebody",
    ),
    "plugins: the configuration names the bearer": ("byknob@elsewhere.example",),
    "plugins: a plugin fails": ("refused;",),
    "plugins: all plugins, no map file": ("byplugin@elsewhere.example",),
}
_NOTED = ("CLAIMTOBE", "ANONYMOUS", "FS", "PASSWORD", "IDTOKENS", "KERBEROS", "MUNGE")


@dataclass(frozen=True, slots=True)
class _Meeting:
    """A client and what it knows.

    Args:
        knobs: Its configuration.
        lines: Its file of known hosts; ``CERT`` is what the collector shows and nobody
            knows: the certificate of its authority.
        method: How it wants to be authenticated.
    """

    knobs: Mapping[str, str]
    lines: str = ""
    method: str = "SSL"


_MEETINGS: Mapping[str, _Meeting] = {
    "an authority that is known": _Meeting({}),
    "the same, noted before": _Meeting({}, f"{HOST_NAME} SSL @trusted\n"),
    "an authority, and a line against": _Meeting({}, f"!{HOST_NAME} SSL AAAA\n"),
    "nobody vouches": _Meeting(_ALONE),
    "nobody vouches, a comment": _Meeting(_ALONE, f"# {HOST_NAME} SSL CERT\n"),
    "trust on first use": _Meeting(_BOOTSTRAP),
    "a line for it": _Meeting(_ALONE, f"{HOST_NAME} SSL CERT\n"),
    "a line against it": _Meeting(_BOOTSTRAP, f"!{HOST_NAME} SSL CERT\n"),
    "a line against, then one for it": _Meeting(
        _BOOTSTRAP, f"!{HOST_NAME} SSL CERT\n{HOST_NAME} SSL CERT\n"
    ),
    "a line for another certificate": _Meeting(_BOOTSTRAP, f"{HOST_NAME} SSL AAAA\n"),
    "a line of another method": _Meeting(_BOOTSTRAP, f"{HOST_NAME} FS unknown\n"),
    "another host's line": _Meeting(_BOOTSTRAP, "elsewhere SSL AAAA\n"),
    "a token, nobody vouches": _Meeting(_ALONE, method="SCITOKENS"),
    "a token, trust on first use": _Meeting(_BOOTSTRAP, method="SCITOKENS"),
    **{method: _Meeting({}, method=method) for method in _NOTED},
}

_PLUGINS: Mapping[str, str] = {
    "A": "exit 1",
    "B": "echo byplugin@elsewhere.example and more",
    "C": "exit 2",
    "D": "exit 0",
    "E": 'echo "$1"',
}
"""Plugins by name: what each does once it has noted what it was told."""
_ASKED: Mapping[str, tuple[str, str]] = {
    "a plugin declines, the next one accepts": ("somebody", "PLUGIN:A,E"),
    "the configuration names the bearer": ("named", "PLUGIN:D"),
    "every plugin declines": ("declined", "PLUGIN:A"),
    "a plugin fails": ("broken", "PLUGIN:A,C,B"),
}
"""Whose token is shown, and what the map file has for it."""


@dataclass(slots=True)
class Findings:
    """What came of each scenario, by scenario and client.

    Args:
        outcomes: The client's verdict, and what was written down.
        outputs: What the client printed.
    """

    outcomes: dict[tuple[str, str], str] = field(default_factory=dict)
    outputs: dict[tuple[str, str], str] = field(default_factory=dict)


def observe(kind: Kind, sandbox: Sandbox) -> Findings:
    """Run every scenario with both clients.

    Args:
        kind: Which collector.
        sandbox: A fresh sandbox.
    """
    findings = Findings()
    with prepare_credentials(sandbox) as credentials:
        server = {**_POLICY, **credentials.server}
        with start(
            kind, sandbox, server, environment=credentials.environment
        ) as collector:
            _meet(collector, credentials, findings)
        told = _write_plugins(sandbox)
        for mapped in (True, False):
            knobs = _plugin_knobs(sandbox, server, mapped)
            with start(
                kind, sandbox, knobs, environment=credentials.environment
            ) as collector:
                asked = {title: each[0] for title, each in _ASKED.items()}
                _ask_plugins(
                    collector,
                    credentials,
                    findings,
                    asked if mapped else {"all plugins, no map file": "somebody"},
                    told,
                )
    return findings


def _meet(collector: Collector, credentials: Credentials, findings: Findings) -> None:
    place = collector.sandbox.work / "known"
    place.mkdir()
    place.chmod(0o1777)
    pem = (collector.sandbox.work / "credentials" / "ca.pem").read_text()
    certificate = base64.b64encode(ssl.PEM_cert_to_DER_cert(pem)).decode()
    for client in ("real", "twisted"):
        files: list[Path] = []
        wanted: list[dict[str, str]] = []
        for number, meeting in enumerate(_MEETINGS.values()):
            file = place / f"{client}-{number}"
            if meeting.lines:
                file.write_text(meeting.lines.replace("CERT", certificate))
                file.chmod(0o666)
            files.append(file)
            wanted.append(
                {
                    **credentials.client,
                    "SEC_CLAIMTOBE_INCLUDE_DOMAIN": "True",
                    "SEC_CLIENT_AUTHENTICATION": "REQUIRED",
                    "SEC_CLIENT_AUTHENTICATION_METHODS": meeting.method,
                    "SEC_KNOWN_HOSTS": str(file),
                    **meeting.knobs,
                }
            )
        outputs = _ping(collector, client, wanted)
        for title, output, file in zip(_MEETINGS, outputs, files, strict=True):
            text = file.read_text() if file.exists() else ""
            lines = _CERTIFICATE.sub(
                "(a certificate)", text.replace(certificate, "CERT")
            )
            _note(findings, client, f"known hosts: {title}", output, lines)


def _ping(collector: Collector, client: str, wanted: list[dict[str, str]]) -> list[str]:
    """Ping once under each configuration; what the client printed."""
    if client == "twisted":
        return ask_with_ours(collector, _ADDRESS, CLIENT_USER, wanted)
    command = ("condor_ping", "-addr", _ADDRESS, "-verbose", "WRITE")
    return [
        collector.tool(*command, user=CLIENT_USER, knobs=knobs).output
        for knobs in wanted
    ]


def _note(
    findings: Findings, client: str, title: str, output: str, written: str
) -> None:
    verdict = outcome(parse_verbose(output).get("WRITE", {}))
    findings.outcomes[title, client] = f"{verdict}; {written.strip() or 'nothing'}"
    findings.outputs[title, client] = output


def _write_plugins(sandbox: Sandbox) -> Path:
    """Write the plugins; the file into which they write what they were told."""
    place = sandbox.work / "plugins"
    place.mkdir()
    place.chmod(0o1777)
    told = place / "told"
    for name, does in _PLUGINS.items():
        file = place / name
        file.write_text(
            f"#!/bin/sh\n{{ echo {name}; id -un; env | grep ^BEARER_TOKEN_ | sort; "
            f"cat; echo; }} >> {told}\nchmod 666 {told} 2> /dev/null\n{does}\n"
        )
        file.chmod(0o755)
    return told


def _plugin_knobs(
    sandbox: Sandbox, server: Mapping[str, str], mapped: bool
) -> dict[str, str]:
    """A collector's configuration, with a map file or without one."""
    place = sandbox.work / "plugins"
    knobs = {
        **server,
        **{
            f"SEC_SCITOKENS_PLUGIN_{name}_COMMAND": str(place / name)
            for name in _PLUGINS
        },
        "SEC_SCITOKENS_PLUGIN_D_MAPPING": "byknob@elsewhere.example",
        "SEC_SCITOKENS_PLUGIN_E_COMMAND": f"{place}/E 'two words'",
        "SEC_SCITOKENS_PLUGIN_NAMES": "A B",
    }
    if not mapped:
        del knobs["CERTIFICATE_MAPFILE"]
        return knobs
    map_file = place / "map"
    lines = [
        f"SCITOKENS ,{subject}$ {mapping}\n" for subject, mapping in _ASKED.values()
    ]
    map_file.write_text("".join(lines))
    return {**knobs, "CERTIFICATE_MAPFILE": str(map_file)}


def _ask_plugins(
    collector: Collector,
    credentials: Credentials,
    findings: Findings,
    asked: Mapping[str, str],
    told: Path,
) -> None:
    """Show each scenario's token with both clients."""
    tokens = collector.sandbox.work / "credentials" / "client"
    knobs = {
        **credentials.client,
        "SEC_CLIENT_AUTHENTICATION": "REQUIRED",
        "SEC_CLIENT_AUTHENTICATION_METHODS": "SCITOKENS",
    }
    for client in ("real", "twisted"):
        for title, subject in asked.items():
            told.unlink(missing_ok=True)
            shown = {**knobs, "SCITOKENS_FILE": str(tokens / f"scitoken-{subject}")}
            (output,) = _ping(collector, client, [shown])
            text = told.read_text() if told.exists() else ""
            times = re.sub(r"\b1[0-9]{9}\b", "(a time)", text)
            _note(findings, client, f"plugins: {title}", output, times)


def compare(report: Report, expected: Findings, actual: Findings) -> None:
    """Record one check for each scenario and pair."""
    by_server = {"real": expected, "twisted": actual}
    for title in dict.fromkeys(key[0] for key in expected.outcomes):
        reference = expected.outcomes[title, "real"]
        report.check(
            f"{title}: real to real: {reference.splitlines()[0]}",
            all(word in reference for word in _EXPECTED.get(title, ())),
            f"{reference}\n{expected.outputs[title, 'real']}",
        )
        for client, server in _PAIRS:
            findings = by_server[server]
            found = findings.outcomes[title, client]
            report.check(
                f"{title}: {client} to {server}",
                found == reference,
                f"expected: {reference}\nfound:    {found}\n"
                f"{findings.outputs[title, client]}",
            )
