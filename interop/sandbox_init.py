"""The first process of a sandbox: mounts, network, reaping, nothing else.

Run by `interop.sandbox` as a plain script under ``unshare``, so it imports only the
standard library. It owns the namespaces: when it ends, the kernel ends every process of
the sandbox and drops its mounts and its network. It ends when its standard input does,
so no death of the harness, however sudden, leaves anything behind.

Usage: ``sandbox_init.py ROOT WORK HOST`` — prints ``ready`` once the sandbox stands.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
MACHINE = "mnt"  # where the machine's own files are in the chroot


def _raise_loopback() -> None:
    """Bring up ``lo`` of the new network namespace.

    Layout: ``struct ifreq``: 16 bytes of name, 2 bytes of flags, padding.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("16sh14x", b"lo", 0)
        answer = fcntl.ioctl(probe, _SIOCGIFFLAGS, request)
        flags = struct.unpack("16sh14x", answer)[1] | _IFF_UP
        fcntl.ioctl(probe, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags))


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def _mount_root(root: Path, work: Path) -> None:
    """Make the chroot a place where a starter can run and FS can meet.

    The starter makes ``/`` private in a namespace of its own, so ``/`` has to be a
    mount point. ``/tmp`` is the machine's, so that both sides of an FS exchange see the
    same directories and the harness sees the daemons' logs. The machine's files are
    in the chroot as well, so that a daemon in there can start a program out here; users
    and hosts are the chroot's there too.
    """
    _mount("--bind", str(root), str(root))
    _mount("--rbind", "/", str(root / MACHINE))
    _mount("-t", "proc", "proc", str(root / MACHINE / "proc"))
    for name in ("passwd", "group"):
        _mount("--bind", f"{root}/etc/{name}", f"{root}/{MACHINE}/etc/{name}")
    _mount("--bind", str(work / "hosts"), f"{root}/{MACHINE}/etc/hosts")
    _mount("-t", "proc", "proc", str(root / "proc"))
    _mount("--bind", "/tmp", str(root / "tmp"))
    _mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", str(root / "dev" / "shm"))
    _mount("--bind", str(work / "hosts"), str(root / "etc" / "hosts"))


def _reap_until_end_of_input() -> None:
    """Reap orphans until standard input ends or a termination signal comes."""
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    stopping = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    while not stopping:
        readable, _, _ = select.select([sys.stdin, wake_read], [], [])
        if wake_read in readable:
            os.read(wake_read, 512)
        if sys.stdin in readable and not os.read(0, 512):
            return
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def main(root: str, work: str, host: str) -> None:
    """Set the sandbox up, say so, and hold it."""
    socket.sethostname(host)
    _raise_loopback()
    _mount_root(Path(root), Path(work))
    os.chroot(root)
    os.chdir("/")
    print("ready", flush=True)
    _reap_until_end_of_input()


if __name__ == "__main__":
    main(*sys.argv[1:])
