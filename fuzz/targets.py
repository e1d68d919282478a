"""What is fuzzed: each target makes one input from chance and gives it to a house."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any, ClassVar, Final

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.python.failure import Failure

from condor_twisted.config.settings import Settings
from condor_twisted.constants import attributes
from condor_twisted.constants.commands import Command
from condor_twisted.daemons.collector.state import kinds
from condor_twisted.daemons.collector.state.collector_state import CollectorState
from condor_twisted.daemons.collector.state.senders import Requester, Sender
from condor_twisted.daemons.collector.state.settings import CollectorSettings
from condor_twisted.errors import CondorTwistedError, RemoteProtocolError, SecurityError
from condor_twisted.protocols.commands import CommandOpener
from condor_twisted.protocols.host_steps import Host
from condor_twisted.protocols.requests import CommandRequest
from condor_twisted.security.commands import DC_SEC_QUERY, CommandRules
from condor_twisted.security.context import SecurityState
from condor_twisted.security.credentials import Credentials
from condor_twisted.security.explanation import explain_client, read_explanation
from condor_twisted.security.facts import HostFacts
from condor_twisted.security.negotiation import CommandStart, NegotiationRecord
from condor_twisted.security.peer import Peer, Transport
from condor_twisted.security.tokens.token import SigningKey
from condor_twisted.testing.reactor import blocking_at_once
from condor_twisted.wire.ciphers import CfbCipher
from condor_twisted.wire.messages import EncodedAd, MessageWriter
from fuzz import seeds
from fuzz.house import OPEN, SECURE, House, ad_bytes, command_bytes, frame
from fuzz.mutations import expression, mutate

__all__ = ["TARGETS", "Target"]

_NOW_UNIX: Final = 1_800_000_000.0
_NAMES: Final = ("kept1", "kept2", "kept3")


class Target:
    """One way in.

    Args:
        chance: What decides.
    """

    name: ClassVar[str]
    knobs: ClassVar[dict[str, str]] = OPEN

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.house = House(self.knobs, chance.choice((None, None, 7, 1000)))
        self.keep()

    def keep(self) -> None:
        """Store what no input may take away."""

    def make(self) -> bytes:
        """An input."""
        raise NotImplementedError

    def give(self, data: bytes) -> None:
        """Give the house an input."""
        raise NotImplementedError

    def kept(self) -> tuple[str, ...]:
        """The ads that must still be there."""
        return ()


class Streams(Target):
    """Mutated frames of tools and daemons."""

    name = "streams"

    def make(self) -> bytes:
        """A recorded message, changed."""
        known = list(seeds.streams().values())
        data = self.chance.choice(known)
        if self.chance.random() < 0.2:
            data += self.chance.choice(known)
        return mutate(self.chance, data, known)

    def give(self, data: bytes) -> None:
        """One connection."""
        self.house.stream(data, aborts=self.chance.random() < 0.2)


class Datagrams(Target):
    """Mutated datagrams, and fragments out of order."""

    name = "datagrams"

    def make(self) -> bytes:
        """A recorded datagram, changed or not."""
        known = list(seeds.datagrams().values())
        data = self.chance.choice(known)
        return data if self.chance.random() < 0.1 else mutate(self.chance, data, known)

    def give(self, data: bytes) -> None:
        """One datagram."""
        self.house.datagram(data, f"198.51.100.{self.chance.randrange(1, 255)}")


class Ads(Target):
    """Updates with mutated ads; nothing stored before may go."""

    name = "ads"

    def keep(self) -> None:
        """Three ads that no update here names."""
        for name in _NAMES:
            self.house.advertise(name, b"N = 1")

    def kept(self) -> tuple[str, ...]:
        """The three."""
        return _NAMES

    def make(self) -> bytes:
        """An update: an ad of a daemon with changed lines."""
        chance = self.chance
        updates = [
            payload
            for name, payload in seeds.messages().items()
            if name.startswith(("daemon:", "condor_advertise"))
            and "inval" not in name
            and payload[:8] != (0).to_bytes(8, "big")
        ]
        payload = chance.choice(updates)
        number = int.from_bytes(payload[:8], "big")
        if b"inval" in payload.lower() or number not in _UPDATES:
            number = Command.UPDATE_AD_GENERIC
        lines = payload[16:].rstrip(b"\0").split(b"\0")
        lines = chance.sample(lines, chance.randrange(1, len(lines) + 1))
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(lines))
            if chance.random() < 0.5:
                lines[at] = mutate(chance, lines[at], lines).replace(b"\0", b"")
            else:
                name = chance.choice((b"Name", b"N", b"Start", b"MyType", b"Zork"))
                lines[at] = name + b" = " + expression(chance).encode()
        count = None if chance.random() < 0.9 else chance.randrange(-3, 300)
        return frame(command_bytes(number, ad_bytes(lines, count)))

    def give(self, data: bytes) -> None:
        """Store, then look at everything."""
        self.house.stream(data)
        if self.chance.random() < 0.05:
            self.house.ask(number=Command.QUERY_ANY_ADS)


class TwoWays(Target):
    """Updates of a slot, taken quickly and read in full: there is no difference.

    An input's first byte says whether it came encrypted.
    """

    name = "two-ways"

    def keep(self) -> None:
        """Two states that know a slot well; one reads every line of it."""
        self.states = [
            CollectorState(CollectorSettings(requirements=requirements), _NOW_UNIX)
            for requirements in (None, "true")
        ]
        self.known = [
            self._update(number, encrypted)
            for encrypted in (False, True)
            for number in range(1, 10)
        ]
        for data in self.known:
            self.give(data)

    def _update(self, number: int, encrypted: bool) -> bytes:
        """An update of the slot as its startd sends it."""
        writer = MessageWriter(encrypted)
        writer.put_char(encrypted)
        writer.put_int(Command.UPDATE_STARTD_AD)
        body = b'MyType = "Machine"\0MyAddress = "<10.0.0.1:9618>"\0'
        sequence = b"UpdateSequenceNumber = %d\0" % number
        writer.put_ad(
            b'Name = "slot1@a"\0%bDaemonStartTime = 100\0HasStartDaemonAd = true\0%b'
            b"LoadAvg = 0.%d\0Memory = 2048\0Minute = %d\0"
            % (body, sequence, number, number * 7)
        )
        writer.put_ad(body + sequence, [b'ClaimId = "c"'])
        return writer.end_of_message()

    def make(self) -> bytes:
        """An update, changed."""
        chance = self.chance
        number = chance.randrange(10 ** chance.randrange(1, 7))
        data = self._update(number, chance.random() < 0.7)
        return data if chance.random() < 0.3 else mutate(chance, data, self.known)

    def give(self, data: bytes) -> None:
        """One message to both, and what they say of it."""
        said = [self._said(state, data) for state in self.states]
        if said[0] != said[1]:
            parts = [(a, b) for a, b in zip(*said, strict=False) if a != b]
            self.house.faults.append(f"two ways differ: {parts}"[:20_000])

    def _said(self, state: CollectorState, data: bytes) -> list[object]:
        said: list[object] = []
        try:
            receive = (
                state.receive_prefixed if data[:1] > b"\0" else state.receive_clear
            )
            receive(0, data, 9, Sender(), _NOW_UNIX)
        except RemoteProtocolError as error:
            said.append(type(error))
        for encrypted in (True, False):
            plan = state.plan_query(
                Command.QUERY_ANY_ADS, EncodedAd(0, b""), Requester(), _NOW_UNIX
            )
            said.append(b"".join(plan.run(state.reply_form(encrypted))))
        said += [
            (key, record.text(), record.private_lines)
            for key, record in state.store.table(kinds.SLOT_PRIVATE).records.items()
        ]
        return said


class Queries(Target):
    """Queries with constraints and projections of all kinds."""

    name = "queries"

    def keep(self) -> None:
        """Ads to be selected."""
        for name in _NAMES:
            self.house.advertise(
                name, b"N = 5", b'S = "a"', b"E = N + Zork", b"R = R + 1", b"X = 1e999"
            )

    def kept(self) -> tuple[str, ...]:
        """What queries never take away."""
        return _NAMES

    def make(self) -> bytes:
        """A query."""
        chance = self.chance
        lines = [b"Requirements = " + expression(chance).encode()]
        if chance.random() < 0.4:
            text = chance.choice(('"Name N"', '"E R X"', expression(chance)))
            lines.append(b"Projection = " + text.encode())
        if chance.random() < 0.2:
            lines.append(b"LimitResults = %d" % chance.randrange(-5, 5))
        if chance.random() < 0.2:
            lines.append(b"SendPrivateAttributes = true")
        number = chance.choice((Command.QUERY_MASTER_ADS, Command.QUERY_ANY_ADS))
        if chance.random() < 0.2:
            number = Command.QUERY_MULTIPLE_ADS
            lines.append(b'TargetType = "DaemonMaster,Zork,Machine"')
            lines.append(b"ZorkRequirements = " + expression(chance).encode())
        data = frame(command_bytes(number, ad_bytes(lines)))
        return mutate(chance, data, [data]) if chance.random() < 0.2 else data

    def give(self, data: bytes) -> None:
        """Ask; workers die at once."""
        self.house.stream(data)
        for process in self.house.reactor.processes:
            if not process.ended:
                process.exit(status=1, signal=9)
        self.house.reactor.processes.clear()
        self.house.reactor.flush()


class Handshakes(Target):
    """Recorded negotiations, changed, against a server that demands everything."""

    name = "handshakes"
    knobs = SECURE

    def make(self) -> bytes:
        """The frames of a client, one of them changed."""
        frames = list(self.chance.choice(list(seeds.handshakes().values())))
        at = self.chance.randrange(len(frames))
        frames[at] = mutate(self.chance, frames[at], frames)
        return b"".join(frames)

    def give(self, data: bytes) -> None:
        """One connection."""
        self.house.stream(data, aborts=self.chance.random() < 0.3)


class Tampering(Target):
    """A live client, with somebody in between who changes what one of them says."""

    name = "tampering"
    knobs = SECURE

    def make(self) -> bytes:
        """A plan: method, direction, which write, and how to change it."""
        return bytes(self.chance.randrange(256) for _ in range(12))

    def give(self, data: bytes) -> None:
        """One negotiation and its query; every other one asks for reasons instead."""
        method = ("FS", "CLAIMTOBE", "ANONYMOUS")[data[0] % 3]
        reactor: Any = self.house.reactor
        security = SecurityState(
            Settings.from_assignments(
                {**SECURE, "SEC_DEFAULT_AUTHENTICATION_METHODS": method}, "TOOL"
            ),
            CommandRules(),
            HostFacts("host.example", 4711, "alice", "condor"),
            random_bytes=self.chance.randbytes,
            now=reactor.seconds,
            unix_time=lambda: 1_700_000_000,
        )
        opener = CommandOpener(reactor, security, Host(reactor, blocking_at_once))
        command, record = Command.QUERY_MASTER_ADS, NegotiationRecord()
        start = CommandStart(command, record=record)
        if data[7] % 2:
            start = CommandStart(DC_SEC_QUERY, command, explain=True, record=record)
        opened = opener.open(str(self.house.collector.address), command, start=start)
        opened.addErrback(_documented)
        reactor.advance(0)
        ends = list(self.house.transports)
        if ends:
            _tamper(ends[data[1] % len(ends)], data)
        reactor.flush()
        for _ in range(30):
            reactor.advance(5)
            reactor.flush()
        opener.close()
        reactor.flush()
        explain_client(security, record)
        if record.verdict is not None:
            read_explanation(record.verdict)


def _documented(failure: Failure) -> None:
    """Let an error of a client pass that callers are told to expect."""
    failure.trap(CondorTwistedError, ConnectError, ConnectionClosed)


def _tamper(transport: Any, plan: bytes) -> None:
    """Change one of the writes of a transport."""
    write = transport.write
    written = 0

    def changed(data: bytes) -> None:
        nonlocal written
        written += 1
        if written == 1 + plan[2] % 6:
            data = mutate(random.Random(plan), bytes(data), [bytes(data)])
        write(data)

    transport.write = changed


class _Answers:
    """A channel that drops what is answered."""

    encrypted = False
    secrets: CfbCipher | None = None
    is_open = True

    def send_message(self, payload: bytes) -> None:
        """Drop it."""

    def send_parts(self, parts: Iterable[bytes]) -> Deferred[None]:
        """Nobody answers in parts here."""
        raise AssertionError("an answer in parts")


class Tokens(Target):
    """Token commands of peers who have proved who they are, with ads of all kinds."""

    name = "tokens"

    def keep(self) -> None:
        """Give the collector a key to sign with."""
        security = self.house.collector.security
        assert security is not None, "the collector runs"
        key = SigningKey("POOL", bytes(32))
        security.credentials = Credentials(signing_keys={key.name: key})
        security.trust_domain = "example"

    def make(self) -> bytes:
        """Who asks, and a command with an ad of what such ads have, and more."""
        chance = self.chance
        values = (
            b'"0000001"',
            b'"condor@example"',
            b'"host-%d"' % chance.randrange(300),
            b'"ADVERTISE_STARTD"',
            b'"198.51.100.0/24"',
            b"%d" % chance.choice((-1, 0, 60, 2**31, 2**63 - 1)),
            b'"%s"' % (b"x" * chance.choice((0, 300, 2000))),
            expression(chance).encode(),
        )
        lines = [
            name + b" = " + chance.choice(values).replace(b"\0", b"")
            for name in chance.sample(_TOKEN_NAMES, chance.randrange(len(_TOKEN_NAMES)))
        ]
        number = chance.choice(_TOKEN_COMMANDS)
        payload = command_bytes(number, ad_bytes(lines))
        if chance.random() < 0.2:
            payload = payload[:8] + mutate(chance, payload[8:], [payload])
        return bytes((chance.randrange(4),)) + payload

    def give(self, data: bytes) -> None:
        """One command, as if a session had brought it."""
        registration = self.house.collector.table.find(
            int.from_bytes(data[1:9], "big", signed=True)
        )
        assert registration is not None, "every daemon has the token commands"
        user = f"{('condor', 'alice', 'bob', 'root')[data[0] % 4]}@example"
        peer = Peer(
            f"198.51.100.{data[0]}", 7, Transport.TCP, user, "FS", encrypted=True
        )
        request = CommandRequest(
            registration.rule.number,
            data[1:],
            8,
            False,
            peer,
            _Answers(),
            None,
            lambda permission, peer: peer.user.startswith("condor@"),
        )
        outcome = maybeDeferred(registration.handler, request)
        outcome.addErrback(
            lambda f: f.trap(RemoteProtocolError, SecurityError) and None
        )
        outcome.addErrback(
            lambda failure: self.house.faults.append(failure.getTraceback())
        )
        self.house.reactor.advance(self.chance.choice((0, 0.1, 100)))
        self.house.reactor.flush()


_TOKEN_COMMANDS: Final = tuple(
    number
    for number in Command
    if "TOKEN" in number.name and number.name.startswith("DC_")
)
_TOKEN_NAMES: Final = tuple(
    name.encode()
    for name in (
        attributes.CLIENT_ID,
        attributes.REQUEST_ID,
        attributes.USER,
        attributes.LIMIT_AUTHORIZATION,
        attributes.TOKEN_LIFETIME,
        attributes.REQUESTED_KEY,
        attributes.SUBNET,
        attributes.LIFETIME,
        attributes.TOKEN,
    )
)
_UPDATES: Final = frozenset(
    int(number)
    for number in (
        Command.UPDATE_STARTD_AD_WITH_ACK,
        Command.UPDATE_SCHEDD_AD,
        Command.UPDATE_SUBMITTOR_AD,
        Command.UPDATE_AD_GENERIC,
        Command.UPDATE_NEGOTIATOR_AD,
        Command.UPDATE_ACCOUNTING_AD,
    )
)

TARGETS: Final[tuple[type[Target], ...]] = (
    Streams, Datagrams, Ads, TwoWays, Queries, Handshakes, Tampering, Tokens,
)  # fmt: skip
