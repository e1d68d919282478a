"""What the tests of the page share: a pool, its site in memory, clients."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.protocol import ClientFactory, Protocol
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.classad.wire_ad import AdValue
from condor_twisted.constants.commands import Command
from condor_twisted.daemons.collector.page import PageLimits, StateView, make_site
from condor_twisted.daemons.collector.page.site import PageSite
from condor_twisted.testing.pump import MemoryTransport
from condor_twisted.testing.reactor import MemoryReactor
from tests.daemons.collector.state.kit import Pool, ad

HERE = ("127.0.0.1", 9680)


@dataclass(frozen=True)
class Event:
    """A server-sent event."""

    name: str
    id: str | None
    data: Any


class Client(Protocol):
    """An HTTP client that keeps what it gets."""

    def __init__(self) -> None:
        self.received = b""
        self.is_closed = False

    def dataReceived(self, data: bytes) -> None:
        """Keep it."""
        self.received += data

    def connectionLost(self, reason: object = None) -> None:
        """Note it."""
        self.is_closed = True

    @property
    def status(self) -> int:
        """The status of the first answer."""
        return int(self.received.split(b" ", 2)[1])

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the first answer, by lower-case name."""
        head = self.received.partition(b"\r\n\r\n")[0].decode("ascii")
        pairs = [line.partition(": ") for line in head.split("\r\n")[1:]]
        return {name.lower(): value for name, _, value in pairs}

    @property
    def body(self) -> bytes:
        """What there is so far of the first answer's body."""
        body = self.received.partition(b"\r\n\r\n")[2]
        if "transfer-encoding" not in self.headers:
            return body
        found = b""
        while body:
            size, _, body = body.partition(b"\r\n")
            found += body[: int(size, 16)]
            body = body[int(size, 16) + 2 :]
        return found

    @property
    def is_complete(self) -> bool:
        """Whether a chunked answer has its end."""
        return self.received.endswith(b"\r\n0\r\n\r\n")

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def events(self) -> list[Event]:
        """The body as events, comments left out."""
        found = []
        for block in self.body.decode("ascii").split("\n\n"):
            fields = {}
            for line in block.split("\n"):
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
            if "data" in fields:
                data = json.loads(fields["data"])
                found.append(Event(fields["event"], fields.get("id"), data))
        return found


class View(StateView):
    """A view that may refuse readers."""

    refuses = False

    def may_read(self, host: str) -> bool:
        """As the test says."""
        return not self.refuses


class PageTestCase(SynchronousTestCase):
    """A pool with its page, in memory."""

    limits = PageLimits()
    interface = HERE[0]

    def setUp(self) -> None:
        """Listen."""
        self.reactor = MemoryReactor()
        self.pool = Pool()
        self.view = View(
            self.pool.state,
            "Pool",
            "<127.0.0.1:9618>",
            self.reactor,
            lambda: self.pool.now,
            self.pool.now + 300,
        )
        self.site: PageSite = make_site(self.view, self.reactor, self.limits, ["Proxy"])
        self.port = self.reactor.listenTCP(HERE[1], self.site, interface=self.interface)
        self.addCleanup(self.stop)

    def stop(self) -> None:
        """Stop; nothing is left."""
        self.port.stopListening()
        self.reactor.flush()
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.site.channels, set())
        self.assertEqual(self.pool.state.store.observers, [])

    def connect(self) -> tuple[Client, Any]:
        """A client, and the server's end of its connection."""
        client = Client()
        factory = ClientFactory()
        factory.protocol = lambda: client
        self.reactor.connectTCP(self.interface, HERE[1], factory)
        self.reactor.flush()
        transport: Any = client.transport
        return client, None if transport is None else transport.peer

    def send(
        self,
        path: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> tuple[Client, MemoryTransport]:
        """Begin a request; nothing moves yet."""
        client, server = self.connect()
        fields = {"Host": "localhost:9680", **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        assert client.transport is not None
        client.transport.write(
            f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("ascii") + body
        )
        return client, server

    def request(
        self,
        path: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Client:
        """A request and its answer."""
        client, _ = self.send(path, method, headers, body)
        self.reactor.flush()
        return client

    def slot(self, name: str = "slot1@a", /, **values: AdValue) -> None:
        """A slot's update."""
        self.pool.update(
            Command.UPDATE_STARTD_AD,
            {"MyType": "Machine", "Name": name, "HasStartDaemonAd": True, **values},
        )

    def remove(self, name: str) -> None:
        """A slot's invalidation."""
        self.pool.invalidate(
            Command.INVALIDATE_STARTD_ADS, {"MyType": "Query", "Name": name}
        )

    def secretive_slot(self) -> None:
        """A slot with each kind of private attribute, in both of its ads."""
        secret: dict[str, AdValue] = dict.fromkeys(PRIVATE, "topsecret")
        public: dict[str, AdValue] = {"MyType": "Machine", "Name": "slot1@a"}
        self.pool.send(
            Command.UPDATE_STARTD_AD,
            ad(
                {**public, "SlotID": 1, **secret},
                secrets={"_condor_privOther": "topsecret"},
            ),
            ad({**public, **secret}),
        )


PRIVATE = (
    *("Capability", "ChildClaimIds", "ClaimId", "ClaimIdList", "ClaimIds"),
    *("TransferKey", "_condor_PrivThing", "claimID"),
)
