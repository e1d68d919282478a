"""The ads that the driver sends: a cluster's slots, updated in cycles.

A slot's ad has about 186 attributes and, with its private ad, about 6.75 kB, taken
from a real startd's. Eight slots share a machine. Every cycle changes what a real
startd changes between two updates: the sequence number, times, loads and sizes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bench.wire import encode_ad, encode_int

__all__ = ["SlotFarm", "schedd_lines"]

UPDATE_STARTD_AD = 0
SLOTS_PER_MACHINE = 8
MEMORY_STEPS_MB = tuple(2048 + 1024 * step for step in range(10))
"""Every one of these sizes belongs to a tenth of the slots."""
FIRST_TOTAL_DISK_KB = 100_000_000
"""``TotalDisk`` of slot i is this plus i: an attribute that finds exactly one slot."""

_TEMPLATE = Path(__file__).with_name("slot_ad.txt")
_CLAIMED_LINES = (
    'RemoteOwner = "user@USER@@cluster.example.org"',
    'RemoteUser = "user@USER@@cluster.example.org"',
    'ClientMachine = "ap@USER@.cluster.example.org"',
    'RemoteScheddName = "ap@USER@.cluster.example.org"',
    'AccountingGroup = "physics.user@USER@"',
    'JobId = "@JOB@.0"',
    'GlobalJobId = "ap@USER@.cluster.example.org#@JOB@.0#@ENTERED@"',
    "JobStart = @ENTERED@",
    "JobUniverse = 5",
    "ImageSize = @JOB@",
    "TotalTimeClaimedBusy = %(age)d",
)
_MACHINE_LINES: tuple[tuple[str, ...], ...] = (
    (),
    ("HasDocker = true", 'DockerVersion = "Docker version 27.5.1, build 9f9e405"'),
    ("HasSingularity = true", 'SingularityVersion = "apptainer version 1.4.2"'),
    ("HasCVMFS = true", 'CVMFSVersion = "2.12.7"', "SiteRank = 3"),
)
"""Machines are bought in lots: each lot's ads have attributes that others lack."""
_PRIVATE_LINES = (
    'MyType = "Machine"',
    'MyAddress = "@ADDRESS@"',
    "DaemonStartTime = @STARTED@",
    "NumDynamicSlots = @DYNAMIC_COUNT@",
    "UpdateSequenceNumber = %(sequence)d",
    "DaemonLastReconfigTime = @STARTED@",
)
_SECRET_LINE = (
    'ClaimId = "@ADDRESS@#@STARTED@#@JOB@#[Integrity=\\"YES\\";Encryption=\\"YES\\";'
    'ShortVersion=\\"25.14.1\\";CryptoMethods=\\"AES\\";'
    'CryptoMethodsList=\\"AES.BLOWFISH.3DES\\";]'
    '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"'
)
_TOKEN = re.compile(r"@([A-Z_]+)@")


@dataclass(frozen=True, slots=True)
class _SlotTemplate:
    public: tuple[bytes, ...]
    private: tuple[bytes, ...]
    secret: bytes
    clear_message: bytes


class SlotFarm:
    """A cluster of slots whose updates are made on demand, cycle by cycle.

    Args:
        count: how many slots there are.
        start_unix: the time of cycle 0.
    """

    def __init__(self, count: int, start_unix: int) -> None:
        self.count = count
        self._start_unix = start_unix
        lines = tuple(_TEMPLATE.read_text().splitlines())
        self._templates = [self._template(index, lines) for index in range(count)]

    def name(self, index: int) -> str:
        """Return the ``Name`` of a slot."""
        kind = "slot1" if index % SLOTS_PER_MACHINE == 0 else f"slot1_{index % 8}"
        return f"{kind}@{self.machine(index)}"

    def machine(self, index: int) -> str:
        """Return the host name of a slot's machine."""
        return f"node{index // SLOTS_PER_MACHINE:05d}.cluster.example.org"

    def update(self, index: int, cycle: int, *, encrypted: bool = False) -> bytes:
        """Make the message of one update: command, public ad, private ad.

        Args:
            index: which slot.
            cycle: which update of it, from 1.
            encrypted: in the form for an encrypted stream.
        """
        template = self._templates[index]
        values = self._values(index, cycle)
        if not encrypted:
            return template.clear_message % values
        return (
            encode_int(UPDATE_STARTD_AD)
            + self.public_ad(index, cycle, encrypted=True)
            + encode_ad(
                [line % values for line in template.private],
                [template.secret],
                encrypted=True,
            )
        )

    def public_ad(self, index: int, cycle: int, *, encrypted: bool = False) -> bytes:
        """Make only the public ad of one update."""
        values = self._values(index, cycle)
        lines = [line % values for line in self._templates[index].public]
        return encode_ad(lines, encrypted=encrypted)

    def updates(self, cycle: int, *, encrypted: bool = False) -> list[bytes]:
        """Make one update of every slot."""
        return [
            self.update(index, cycle, encrypted=encrypted)
            for index in range(self.count)
        ]

    def _values(self, index: int, cycle: int) -> dict[bytes, int | bytes]:
        load = b"%d.%02d" % ((index + cycle) % 3, (index * 7 + cycle * 13) % 100)
        return {
            b"sequence": cycle,
            b"now": self._start_unix + cycle,
            b"age": 86_400 + cycle,
            b"self_cpu": b"0.%02d" % ((index + cycle) % 97 + 1),
            b"image_size": 27_000 + (index + cycle * 4) % 900,
            b"resident": 18_000 + (index + cycle * 3) % 900,
            b"load": load,
            b"total_load": b"5" + load,
            b"minute": (746 + cycle) % 1440,
            b"idle": 1200 + cycle,
            b"duty": b"0.0009%06d" % ((index * 31 + cycle * 17) % 1_000_000),
            b"badput": 1000 + cycle * 2,
        }

    def _template(self, index: int, lines: tuple[str, ...]) -> _SlotTemplate:
        dynamic = index % SLOTS_PER_MACHINE != 0
        claimed = dynamic and index % 10 != 3
        machine_index = index // SLOTS_PER_MACHINE
        address_ip = f"10.{machine_index >> 16}.{machine_index >> 8 & 255}"
        address_ip += f".{machine_index & 255}"
        host = self.machine(index)
        memory = MEMORY_STEPS_MB[index % len(MEMORY_STEPS_MB)]
        tokens = {
            "SLOT": self.name(index),
            "HOST": host,
            "IP": address_ip,
            "ADDRESS": f"<{address_ip}:9618?addrs={address_ip}-9618&alias={host}"
            "&noUDP&sock=startd_4711_1f2e>",
            "CPUS": str(1 + index % 8),
            "MEMORY": str(memory),
            "DISK": str(81_000_000 + index % 1000),
            "TOTAL_DISK": str(FIRST_TOTAL_DISK_KB + index),
            "STATE": "Claimed" if claimed else "Unclaimed",
            "ACTIVITY": "Busy" if claimed else "Idle",
            "SLOT_TYPE": "Dynamic" if dynamic else "Partitionable",
            "SLOT_TYPE_ID": "-1" if dynamic else "1",
            "SLOT_ID": "1",
            "KIND": "DynamicSlot" if dynamic else "PartitionableSlot",
            "DYNAMIC_COUNT": "0" if dynamic else "7",
            "ENTERED": str(self._start_unix - 3600 - index % 3000),
            "STARTED": str(self._start_unix - 86_400),
            "USER": f"{index % 40:02d}",
            "JOB": str(100_000 + index),
        }

        def fill(line: str) -> bytes:
            return _TOKEN.sub(lambda match: tokens[match[1]], line).encode()

        lot = _MACHINE_LINES[machine_index % len(_MACHINE_LINES)]
        state_lines = _CLAIMED_LINES if claimed else ()
        public = tuple(map(fill, (*lines, *lot, *state_lines)))
        private = tuple(map(fill, _PRIVATE_LINES))
        secret = fill(_SECRET_LINE)
        clear = (
            encode_int(UPDATE_STARTD_AD)
            + encode_ad(public)
            + encode_ad(private, [secret])
        )
        return _SlotTemplate(public, private, secret, clear)


def schedd_lines(index: int, now_unix: int) -> list[bytes]:
    """Make a small schedd ad, for the queries that look up a daemon's address."""
    name = f"ap{index:02d}.cluster.example.org"
    address = f"<10.9.0.{index + 1}:9618?addrs=10.9.0.{index + 1}-9618&alias={name}>"
    texts = {
        "MyType": '"Scheduler"',
        "Name": f'"{name}"',
        "Machine": f'"{name}"',
        "MyAddress": f'"{address}"',
        "ScheddIpAddr": f'"{address}"',
        "CondorVersion": '"$CondorVersion: 25.14.1 2026-10-16 PackageID: 25.14.1-1 $"',
        "CondorPlatform": '"$CondorPlatform: X86_64-Debian_13 $"',
        "MyCurrentTime": str(now_unix),
        "TotalRunningJobs": str(index * 10),
        "TotalIdleJobs": "3",
        "ShadowsRunning": str(index * 10),
        "TotalSchedulerJobsRunning": "0",
        "UpdateSequenceNumber": "1",
        "DaemonStartTime": str(now_unix - 1000),
    }
    return [f"{name} = {text}".encode() for name, text in texts.items()]
