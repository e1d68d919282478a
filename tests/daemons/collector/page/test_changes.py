"""Tests of the stream of changes."""

from __future__ import annotations

from condor_twisted.constants.commands import Command
from condor_twisted.daemons.collector.page import PageLimits
from condor_twisted.daemons.collector.state.settings import CollectorSettings
from condor_twisted.testing.pump import MemoryTransport
from tests.daemons.collector.page.kit import Client, PageTestCase


class ChangesTestCase(PageTestCase):
    """Streams."""

    def stream(self, query: str = "", last_id: str | None = None) -> Client:
        """A stream that is open."""
        return self.stream_and_server(query, last_id)[0]

    def stream_and_server(
        self, query: str, last_id: str | None = None
    ) -> tuple[Client, MemoryTransport]:
        """A stream that is open, and the server's end."""
        headers = {} if last_id is None else {"Last-Event-ID": last_id}
        client, server = self.send("/api/v1/changes?" + query, headers=headers)
        self.reactor.flush()
        return client, server

    def settle(self) -> None:
        """Let changes arrive."""
        self.reactor.advance(self.limits.batch_seconds)
        self.reactor.flush()

    def told(self, client: Client) -> list[tuple[str, str]]:
        """The events of a client: what, and of which ad."""
        return [(event.name, event.data.get("key", "")) for event in client.events]


class StreamTests(ChangesTestCase):
    """What is told."""

    def test_headers(self) -> None:
        """It is an event stream, and begins at once."""
        client = self.stream()
        self.assertEqual(client.status, 200)
        self.assertEqual(client.headers["content-type"], "text/event-stream")
        self.assertEqual(client.body, b"retry: 3000\n\n")

    def test_changes(self) -> None:
        """Ads that come, come again and go are told, in their order."""
        self.slot("before@a")
        client = self.stream()
        self.slot("one@a", Cpus=1)
        self.settle()
        self.slot("one@a", Cpus=2)
        self.settle()
        self.remove("one@a")
        self.settle()
        told = [("ad", "one@a"), ("ad", "one@a"), ("removed", "one@a")]
        self.assertEqual(self.told(client), told)
        first, second, third = client.events
        self.assertEqual(first.data["type"], "Machine")
        self.assertEqual(first.data["ad"]["Cpus"], 1)
        self.assertEqual(second.data["ad"]["Cpus"], 2)
        self.assertEqual(third.data, {"type": "Machine", "key": "one@a"})

    def test_batch(self) -> None:
        """Changes in one moment are told together, the last form of each ad."""
        client = self.stream()
        for cpus in range(3):
            self.slot("one@a", Cpus=cpus)
        self.slot("two@a")
        self.remove("two@a")
        self.reactor.flush()
        self.assertEqual(client.events, [])
        self.settle()
        self.assertEqual(self.told(client), [("ad", "one@a"), ("removed", "two@a")])
        self.assertEqual(client.events[0].data["ad"]["Cpus"], 2)

    def test_types(self) -> None:
        """Only the types that were asked for, generic ones that come later included."""
        client = self.stream("type=DaemonMaster,Later")
        self.slot()
        self.pool.update(
            Command.UPDATE_MASTER_AD, {"MyType": "DaemonMaster", "Name": "m"}
        )
        self.pool.update(Command.UPDATE_AD_GENERIC, {"MyType": "LATER", "Name": "l"})
        # A generic type that borrows a standard one's name is not that one.
        self.pool.update(
            Command.UPDATE_AD_GENERIC, {"MyType": "DaemonMaster", "Name": "x"}
        )
        self.settle()
        self.assertEqual(self.told(client), [("ad", "m"), ("ad", "l")])

    def test_projection(self) -> None:
        """Only the attributes that were asked for."""
        client = self.stream("projection=Cpus,Name")
        self.slot(Cpus=3, Memory=1)
        self.settle()
        self.assertEqual(client.events[0].data["ad"], {"Cpus": 3, "Name": "slot1@a"})

    def test_mnh_5_6_private(self) -> None:
        """Private ads and attributes are not told, and not even that they changed."""
        client = self.stream()
        self.secretive_slot()
        self.settle()
        self.assertNotIn(b"topsecret", client.received)
        types = sorted(event.data["type"] for event in client.events)
        self.assertEqual(types, ["Machine", "StartD"])

    def test_strange_keys(self) -> None:
        """Nothing in a name can end an event."""
        name = 'a"\ud800\udcff\\\r\n\ndata: x'.replace("\ud800", "")
        client = self.stream()
        self.slot(name)
        self.settle()
        (event,) = client.events
        self.assertEqual(event.data["key"], name)

    def test_absent(self) -> None:
        """Where absent ads are hidden, one that becomes absent counts as removed."""
        self.pool.state.reconfigure(CollectorSettings(absent_requirements="true"))
        client = self.stream("snapshot=true")
        self.slot("one@a", Absent=True)
        self.slot("two@a")
        self.settle()
        self.assertEqual(
            self.told(client), [("ready", ""), ("removed", "one@a"), ("ad", "two@a")]
        )

    def test_errors(self) -> None:
        """Bad arguments are errors in JSON."""
        for query, status in (
            ("constraint=true", 400),
            ("limit=1", 400),
            ("snapshot=perhaps", 400),
            ("type=MachinePrivate", 403),
        ):
            answer = self.request("/api/v1/changes?" + query)
            self.assertEqual((answer.status, answer.json["status"]), (status, status))

    def test_heartbeat(self) -> None:
        """A silent stream shows signs of life."""
        client = self.stream()
        for _ in range(3):
            self.reactor.advance(self.limits.heartbeat_seconds)
            self.reactor.flush()
        self.assertEqual(client.body.count(b":\n\n"), 3)
        self.assertFalse(client.is_closed)


class SnapshotTests(ChangesTestCase):
    """Streams that begin with all that is there."""

    def test_snapshot(self) -> None:
        """All ads, then ``ready``, then changes."""
        for number in range(200):
            self.slot(f"s{number}@a", Filler="x" * 1000)
        client = self.stream("snapshot=true&type=Machine,Later,Later2")
        told = self.told(client)
        self.assertEqual(told[-1], ("ready", ""))
        self.assertEqual({name for name, _ in told[:-1]}, {"ad"})
        self.assertEqual(len({key for _, key in told[:-1]}), 200)
        self.assertTrue(all(event.id is None for event in client.events[:-1]))
        self.remove("s7@a")
        self.settle()
        self.assertEqual(self.told(client)[-1], ("removed", "s7@a"))

    def test_changes_meanwhile(self) -> None:
        """What changes while the snapshot is sent is told behind it."""
        for number in range(300):
            self.slot(f"s{number}@a", Filler="x" * 1000, Turn=0)
        client, server = self.stream_and_server("")
        client, server = self.send("/api/v1/changes?snapshot=true&type=Machine")
        server.stalled = True
        self.reactor.flush()
        self.slot("s299@a", Turn=1)
        self.remove("s0@a")
        server.stalled = False
        self.settle()
        state: dict[str, int] = {}
        for event in client.events:
            if event.name == "ad":
                state[event.data["key"]] = event.data["ad"]["Turn"]
            elif event.name == "removed":
                del state[event.data["key"]]
        self.assertEqual(len(state), 299)
        self.assertEqual(state["s299@a"], 1)

    def test_ready_is_resumable(self) -> None:
        """A client that was told all resumes without being told all again."""
        self.slot()
        client = self.stream("snapshot=true")
        last = client.events[-1].id
        assert client.transport is not None
        client.transport.loseConnection()
        self.reactor.flush()
        self.slot("new@a")
        again = self.stream("snapshot=true", last)
        self.assertEqual(self.told(again), [("ad", "new@a")])


class ResumeTests(ChangesTestCase):
    """Clients that come back."""

    limits = PageLimits(history=10, linger_seconds=100)

    def last_id(self) -> str:
        """An id up to which a client was told, after which it went."""
        client = self.stream()
        self.slot("seen@a")
        self.settle()
        last = client.events[-1].id
        assert last is not None
        assert client.transport is not None
        client.transport.loseConnection()
        self.reactor.flush()
        return last

    def test_resume(self) -> None:
        """It hears of what changed while it was away, and of nothing else."""
        last = self.last_id()
        self.slot("one@a")
        self.slot("two@a")
        self.remove("one@a")
        for again in (
            self.stream("", last),
            self.stream("last_event_id=" + last),
        ):
            self.assertEqual(self.told(again), [("ad", "two@a"), ("removed", "one@a")])

    def test_nothing_happened(self) -> None:
        """If nothing changed it hears nothing."""
        self.assertEqual(self.told(self.stream("", self.last_id())), [])

    def test_too_late(self) -> None:
        """Who was away for too many changes is told to begin anew."""
        last = self.last_id()
        for number in range(20):
            self.slot(f"s{number}@a")
        again = self.stream("", last)
        self.assertEqual(self.told(again), [("reset", "")])
        self.slot("s3@a")
        self.settle()
        self.assertEqual(self.told(again), [("reset", ""), ("ad", "s3@a")])
        self.assertEqual(self.told(self.stream("", again.events[0].id))[0][0], "ad")

    def test_too_late_with_snapshot(self) -> None:
        """With a snapshot it is told everything, and forgets its id until then."""
        last = self.last_id()
        for number in range(20):
            self.slot(f"s{number}@a")
        again = self.stream("snapshot=true&type=Machine", last)
        told = self.told(again)
        self.assertEqual((told[0][0], len(told), told[-1][0]), ("reset", 23, "ready"))
        self.assertEqual(again.events[0].id, "")

    def test_strange_ids(self) -> None:
        """An id that was never given is no reason to fail."""
        epoch = self.last_id().rpartition("-")[0]
        for strange in (
            *("x", "-", "1", f"{epoch}-", f"{epoch}-99", f"{epoch}--1", f"{epoch}-1.0"),
            *(f"{epoch}-" + "9" * 400, "\u0661", "00-1", f"{epoch}-0x1", "x" * 5000),
        ):
            encoded = strange.encode("utf-8").decode("latin-1")
            again = self.stream("", encoded if encoded.isascii() else None)
            if encoded.isascii():
                self.assertEqual(self.told(again), [("reset", "")], strange)
            assert again.transport is not None
            again.transport.loseConnection()
            self.reactor.flush()

    def test_linger(self) -> None:
        """When nobody listens for long nothing is noted any more."""
        last = self.last_id()
        self.assertEqual(len(self.pool.state.store.observers), 1)
        self.reactor.advance(self.limits.linger_seconds)
        self.assertEqual(self.pool.state.store.observers, [])
        self.assertEqual(self.told(self.stream("", last)), [("reset", "")])

    def test_slow_client(self) -> None:
        """A client that falls behind the log while it is connected begins anew."""
        client, server = self.stream_and_server("snapshot=true&type=Machine")
        server.stalled = True
        self.slot("big@a", Filler="x" * 100_000)
        self.settle()
        for number in range(30):
            self.slot(f"s{number}@a")
        self.settle()
        server.stalled = False
        self.reactor.flush()
        names = [name for name, _ in self.told(client)]
        self.assertEqual(names[:3], ["ready", "ad", "reset"])
        self.assertEqual((names[3:-1], names[-1]), (["ad"] * 31, "ready"))


class LimitTests(ChangesTestCase):
    """What streams may cost."""

    limits = PageLimits(streams=2)

    def test_mnh_0_6_streams(self) -> None:
        """So many streams; a closed one makes room."""
        first, _ = self.stream(), self.stream()
        refused = self.request("/api/v1/changes")
        self.assertEqual((refused.status, refused.headers["retry-after"]), (503, "5"))
        assert first.transport is not None
        first.transport.loseConnection()
        self.reactor.flush()
        self.assertEqual(self.stream().status, 200)

    def test_mnh_10_9_stalled_stream(self) -> None:
        """A client that does not read holds little, and is cut off."""
        _, server = self.stream_and_server("")
        server.stalled = True
        for turn in range(20):
            for number in range(50):
                self.slot(f"s{number}@a", Filler="x" * 2000, Turn=turn)
            self.settle()
        self.assertLess(len(server.outgoing), 1 << 19)
        self.reactor.advance(self.limits.stall_seconds)
        self.assertTrue(server.aborted)

    def test_coalescing(self) -> None:
        """What changed many times while the client did not read is told once."""
        client, server = self.stream_and_server("")
        server.stalled = True
        self.slot("big@a", Filler="x" * 100_000)
        self.settle()
        for turn in range(100):
            self.slot("busy@a", Turn=turn)
            self.settle()
        server.stalled = False
        self.reactor.flush()
        self.assertEqual(self.told(client), [("ad", "big@a"), ("ad", "busy@a")])
        self.assertEqual(client.events[1].data["ad"]["Turn"], 99)

    def test_stop(self) -> None:
        """When the site stops, streams end and nothing is left."""
        client = self.stream()
        self.slot()
        self.port.stopListening()
        self.reactor.flush()
        self.assertTrue(client.is_closed)
        self.assertFalse(client.is_complete)
