"""Phase: every method with every cipher and protection, in every pairing.

A cell is a method, a cipher, and what of encryption and integrity the client demands.
The real client and ours ask a collector for WRITE under each; first the real collector,
then ours. What the real pair does is what every other pair has to do: agree on the same
and be somebody of the same name, or refuse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from interop.compare import Difference
from interop.credentials import CLIENT_USER, METHODS, prepare_credentials
from interop.many_pings import ask_with_ours
from interop.peers import ADDRESS, Kind, start
from interop.ping_facts import Facts, parse_verbose
from interop.report import Report
from interop.sandbox import HOST_NAME, Sandbox

__all__ = ["Cell", "Findings", "cells", "compare", "observe", "outcome"]

CIPHERS = ("AES", "BLOWFISH", "3DES")
PROTECTIONS: Mapping[str, tuple[str, str]] = {
    "encryption": ("REQUIRED", "NEVER"),
    "integrity": ("NEVER", "REQUIRED"),
    "both": ("REQUIRED", "REQUIRED"),
}
"""What the client demands: of encryption, and of integrity."""
_NONE = "none"
_REFUSED = "refused"
_SERVER: Mapping[str, str] = {
    **{f"ALLOW_{level}": "*" for level in ("READ", "WRITE", "DAEMON")},
    "SEC_DEFAULT_AUTHENTICATION": "OPTIONAL",
    "SEC_DEFAULT_ENCRYPTION": "OPTIONAL",
    "SEC_DEFAULT_INTEGRITY": "OPTIONAL",
    "SEC_DEFAULT_AUTHENTICATION_METHODS": ", ".join(METHODS),
    "SEC_DEFAULT_CRYPTO_METHODS": ", ".join(CIPHERS),
}
_ADDRESS = f"<{ADDRESS}?alias={HOST_NAME}>"
"""With the name that is in the collector's certificate."""


class Cell(NamedTuple):
    """What a client demands."""

    method: str
    cipher: str
    protection: str

    @property
    def knobs(self) -> dict[str, str]:
        """The client's configuration."""
        encryption, integrity = PROTECTIONS.get(self.protection, ("NEVER", "NEVER"))
        cipher = CIPHERS[0] if self.cipher == _NONE else self.cipher
        return {
            "SEC_CLIENT_AUTHENTICATION": "REQUIRED",
            "SEC_CLIENT_AUTHENTICATION_METHODS": self.method,
            "SEC_CLIENT_CRYPTO_METHODS": cipher,
            "SEC_CLIENT_ENCRYPTION": encryption,
            "SEC_CLIENT_INTEGRITY": integrity,
        }

    def __str__(self) -> str:
        return " ".join(dict.fromkeys(self))


def cells() -> Iterator[Cell]:
    """Every cell, method by method."""
    for method in METHODS:
        for cipher in CIPHERS:
            for protection in PROTECTIONS:
                yield Cell(method, cipher, protection)
        yield Cell(method, _NONE, _NONE)


@dataclass(slots=True)
class Findings:
    """What came of each cell.

    Args:
        collector: Which collector.
        outcomes: By client and cell.
        outputs: What the client printed, likewise.
    """

    collector: str
    outcomes: dict[tuple[str, Cell], str] = field(default_factory=dict)
    outputs: dict[tuple[str, Cell], str] = field(default_factory=dict)


def observe(kind: Kind, sandbox: Sandbox) -> Findings:
    """Try every cell with both clients.

    Args:
        kind: Which collector.
        sandbox: A fresh sandbox.
    """
    findings = Findings(kind.name)
    with (
        prepare_credentials(sandbox) as credentials,
        start(
            kind,
            sandbox,
            {**_SERVER, **credentials.server},
            environment=credentials.environment,
        ) as collector,
    ):
        wanted = list(cells())
        for cell in wanted:
            knobs = {**credentials.client, **cell.knobs}
            done = collector.tool(
                "condor_ping",
                "-addr",
                _ADDRESS,
                "-verbose",
                "WRITE",
                user=CLIENT_USER,
                knobs=knobs,
            )
            _note(findings, "real", cell, done.output)
        pings = ask_with_ours(
            collector,
            _ADDRESS,
            CLIENT_USER,
            [{**credentials.client, **cell.knobs} for cell in wanted],
        )
        for cell, output in zip(wanted, pings, strict=True):
            _note(findings, "twisted", cell, output)
    return findings


def _note(findings: Findings, client: str, cell: Cell, output: str) -> None:
    findings.outputs[client, cell] = output
    findings.outcomes[client, cell] = outcome(parse_verbose(output).get("WRITE", {}))


def outcome(facts: Facts) -> str:
    """What both sides came to, in few words."""
    if facts.get("Authorized") != "TRUE":
        return _REFUSED
    names = ("Authenticated using", "Encryption", "Integrity", "Remote Mapping")
    method, encryption, integrity, user = (facts.get(name, "?") for name in names)
    return f"{method}, {encryption} and {integrity}, {user}"


def compare(report: Report, real: Findings, ours: Findings) -> None:
    """Print the matrix, and record one check per method and pair.

    Args:
        report: Gets the checks.
        real: What came of the real collector.
        ours: The same of ours.
    """
    pairs = {
        f"{client} client, {findings.collector} collector": (findings, client)
        for findings in (real, ours)
        for client in ("real", "twisted")
    }
    others = list(pairs)[1:]  # but for the real pair
    _print(pairs)
    for method in METHODS:
        mine = [cell for cell in cells() if cell.method == method]
        for pair in others:
            findings, client = pairs[pair]
            name = f"{method}: {pair}, as the real pair"
            found = [
                Difference(name, str(cell), "outcome", expected, actual)
                for cell in mine
                for expected, actual in (
                    (real.outcomes["real", cell], findings.outcomes[client, cell]),
                )
                if expected != actual
            ]
            if not report.differences(name, found):
                for each in found[:3]:
                    print(_details(each, mine, findings, client), flush=True)
        supported = any(real.outcomes["real", cell] != _REFUSED for cell in mine)
        report.check(
            f"{method}: the real pair agrees on something",
            supported,
            real.outputs["real", mine[0]],
        )


def _details(
    found: Difference, mine: list[Cell], findings: Findings, client: str
) -> str:
    cell = next(each for each in mine if str(each) == found.row)
    return f"      {cell}: {findings.outputs[client, cell].strip()}"


def _print(pairs: Mapping[str, tuple[Findings, str]]) -> None:
    """One row per method; in each cell a letter per pair: + agreed, - refused."""
    print("\npairs, in order:")
    for pair in pairs:
        print(f"  {pair}")
    columns = [cell[1:] for cell in cells() if cell.method == METHODS[0]]
    heads = [" ".join(dict.fromkeys(column)) for column in columns]
    print("method".ljust(10) + "".join(head.center(21) for head in heads))
    for method in METHODS:
        row = method.ljust(10)
        for column in columns:
            cell = Cell(method, *column)
            signs = "".join(
                "-" if findings.outcomes[client, cell] == _REFUSED else "+"
                for findings, client in pairs.values()
            )
            row += signs.center(21)
        print(row)
    print(flush=True)
