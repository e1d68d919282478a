"""What the security tests share: knobs, hosts, pairs of handshakes, replays."""

from __future__ import annotations

import base64
import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec

from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import CondorTwistedError, NoMethodSucceeded, PeerClosed
from condor_twisted.security.commands import CommandRule, CommandRules
from condor_twisted.security.context import HandshakeContext, SecurityState
from condor_twisted.security.credentials import find_tokens
from condor_twisted.security.facts import ChannelEnds, HostFacts
from condor_twisted.security.host_requests import (
    ConfirmServer,
    ProgramResult,
    ReadKnownHost,
    RecordKnownHost,
    RunProgram,
)
from condor_twisted.security.key_exchange import make_private_key
from condor_twisted.security.keys import CryptoMethod
from condor_twisted.security.known_hosts import find_known_host, format_known_host
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
from condor_twisted.security.tls_settings import TlsSettings
from condor_twisted.wire.ciphers import (
    AesGcmProtection,
    CfbCipher,
    CfbProtection,
    FrameProtection,
    Md5Protection,
)
from condor_twisted.wire.stream_frames import StreamFramer

T = TypeVar("T")
U = TypeVar("U")

VECTORS = Path(__file__).parent.parent / "vectors"

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


def load_vector(name: str) -> dict[str, Any]:
    """One recorded conversation."""
    with (VECTORS / f"security-{name}.json").open() as file:
        vector: dict[str, Any] = json.load(file)
    return vector


def knobs_of(lines: Iterable[str]) -> dict[str, str]:
    """Knobs out of ``NAME = value`` lines."""
    return {
        name.strip(): value.strip().replace("@POOL@", RECORDED_POOL)
        for name, _, value in (line.partition("=") for line in lines)
    }


class RecordedKey:
    """The private key of the side whose scalar was not recorded."""

    def __init__(self, point: bytes, secret: bytes) -> None:
        self._point = point
        self._secret = secret

    def public_key(self) -> RecordedKey:
        """Itself: it knows its point."""
        return self

    def public_bytes(self, encoding: object, form: object) -> bytes:
        """The recorded point."""
        return self._point

    def exchange(self, algorithm: object, peer_key: object) -> bytes:
        """The recorded secret."""
        return self._secret


def attributes_of(connection: Mapping[str, Any], ad_name: str) -> dict[str, str]:
    """The attributes of one recorded ad, unquoted."""
    for packet in connection["packets"]:
        for item in packet.get("fields", ()):
            if item.get("name") == ad_name:
                return {name: text.strip('"') for name, text in item["attrs"].items()}
    return {}


def field_of(connection: Mapping[str, Any], name: str) -> Any:
    """The value of one recorded field."""
    for packet in connection["packets"]:
        for item in packet.get("fields", ()):
            if item.get("name") == name:
                return item["value"]
    return None


def blocks_of(connection: Mapping[str, Any]) -> list[bytes]:
    """Kerberos' own messages in a recorded connection."""
    return [
        bytes.fromhex(item["hex"])
        for packet in connection["packets"]
        for item in packet.get("fields", ())
        if item.get("name") == "krb5_message"
    ]


class RecordedState(SecurityState):
    """A security state whose session ids are recorded ones."""

    recorded_session_id = ""

    def new_session_id(self) -> str:
        """The recorded id."""
        return self.recorded_session_id


#: Where the files of a recorded pool are.
RECORDED_POOL = "/pool"
RECORDED_KNOBS = {
    "SEC_PASSWORD_DIRECTORY": f"{RECORDED_POOL}/passwd",
    "SEC_PASSWORD_FILE": f"{RECORDED_POOL}/passwd/POOL",
    "SEC_TOKEN_POOL_SIGNING_KEY_FILE": f"{RECORDED_POOL}/passwd/POOL",
    "SEC_TOKEN_DIRECTORY": f"{RECORDED_POOL}/tokens",
}


def recorded_files(vector: Mapping[str, Any]) -> FakeFiles:
    """The files of a recorded pool."""
    secrets, directory = vector["secrets"], f"{RECORDED_POOL}/passwd"
    files = FakeFiles()
    password = "aac5cc80a9ccc98ea780ce80b1c1939fbfdecd98b1dfda"
    files.secrets[f"{directory}/POOL"] = bytes.fromhex(
        secrets.get("signing_key_file_hex", password)
    )
    files.secrets[f"{directory}/TESTKEY"] = b"another key than that of the pool"
    if "token" in secrets:
        files.secrets[f"{RECORDED_POOL}/tokens/token"] = secrets["token"].encode()
    for name, path in (("host_pem", "host.pem"), ("host_key", "host.key")):
        files.texts[f"{RECORDED_POOL}/ssl/{path}"] = secrets.get(name, "")
    files.texts[f"{RECORDED_POOL}/map"] = secrets.get("mapfile", "")
    return files


class Recording:
    """One side of a recorded conversation, as it is played again.

    Args:
        vector: The recording.
        server: Which side we are.
    """

    def __init__(self, vector: Mapping[str, Any], server: bool) -> None:
        self.vector = vector
        self.server = server
        self.own_direction = "S>C" if server else "C>S"
        self.files = recorded_files(vector)
        self.host = FakeHost(files=self.files)
        self.random: dict[int, bytes] = {}
        self.key: Any = None
        first = vector["connections"][0]
        request = attributes_of(first, "auth_info")
        reply = attributes_of(first, "auth_response")
        version = (reply if server else request).get("RemoteVersion", "")
        lines = [*vector["server_config"]]
        if not server:
            lines += vector["client_config_extra"]
        self.state = RecordedState(
            DictKnobs(
                {**POOL_KNOBS, **RECORDED_KNOBS, **knobs_of(lines)},
                "COLLECTOR" if server else request["Subsystem"],
            ),
            recorded_rules(first),
            HostFacts(
                "vm",
                int(request["ServerPid"]),
                "www-data",
                condor_user="condor",
                version=version,
                libraries=frozenset({"munge", "kerberos"}),
            ),
            random_bytes=lambda length: self.random[length],
            now=lambda: 1000.0,
            unix_time=lambda: 1_795_351_000,
            files=self.files,
            make_key=lambda: self.key,
        )

    def prepare(self, connection: Mapping[str, Any]) -> HandshakeContext:
        """Take over the randomness of one connection; the context for it."""
        request = attributes_of(connection, "auth_info")
        reply = attributes_of(connection, "auth_response")
        resumed = attributes_of(connection, "resume_response")
        self.state.recorded_session_id = attributes_of(connection, "post_auth_ad").get(
            "Sid", ""
        )
        nonce = (resumed if self.server else request).get("Nonce")
        if nonce:
            self.random[33] = base64.b64decode(nonce)
        for packet in connection["packets"]:
            if packet.get("encrypted") and packet["dir"] == self.own_direction:
                self.random[16] = bytes.fromhex(packet["payload"])[:16]
                break
        for packet in connection["packets"]:
            for item in packet.get("fields", ()):
                if item.get("name") == ("rb" if self.server else "ra") and item["len"]:
                    self.random[256] = bytes.fromhex(item["hex"])
        own_ad = reply if self.server else request
        exchange = connection.get("ecdh")
        if exchange is not None:
            holder = "server" if self.server else "client"
            if exchange["private_key_holder"] == holder:
                self.key = ec.derive_private_key(
                    int(exchange["private_scalar"], 16), ec.SECP256R1()
                )
            else:
                self.key = RecordedKey(
                    base64.b64decode(own_ad["ECDHPublicKey"]),
                    bytes.fromhex(exchange["shared_secret_x"]),
                )
        elif "ECDHPublicKey" in own_ad:
            self.key = RecordedKey(base64.b64decode(own_ad["ECDHPublicKey"]), b"")
        dialled = request["ConnectSinful"]
        dialled_port = int(dialled.strip("<>").partition("?")[0].rpartition(":")[2])
        server_port = dialled_port
        credential = field_of(connection, "credential")
        if credential:
            self.host.munge[credential] = 33
            self.random[24] = bytes(24)
        tickets = blocks_of(connection)
        if tickets:
            proof = tickets[1] if len(tickets) > 1 else b""
            self.host.ticket = FakeTicket(tickets[0], proof)
            self.host.names["127.0.0.1"] = ("localhost",)
            if proof:
                owner = self.vector["secrets"]["client_principal"]
                self.host.accepted[tickets[0]] = AcceptedTicket(owner, proof)
        name = field_of(connection, "dirname")
        if name:
            server_port = int(name.split("_")[-3])
            self.host.temporary_random = name.rstrip("_").rpartition("_")[2]
        if self.server:
            ends = ChannelEnds("127.0.0.1", server_port, "127.0.0.1", 40000)
        else:
            ends = ChannelEnds(
                "127.0.0.1", 40000, "127.0.0.1", dialled_port, dialled=dialled
            )
        return HandshakeContext(self.state, ends)

    def play(
        self,
        connection: Mapping[str, Any],
        make: Callable[[HandshakeContext, bytes], Handshake[T]],
    ) -> Played[T]:
        """Play one connection until our handshake ends.

        Every byte that we send is compared with the recorded one.

        Args:
            connection: The recorded connection.
            make: Makes the handshake; as a server, out of the first message.
        """
        context = self.prepare(connection)
        return Played(self, connection, lambda first: make(context, first))


class Played(Generic[T]):
    """One recorded connection, played to its end."""

    def __init__(
        self,
        recording: Recording,
        connection: Mapping[str, Any],
        make: Callable[[bytes], Handshake[T]],
    ) -> None:
        self.framer = StreamFramer()
        self.differences: list[str] = []
        self.left_over: list[bytes] = []
        self.side: Side[T] | None = None
        self.recording = recording
        self.framed = b""
        self._sent_count = 0
        if not recording.server:
            self.side = Side(make(b""), recording.host)
            self._drain()
        for packet in connection["packets"]:
            own = packet["dir"] == recording.own_direction
            if "event" in packet:
                if not own and self.side is not None:
                    self.side.peer_closed()
                continue
            frame = bytes.fromhex(packet["header"] + packet["payload"])
            if own:
                self._compare(frame, packet.get("note", ""))
                continue
            self.framer.receive_data(frame)
            while (message := self.framer.next_message()) is not None:
                if self.side is None:
                    self.side = Side(make(message), recording.host)
                elif self.side.done:
                    self.left_over.append(message)
                else:
                    self.side.message_received(message)
                self._drain()
        if self.framed:
            self.differences.append("bytes that nobody recorded")

    def _drain(self) -> None:
        """Frame what the handshake has sent, and protect where it says so."""
        side = self.side
        assert side is not None
        while True:
            if (
                side.protection is not None
                and side.sent_in_clear == self._sent_count
                and self.framer.protection is None
            ):
                self.framer.enable_protection(
                    protection_of(side.protection, self.recording.random)
                )
            if self._sent_count == len(side.sent):
                return
            self.framed += self.framer.frame_message(side.sent[self._sent_count])
            self._sent_count += 1

    def _compare(self, frame: bytes, note: str) -> None:
        """Hold the next frame that we sent against the recorded one."""
        side = self.side
        if side is not None and side.done and not self.framed:
            return
        if not self.framed.startswith(frame):
            self.differences.append(note)
        self.framed = self.framed[len(frame) :]


def protection_of(
    step: EnableProtection, random: Mapping[int, bytes]
) -> FrameProtection:
    """What a channel makes of an `EnableProtection`, with recorded randomness."""
    if step.key.method is CryptoMethod.AES:
        return AesGcmProtection(
            step.key.data, lambda length: random.get(length, bytes(length))
        )
    algorithm: Literal["3DES", "BLOWFISH"] = (
        "BLOWFISH" if step.key.method is CryptoMethod.BLOWFISH else "3DES"
    )
    mac = Md5Protection(step.key.data) if step.authenticate else None
    return CfbProtection(CfbCipher(algorithm, step.key.data), mac)


def recorded_rules(connection: Mapping[str, Any]) -> CommandRules:
    """Rules that give the recorded ``ValidCommands``."""
    rules = CommandRules()
    text = attributes_of(connection, "post_auth_ad").get("ValidCommands", "60020,60021")
    numbers = [int(word) for word in text.split(",")]
    level = Permission.READ
    if 60021 in numbers:
        level = Permission.WRITE if numbers[0] == 60021 else Permission.DAEMON
    for number in numbers:
        if number == 60021:
            level = Permission.WRITE
        elif number == 60007:
            level = Permission.READ
        rules.add(
            CommandRule(number, level, force_authentication=number == 60052, udp=True)
        )
    return rules
