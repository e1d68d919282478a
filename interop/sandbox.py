"""Namespaces around one chroot: the real tools run inside, and nothing gets out.

A sandbox has its own processes, mounts, host name and network (loopback only), so ports
are free, results do not depend on the machine, and ending one process ends everything.
`/tmp` is shared with the machine: FS authentication needs that, and the working
directory has the same name on both sides.
"""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from interop.errors import CannotRun, InteropError

__all__ = ["HOST_NAME", "POOL_HOSTS", "Result", "Sandbox", "wait_until"]

HOST_NAME = "interop.condor.example"
"""This host, in every sandbox."""

POOL_HOSTS = (
    "cm.pool.example",
    "exec01.pool.example",
    "exec02.pool.example",
    "exec03.pool.example",
    "submit01.pool.example",
    "submit02.pool.example",
)
"""Hosts that the advertised ads speak of; their names resolve, nothing more."""

_NAMESPACES = ("--mount", "--pid", "--net", "--uts", "--ipc")
_SHARE_NAMES = """
mount --bind "$0/etc/passwd" /etc/passwd && mount --bind "$0/etc/group" /etc/group &&
mount --bind "$1" /etc/hosts && shift &&
if test -d "$0/run/munge"; then
mount -t tmpfs tmpfs /run && mkdir /run/munge && mount --bind "$0/run/munge" /run/munge
fi && exec "$@"
"""
_LISTENING = "0A"  # the state in /proc/net/tcp
_CLEAN_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


def wait_until(
    question: object, timeout_seconds: float, *, every_seconds: float = 0.2
) -> bool:
    """Ask until the answer is true or the time is over.

    Args:
        question: A callable without arguments.
        timeout_seconds: How long to ask.
        every_seconds: The pause between two questions.

    Returns:
        The last answer.
    """
    assert callable(question), "wait_until asks a callable"
    deadline = time.monotonic() + timeout_seconds
    while True:
        if question():
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(every_seconds)


@dataclass(frozen=True, slots=True)
class Result:
    """What one command did."""

    command: tuple[str, ...]
    exit_code: int
    output: str
    errors: str

    def checked(self) -> str:
        """Give the output of a command that must have succeeded.

        Raises:
            InteropError: The exit code was not 0.
        """
        if self.exit_code:
            raise InteropError(
                f"{shlex.join(self.command)} ended with {self.exit_code}: "
                f"{(self.errors or self.output).strip()[-1500:]}"
            )
        return self.output


class Sandbox:
    """A chroot under its own namespaces. Use as a context manager.

    Args:
        root: The chroot with the real HTCondor.
        work: An existing directory under `/tmp` for everything that the run writes.
    """

    def __init__(self, root: Path, work: Path) -> None:
        self.root = root
        self.work = work
        self._holder: subprocess.Popen[str] | None = None
        self._init_pid = 0

    def __enter__(self) -> Sandbox:
        short = HOST_NAME.partition(".")[0]
        names = ["localhost", f"{HOST_NAME} {short}", *POOL_HOSTS]
        (self.work / "hosts").write_text(
            "".join(f"127.0.0.1 {name}\n" for name in names)
        )
        script = Path(__file__).with_name("sandbox_init.py")
        try:
            self._holder = subprocess.Popen(
                [
                    "unshare",
                    *_NAMESPACES,
                    "--fork",
                    "--kill-child=KILL",
                    "--propagation",
                    "private",
                    "--",
                    sys.executable,
                    "-I",
                    str(script),
                    str(self.root),
                    str(self.work),
                    short,
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        except OSError as error:
            raise CannotRun(f"unshare (util-linux) does not start: {error}") from error
        assert self._holder.stdout is not None, "the pipe was asked for"
        if self._holder.stdout.readline() != "ready\n":
            assert self._holder.stderr is not None, "the pipe was asked for"
            said = self._holder.stderr.read().strip().splitlines()
            self.close()
            raise CannotRun(
                f"no namespaces here: {said[-1] if said else 'no reason given'}"
            )
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children")
        self._init_pid = int(children.read_text().split()[0])
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process of the sandbox; its mounts and its network go with them."""
        holder, self._holder = self._holder, None
        if holder is None:
            return
        assert holder.stdin is not None, "the pipe was asked for"
        with contextlib.suppress(OSError):
            holder.stdin.close()
        try:
            holder.wait(10)
        except subprocess.TimeoutExpired:
            holder.kill()
            holder.wait()
        for stream in (holder.stdout, holder.stderr):
            if stream is not None:
                stream.close()

    def inside(self, command: Sequence[str], user: str = "root") -> list[str]:
        """Give the command line that runs a command in the chroot as a user."""
        target = str(self._init_pid)
        enter = ["nsenter", "--target", target, "-m", "-p", "-n", "-u", "-i", "-r"]
        if user == "root":
            return [*enter, "--wd", "--", *command]
        uid, gid = self.ids_of(user)
        return [
            *enter,
            "--wd",
            "--",
            "setpriv",
            f"--reuid={uid}",
            f"--regid={gid}",
            "--clear-groups",
            "--",
            *command,
        ]

    def beside(self, command: Sequence[str], user: str = "root") -> list[str]:
        """Give the command line that runs a program of this machine in the network.

        It keeps this machine's files, but for the names of hosts and users, which are
        the chroot's, so that both sides mean the same by them. Another user than
        root may still read all of them, because a checkout and its environment often
        lie where only root can look. It dies with the harness, as the sandbox does.
        """
        enter = [
            "nsenter",
            "--target",
            str(self._init_pid),
            "-n",
            "-u",
            "--",
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "--",
            "sh",
            "-c",
            _SHARE_NAMES,
            str(self.root),
            str(self.work / "hosts"),
        ]
        if user == "root":
            return [*enter, "setpriv", "--pdeathsig=KILL", "--", *command]
        uid, gid = self.ids_of(user)
        return [
            *enter,
            "setpriv",
            "--pdeathsig=KILL",
            f"--reuid={uid}",
            f"--regid={gid}",
            "--clear-groups",
            "--inh-caps=+dac_read_search",
            "--ambient-caps=+dac_read_search",
            "--",
            *command,
        ]

    def run(
        self,
        command: Sequence[str],
        *,
        user: str = "root",
        environment: Mapping[str, str] | None = None,
        timeout_seconds: float = 60,
        standard_input: str = "",
        beside: bool = False,
    ) -> Result:
        """Run a command to its end, in the chroot or `beside` it.

        Args:
            command: The program and its arguments.
            user: Who runs it.
            environment: Variables on top of a minimal environment.
            timeout_seconds: After this the command is ended, with exit code 124.
            standard_input: Text for its standard input.
            beside: Whether it is a program of this machine.

        Returns:
            What it did.
        """
        placed = self.beside if beside else self.inside
        try:
            done = subprocess.run(
                placed(command, user),
                env={**_CLEAN_ENVIRONMENT, **(environment or {})},
                input=standard_input,
                capture_output=True,
                timeout=timeout_seconds,
                encoding="utf-8",
                errors="surrogateescape",
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Result(
                tuple(command), 124, "", f"no end after {timeout_seconds:.0f} s"
            )
        return Result(tuple(command), done.returncode, done.stdout, done.stderr)

    @contextlib.contextmanager
    def daemon(
        self,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
        *,
        grace_seconds: float = 15,
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Keep a command running for the length of a ``with`` block.

        Args:
            command: A whole command line, from `inside` or `beside`.
            log: Where its standard output and error go.
            environment: Variables on top of a minimal environment.
            grace_seconds: How long it may take to follow SIGTERM.

        Yields:
            The process.
        """
        with log.open("ab") as sink:
            process = _start(
                command, sink, {**_CLEAN_ENVIRONMENT, **(environment or {})}
            )
            try:
                yield process
            finally:
                process.terminate()
                try:
                    process.wait(grace_seconds)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def ids_of(self, user: str) -> tuple[int, int]:
        """Give the chroot's user id and group id of a user."""
        for line in (self.root / "etc" / "passwd").read_text().splitlines():
            fields = line.split(":")
            if fields[0] == user:
                return int(fields[2]), int(fields[3])
        raise InteropError(f"{self.root} has no user {user}")

    def listens(self, port: int) -> bool:
        """Whether somebody listens on a TCP port of the sandbox."""
        table = Path(f"/proc/{self._init_pid}/net/tcp").read_text().splitlines()[1:]
        rows = [line.split() for line in table]
        return any(
            int(fields[1].partition(":")[2], 16) == port and fields[3] == _LISTENING
            for fields in rows
        )

    def tcp_unread_bytes(self, port: int) -> int:
        """Count what peers have sent to a TCP port and nobody has read yet."""
        table = Path(f"/proc/{self._init_pid}/net/tcp").read_text().splitlines()[1:]
        rows = [line.split() for line in table]
        return sum(
            int(fields[4].partition(":")[2], 16)
            for fields in rows
            if int(fields[1].partition(":")[2], 16) == port and fields[3] != _LISTENING
        )

    def udp_received(self) -> int:
        """Count the datagrams that processes of the sandbox have taken so far."""
        lines = Path(f"/proc/{self._init_pid}/net/snmp").read_text().splitlines()
        names, values = (line.split() for line in lines if line.startswith("Udp: "))
        return int(values[names.index("InDatagrams")])

    def udp_queue(self, port: int) -> tuple[int, int]:
        """Look at a UDP port of the sandbox.

        Returns:
            Bytes waiting to be read, and datagrams dropped so far.
        """
        table = Path(f"/proc/{self._init_pid}/net/udp").read_text().splitlines()[1:]
        for line in table:
            fields = line.split()
            if int(fields[1].partition(":")[2], 16) == port:
                return int(fields[4].partition(":")[2], 16), int(fields[-1])
        raise InteropError(f"nothing listens on UDP port {port}")


def _start(
    command: Sequence[str], sink: IO[bytes], environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=sink,
        stderr=sink,
        cwd="/",
    )
