"""Tests of ``condor_twisted.daemoncore.children.spawn_orders`` and its reader."""

from __future__ import annotations

import os
import resource
import sys

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.daemoncore.children.child_start import (
    READY,
    _Order,
    decode_report,
    encode_order,
)
from condor_twisted.daemoncore.children.spawn_options import (
    DaemonCoreOptions,
    FamilyOptions,
    SpawnOptions,
    Stream,
)
from condor_twisted.daemoncore.children.spawn_orders import make_order, map_descriptors
from condor_twisted.errors import LocalProtocolError
from condor_twisted.wire.serialized_sockets import SerializedSocket


def order(
    options: SpawnOptions = SpawnOptions(),  # noqa: B008 -- frozen
    told: dict[str, str | None] | None = None,
    process_groups: bool = True,
) -> _Order:
    return _Order(
        make_order(
            "/bin/program",
            ["program", "", "-x"],
            options,
            {"HOME": "/", "CONDOR_INHERIT": "old", "_CONDOR_ANCESTOR_1": "2:3:4"},
            {"CONDOR_INHERIT": "new"} if told is None else told,
            (7, 8, 9),
            process_groups,
        )
    )


class OrderTests(SynchronousTestCase):
    def test_plain(self) -> None:
        """An order without options names the program, and nothing to prepare."""
        found = order()
        self.assertEqual(found.one("executable"), b"/bin/program")
        self.assertEqual(found.all("argument"), [b"program", b"", b"-x"])
        self.assertEqual(found.integers("ancestor"), [7, 8, 9])
        self.assertEqual(found.integers("blocked"), [])
        for name in ("session", "group_leader", "cgroup", "user", "umask", "directory"):
            self.assertIsNone(found.one(name))

    def test_environment(self) -> None:
        """Ours, then what is asked for, then what DaemonCore tells or takes away."""
        options = SpawnOptions(environment={"HOME": "/home", "MORE": "a=b"})
        self.assertEqual(
            set(order(options).all("variable")),
            {
                b"HOME=/home",
                b"MORE=a=b",
                b"CONDOR_INHERIT=new",
                b"_CONDOR_ANCESTOR_1=2:3:4",
            },
        )
        found = order(
            SpawnOptions(environment={"MORE": "x"}, inherit_environment=False),
            {"CONDOR_INHERIT": None},
        )
        self.assertEqual(
            set(found.all("variable")), {b"MORE=x", b"_CONDOR_ANCESTOR_1=2:3:4"}
        )

    def test_preparations(self) -> None:
        """Everything that the new process does itself is in its order."""
        found = order(
            SpawnOptions(
                family=FamilyOptions(cgroup="/group"),
                nice=5,
                affinity=frozenset({3, 1}),
                limits={"core": 0, "NOFILE": (5, 6)},
                user=12,
                group=13,
                groups=(14, 15),
                umask=0o22,
                directory="/somewhere",
                stdin=Stream.CLOSED,
                process_group=True,
                blocked_signals=frozenset({2, 1}),
                suspended=True,
            )
        )
        self.assertEqual(found.one("session"), b"")
        self.assertEqual(found.one("group_leader"), b"")
        self.assertEqual(found.one("cgroup"), b"/group")
        self.assertEqual(found.integer("nice"), 5)
        self.assertEqual(found.integers("affinity"), [1, 3])
        self.assertEqual(
            found.all("limit"),
            [
                b"%d 0 0" % resource.RLIMIT_CORE,
                b"%d 5 6" % resource.RLIMIT_NOFILE,
            ],
        )
        self.assertEqual(found.one("user"), b"#12")
        self.assertEqual(found.integer("group"), 13)
        self.assertEqual(found.integers("groups"), [14, 15])
        self.assertEqual(found.integer("umask"), 0o22)
        self.assertEqual(found.one("directory"), b"/somewhere")
        self.assertEqual(found.integers("closed"), [0])
        self.assertEqual(found.integers("blocked"), [1, 2])
        self.assertEqual(found.one("suspended"), b"")

    def test_sessions(self) -> None:
        """Families begin sessions, as the configuration or the caller says."""
        family = SpawnOptions(family=FamilyOptions())
        self.assertIsNone(order(family, process_groups=False).one("session"))
        self.assertIsNotNone(order(family).one("session"))
        kept = SpawnOptions(family=FamilyOptions(), new_session=False)
        self.assertIsNone(order(kept).one("session"))

    def test_signals_of_a_daemon(self) -> None:
        """A DaemonCore child starts with its signals blocked."""
        options = SpawnOptions(daemon=DaemonCoreOptions())
        self.assertIsNone(order(options).integers("blocked"))

    def test_nonsense(self) -> None:
        """What cannot be ordered is refused with a reason."""
        with self.assertRaisesRegex(LocalProtocolError, "no resource limit SPEED"):
            order(SpawnOptions(limits={"SPEED": 1}))
        with self.assertRaisesRegex(LocalProtocolError, "a NUL in the variable"):
            order(SpawnOptions(environment={"A": "b\0c"}))

    @settings(deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["argument", "variable"]),
                st.binary().filter(lambda value: b"\0" not in value),
            )
        )
    )
    def test_any_bytes(self, fields: list[tuple[str, bytes]]) -> None:
        """Whatever is in a field comes out of it."""
        found = _Order(encode_order(fields))
        for name in ("argument", "variable"):
            expected = [value for each, value in fields if each == name]
            self.assertEqual(found.all(name), expected)


class ReportTests(SynchronousTestCase):
    def test_reports(self) -> None:
        """Ready, failed before, failed after, and nothing at all."""
        number = (13).to_bytes(4, sys.byteorder)
        self.assertEqual(decode_report(READY), (True, 0, ""))
        self.assertEqual(decode_report(number + b"chdir"), (False, 13, "chdir"))
        self.assertEqual(decode_report(READY + number + b"exec"), (True, 13, "exec"))
        self.assertEqual(decode_report(b""), (False, 0, ""))
        self.assertEqual(decode_report(READY + b"\0"), (True, 0, ""))


class DescriptorTests(SynchronousTestCase):
    def test_streams(self) -> None:
        """Each stream leads where it should, others are named one by one."""
        read_end, write_end = os.pipe()
        self.addCleanup(os.close, read_end)
        self.addCleanup(os.close, write_end)
        options = SpawnOptions(
            stdin=Stream.PIPE,
            stdout=write_end,
            stderr=Stream.PIPE,
            descriptors=(read_end,),
            sockets=(SerializedSocket.listening(write_end),),
        )
        mapped, order_at, report_at = map_descriptors(options, (), 99)
        self.assertEqual((mapped[0], mapped[1], mapped[2]), ("w", write_end, "r"))
        self.assertEqual(mapped[read_end], read_end)
        self.assertEqual(mapped[write_end], write_end)
        self.assertEqual((mapped[order_at], mapped[report_at]), ("w", "r"))
        self.assertEqual(len(mapped), 7)

    def test_none(self) -> None:
        """Streams nobody asked for lead nowhere."""
        mapped, _, _ = map_descriptors(SpawnOptions(stdin=Stream.CLOSED), (), 99)
        self.assertEqual((mapped[0], mapped[1], mapped[2]), (99, 99, 99))

    def test_nonsense(self) -> None:
        """Descriptors that are none, or that are streams, are refused."""
        for descriptor in (0, 1, 2, 10**6):
            self.assertRaises(
                LocalProtocolError,
                map_descriptors,
                SpawnOptions(descriptors=(descriptor,)),
                (),
                99,
            )
