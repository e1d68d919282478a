"""What is mutated: conversations recorded from HTCondor 25.14.1 (``tests/vectors``)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from fuzz.house import frame

__all__ = ["datagrams", "handshakes", "messages", "streams"]

_VECTORS = Path(__file__).parent.parent / "tests" / "vectors"


@cache
def _load(name: str) -> Any:
    return json.loads((_VECTORS / f"{name}.json").read_text())


@cache
def messages() -> dict[str, bytes]:
    """Payloads of commands that tools and daemons send, command number included."""
    found: dict[str, bytes] = {}
    for each in _load("collector")["messages"]:
        payload = bytes.fromhex(each["payload"])
        if payload:
            found.setdefault(each["name"], payload)
    return found


@cache
def streams() -> dict[str, bytes]:
    """What clients send on a connection, frames and all."""
    found = {name: frame(payload) for name, payload in messages().items()}
    for each in _load("cedar"):
        if each["direction"] in ("c2s", "encode", "decode"):
            found.setdefault(each["what"], bytes.fromhex(each["hex"]))
    return found


@cache
def handshakes() -> dict[str, tuple[bytes, ...]]:
    """The frames that clients send in negotiations, one after the other."""
    found: dict[str, tuple[bytes, ...]] = {}
    for path in sorted(_VECTORS.glob("security-*.json")):
        for number, connection in enumerate(_load(path.stem)["connections"]):
            frames = tuple(
                bytes.fromhex(packet["header"] + packet["payload"])
                for packet in connection["packets"]
                if packet["dir"] == "C>S" and "payload" in packet
            )
            if frames:
                found[f"{path.stem} {number}"] = frames
    return found


@cache
def datagrams() -> dict[str, bytes]:
    """Datagrams, whole messages and fragments."""
    found = {
        each["what"]: bytes.fromhex(each["hex"])
        for each in _load("cedar")
        if each["direction"] == "udp"
    }
    for number, each in enumerate(_load("security-udp")["datagrams"]):
        found[f"security-udp {number}"] = bytes.fromhex(each["datagram"])
    for name, payload in messages().items():
        if len(payload) < 60_000:
            found[f"short: {name}"] = payload
    return found
