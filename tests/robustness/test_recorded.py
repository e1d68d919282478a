"""Every recorded message, damaged: documented behaviour, and nothing stored is lost."""

from __future__ import annotations

from typing import ClassVar

from condor_twisted.constants.commands import Command
from fuzz import seeds
from fuzz.house import OPEN, SECURE, House, frame
from fuzz.mutations import each_byte_flipped, truncations
from tests.robustness.kit import HouseTestCase


class RecordedTests(HouseTestCase):
    """A collector that takes everything raw; `tearDown` looks whether all is well."""

    def damaged(self, data: bytes, budget: int = 200) -> list[bytes]:
        """Flipped and cut, at every byte of short messages, at many of long ones."""
        step = max(1, len(data) // budget)
        return each_byte_flipped(data, step) + truncations(data, step)

    def test_mnh_0_1_commands(self) -> None:
        """Commands of tools and daemons, each byte flipped, each length, over TCP."""
        for payload in seeds.messages().values():
            for damaged in self.damaged(payload, 60):
                self.house.stream(frame(damaged))
        self.assert_serves()

    def test_mnh_0_1_frames(self) -> None:
        """Frames of all types, damaged with their headers."""
        for data in seeds.streams().values():
            for damaged in self.damaged(data, 25):
                self.house.stream(damaged)
        self.assert_serves()

    def test_mnh_0_1_datagrams(self) -> None:
        """Datagrams, whole and in fragments, damaged."""
        for data in seeds.datagrams().values():
            for damaged in self.damaged(data, 100):
                self.house.datagram(damaged)
        self.assert_serves()

    def test_mnh_6_2_no_cut_answer_looks_whole(self) -> None:
        """A damaged query has a whole answer or none."""
        for name, payload in seeds.messages().items():
            if not name.startswith("condor_status"):
                continue
            for damaged in self.damaged(payload, 40):
                answer = self.house.stream(frame(damaged))
                if answer:
                    self.assertEqual(answer[-8:], bytes(8), name)

    def test_mnh_6_4_answers_tell_nothing(self) -> None:
        """No answer to damaged input has text of ours: errors, paths, addresses."""
        for house in (self.house, House(SECURE)):
            for frames in seeds.handshakes().values():
                data = b"".join(frames)
                for damaged in self.damaged(data, 40):
                    answer = house.stream(damaged)
                    for word in (
                        b"Error",
                        b"error",
                        b"Traceback",
                        b'.py", line',
                        b" at 0x",
                    ):
                        self.assertNotIn(word, answer)
            if house is not self.house:
                house.check()
                house.close()


class RecordedHandshakeTests(HouseTestCase):
    """Negotiations against a server that demands everything."""

    knobs: ClassVar[dict[str, str]] = SECURE

    def test_mnh_0_1_handshakes(self) -> None:
        """Each message of each negotiation damaged: no command, nothing left."""
        for frames in seeds.handshakes().values():
            for number, data in enumerate(frames):
                before = b"".join(frames[:number])
                for damaged in each_byte_flipped(data, max(1, len(data) // 20)):
                    self.house.stream(before + damaged, aborts=True)
        server, security = self.house.collector.server, self.house.collector.security
        assert server is not None
        assert security is not None
        self.assertEqual(server.counters.commands, 0)
        self.assertLessEqual(len(security.incoming), 200)

    def test_mnh_4_21_replay(self) -> None:
        """Recorded connections, sent again as they were, change nothing."""
        store = self.house.collector.state.store
        stored = store.count
        for _ in range(3):
            for frames in seeds.handshakes().values():
                self.house.stream(b"".join(frames))
        self.assertEqual(store.count, stored)
        server = self.house.collector.server
        assert server is not None
        self.assertEqual(server.counters.commands, 0)


class LaterTests(HouseTestCase):
    knobs: ClassVar[dict[str, str]] = OPEN

    def test_mnh_0_1_damage_behind_good_input(self) -> None:
        """Damage on a kept connection ends this connection only."""
        good = frame(seeds.messages()["daemon: master update"])
        for damaged in each_byte_flipped(good, len(good) // 150):
            self.house.stream(good + damaged)
        found = self.house.ask(number=Command.QUERY_MASTER_ADS)
        assert found is not None
        self.assertGreaterEqual(len(found), 3)
