"""Recorded conversations, each with what it needs to be played again."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import (
    RemoteProtocolError,
)
from condor_twisted.security.commands import CommandRule, CommandRules
from condor_twisted.security.context import HandshakeContext, SecurityState
from condor_twisted.security.facts import ChannelEnds, HostFacts
from condor_twisted.security.keys import CryptoMethod
from condor_twisted.security.steps import (
    EnableProtection,
    Handshake,
)
from condor_twisted.security.tickets import (
    AcceptedTicket,
    TicketProblem,
)
from condor_twisted.wire.ciphers import (
    AesGcmProtection,
    CfbCipher,
    CfbProtection,
    FrameProtection,
    Md5Protection,
)
from condor_twisted.wire.stream_frames import StreamFramer
from tests.security.kit import (
    POOL_KNOBS,
    DictKnobs,
    FakeFiles,
    FakeHost,
    FakeTicket,
    Side,
    T,
)
from tests.security.scripted_tls import ScriptedConnection

VECTORS = Path(__file__).parent.parent / "vectors"

_PREFIX = "security-"
RECORDINGS = tuple(
    sorted(path.stem.removeprefix(_PREFIX) for path in VECTORS.glob(f"{_PREFIX}*.json"))
)
"""The names of all recordings."""
_WITHOUT_TICKET = "kerberos-no-credentials"
_WITH_CLIENT_CERTIFICATE = "ssl-client-cert"


def prepare_recording(case: SynchronousTestCase, name: str, server: bool) -> Recording:
    """One side of a recording, ready to be played from its first connection on.

    Args:
        case: The test; until its end TLS says what was recorded.
        name: One of `RECORDINGS`.
        server: Which side we are.
    """
    vector = load_vector(name)
    recording = Recording(vector, server)
    if name.startswith("kerberos-"):
        recording.host.names["127.0.0.1"] = ("localhost",)
        recording.host.ticket = (
            TicketProblem("No credentials cache found")
            if name == _WITHOUT_TICKET
            else None
        )
    if name.startswith(("ssl-", "scitokens-")):
        _script_tls(case, recording, name)
    return recording


def _script_tls(case: SynchronousTestCase, recording: Recording, name: str) -> None:
    """Have TLS say what it said then."""
    vector, server = recording.vector, recording.server
    turns: list[tuple[int, bytes]] = []
    for packet in vector["connections"][0]["packets"]:
        fields: dict[str, Any] = {
            item.get("name"): item for item in packet.get("fields", ())
        }
        if packet.get("dir") == recording.own_direction and "tls_bytes" in fields:
            data = bytes.fromhex(fields["tls_bytes"]["hex"])
            turns.append((fields["status"]["value"], data))
    known = load_vector(_WITH_CLIENT_CERTIFICATE)["secrets"]
    pem = known["user_pem"] if server else known["host_pem"]
    certificate = x509.load_pem_x509_certificate(pem.encode())
    nameless = server and name != _WITH_CLIENT_CERTIFICATE
    connection = ScriptedConnection(turns, None if nameless else certificate)
    if name.startswith("scitokens-"):
        connection.block = b"\0\0\0\5token"
        recording.host.bearer_token = vector["secrets"].get("token")
    case.patch(SSL, "Connection", lambda context, socket: connection)
    recording.host.tls = lambda settings: object()
    recording.random[256] = bytes(256)


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
        #: May change what the other side sends: which frame, and its bytes.
        self.tamper: Callable[[int, bytes], bytes] = lambda number, frame: frame
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
        #: The frames from the other side: all, and those before the handshake's end.
        self.frames: list[bytes] = []
        self.taken_count = 0
        #: What the framer had against what came.
        self.broken: RemoteProtocolError | None = None
        self.recording = recording
        self.framed = b""
        self._make = make
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
            frame = recording.tamper(len(self.frames), frame)
            self.frames.append(frame)
            if self.side is None or not self.side.done:
                self.taken_count += 1
            try:
                self._receive(frame)
            except RemoteProtocolError as error:
                self.broken = error
                self.differences.append(str(error))
                if self.side is not None:
                    self.side.peer_closed()
                return
        if self.framed:
            self.differences.append("bytes that nobody recorded")

    def _receive(self, frame: bytes) -> None:
        """Hand on what the other side has sent.

        Raises:
            RemoteProtocolError: It is no frame, or not protected as agreed on.
        """
        self.framer.receive_data(frame)
        while (message := self.framer.next_message()) is not None:
            if self.side is None:
                self.side = Side(self._make(message), self.recording.host)
            elif self.side.done:
                self.left_over.append(message)
            else:
                self.side.message_received(message)
            self._drain()

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
