"""What ``condor_ping`` prints, for the same facts.

Source: ``src/condor_tools/ping.cpp: print_useful_info_1, print_useful_info_2,
print_useful_info_10``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from condor_twisted.client.ping import PingResult
from condor_twisted.protocols.log_text import escaped
from condor_twisted.tools.ping.error_stack import error_stack
from condor_twisted.wire.versions import ANNOUNCED_VERSION

__all__ = ["TABLE_HEADING", "paragraph", "sentence", "table_row"]

TABLE_HEADING: Final = (
    "         Instruction Authentication Encryption Integrity Decision Identity\n"
)


@dataclass(frozen=True, slots=True)
class _Facts:
    """The features of a session by the names that condor_ping gives them."""

    encryption: str | None
    integrity: str | None
    authentication: str | None
    user: str


def _facts(result: PingResult) -> _Facts:
    """What condor_ping would find in its session.

    Kept for compatibility: a method stands there where authentication was agreed on,
    and integrity is called MD5 wherever encryption was not agreed on.
    """
    agreed = result.record.agreed
    assert agreed is not None, "an allowed command was negotiated"
    encryption = (result.cipher or "") if agreed.encrypt else None
    integrity = None
    if agreed.integrity:
        integrity = "AES" if encryption == "AES" else "MD5"
    authentication = None
    if agreed.authenticate:
        authentication = result.method or ",".join(agreed.methods[:1])
    return _Facts(encryption, integrity, authentication, escaped(result.user or ""))


def sentence(instruction: str, destination: str, result: PingResult) -> str:
    """One line about one instruction."""
    if not result.allowed:
        return f"{instruction} failed!  Use -verbose for more information.\n"
    facts = _facts(result)
    return (
        f"{instruction} command using ({facts.encryption or 'no encryption'}, "
        f"{facts.integrity or 'no integrity'}, and "
        f"{facts.authentication or 'no authentication'}) succeeded as {facts.user} "
        f"to {destination}.\n"
    )


def paragraph(instruction: str, destination: str, result: PingResult) -> str:
    """Everything about one instruction."""
    if not result.allowed:
        lines = "\n".join(error_stack(result))
        return f"{instruction} failed!\n{lines}\n\n"
    facts = _facts(result)
    rows = [
        ("Destination", destination),
        ("Remote Version", escaped(result.version or "")),
        ("Local  Version", ANNOUNCED_VERSION),
        ("Session ID", escaped(result.session_id or "")),
        ("Instruction", instruction),
        ("Command", str(result.command)),
        ("Encryption", facts.encryption or "none"),
        ("Integrity", facts.integrity or "none"),
    ]
    if facts.authentication is None:
        rows.append(("Authentication", "none"))
    else:
        rows.append(("Authenticated using", facts.authentication))
        rows.append(("All authentication methods", ",".join(result.methods)))
    rows += [("Remote Mapping", facts.user), ("Authorized", "TRUE")]
    return "".join(f"{name + ':':<28} {value}\n" for name, value in rows) + "\n"


def table_row(instruction: str, result: PingResult) -> str:
    """One row of the table."""
    if not result.allowed:
        return (
            f"{instruction:>20}           FAIL       FAIL      FAIL     FAIL FAIL"
            "  (use -verbose for more info)\n"
        )
    facts = _facts(result)
    return (
        f"{instruction:>20}{facts.authentication or 'none':>15}"
        f"{facts.encryption or 'none':>11}{facts.integrity or 'none':>10}"
        f"    ALLOW {facts.user}\n"
    )
