"""Attacks against a collector in a process of its own: the rows that need a socket."""

from __future__ import annotations

import random
import resource
import signal
import socket
import struct
from collections.abc import Callable, Coroutine
from os import kill
from typing import Any, ClassVar

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone
from twisted.internet.task import deferLater

from fuzz import seeds
from fuzz.house import frame
from fuzz.mutations import mutate
from tests.robustness.kit import query, update
from tests.robustness.live import LiveTestCase

_DESCRIPTORS = 4096
_MEBIBYTE = 1 << 20


def _live(
    test: Callable[[Any], Coroutine[Deferred[Any], Any, None]],
) -> Callable[[Any], Deferred[None]]:
    """A test method of a coroutine."""

    def run(case: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(test(case))

    run.__doc__ = test.__doc__
    run.__name__ = test.__name__
    return run


class FloodTests(LiveTestCase):
    def setUp(self) -> None:
        """Let this process have as many descriptors as attackers need."""
        super().setUp()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < _DESCRIPTORS:
            self.skipTest("attackers need more descriptors than are allowed here")
        if soft != resource.RLIM_INFINITY and soft < _DESCRIPTORS:
            resource.setrlimit(resource.RLIMIT_NOFILE, (_DESCRIPTORS, hard))
            self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))

    @_live
    async def test_mnh_3_1_served_under_all_attacks_at_once(self) -> None:
        """A good query is answered while everything is thrown at the collector."""
        await self.start()
        await self.fill(400)
        self.attack(2000, 300)
        junk = [random.Random(1).randbytes(200 + number) for number in range(100)]
        slowest = 0.0
        for _ in range(30):
            self.datagrams(*junk * 10)
            start = reactor.seconds()
            self.assertEqual(len(await self.ask(b'Requirements = Name == "m7"')), 1)
            slowest = max(slowest, reactor.seconds() - start)
        self.assertLess(slowest, 5)
        self.assertGreater(self.descriptors_open(), 2300)
        self.assertLessEqual(len(self.children()), 4)
        self.assert_sound()

    @_live
    async def test_mnh_3_5_everything_is_given_back(self) -> None:
        """When attackers are gone, descriptors and memory are back, and it rests."""
        await self.start()
        await self.fill(200)
        await self.until_idle()
        descriptors, memory = self.descriptors_open(), self.resident_bytes()
        self.attack(400, 100)
        await self.ask(b"LimitResults = 1")
        self.assertGreater(self.descriptors_open(), descriptors + 400)
        self.hang_up()
        await self.eventually(
            "its descriptors are back",
            # Three workers, with three pipes and an eye on them, may still rest.
            lambda: self.descriptors_open() <= descriptors + 8 + 3 * 4,
        )
        self.assertLess(self.resident_bytes() - memory, 96 * _MEBIBYTE)
        self.assertLessEqual(len(self.children()), 3)
        await self.until_idle()
        self.assertEqual(len(await self.ask(b'Projection = "Name"')), 300)
        self.assert_sound()

    async def fill(self, count: int) -> None:
        """Store ads of some kilobytes."""
        pad = b'Pad = "' + b"x" * 3000 + b'"'
        first = self.advertise(b"m0", pad)
        first.setblocking(True)
        for number in range(1, count):
            first.sendall(frame(update(b'Name = "m%d"' % number, pad)))
        until = reactor.seconds() + 20
        while len(await self.ask()) < count:
            self.assertLess(reactor.seconds(), until, "its ads are not stored")

    def attack(self, idle_count: int, updaters_count: int) -> None:
        """Everything that row 3.1 names, but datagrams."""
        for number in range(idle_count):
            self.connect(source=f"127.0.2.{1 + number % 20}")
        for number in range(20):
            self.connect(b"\1\0\0\0\5"[: number % 5], "127.0.3.1")
        for name in ("security-fs 0", "security-claimtobe 0", "security-anonymous 0"):
            begin = seeds.handshakes()[name][0]
            for _ in range(8):
                self.connect(begin, "127.0.3.2")
        for _ in range(6):
            self.connect(frame(query()), "127.0.3.3")
        for bomb in (
            rb'regexp("(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!")',
            b"size(split(strcat(" + b",".join([b"Pad"] * 300) + b'), "x")) > 3',
        ):
            self.connect(frame(query(b"Requirements = " + bomb)), "127.0.3.4")
        for number in range(updaters_count):
            line = b'Name = "u%d"' % number
            self.connect(frame(update(line)), "127.0.3.5")

    @_live
    async def test_mnh_3_6_the_same_bad_input_again_and_again(self) -> None:
        """It loses less than 512 bytes each time, descriptors none."""
        await self.start()
        bad = (
            b"\xff" * 20,
            frame(struct.pack(">qq", 2, -1)),
            frame(update(b"N = 1")),
            frame(query(b"Requirements = ((")),
            seeds.handshakes()["security-fs 0"][0] + b"\1\0\0\0\1x",
        )

        async def send(count: int) -> None:
            for start in range(0, count, 50):
                some = [self.connect(bad[n % 5]) for n in range(start, start + 50)]
                for each in some:
                    each.close()
                await self.ask(b"LimitResults = 1")

        await send(1000)
        await self.until_idle()
        descriptors, grown = self.descriptors_open(), 0
        for _ in range(8):  # caches fill first; what is lost is lost each time
            memory = self.resident_bytes()
            await send(1000)
            grown = self.resident_bytes() - memory
            if grown < 1000 * 512:
                break
        self.assertLess(grown, 1000 * 512)
        self.assertLessEqual(self.descriptors_open(), descriptors + 8)
        self.assert_sound()

    @_live
    async def test_mnh_0_2_memory_while_large_messages_come(self) -> None:
        """Messages that never end take what was sent of them, and give it back."""
        await self.start()
        await self.ask()
        memory = self.resident_bytes()
        part = frame(bytes(_MEBIBYTE), 0)
        for number in range(40):
            raw = self.connect(source=f"127.0.4.{number + 1}")
            raw.setblocking(True)
            raw.settimeout(5)
            raw.sendall(part + part[: _MEBIBYTE // 2])
        await self.ask()
        self.assertLess(self.resident_bytes() - memory, 160 * _MEBIBYTE)
        self.hang_up()
        await self.eventually(
            "its memory is back",
            lambda: self.resident_bytes() - memory < 96 * _MEBIBYTE,
        )
        self.assert_sound()

    @_live
    async def test_mnh_0_1_any_bytes_on_real_sockets(self) -> None:
        """Mutated conversations, closed, half-closed and reset: it serves on.

        It also does after having been stopped, and ends when it is told to, whoever
        is connected.
        """
        server = await self.start()
        self.advertise(b"kept")
        chance = random.Random(5)
        known = list(seeds.streams().values())
        linger = struct.pack("ii", 1, 0)
        for turn in range(20):
            some = [
                self.connect(mutate(chance, chance.choice(known), known)[:60_000])
                for _ in range(30)
            ]
            for number, raw in enumerate(some):
                if number % 3 == 1:
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                elif number % 3 == 2:
                    try:
                        raw.shutdown(socket.SHUT_WR)
                    except OSError:
                        continue  # it has been closed already
            self.datagrams(
                *(
                    mutate(chance, data, known)[:60_000]
                    for data in chance.sample(list(seeds.datagrams().values()), 30)
                )
            )
            if turn % 5 == 0:
                self.assertGreaterEqual(len(await self.ask()), 1)
            for raw in some:
                raw.close()
        kill(server.pid, signal.SIGSTOP)
        asked = Deferred.fromCoroutine(self.ask(b'Requirements = Name == "kept"'))
        await deferLater(reactor, 0.2, lambda: None)
        self.assertFalse(asked.called)
        kill(server.pid, signal.SIGCONT)
        self.assertEqual(len(await asked), 1)
        self.assert_sound()
        self.connect(b"\1\0")
        kill(server.pid, signal.SIGTERM)
        await server.ended
        assert server.reason is not None
        self.assertIsNotNone(server.reason.check(ProcessDone), server.reason)


class DescriptorTests(LiveTestCase):
    descriptors: ClassVar[int | None] = 120

    @_live
    async def test_mnh_8_1_descriptors_run_out(self) -> None:
        """Who is connected is served, datagrams too; others when there is room."""
        await self.start()
        # One connection that is idle goes each time that room is needed.
        keep = [self.advertise(b"kept") for _ in range(12)][-1]
        await self.ask()
        flood = [self.connect(source=f"127.0.5.{n % 10 + 1}") for n in range(300)]
        await self.eventually(
            "it says so", lambda: b"Descriptors run out" in self.server.output
        )
        keep.send(frame(update(b'Name = "by tcp"')))
        self.datagrams(update(b'Name = "by udp"'))
        before = self.cpu_seconds()
        await deferLater(reactor, 0.5, lambda: None)
        self.assertLess(self.cpu_seconds() - before, 0.4)
        self.assertIsNone(self.server.reason)
        self.assertLess(self.descriptors_open(), 120)
        for each in flood:
            each.close()

        async def answered() -> list[bytes]:
            until = reactor.seconds() + 20
            while True:
                try:
                    return await self.ask()
                except Exception:
                    self.assertLess(reactor.seconds(), until)

        names = b"".join(await answered())
        for name in (b'"kept"', b'"by tcp"', b'"by udp"'):
            self.assertIn(name, names)
        self.assertLessEqual(self.server.output.count(b"Descriptors run out"), 20)
        self.assert_sound()
