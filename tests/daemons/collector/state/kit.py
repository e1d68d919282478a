"""What the tests of the collector's state share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from condor_twisted.classad.literals import encode_text
from condor_twisted.classad.wire_ad import AdBuilder, AdValue, ExpressionText
from condor_twisted.constants.commands import Command
from condor_twisted.daemons.collector.state.collector_state import CollectorState
from condor_twisted.daemons.collector.state.removal import Invalidation, Sweep
from condor_twisted.daemons.collector.state.senders import Requester, Sender
from condor_twisted.daemons.collector.state.settings import CollectorSettings
from condor_twisted.daemons.collector.state.updates import Accepted
from condor_twisted.wire.messages import EncodedAd, MessageReader, MessageWriter

NOW = 1_800_000_000
RAW = Sender()
X = ExpressionText


@lru_cache(maxsize=1)
def vectors() -> dict[str, Any]:
    """What was recorded from real tools and daemons."""
    path = Path(__file__).parents[3] / "vectors" / "collector.json"
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def recorded(name: str) -> bytes:
    """The first recorded message with this name, command included."""
    for message in vectors()["messages"]:
        if message["name"] == name:
            return bytes.fromhex(message["payload"])
    raise LookupError(name)


def ad(
    values: Mapping[str, AdValue] | None = None,
    *,
    secrets: Mapping[str, AdValue] | None = None,
    lines: Iterable[bytes] = (),
) -> EncodedAd:
    """An ad of Python values and of lines as they are."""
    builder = AdBuilder()
    builder.update(values or {})
    for name, value in (secrets or {}).items():
        builder.set_secret(name, value)
    built = builder.build()
    body = built.body + b"".join(line + b"\0" for line in lines)
    count = body.count(0) + len(built.secret_lines)
    return EncodedAd(count, body, built.secret_lines)


def message(command: int, *ads: EncodedAd) -> bytes:
    """A message as it travels in the clear."""
    writer = MessageWriter()
    writer.put_int(command)
    for each in ads:
        writer.put_int(each.count)
        writer.put_bytes(each.body)
        for line in each.secret_lines:
            writer.put_string(b"ZKM")
            writer.put_secret(line)
        writer.put_string(b"")
        writer.put_string(b"")
    return writer.end_of_message()


class Pool:
    """A collector's state with short ways to talk to it."""

    def __init__(self, settings: CollectorSettings | None = None) -> None:
        self.dropped: list[bytes] = []
        self.now = float(NOW)
        self.state = CollectorState(
            settings or CollectorSettings(),
            self.now,
            report_line=lambda record, line: self.dropped.append(line),
        )

    def send(self, command: int, *ads: EncodedAd, sender: Sender = RAW) -> Accepted:
        """Send an update in the clear."""
        return self.state.receive_clear(
            command, message(command, *ads), 8, sender, self.now
        )

    def update(
        self, command: int, values: Mapping[str, AdValue], sender: Sender = RAW
    ) -> Accepted:
        """Send an update of one ad."""
        return self.send(command, ad(values), sender=sender)

    def ask(
        self,
        command: int,
        values: Mapping[str, AdValue] | None = None,
        requester: Requester | None = None,
        *,
        encrypted: bool = False,
    ) -> list[list[str]]:
        """The ads of a reply, each as its lines; secrets begin with ``ZKM``."""
        plan = self.state.plan_query(
            command, ad(values), requester or Requester(), self.now
        )
        reply = b"".join(plan.run(self.state.reply_form(encrypted)))
        return read_reply(reply, encrypted=encrypted)

    def names(
        self, command: int, values: Mapping[str, AdValue] | None = None
    ) -> list[str]:
        """The names of the ads in a reply, sorted."""
        return sorted(
            line.partition('"')[2].rstrip('"')
            for lines in self.ask(command, values)
            for line in lines
            if line.startswith("Name = ")
        )

    def invalidate(self, command: int, values: Mapping[str, AdValue]) -> Invalidation:
        """Carry an invalidation out, all steps of it."""
        done, steps = self.state.invalidate(command, ad(values), self.now)
        for _ in steps:
            pass
        return done

    def sweep(self, seconds: float = 0.0) -> list[str]:
        """Let time pass and sweep; the keys that went."""
        self.now += seconds
        sweep = Sweep()
        for _ in self.state.sweep(self.now, sweep):
            pass
        return [record.key for record in sweep.removed]


def read_reply(reply: bytes, *, encrypted: bool = False) -> list[list[str]]:
    """The ads of a reply, each as its lines; secrets begin with ``ZKM``."""
    reader = MessageReader(reply, encrypted=encrypted)
    ads: list[list[str]] = []
    while reader.get_int() == 1:
        read = reader.get_ad()
        lines = [*read.body.split(b"\0")[:-1]]
        lines += [b"ZKM" + line for line in read.secret_lines]
        ads.append([line.decode("utf-8", "surrogateescape") for line in lines])
    reader.end_of_message()
    return ads


def five_slots(pool: Pool) -> None:
    """The ads that the recorded tables speak of."""
    for number in range(1, 6):
        pool.send(
            Command.UPDATE_STARTD_AD,
            ad(
                {
                    "MyType": "Machine",
                    "Name": f"s{number}",
                    "MyAddress": f"<127.0.0.1:{9000 + number}>",
                    "HasStartDaemonAd": True,
                    "N": number,
                    "Other": 7,
                    "Ref": X("N + Other"),
                    "Str": "Abc",
                    "B": True,
                }
            ),
            ad({"MyType": "Machine"}, secrets={"ClaimId": f"claim{number}"}),
        )


def padding(count: int) -> dict[str, AdValue]:
    """So many attributes that nobody asks for."""
    return {f"Padding{number}": number for number in range(count)}


def values_of(lines: Iterable[str]) -> dict[str, str]:
    """Lines as a dictionary; the last of a name counts."""
    return dict(line.split(" = ", 1) for line in lines)


def text(value: str) -> bytes:
    """Wire bytes of a text."""
    return encode_text(value)
