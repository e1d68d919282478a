"""What the security tests share: knobs, hosts, pairs of handshakes, replays."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import (
    CondorTwistedError,
    NoMethodSucceeded,
    PeerClosed,
)
from condor_twisted.security.commands import CommandRule, CommandRules
from condor_twisted.security.context import HandshakeContext, SecurityState
from condor_twisted.security.credentials import find_tokens
from condor_twisted.security.facts import ChannelEnds, HostFacts
from condor_twisted.security.handshake.key_exchange import make_private_key
from condor_twisted.security.host_requests import (
    ConfirmServer,
    ProgramResult,
    ReadKnownHost,
    RecordKnownHost,
    RunProgram,
)
from condor_twisted.security.sspi import (
    AdvanceSspi,
    OpenSspi,
    SspiExchange,
    SspiProblem,
)
from condor_twisted.security.steps import (
    DecodeMunge,
    EnableProtection,
    EncodeMunge,
    EvaluateCondition,
    FetchIssuerKeys,
    FindBearerToken,
    Handshake,
    LimitTime,
    LookupHost,
    LookupUser,
    MakeDirectory,
    MakeTemporaryName,
    OpenTls,
    PathKind,
    PathStatus,
    ReadTokens,
    ReceiveMessage,
    RemoveDirectory,
    SendMessage,
    StatPath,
    Step,
)
from condor_twisted.security.tickets import (
    AcceptedTicket,
    AcceptTicket,
    RequestTicket,
    TicketExchange,
    TicketProblem,
)
from condor_twisted.security.tls.known_hosts import find_known_host, format_known_host
from condor_twisted.security.tls.settings import TlsSettings

T = TypeVar("T")
U = TypeVar("U")


#: The knobs of the recorded pools, besides what each conversation names.
POOL_KNOBS = {
    "UID_DOMAIN": "test.domain",
    "TRUST_DOMAIN": "test.pool",
    "ALLOW_READ": "*",
    "ALLOW_WRITE": "*",
    "ALLOW_DAEMON": "*",
    "ALLOW_ADMINISTRATOR": "*",
    "ALLOW_NEGOTIATOR": "*",
    "ALLOW_CLIENT": "*",
}


class DictKnobs:
    """A configuration out of a dict."""

    def __init__(
        self, values: Mapping[str, str] | None = None, subsystem: str = "COLLECTOR"
    ) -> None:
        self.values = {name.upper(): text for name, text in (values or {}).items()}
        self.subsystem = subsystem

    def text(self, name: str) -> str | None:
        """The value, or nothing."""
        return self.values.get(name.upper())

    def spelling_of(self, name: str) -> str | None:
        """The name, where it has a value."""
        return name if self.text(name) else None

    def source_of(self, name: str) -> str | None:
        """One place for all."""
        return "<knobs>" if self.text(name) else None

    def integer(self, name: str, default: int) -> int:
        """The value as an integer."""
        value = self.text(name)
        return default if value is None else int(value)

    def boolean(self, name: str, default: bool) -> bool:
        """The value as a truth value."""
        value = self.text(name)
        return default if value is None else value.lower() in ("true", "yes", "1", "t")


@dataclass
class FakeFiles:
    """Files out of dicts.

    Args:
        secrets: Secret files that are ours alone.
        texts: Files that anybody may read.
        unlistable: Directories that cannot be listed.
    """

    secrets: dict[str, bytes] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    unlistable: tuple[str, ...] = ()
    read: list[str] = field(default_factory=list)

    def read_text(self, path: str) -> str | None:
        """A text."""
        return self.texts.get(path)

    def directory_files(self, path: str, exclude: str) -> tuple[str, ...] | None:
        """The paths below a directory."""
        found = tuple(
            each for each in sorted(self.texts) if each.startswith(f"{path}/")
        )
        return found or None

    def read_secret(self, path: str) -> bytes | None:
        """A secret."""
        self.read.append(path)
        return self.secrets.get(path)

    def secret_names(self, directory: str, exclude: str) -> tuple[str, ...] | None:
        """The names below a directory."""
        if directory in self.unlistable:
            return None
        return tuple(
            name
            for path in sorted(self.secrets)
            for parent, _, name in (path.rpartition("/"),)
            if parent == directory.rstrip("/")
            and not (exclude and re.search(exclude, name))
        )

    def is_readable(self, path: str) -> bool:
        """Whether there is such a file."""
        return path in self.secrets or path in self.texts


@dataclass(frozen=True)
class FakeTicket:
    """A ticket for a server, which takes one reply as its proof."""

    request: bytes = b"the client's request"
    reply: bytes = b"the server's reply"
    server: str = "host/localhost@TEST.REALM"
    closed: list[bool] = field(default_factory=list)

    def check_reply(self, reply: bytes) -> TicketProblem | None:
        """Why this reply proves nothing."""
        assert not self.closed, "a ticket that was given back"
        return None if reply == self.reply else TicketProblem("Decrypt check failed")

    def close(self) -> None:
        """Be given back."""
        self.closed.append(True)


@dataclass
class FakeHost:
    """A host that answers the steps of a handshake out of dicts."""

    directories: dict[str, PathStatus] = field(default_factory=dict)
    users: dict[int, str] = field(
        default_factory=lambda: {33: "www-data", 64: "condor", 0: "root"}
    )
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    uid: int = 33
    temporary_random: str = "XXXabc123"
    can_name: bool = True
    files: FakeFiles = field(default_factory=FakeFiles)
    tls: Callable[[TlsSettings], Any] = lambda settings: None
    values: dict[bytes, object] = field(default_factory=dict)
    munge: dict[str, int] = field(default_factory=dict)
    ticket: TicketExchange | TicketProblem | None = None
    accepted: dict[bytes, AcceptedTicket] = field(default_factory=dict)
    sspi: SspiExchange | SspiProblem | None = None
    bearer_token: str | None = None
    issuer_keys: dict[str, str] = field(default_factory=dict)
    known_hosts: str = ""
    can_record: bool = True
    confirms: bool = False
    programs: dict[str, ProgramResult] = field(default_factory=dict)
    asked: list[Step] = field(default_factory=list)
    made: list[str] = field(default_factory=list)

    def perform(self, step: Step) -> Any:
        """Answer one step."""
        self.asked.append(step)
        if isinstance(step, MakeTemporaryName):
            if not self.can_name:
                return None
            return f"{step.directory}/{step.prefix}{self.temporary_random}_"
        if isinstance(step, MakeDirectory):
            if step.path in self.directories:
                return False
            self.directories[step.path] = PathStatus(
                PathKind.DIRECTORY, step.mode, 2, self.uid, 0
            )
            self.made.append(step.path)
            return True
        if isinstance(step, RemoveDirectory):
            self.directories.pop(step.path, None)
            return None
        if isinstance(step, StatPath):
            return self.directories.get(step.path)
        if isinstance(step, LookupUser):
            return self.users.get(step.uid)
        if isinstance(step, LookupHost):
            return self.names.get(step.address, ())
        if isinstance(step, ReadTokens):
            return find_tokens(step, self.files)
        if isinstance(step, OpenTls):
            return self.tls(step.settings)
        if isinstance(step, EvaluateCondition):
            return self.values.get(step.text)
        if isinstance(step, FindBearerToken):
            return self.bearer_token
        if isinstance(step, FetchIssuerKeys):
            return self.issuer_keys.get(step.issuer)
        if isinstance(step, ReadKnownHost):
            return find_known_host(self.known_hosts, step.host)
        if isinstance(step, RecordKnownHost):
            return self.record(step)
        if isinstance(step, ConfirmServer):
            return self.confirms
        if isinstance(step, RunProgram):
            return self.programs.get(step.command[0])
        if isinstance(step, EncodeMunge):
            return next(iter(self.munge), None)
        if isinstance(step, DecodeMunge):
            return self.munge.get(step.credential)
        if isinstance(step, RequestTicket):
            return self.ticket
        if isinstance(step, AcceptTicket):
            problem = TicketProblem("Wrong principal in request")
            return self.accepted.get(step.request, problem)
        if isinstance(step, OpenSspi):
            return self.sspi
        if isinstance(step, AdvanceSspi):
            return step.exchange.advance(step.token)
        raise AssertionError(f"no host answers {step}")

    def record(self, step: RecordKnownHost) -> bool:
        """Append to the known hosts."""
        line = format_known_host(step.known)
        if self.can_record and line not in self.known_hosts.splitlines():
            self.known_hosts += line + "\n"
        return self.can_record


def read_rules() -> CommandRules:
    """Rules of a small daemon: one command of every kind."""
    rules = CommandRules()
    rules.add(CommandRule(5, Permission.READ, name="QUERY_STARTD_ADS"))
    rules.add(CommandRule(6, Permission.READ))
    rules.add(CommandRule(10, Permission.NEGOTIATOR))
    rules.add(CommandRule(0, Permission.ADVERTISE_STARTD, udp=True))
    rules.add(CommandRule(58, Permission.DAEMON, udp=True))
    rules.add(CommandRule(60021, Permission.WRITE))
    rules.add(CommandRule(60052, Permission.WRITE, force_authentication=True))
    rules.add(CommandRule(60005, Permission.ADMINISTRATOR, has_payload=False))
    rules.add(CommandRule(60011, Permission.ALLOW, has_payload=False, udp=True))
    rules.add(CommandRule(60047, Permission.DAEMON, alternates=(Permission.ALLOW,)))
    return rules


class Clock:
    """Two clocks that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> float:
        """The clock that never jumps."""
        return self.seconds

    def unix_time(self) -> int:
        """The wall clock."""
        return 1_700_000_000 + int(self.seconds)


def counting_random() -> Callable[[int], bytes]:
    """Bytes that differ at each call, and are the same in each run."""
    count = 0

    def random_bytes(length: int) -> bytes:
        nonlocal count
        count += 1
        return (count.to_bytes(4, "big") * length)[:length]

    return random_bytes


def make_state(
    knobs: Mapping[str, str] | None = None,
    *,
    subsystem: str = "COLLECTOR",
    rules: CommandRules | None = None,
    clock: Clock | None = None,
    own_user: str | None = "alice",
    make_key: Callable[[], Any] = make_private_key,
    identity_map: Callable[[str, str], str | None] | None = None,
    files: FakeFiles | None = None,
    **facts: Any,
) -> SecurityState:
    """A security state with the knobs of the recorded pool and these."""
    clock = clock or Clock()
    host = HostFacts(
        facts.pop("host_name", "host.test.domain"),
        facts.pop("process_id", 4711),
        own_user,
        **facts,
    )
    return SecurityState(
        DictKnobs({**POOL_KNOBS, **(knobs or {})}, subsystem),
        read_rules() if rules is None else rules,
        host,
        random_bytes=counting_random(),
        now=clock.now,
        unix_time=clock.unix_time,
        make_key=make_key,
        identity_map=identity_map,
        files=files or FakeFiles(),
    )


SERVER_ENDS = ChannelEnds("127.0.0.1", 9618, "127.0.0.1", 40000)
CLIENT_ENDS = ChannelEnds(
    "127.0.0.1", 40000, "127.0.0.1", 9618, dialled="<127.0.0.1:9618>"
)


def server_context(
    state: SecurityState, address: str | None = None
) -> HandshakeContext:
    """A server's end of a connection, from this client address."""
    if address is None:
        return HandshakeContext(state, SERVER_ENDS)
    return HandshakeContext(state, ChannelEnds("10.0.0.1", 9618, address, 40000))


def client_context(state: SecurityState) -> HandshakeContext:
    """The client's end of the same connection."""
    return HandshakeContext(state, CLIENT_ENDS)


class Side(Generic[T]):
    """One handshake under way: its messages, its protection, its outcome."""

    def __init__(self, handshake: Handshake[T], host: FakeHost | None = None) -> None:
        self.handshake = handshake
        self.host = host or FakeHost()
        self.sent: list[bytes] = []
        self.limits: list[LimitTime] = []
        self.received = 0
        self.inbox: deque[bytes] = deque()
        self.protection: EnableProtection | None = None
        self.sent_in_clear = 0
        self.value: T | None = None
        self.error: CondorTwistedError | None = None
        self.done = False
        self._waiting = False
        self._resume(None)

    def _resume(self, answer: Any) -> None:
        """Perform steps until a message is missing, or the handshake ends."""
        try:
            step = self.handshake.send(answer)
            while True:
                if isinstance(step, ReceiveMessage):
                    if not self.inbox:
                        self._waiting = True
                        return
                    self.received += 1
                    step = self.handshake.send(self.inbox.popleft())
                elif isinstance(step, SendMessage):
                    self.sent.append(step.payload)
                    step = self.handshake.send(None)
                elif isinstance(step, EnableProtection):
                    self.protection = step
                    self.sent_in_clear = len(self.sent)
                    step = self.handshake.send(None)
                elif isinstance(step, LimitTime):
                    self.limits.append(step)
                    step = self.handshake.send(None)
                else:
                    step = self.handshake.send(self.host.perform(step))
        except StopIteration as end:
            self.done, self.value = True, end.value
        except CondorTwistedError as error:
            self.done, self.error = True, error

    def message_received(self, payload: bytes) -> None:
        """Give the handshake a message."""
        self.inbox.append(payload)
        if self._waiting and not self.done:
            self._waiting = False
            self.received += 1
            self._resume(self.inbox.popleft())

    def peer_closed(self) -> None:
        """Tell the handshake that the other side is gone."""
        if self.done:
            return
        try:
            self.handshake.throw(PeerClosed("the peer went away"))
        except (PeerClosed, NoMethodSucceeded) as error:
            self.done, self.error = True, error

    def outcome(self) -> T:
        """The value, which must be there."""
        if self.error is not None:
            raise self.error
        assert self.done, "the handshake is not done"
        assert self.value is not None
        return self.value


def run_pair(
    client: Side[T],
    make_server: Callable[[bytes], Handshake[U]],
    server_host: FakeHost | None = None,
    tamper: Callable[[str, int, bytes], bytes] | None = None,
) -> Side[U]:
    """Run a client against a server until both are done or both wait.

    Args:
        client: The client's side, which has sent its first message.
        make_server: Makes the server's handshake out of that message.
        server_host: The server's host.
        tamper: May change a message: direction, its index, its payload.
    """

    def change(direction: str, index: int, payload: bytes) -> bytes:
        return payload if tamper is None else tamper(direction, index, payload)

    first = change("C>S", 0, client.sent[0])
    server = Side(make_server(first), server_host)
    from_client, from_server = 1, 0
    moved = True
    while moved:
        moved = False
        while from_server < len(server.sent):
            client.message_received(
                change("S>C", from_server, server.sent[from_server])
            )
            from_server += 1
            moved = True
        while from_client < len(client.sent):
            server.message_received(
                change("C>S", from_client, client.sent[from_client])
            )
            from_client += 1
            moved = True
        if server.done and not client.done and from_server == len(server.sent):
            client.peer_closed()
            moved = True
        if client.done and not server.done and from_client == len(client.sent):
            server.peer_closed()
            moved = True
    return server


def pump(
    client: Side[Any],
    server: Side[Any],
    tamper: Callable[[str, int, bytes], bytes] = lambda direction, index, payload: (
        payload
    ),
) -> None:
    """Carry messages between two sides until both are done, or gone, or both wait.

    Args:
        client: One side.
        server: The other one.
        tamper: May change a message: direction, its index, its payload.
    """
    carried = {"C>S": 0, "S>C": 0}
    moved = True
    while moved:
        moved = False
        for direction, here, there in (
            ("C>S", client, server),
            ("S>C", server, client),
        ):
            while carried[direction] < len(here.sent):
                index = carried[direction]
                there.message_received(tamper(direction, index, here.sent[index]))
                carried[direction] += 1
                moved = True
        for here, there in ((client, server), (server, client)):
            if here.done and not there.done and not moved:
                there.peer_closed()
                moved = True
