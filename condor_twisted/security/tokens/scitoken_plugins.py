"""Plugins that say who bears a SciToken, where its issuer and subject do not tell.

A canonical name ``PLUGIN:A,B`` in the map file names plugins; ``PLUGIN:*`` and having
no map file mean those in SEC_SCITOKENS_PLUGIN_NAMES. They are programs that get the
token's payload on their standard input, and its claims in ``BEARER_TOKEN_0_...`` in
their environment. They are asked one after the other: exit code 0 accepts the token,
and the name is SEC_SCITOKENS_PLUGIN_<name>_MAPPING or else the first word of the
output; 1 declines it, and the next is asked; everything else refuses the token.

Source: ``src/condor_io/condor_auth_ssl.cpp: StartScitokensPlugins,
ContinueScitokensPlugins``, ``src/condor_io/authentication.cpp``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from condor_twisted.errors import TokenRefused
from condor_twisted.security.facts import HostFacts
from condor_twisted.security.host_requests import RunProgram, run_program
from condor_twisted.security.knobs import Knobs
from condor_twisted.security.method_names import split_words
from condor_twisted.security.steps import Handshake
from condor_twisted.security.tokens.scitokens import SciToken
from condor_twisted.security.tokens.token import decode_token_part

__all__ = [
    "is_plugin_mapping",
    "plugin_environment",
    "plugins_of",
    "run_plugins",
    "split_arguments",
]

PLUGIN_TIMEOUT_SECONDS: Final = 20.0
_NAMES: Final = "SEC_SCITOKENS_PLUGIN_NAMES"
_PREFIX: Final = "PLUGIN:"
_ACCEPTED: Final = 0
_DECLINED: Final = 1
_NAME: Final = re.compile(r"[A-Za-z0-9_]{1,128}")
_CLAIM: Final = re.compile(r"[!-<>-~]{1,128}")
_WORD: Final = re.compile(r"(?:[^\s']|'(?:[^']|'')*')+")
_QUOTED: Final = re.compile(r"'((?:[^']|'')*)'")


def is_plugin_mapping(canonical: str) -> bool:
    """Whether a canonical name of the map file stands for plugins."""
    return canonical.startswith(_PREFIX)


def plugins_of(knobs: Knobs, mapped: str | None) -> tuple[str, ...] | None:
    """The plugins to ask about a token; ``None`` where none is to be asked.

    Args:
        knobs: The configuration.
        mapped: What the map file has for the token's bearer.
    """
    listed = tuple(split_words(knobs.text(_NAMES) or ""))
    if mapped is None:
        return listed if listed and not knobs.text("CERTIFICATE_MAPFILE") else None
    if not is_plugin_mapping(mapped):
        return None
    named = mapped.removeprefix(_PREFIX)
    if named == "*":
        return listed
    return tuple(each.strip() for each in named.split(",") if each.strip())


def run_plugins(
    knobs: Knobs, host: HostFacts, names: tuple[str, ...], token: SciToken
) -> Handshake[str]:
    """Ask plugins who bears a token; empty where all have declined.

    Args:
        knobs: The configuration.
        host: Who we are; plugins never run as root.
        names: The plugins, in order.
        token: A token that is proved.

    Raises:
        TokenRefused: A plugin could not be asked, or failed.
    """
    for name in names:
        if _NAME.fullmatch(name) is None:
            raise TokenRefused(f"{name!r} is no name of a plugin")
        knob = f"SEC_SCITOKENS_PLUGIN_{name}_COMMAND"
        command = split_arguments(knobs.text(knob) or "")
        if not command:
            raise TokenRefused(f"{knob} names no program")
        result = yield from run_program(
            RunProgram(
                command,
                plugin_environment(token),
                decode_token_part(token.text.split(".")[1]).encode(),
                PLUGIN_TIMEOUT_SECONDS,
                host.condor_user,
            )
        )
        if result is None:
            raise TokenRefused(f"the plugin {name} did not run to its end")
        if result.exit_code == _DECLINED:
            continue
        if result.exit_code != _ACCEPTED:
            raise TokenRefused(f"the plugin {name} ended with {result.exit_code}")
        mapping = knobs.text(f"SEC_SCITOKENS_PLUGIN_{name}_MAPPING")
        found = split_words(mapping or result.output)
        if not found:
            raise TokenRefused(f"the plugin {name} named nobody")
        return found[0]
    return ""


def plugin_environment(token: SciToken) -> dict[str, str]:
    """The claims of a token as the environment of a plugin."""
    return {
        f"BEARER_TOKEN_0_{name}": value
        for name, value in _claims(token)
        if "\0" not in value
    }


def _claims(token: SciToken) -> Iterator[tuple[str, str]]:
    yield "ISSUER", token.issuer
    yield "SUBJECT", token.subject
    for number, scope in enumerate(token.scopes):
        yield f"SCOPE_{number}", scope
    for name, value in token.claims.items():
        if _CLAIM.fullmatch(name) is None:
            continue
        values = value if isinstance(value, list) else [value]
        texts = [each for each in values if isinstance(each, str)]
        if name == "aud" and texts:
            yield "AUDIENCE", texts[0]
        for number, text in enumerate(texts):
            if name == "wlcg.groups":
                yield f"GROUP_{number}", text
            yield f"CLAIM_{name}_{number}", text


def split_arguments(text: str) -> tuple[str, ...]:
    """The words of a command: blanks separate them, single quotes hold them together.

    Within quotes two of them stand for one. Empty for a text that makes no sense.

    Source: ``src/condor_utils/condor_arglist.cpp: ArgList::AppendArgsV2Raw``.
    """
    if _WORD.sub("", text).strip():
        return ()
    return tuple(
        _QUOTED.sub(lambda found: found[1].replace("''", "'"), word)
        for word in _WORD.findall(text)
    )
