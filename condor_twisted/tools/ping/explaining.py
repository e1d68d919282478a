"""What ``-explain`` prints: both sides of one negotiation, and what decided."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from condor_twisted.client.ping import PingResult
from condor_twisted.protocols.log_text import escaped
from condor_twisted.security.explanation import Explanation, Wish
from condor_twisted.wire.versions import ANNOUNCED_VERSION

__all__ = ["explained"]

_FEATURES: Final = ("Authentication", "Encryption", "Integrity")
_DEFAULT: Final = "HTCondor's default"
_OUR_BUILD: Final = "condor_twisted"
assert _OUR_BUILD in ANNOUNCED_VERSION, "our daemons are known by their version"


def explained(instruction: str, destination: str, result: PingResult) -> str:
    """The explanation of one instruction, indented, with an empty line behind it.

    Args:
        instruction: The level or command, as it was given.
        destination: What people call the daemon.
        result: What came of it.
    """
    word = "allowed" if result.allowed else "not allowed"
    level = "" if result.server is None else result.server.level
    needs = f", which needs {escaped(level)}," if level else ""
    head = f"{instruction} (command {result.command}){needs} is {word}: {destination}"
    sections = (
        ("Policies", _policies(result)),
        ("Methods", _methods(result)),
        ("Ciphers", _ciphers(result)),
        ("Authentication", _attempts(result)),
        ("Identity", _identity(result)),
        ("Session", _session(result)),
        ("Decision", _decision(result)),
    )
    lines = [head]
    for title, facts in sections:
        told = [f"    {fact}" for fact in facts]
        if told:
            lines += [f"  {title}:", *told]
    return "\n".join(lines) + "\n\n"


def _theirs(result: PingResult) -> Explanation:
    return result.server or Explanation()


def _source(wish: Wish) -> str:
    return escaped(wish.knob or _DEFAULT)


def _policies(result: PingResult) -> Iterator[str]:
    """Each feature: what both sides wish, what is agreed on, and why."""
    agreed = result.record.agreed
    decided = (
        {}
        if agreed is None
        else dict(
            zip(
                _FEATURES,
                (agreed.authenticate, agreed.encrypt, agreed.integrity),
                strict=True,
            )
        )
    )
    for feature in _FEATURES:
        ours = result.client.wishes[feature]
        theirs = _theirs(result).wishes.get(feature)
        reason = _outcome(ours, theirs, decided.get(feature), result.cipher)
        yield f"{feature}: {reason}"
        yield f"  we say {ours.value} ({_source(ours)})"
        if theirs is not None:
            yield f"  the server says {escaped(theirs.value)} ({_source(theirs)})"
    negotiation = result.client.wishes["OutgoingNegotiation"]
    if negotiation.value in ("OPTIONAL", "NEVER"):
        yield f"other commands of ours go without all this ({_source(negotiation)})"
    if result.record.verdict is not None and result.server is None:
        yield "the server does not tell its policy" + (
            " to us: authenticate as somebody with READ"
            if _OUR_BUILD in (result.version or "")
            else ""
        )


def _outcome(
    ours: Wish, theirs: Wish | None, decided: bool | None, cipher: str | None
) -> str:
    """What became of one feature, and why."""
    if decided is None:
        return "not agreed on"
    word = "yes" if decided else "no"
    if decided:
        for wanted, verb in (("REQUIRED", "require"), ("PREFERRED", "prefer")):
            if ours.value == wanted:
                return f"{word}, because we {verb} it"
            if theirs is not None and theirs.value == wanted:
                return f"{word}, because the server {verb}s it"
        reasons = ["the server wants it"] if theirs is None else []
        if cipher == "AES":
            reasons.append("AES does it in any case")
        return f"{word}, because {' or '.join(reasons)}"
    if ours.value == "NEVER":
        return f"{word}, because we never do it"
    if theirs is None:
        return f"{word}, because the server does not want it"
    if theirs.value == "NEVER":
        return f"{word}, because the server never does it"
    return f"{word}, because neither side prefers it"


def _methods(result: PingResult) -> Iterator[str]:
    yield from _lists(result, "AuthMethods")
    for whose, side in (("ours", result.client), ("the server's", _theirs(result))):
        for each in side.left_out:
            yield f"left out of {whose}: {escaped(each)}"
    agreed = result.record.agreed
    if agreed is not None:
        common = ", ".join(agreed.methods) or "none"
        yield f"in common, in the order of the server: {common}"


def _ciphers(result: PingResult) -> Iterator[str]:
    yield from _lists(result, "CryptoMethods")
    agreed = result.record.agreed
    if agreed is None:
        return
    if result.cipher is None:
        yield "chosen: none, for no key was exchanged"
    else:
        yield f"chosen: {result.cipher}, the first of the server's that we have"


def _lists(result: PingResult, name: str) -> Iterator[str]:
    """What both sides have of something."""
    ours, theirs = result.client.wishes[name], _theirs(result).wishes.get(name)
    yield f"ours: {_spaced(ours.value)} ({_source(ours)})"
    if theirs is not None:
        yield f"the server's: {_spaced(theirs.value)} ({_source(theirs)})"


def _spaced(text: str) -> str:
    return escaped(", ".join(text.split(","))) or "none"


def _attempts(result: PingResult) -> Iterator[str]:
    """Every method that was tried."""
    for each in result.client.attempts:
        yield f"failed: {escaped(each)}"
    for each in _theirs(result).attempts:
        yield f"the server says of it: {escaped(each)}"
    agreed = result.record.agreed
    if result.method is not None:
        yield f"succeeded: {result.method}"
    elif agreed is not None and not agreed.authenticate:
        yield "none, as agreed on"
    elif agreed is not None and result.reached_verdict:
        yield "nothing succeeded, and neither side requires it"


def _identity(result: PingResult) -> Iterator[str]:
    """Who each side is to the other."""
    theirs = _theirs(result)
    if result.user is not None:
        yield f"the server takes us for {escaped(result.user)}"
    if theirs.identity is not None:
        yield f"  {escaped(theirs.identity)}; {escaped(theirs.mapping or '')}"
    if theirs.limits is not None:
        yield f"  the credential is limited to {escaped(theirs.limits)}"
    for name, value in result.token.items():
        yield f"  {name}: {escaped(str(value))}"
    session = result.record.session
    if session is not None:
        yield f"we take the server for {escaped(session.user)}"
        if result.client.identity is not None:
            mapping = result.client.mapping
            behind = "" if mapping is None else f"; {mapping}"
            yield f"  {escaped(result.client.identity)}{escaped(behind)}"


def _session(result: PingResult) -> Iterator[str]:
    session, agreed = result.record.session, result.record.agreed
    if session is None or agreed is None:
        return
    count = len(session.valid_commands.split(","))
    yield f"{escaped(session.id)}, good for {count} commands"
    idle = f"{agreed.lease_seconds} s" if agreed.lease_seconds else "any time"
    yield f"lives {agreed.duration_seconds} s, may be idle for {idle}"


def _decision(result: PingResult) -> Iterator[str]:
    """What decided, on both sides."""
    own = result.record.server_decision
    if own is not None and not own.allowed:
        yield f"we do not talk to this server: {own.reason}"
        yield from _line(result.client)
        return
    theirs = _theirs(result)
    if theirs.reason is not None:
        yield f"the server: {escaped(theirs.reason)}"
        yield from _line(theirs)
    elif result.allowed:
        yield "the server allows it, and does not tell why"
    elif result.reached_verdict:
        yield "the server refuses, and does not tell why; its log does"
    else:
        yield from _no_verdict(result)


def _line(side: Explanation) -> Iterator[str]:
    """The line of configuration that decided."""
    if side.line is not None:
        yield f"  {escaped(side.line)}"
    if side.source is not None:
        yield f"  in {escaped(side.source)}"
    if side.unset:
        yield f"  none of these is set: {escaped(', '.join(side.unset))}"


def _no_verdict(result: PingResult) -> Iterator[str]:
    """Why there was no decision at all."""
    yield escaped(str(result.error))
    if result.record.answer is not None or result.record.ends is None:
        return
    yield "if the server has the command, its policy contradicts ours:"
    for feature in _FEATURES:
        value = result.client.wishes[feature].value
        if value in ("REQUIRED", "NEVER"):
            yield f"  {feature} is {value} here"
    yield "  or there is no method or cipher in common; its log tells"
