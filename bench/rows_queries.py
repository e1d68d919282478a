"""Rows of queries: how ads get out.

A *warm* row asks again about ads that have not changed since the last query of its
kind. Before each query of a *cold* one every ad is updated. Constants in constraints
differ from query to query, so that a reply kept for its question helps nobody.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import ClassVar

from bench.client import Connection
from bench.rows import (
    DC_NOP_READ,
    QUERY_STARTD_ADS,
    SCHEDD_COUNT,
    Bench,
    Row,
    Sample,
    ads_in_reply,
    query_ad,
)
from bench.servers import Server
from bench.slots import FIRST_TOTAL_DISK_KB, MEMORY_STEPS_MB, SlotFarm
from bench.wire import count_ads, encode_int, frame_message

__all__ = ["QUERY_ROWS", "ask_all"]

QUERY_SCHEDD_ADS = 6
_FOUND_BYTES = 100
"""A reply with an address in it is longer than this."""
STATUS_PROJECTION = (
    "Activity Arch CondorLoadAvg EnteredCurrentActivity LastHeardFrom Machine Memory "
    "MyCurrentTime Name OCU OpSys State"
)
TOTAL_PROJECTION = "Arch Machine Name OCU OpSys State"
COMPACT_PROJECTION = (
    "Activity Arch BackfillSlot ChildActivity ChildMemory ChildState Cpus DynamicSlot "
    "Machine Max(ChildMemory)/1024.0 Memory Memory/1024.0 Name NumDynamicSlots OCU "
    "OpSys OpSysAndVer OpSysName OpSysShortName PartitionableSlot RecentJobStarts "
    "RecentJobStarts/20.0 SlotType SlotTypeId State TotalCpus TotalLoadAvg "
    "TotalLoadAvg*1.0/TotalCpus TotalSlotCpus TotalSlotGpus TotalSlotMemory "
    "TotalSlotMemory/1024.0"
)
LOCATE_PROJECTION = (
    "CondorVersion CondorPlatform MyAddress AddressV1 Name Machine ScheddIpAddr "
    "CredDIpAddr _condor_PrivRemoteAdminCapability"
)


class _QueryRow(Row):
    """A row that asks one kind of question."""

    unit = "ms"
    unit_seconds = 1e-3
    operations: ClassVar[tuple[int, int]] = (5, 10)
    """Queries of a round, in the quick and in the full mode."""
    cold: ClassVar[bool] = False
    first_questions: ClassVar[Sequence[int]] = (1,)
    """What is asked before the first round."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self._questions = itertools.count(37, 101)
        self._round: list[tuple[bytes, int]] = []
        self._refreshed: list[bytes] = []

    def question(self, number: int) -> tuple[bytes, int]:
        """Make one question: the ad of its query, and how many ads must come."""
        raise NotImplementedError

    def begin_round(self) -> None:
        """Make the round's questions, and updates for a cold one."""
        count = 1 if self.cold else self.operations[0 if self.bench.quick else 1]
        self._round = [self.question(next(self._questions)) for _ in range(count)]
        if self.cold:
            self._refreshed = self.bench.next_updates()

    def prepare(self, server: Server) -> None:
        """Ask, so that a warm row starts warm, and check the answers.

        Raises:
            RuntimeError: if a reply does not hold what it must.
        """
        for number in self.first_questions:
            ad, expected = self.question(number)
            message = frame_message(encode_int(QUERY_STARTD_ADS) + ad)
            with Connection(server.port) as connection:
                connection.socket.sendall(message)
                found = ads_in_reply(_read_all(connection))
            if found != expected:
                raise RuntimeError(f"{server.name} sent {found} ads, not {expected}")

    def measure(self, server: Server) -> Sample:
        """Ask the round's questions, one connection each."""
        if self.cold:
            self.bench.fill(server, self._refreshed)
        messages = [
            frame_message(encode_int(QUERY_STARTD_ADS) + ad) for ad, _ in self._round
        ]
        with self.bench.watch(server) as watch:
            for message in messages:
                with Connection(server.port) as connection:
                    connection.socket.sendall(message)
                    if not self.bench.drain(connection):
                        raise RuntimeError(f"{server.name} closed without a reply")
        return watch.sample(len(messages), self.unit_seconds)


class FullDump(_QueryRow):
    """Every attribute of every slot."""

    name = "dump"
    title = "full dump of 10,000 ads"
    target: ClassVar[float | None] = 0.06
    operations = (3, 6)

    def question(self, number: int) -> tuple[bytes, int]:
        """Ask for everything."""
        return query_ad("true"), self.bench.farm.count


class FullDumpCold(FullDump):
    """The same after an update of every ad."""

    name = "dump-cold"
    title = "full dump, every ad new"
    target = None
    cold = True


class EncryptedDump(_QueryRow):
    """Every attribute of every slot, over AES-GCM."""

    name = "dump-aes"
    title = "AES-GCM full dump, per ad"
    unit = "us"
    unit_seconds = 1e-6
    target = 0.12
    operations = (2, 4)

    def question(self, number: int) -> tuple[bytes, int]:
        """Ask for everything."""
        return query_ad("true", encrypted=True), self.bench.farm.count

    def prepare(self, server: Server) -> None:
        """Ask once and decrypt the answer.

        Raises:
            RuntimeError: if it does not hold every ad.
        """
        ad, expected = self.question(0)
        session = self.bench.session(server)
        with Connection(server.port) as connection:
            connection.resume(session, QUERY_STARTD_ADS)
            connection.send_message(ad)
            found = count_ads(connection.receive_message(), encrypted=True)
        if found != expected:
            raise RuntimeError(f"{server.name} sent {found} ads, not {expected}")

    def measure(self, server: Server) -> Sample:
        """Resume, ask, and read without decrypting."""
        session = self.bench.session(server)
        with self.bench.watch(server) as watch:
            for ad, _ in self._round:
                with Connection(server.port) as connection:
                    connection.resume(session, QUERY_STARTD_ADS)
                    connection.send_message(ad)
                    self.bench.drain(connection)
        ads = len(self._round) * self.bench.farm.count
        return watch.sample(ads, self.unit_seconds)


class OneWarm(_QueryRow):
    """A constraint that exactly one slot meets."""

    name = "one-warm"
    title = "constraint, 1 of 10,000, warm"
    target = 0.10
    operations = (10, 30)

    def question(self, number: int) -> tuple[bytes, int]:
        """Ask for a slot by an attribute that is no key."""
        index = number % self.bench.farm.count
        return query_ad(f"((TotalDisk == {FIRST_TOTAL_DISK_KB + index}))"), 1


class OneCold(OneWarm):
    """The same after an update of every ad."""

    name = "one-cold"
    title = "constraint, 1 of 10,000, cold"
    target = 0.80
    cold = True


class TenthWarm(_QueryRow):
    """A constraint that a tenth of the slots meets."""

    name = "tenth-warm"
    title = "constraint, 10 % of 10,000, warm"
    target = 0.10
    first_questions: ClassVar[Sequence[int]] = range(len(MEMORY_STEPS_MB))

    def question(self, number: int) -> tuple[bytes, int]:
        """Ask for one of ten memory sizes."""
        memory = MEMORY_STEPS_MB[number % len(MEMORY_STEPS_MB)]
        farm = self.bench.farm
        return query_ad(f"((Memory == {memory} && Cpus > 0))"), farm.count // 10


class TenthCold(TenthWarm):
    """The same after an update of every ad."""

    name = "tenth-cold"
    title = "constraint, 10 % of 10,000, cold"
    target = 0.40
    cold = True
    first_questions = (1,)


class StatusWarm(_QueryRow):
    """What plain ``condor_status`` asks."""

    name = "status-warm"
    title = "condor_status projection, warm"
    target = 0.15

    def question(self, number: int) -> tuple[bytes, int]:
        """Ask for twelve attributes of every slot."""
        return query_ad("true", projection=STATUS_PROJECTION), self.bench.farm.count


class StatusCold(StatusWarm):
    """The same after an update of every ad."""

    name = "status-cold"
    title = "condor_status projection, cold"
    target = 1.0
    cold = True


class TotalWarm(_QueryRow):
    """What ``condor_status -total`` asks."""

    name = "total-warm"
    title = "condor_status -total projection, warm"
    target = 0.15

    def question(self, number: int) -> tuple[bytes, int]:
        """Ask for six attributes of every slot."""
        return query_ad("true", projection=TOTAL_PROJECTION), self.bench.farm.count


class TotalCold(TotalWarm):
    """The same after an update of every ad."""

    name = "total-cold"
    title = "condor_status -total projection, cold"
    target = 1.0
    cold = True


class Locate(Row):
    """What a tool asks to find a schedd's address."""

    name = "locate"
    title = "locate, limit 1"
    target = 1.2

    def measure(self, server: Server) -> Sample:
        """Ask for each schedd in turn, one connection each."""
        count = 1_000 if self.bench.quick else 3_000
        messages = [
            frame_message(encode_int(QUERY_SCHEDD_ADS) + ad) for ad in _locate_ads()
        ]
        with self.bench.watch(server) as watch:
            for number in range(count):
                with Connection(server.port) as connection:
                    connection.socket.sendall(messages[number % SCHEDD_COUNT])
                    if self.bench.drain(connection) < _FOUND_BYTES:
                        raise RuntimeError(f"{server.name} did not find a schedd")
        return watch.sample(count, self.unit_seconds)


def _locate_ads(*, encrypted: bool = False) -> list[bytes]:
    """Make a query for the address of each schedd, as tools do."""
    ads = []
    for index in range(SCHEDD_COUNT):
        name = f"ap{index:02d}.cluster.example.org"
        ads.append(
            query_ad(
                f'((Name == "{name}"))',
                projection=LOCATE_PROJECTION,
                extra=(f'LocationQuery = "{name}"', "LimitResults = 1"),
                target_type="Scheduler",
                encrypted=encrypted,
            )
        )
    return ads


def status_questions(farm: SlotFarm, index: int) -> tuple[bytes, ...]:
    """Make one query of each of nine kinds that ``condor_status`` sends.

    Args:
        farm: Whose slots.
        index: Which slot is asked for by name.
    """
    name, machine = farm.name(index), farm.machine(index)
    return (
        query_ad("true", projection=STATUS_PROJECTION),
        query_ad("true", projection=TOTAL_PROJECTION),
        query_ad("true", projection=_STATE_PROJECTION),
        query_ad("true", projection=_SERVER_PROJECTION),
        query_ad('((State == "Claimed"))', projection=_CLAIMED_PROJECTION),
        query_ad(
            '((State == "Unclaimed" && Cpus > 0 && Memory > 0))',
            projection=STATUS_PROJECTION,
        ),
        query_ad(
            "((PartitionableSlot =?= true || DynamicSlot =!= true))",
            projection=COMPACT_PROJECTION,
        ),
        query_ad("true", projection="Machine Memory Name OCU"),
        query_ad(
            f'((Name == "{name}" || Machine == "{machine}"))',
            projection=STATUS_PROJECTION,
        ),
    )


def ask_all(bench: Bench, server: Server) -> None:
    """Ask each of the nine kinds once, as a pool in use has been asked."""
    for question in status_questions(bench.farm, 0):
        with Connection(server.port) as connection:
            connection.send_message(encode_int(QUERY_STARTD_ADS) + question)
            bench.drain(connection)


class MixedCycle(Row):
    """A whole cycle of a pool: every slot once, nine kinds of queries between."""

    name = "mixed"
    title = "mixed cycle: 10,000 updates, 9 queries"
    unit = "ms"
    unit_seconds = 1e-3
    target = 0.40

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self._updates: list[bytes] = []

    def begin_round(self) -> None:
        """Make the cycle's updates."""
        self._updates = [frame_message(data) for data in self.bench.next_updates()]

    def measure(self, server: Server) -> Sample:
        """Alternate between a ninth of the updates and a query of another kind."""
        questions = status_questions(self.bench.farm, self.bench.cycle * 77 % 10_000)
        messages = [
            frame_message(encode_int(QUERY_STARTD_ADS) + question)
            for question in questions
        ]
        share = -(-len(self._updates) // len(messages))
        with self.bench.watch(server) as watch, Connection(server.port) as updater:
            for number, message in enumerate(messages):
                for data in self._updates[number * share : (number + 1) * share]:
                    updater.socket.sendall(data)
                with Connection(server.port) as connection:
                    connection.socket.sendall(message)
                    if not self.bench.drain(connection):
                        raise RuntimeError(f"{server.name} closed without a reply")
            self.bench.finish(updater)
        return watch.sample(1, self.unit_seconds)


_STATE_PROJECTION = (
    "Activity CondorLoadAvg Cpus EnteredCurrentActivity EnteredCurrentState "
    "KeyboardIdle LastHeardFrom Machine Memory Name OCU State"
)
_SERVER_PROJECTION = (
    "Arch CondorLoadAvg Disk KFlops Machine Memory Mips Name OCU OpSys State"
)
_CLAIMED_PROJECTION = (
    "Arch ClientMachine CondorLoadAvg KFlops LoadAvg Machine Mips Name OCU OpSys "
    "RemoteUser"
)


class NewSession(Row):
    """A new connection that negotiates a session with FS."""

    name = "session-fs"
    title = "new session FS"
    target = 1.2

    def measure(self, server: Server) -> Sample:
        """Negotiate, run a command that does nothing, wait for the close."""
        count = 300 if self.bench.quick else 1_000
        with self.bench.watch(server) as watch:
            for _ in range(count):
                with Connection(server.port) as connection:
                    connection.negotiate(
                        DC_NOP_READ, authenticate=True, server_root=server.root
                    )
                    connection.socket.recv(1)
        return watch.sample(count, self.unit_seconds)


class ResumedCommand(Row):
    """A new connection that resumes a session, and asks for an address on it."""

    name = "session-resumed"
    title = "resumed command (locate)"
    target = 1.2

    def measure(self, server: Server) -> Sample:
        """Resume, ask for a schedd, read the answer without decrypting."""
        count = 1_000 if self.bench.quick else 3_000
        session = self.bench.session(server)
        ads = _locate_ads(encrypted=True)
        with self.bench.watch(server) as watch:
            for number in range(count):
                with Connection(server.port) as connection:
                    connection.resume(session, QUERY_SCHEDD_ADS)
                    connection.send_message(ads[number % SCHEDD_COUNT])
                    if self.bench.drain(connection) < _FOUND_BYTES:
                        raise RuntimeError(f"{server.name} did not find a schedd")
        return watch.sample(count, self.unit_seconds)


def _read_all(connection: Connection) -> bytes:
    parts = []
    while data := connection.socket.recv(1 << 20):
        parts.append(data)
    return b"".join(parts)


QUERY_ROWS: tuple[type[Row], ...] = (
    FullDump,
    FullDumpCold,
    EncryptedDump,
    OneWarm,
    OneCold,
    TenthWarm,
    TenthCold,
    StatusWarm,
    StatusCold,
    TotalWarm,
    TotalCold,
    Locate,
    MixedCycle,
    NewSession,
    ResumedCommand,
)
