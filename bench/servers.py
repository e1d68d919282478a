"""The two collectors under measurement: started, found, watched and stopped."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.accounting import CpuCounter, rss_bytes
from bench.client import Connection
from bench.wire import encode_ad, encode_int

__all__ = ["Installation", "Server", "StartFailed", "find_real", "free_port"]

CHROOTS_VARIABLE = "CONDOR_TWISTED_CHROOTS"
"""Names a directory of chroots made by ``make interop``; ``sid`` has the newest."""

_REPOSITORY = Path(__file__).resolve().parent.parent
_PERMISSIONS = (
    "READ", "WRITE", "DAEMON", "ADMINISTRATOR", "NEGOTIATOR",
    "ADVERTISE_STARTD", "ADVERTISE_SCHEDD", "ADVERTISE_MASTER",
)  # fmt: skip
_FEATURES = ("AUTHENTICATION", "ENCRYPTION", "INTEGRITY")
_LEVELS = ("DEFAULT", "READ", "CLIENT")
OPEN_POLICY = {
    **{f"ALLOW_{permission}": "*" for permission in _PERMISSIONS},
    **{f"SEC_{level}_{what}": "OPTIONAL" for level in _LEVELS for what in _FEATURES},
    "SEC_DEFAULT_AUTHENTICATION_METHODS": "FS",
}
"""Nothing is required of anyone; what the peer wishes is granted."""

_QUERY_COLLECTOR_ADS = 20
_START_SECONDS = 20.0
_STOP_SECONDS = 10.0


class StartFailed(Exception):
    """A server did not accept commands; the text says what it printed."""


@dataclass(frozen=True, slots=True)
class Installation:
    """A real HTCondor on this machine.

    Attributes:
        root: what its processes take for ``/``.
        prefix: the command that enters it.
        version: what its collector says it is.
    """

    root: Path
    prefix: tuple[str, ...]
    version: str


def find_real() -> Installation | str:
    """Look for a real HTCondor, in a chroot first.

    Returns:
        The installation, or why there is none.
    """
    chroots = os.environ.get(CHROOTS_VARIABLE)
    if chroots:
        root = Path(chroots) / "sid"
        if not (root / "usr/sbin/condor_collector").exists():
            return f"no condor_collector in {root}"
        if os.geteuid() != 0:
            return f"only root may use the chroot {root}"
        return _installation(root, ("chroot", str(root)))
    if shutil.which("condor_collector") and shutil.which("condor_status"):
        return _installation(Path("/"), ())
    return f"{CHROOTS_VARIABLE} is not set and condor_collector is not installed"


def _installation(root: Path, prefix: tuple[str, ...]) -> Installation | str:
    try:
        answer = subprocess.run(
            [*prefix, "condor_version"],
            env={**os.environ, "CONDOR_CONFIG": "ONLY_ENV"},
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return f"condor_version does not run: {error}"
    return Installation(root, prefix, " ".join(answer.split()[1:2]))


def _environment() -> dict[str, str]:
    """Return ours, with byte code kept as in any installation."""
    environment = {**os.environ, "PYTHONPATH": str(_REPOSITORY)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def free_port() -> int:
    """Return a port that was free for TCP and UDP a moment ago."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = int(tcp.getsockname()[1])
            with contextlib.suppress(OSError):
                udp.bind(("127.0.0.1", port))
                return port


@dataclass
class Server:
    """A collector on loopback.

    Attributes:
        name: ``"ours"`` or ``"real"``.
        real: the installation to run, or ``None`` for ours.
        profile: where ours writes its cProfile statistics, or ``None``.
    """

    name: str
    real: Installation | None = None
    profile: Path | None = None
    port: int = 0
    start_seconds: float = 0.0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _cpu: CpuCounter | None = field(default=None, repr=False)
    _directory: Path | None = field(default=None, repr=False)

    @property
    def root(self) -> Path:
        """What the server takes for ``/``."""
        return Path("/") if self.real is None else self.real.root

    @property
    def cpu(self) -> CpuCounter:
        """The CPU time of the running server."""
        assert self._cpu is not None, "the server is not running"
        return self._cpu

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.poll() is None

    def rss_bytes(self) -> int:
        """Return the running server's resident memory."""
        assert self._process is not None, "the server is not running"
        return rss_bytes(self._process.pid)

    def twin(self) -> Server:
        """Return another server of the same kind, not started."""
        return Server(self.name, self.real)

    def start(self) -> None:
        """Start it and wait until it answers a query.

        Raises:
            StartFailed: if it ends or stays silent.
        """
        self.port = free_port()
        temporary = self.root / "var/tmp" if self.real else Path(tempfile.gettempdir())
        self._directory = Path(
            tempfile.mkdtemp(prefix="condor-twisted-bench-", dir=temporary)
        )
        self._directory.chmod(0o755)
        output = (self._directory / "output").open("w+b")
        command = self._our_command() if self.real is None else self._real_command()
        begin = time.perf_counter()
        with output:
            self._process = subprocess.Popen(
                command,
                cwd=_REPOSITORY if self.real is None else "/",
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._cpu = CpuCounter(self._process.pid)
        try:
            self._await_answer(begin)
        except StartFailed:
            self.stop()
            raise

    def stop(self) -> None:
        """End it and remove its files."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._cpu is not None:
            self._cpu.close()
            self._cpu = None
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def tool_command(self, *arguments: str) -> list[str]:
        """Return how to run a real tool that knows this server's configuration.

        Raises:
            LookupError: if this server is not a real one.
        """
        if self.real is None or self._directory is None:
            raise LookupError("only a running real installation has tools")
        config = "/" / (self._directory / "config").relative_to(self.root)
        environment = ["env", f"CONDOR_CONFIG={config}"]
        return [*self.real.prefix, *environment, *arguments]

    def _await_answer(self, begin: float) -> None:
        assert self._process is not None
        request = encode_int(_QUERY_COLLECTOR_ADS) + encode_ad([b"LimitResults = 1"])
        while time.perf_counter() < begin + _START_SECONDS:
            with contextlib.suppress(OSError), Connection(self.port) as connection:
                connection.send_message(request)
                connection.receive_message()
                self.start_seconds = time.perf_counter() - begin
                return
            if self._process.poll() is not None:
                raise StartFailed(f"{self.name} ended: {self._last_words()}")
            time.sleep(0.001)
        raise StartFailed(f"{self.name} does not answer: {self._last_words()}")

    def _last_words(self) -> str:
        assert self._directory is not None
        lines = (self._directory / "output").read_text(errors="replace").splitlines()
        return " | ".join(lines[-3:]) or "it printed nothing"

    def _our_command(self) -> Sequence[str]:
        assert self._directory is not None
        options = ["-n", f"--pidfile={self._directory / 'pid'}"]
        if self.profile is not None:
            options += [f"--profile={self.profile}", "--savestats"]
        settings = [f"--set={name}={value}" for name, value in OPEN_POLICY.items()]
        run = "from twisted.scripts.twistd import run; run()"
        # Its own defaults, not those of an HTCondor that happens to be installed.
        return [
            "env", "CONDOR_CONFIG=ONLY_ENV", sys.executable, "-c", run, *options,
            "condor-collector", f"--port={self.port}", "--interface=127.0.0.1",
            "--http=none", *settings,
        ]  # fmt: skip

    def _real_command(self) -> Sequence[str]:
        assert self.real is not None
        assert self._directory is not None
        inside = "/" / self._directory.relative_to(self.root)
        for name in ("log", "spool", "execute", "lock", "run"):
            (self._directory / name).mkdir()
            (self._directory / name).chmod(0o1777)
        settings = {
            "LOCAL_DIR": str(inside),
            **{
                name.upper(): f"$(LOCAL_DIR)/{name}"
                for name in ("log", "spool", "execute", "lock", "run")
            },
            "RELEASE_DIR": "/usr",
            "CONDOR_HOST": "127.0.0.1",
            "COLLECTOR_HOST": f"127.0.0.1:{self.port}",
            "NETWORK_INTERFACE": "127.0.0.1",
            "USE_SHARED_PORT": "False",
            **OPEN_POLICY,
        }
        text = "".join(f"{name} = {value}\n" for name, value in settings.items())
        (self._directory / "config").write_text(text)
        return self.tool_command("condor_collector", "-f", "-p", str(self.port))
