"""Tests of ``condor_twisted.daemoncore.builtin_commands``."""

from __future__ import annotations

import signal

from condor_twisted.constants.commands import Command
from condor_twisted.constants.permissions import Permission
from condor_twisted.daemoncore import Daemon
from tests.daemoncore.kit import DaemonTestCase

ADMINISTRATOR = Permission.ADMINISTRATOR

#: Number, level and whether it comes by UDP; levels as the specification has them.
TABLE = {
    Command.DC_RAISESIGNAL: Permission.DAEMON,
    Command.DC_CHILDALIVE: Permission.DAEMON,
    Command.DC_RECONFIG: ADMINISTRATOR,
    Command.DC_OFF_GRACEFUL: ADMINISTRATOR,
    Command.DC_OFF_FAST: ADMINISTRATOR,
    Command.DC_CONFIG_VAL: Permission.READ,
    Command.CONFIG_VAL: Permission.READ,
    Command.DC_NOP: Permission.ALLOW,
    Command.DC_RECONFIG_FULL: ADMINISTRATOR,
    Command.DC_OFF_PEACEFUL: ADMINISTRATOR,
    Command.DC_SET_PEACEFUL_SHUTDOWN: ADMINISTRATOR,
    Command.DC_TIME_OFFSET: Permission.DAEMON,
    Command.DC_NOP_READ: Permission.READ,
    Command.DC_NOP_WRITE: Permission.WRITE,
    Command.DC_NOP_NEGOTIATOR: Permission.NEGOTIATOR,
    Command.DC_NOP_ADMINISTRATOR: ADMINISTRATOR,
    Command.DC_NOP_OWNER: ADMINISTRATOR,
    Command.DC_NOP_CONFIG: Permission.CONFIG,
    Command.DC_NOP_DAEMON: Permission.DAEMON,
    Command.DC_NOP_ADVERTISE_STARTD: Permission.ADVERTISE_STARTD,
    Command.DC_NOP_ADVERTISE_SCHEDD: Permission.ADVERTISE_SCHEDD,
    Command.DC_NOP_ADVERTISE_MASTER: Permission.ADVERTISE_MASTER,
    Command.DC_SET_FORCE_SHUTDOWN: ADMINISTRATOR,
    Command.DC_OFF_FORCE: ADMINISTRATOR,
    Command.DC_QUERY_INSTANCE: Permission.ALLOW,
    Command.DC_CONFIG_PERSIST: Permission.DAEMON,
    Command.DC_CONFIG_RUNTIME: Permission.DAEMON,
    Command.DC_FETCH_LOG: ADMINISTRATOR,
    Command.DC_PURGE_LOG: ADMINISTRATOR,
    Command.DC_GET_SESSION_TOKEN: Permission.DAEMON,
    Command.DC_START_TOKEN_REQUEST: Permission.DAEMON,
    Command.DC_FINISH_TOKEN_REQUEST: Permission.DAEMON,
    Command.DC_LIST_TOKEN_REQUEST: Permission.DAEMON,
    Command.DC_APPROVE_TOKEN_REQUEST: Permission.DAEMON,
    Command.DC_AUTO_APPROVE_TOKEN_REQUEST: ADMINISTRATOR,
    Command.DC_EXCHANGE_SCITOKEN: Permission.WRITE,
}


class Recorder(Daemon):
    """A daemon that notes how it is stopped."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self.happened: list[str] = []

    def stop_gracefully(self) -> None:
        self.happened.append("peaceful" if self.peaceful else "graceful")

    def stop_fast(self) -> None:
        self.happened.append("fast")

    def request_reconfigure(self) -> None:
        self.happened.append("reconfig")


class BuiltinCommandsTests(DaemonTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.daemon = Recorder(self.settings(), self.reactor)
        self.start(self.daemon)

    def test_mnh_5_2_levels(self) -> None:
        """Every built-in command has the level that HTCondor gives it."""
        found = {each.rule.number: each.rule.permission for each in self.daemon.table}
        self.assertEqual(found, {int(key): level for key, level in TABLE.items()})

    def test_mnh_5_4_transports(self) -> None:
        """What answers, and what stops a daemon, does not come by UDP."""
        udp = {each.rule.number for each in self.daemon.table if each.rule.udp}
        nops = {number for number in TABLE if number.name.startswith("DC_NOP")}
        self.assertEqual(
            udp,
            {
                int(each)
                for each in nops | {Command.DC_RAISESIGNAL, Command.DC_CHILDALIVE}
            },
        )

    def test_nop(self) -> None:
        """Nothing happens, and the connection closes."""
        self.tell(self.daemon, Command.DC_NOP)
        server = self.daemon.server
        assert server is not None
        self.assertEqual(server.counters.commands, 1)
        self.assertEqual(server.connections, {})

    def test_query_instance(self) -> None:
        """Sixteen hexadecimal digits, the same each time, without a NUL."""
        answers = [
            self.ask(self.daemon, Command.DC_QUERY_INSTANCE).get_bytes(16)
            for _ in range(2)
        ]
        self.assertEqual(answers[0], answers[1])
        self.assertRegex(answers[0].decode(), "^[0-9a-f]{16}$")
        reader = self.ask(self.daemon, Command.DC_QUERY_INSTANCE)
        self.assertEqual(reader.remaining, 16)

    def test_shutdown_commands(self) -> None:
        """Each command stops the daemon in its way, after its connection."""
        for number, expected in (
            (Command.DC_OFF_GRACEFUL, ["graceful"]),
            (Command.DC_OFF_FAST, ["fast"]),
            (Command.DC_OFF_PEACEFUL, ["peaceful"]),
            (Command.DC_OFF_FORCE, ["graceful"]),
            (Command.DC_SET_PEACEFUL_SHUTDOWN, []),
            (Command.DC_OFF_GRACEFUL, ["peaceful"]),
            (Command.DC_SET_FORCE_SHUTDOWN, []),
            (Command.DC_OFF_GRACEFUL, ["graceful"]),
            (Command.DC_RECONFIG, ["reconfig"]),
            (Command.DC_RECONFIG_FULL, ["reconfig"]),
        ):
            self.daemon.happened.clear()
            self.tell(self.daemon, number)
            self.assertEqual(self.daemon.happened, expected, number.name)

    def test_mnh_5_2_administrators_only(self) -> None:
        """From elsewhere, nothing of that happens."""
        self.daemon.settings = self.settings(ALLOW_ADMINISTRATOR="192.0.2.1")
        security, server = self.daemon.security, self.daemon.server
        assert security is not None
        assert server is not None
        security.reconfigure(self.daemon.settings)
        server.forget_admissions()
        for number, level in TABLE.items():
            if level is ADMINISTRATOR:
                self.tell(self.daemon, number)
        self.assertEqual(self.daemon.happened, [])
        self.assertGreater(len(self.logged("PERMISSION DENIED")), 5)

    def test_raise_signal(self) -> None:
        """The signals of the daemon come as commands as well."""
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
            self.tell(self.daemon, Command.DC_RAISESIGNAL, number)
        self.assertEqual(self.daemon.happened, ["reconfig", "graceful", "fast"])

    def test_mnh_5_16_other_signals(self) -> None:
        """A number without a handler does nothing, and never reaches the system."""
        for number in (9, 10**12, -1, 0):
            self.tell(self.daemon, Command.DC_RAISESIGNAL, number)
        self.assertEqual(self.daemon.happened, [])
        self.assertEqual(len(self.logged("unregistered Signal")), 4)

    def test_mnh_5_16_signal_by_raw_datagram(self) -> None:
        """A datagram without a session raises no signal."""
        port = next(iter(self.reactor.datagram_ports.values()))
        data = int(Command.DC_RAISESIGNAL).to_bytes(8, "big") + (1).to_bytes(8, "big")
        port.deliver(data, ("127.0.0.1", 5))
        self.reactor.flush()
        self.assertEqual(self.daemon.happened, [])
        self.assertEqual(len(self.logged("a signal by UDP needs a session")), 1)

    def test_time_offset(self) -> None:
        """Our time comes in the middle, the peer's times stay."""
        reader = self.ask(self.daemon, Command.DC_TIME_OFFSET, 11, 0, 0, 14)
        first, arrived, left, last = (reader.get_int() for _ in range(4))
        self.assertEqual((first, last), (11, 14))
        self.assertEqual(arrived, left)
        self.assertGreater(arrived, 1_700_000_000)
        channel = self.open(self.daemon, Command.DC_TIME_OFFSET)
        channel.send_message(bytes(32))
        self.reactor.flush()
        self.assertFalse(channel.is_open)
