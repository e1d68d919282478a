r"""Realistic ads to advertise: what real daemons send, and what makes trouble.

The templates are ads of real daemons (25.14) without the attributes that a collector
stamps, their names and times replaced. Each generated ad takes one, gives it an
identity and, where asked, adds attributes with everything that a codec could damage.

An `Ad` maps attribute names to expression text in old ClassAd syntax, the syntax of the
wire and of ``condor_status -long``. Texts are in the printers' own form, so that an ad
reads back equal character by character.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

__all__ = [
    "TROUBLESOME",
    "Ad",
    "accounting_ad",
    "generic_ad",
    "invalidation_ad",
    "master_ad",
    "negotiator_ad",
    "render_ads",
    "schedd_ad",
    "slot_ad",
    "startd_ad",
    "string",
    "submitter_ad",
]

Ad = dict[str, str]

TROUBLESOME: Mapping[str, str] = {
    "InteropBackslashes": r'"C:\Users\condor\new\table\0"',
    "InteropQuotes": r'"say \"hi\" to \"all\", {[(;,=)]}"',
    "InteropUnicode": '"Grüße, 世界, ☃, 🜨"',
    "InteropControl": '"tab\tbell\x07end"',
    "InteropEmpty": '""',
    "InteropLong": '"' + "0123456789abcdef" * 150 + '"',
    "InteropList": '{ 1,2.5,"three",{ "four",{  } },undefined,error,true }',
    "InteropAd": '[ Inner = [ Text = "x;y]"; Numbers = { 1,2 } ]; Flag = false ]',
    "InteropAdList": '{ [ Name = "a"; Size = 1 ],[ Name = "b"; Size = 2 ] }',
    "InteropUndefined": "undefined",
    "InteropError": "error",
    "InteropNegative": "-3",
    "InteropBiggest": "9223372036854775807",
    "InteropSmallest": "-9223372036854775807",
    "InteropTiny": "1.5E-10",
    "InteropHuge": "1.0E+300",
    "InteropPrecise": "0.1234567890123457",
    "InteropExpression": (
        'ifThenElse(TARGET.Memory > 1024 && regexp("^slot[0-9]+@",Name),'
        "Memory / 2,undefined)"
    ),
    "InteropOperators": (
        '(Cpus * 2 - 1) % 3 >= 1 || !(State =?= "Claimed") && Arch =!= undefined'
    ),
    "InteropTernary": '(Memory ?: 0) > 10 ? split("a,b",",")[0] : MY.Name',
}


def string(text: str) -> str:
    """Give the literal of a string that has neither backslash nor quote in it."""
    assert not set(text) & set('\\"'), "quoting is the ads' own matter"
    return f'"{text}"'


def slot_ad(
    machine: str, slot: str = "slot1", port: int = 4001, **overrides: str
) -> Ad:
    """Make the ad of one slot.

    Args:
        machine: The host's full name.
        slot: The slot's name without the host.
        port: The startd's port, in its address.
        **overrides: Expression texts in place of the template's.

    Returns:
        The ad, about 200 attributes and 9 kB with `TROUBLESOME`, 6 kB without.
    """
    number = slot.removeprefix("slot").partition("_")[0]
    return (
        _made(
            "slot",
            machine,
            port,
            {"Name": string(f"{slot}@{machine}"), "SlotID": number},
        )
        | overrides
    )


def startd_ad(machine: str, port: int = 4001) -> Ad:
    """Make the ad of a machine as a whole, MyType ``StartD``."""
    return _made("startd", machine, port, {"Name": string(machine)})


def schedd_ad(machine: str, port: int = 4002, **overrides: str) -> Ad:
    """Make the ad of a schedd."""
    return _made("schedd", machine, port, {"Name": string(machine)}) | overrides


def master_ad(machine: str, port: int = 4003) -> Ad:
    """Make the ad of a master."""
    return _made("master", machine, port, {"Name": string(machine)})


def submitter_ad(user: str, schedd: str, port: int = 4002, **overrides: str) -> Ad:
    """Make the ad of one user's queue at one schedd."""
    identity = {"Name": string(user), "ScheddName": string(schedd)}
    return _made("submitter", schedd, port, identity) | overrides


def negotiator_ad(machine: str, port: int = 4004) -> Ad:
    """Make the ad of a negotiator."""
    return _made("negotiator", machine, port, {"Name": string(machine)})


def accounting_ad(user: str, negotiator: str) -> Ad:
    """Make one user's accounting ad, as a negotiator sends them."""
    identity = {"Name": string(user), "NegotiatorName": string(negotiator)}
    return _made("accounting", negotiator, 4004, identity)


def generic_ad(my_type: str, name: str, **attributes: str) -> Ad:
    """Make an ad of a type that the collector does not know."""
    return {
        "MyType": string(my_type),
        "Name": string(name),
        "MyAddress": string("<127.0.0.1:4009>"),
        **attributes,
    }


def invalidation_ad(target_type: str, requirements: str, **attributes: str) -> Ad:
    """Make the ad that takes ads out of a collector."""
    return {
        "MyType": string("Query"),
        "TargetType": string(target_type),
        "Requirements": requirements,
        **attributes,
    }


def render_ads(ads: Iterable[Ad]) -> str:
    """Write ads as ``condor_advertise`` reads them: blank lines between ads."""
    return "\n".join(
        "".join(f"{name} = {text}\n" for name, text in ad.items()) for ad in ads
    )


@cache
def _template(name: str) -> str:
    path = Path(__file__).with_name("templates") / f"{name}.ad"
    return path.read_text(encoding="utf-8")


def _made(template: str, machine: str, port: int, identity: Mapping[str, str]) -> Ad:
    text = (
        _template(template).replace("@MACHINE@", machine).replace("@PORT@", str(port))
    )
    ad = dict(line.split(" = ", 1) for line in text.splitlines())
    return {**ad, **identity}
