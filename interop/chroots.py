"""Chroots that hold the real HTCondor, made once and used again.

Debian's own packages, from the mirror that this machine's own apt sources name. A
chroot is made under a temporary name and moved into place when it is whole, so that a
run that was cut off leaves nothing that a later one would take for finished.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from interop.errors import CannotRun

__all__ = ["LOCATION_VARIABLE", "SUITES", "apt_mirror", "find_chroot"]

LOCATION_VARIABLE = "CONDOR_TWISTED_CHROOTS"
_DEFAULT_LOCATION = "/var/tmp/condor-twisted-interop"
_NEEDED_TOOLS = ("unshare", "nsenter", "setpriv", "mount")
_SUBMITTER = "tester"
_PACKAGES = {
    "usr/sbin/krb5kdc": "krb5-kdc",
    "usr/sbin/kadmin.local": "krb5-admin-server",
    "usr/bin/kinit": "krb5-user",
    "usr/sbin/munged": "munge",
}
"""What a chroot has besides HTCondor: a program, and the package that brings it."""
_INSTALL_SECONDS = 420


SUITES = ("sid", "trixie")
"""Debian's releases with HTCondor 25 and with HTCondor 23."""


def find_chroot(suite: str) -> Path:
    """Give the suite's chroot, and make it when there is none.

    Raises:
        CannotRun: It is not there and cannot be made.
    """
    if os.geteuid() != 0:
        raise CannotRun("the real HTCondor needs root (chroot, mounts, its daemons)")
    if platform.system() != "Linux":
        raise CannotRun("the real HTCondor's chroot needs Linux")
    for tool in _NEEDED_TOOLS:
        if shutil.which(tool) is None:
            raise CannotRun(f"the real HTCondor's chroot needs {tool} (util-linux)")
    base = Path(os.environ.get(LOCATION_VARIABLE, _DEFAULT_LOCATION))
    root = base / suite
    if not _is_complete(root):
        print(f"making {root} (one or two minutes, once)", flush=True)
        _make(suite, base, root)
    _add_packages(root)
    _add_submitter(root)
    return root


def apt_mirror(sources: Sequence[str]) -> str | None:
    """Find the Debian mirror in the texts of apt's source files, old or new style."""
    for text in sources:
        for line in text.splitlines():
            match = re.match(r"\s*(?:URIs:|deb\s+(?:\[[^\]]*\]\s+)?)\s*(http\S+)", line)
            if match and match[1].rstrip("/").endswith("/debian"):
                return match[1]
    return None


def _is_complete(root: Path) -> bool:
    return (root / "usr/sbin/condor_collector").exists()


def _make(suite: str, base: Path, root: Path) -> None:
    if root.exists():
        raise CannotRun(
            f"{root} exists but holds no HTCondor: remove it or look elsewhere"
        )
    mirror = apt_mirror(_source_texts())
    if mirror is None:
        raise CannotRun("this machine's apt sources name no Debian mirror")
    _install_debootstrap()
    base.mkdir(parents=True, exist_ok=True)
    log = base / f"{suite}.log"
    unfinished = base / f".{suite}.{os.getpid()}"
    try:
        with log.open("wb") as sink:
            _step(
                ["debootstrap", "--variant=minbase", suite, str(unfinished), mirror],
                log,
                sink.fileno(),
            )
            shutil.copy("/etc/resolv.conf", unfinished / "etc/resolv.conf")
            policy = unfinished / "usr/sbin/policy-rc.d"
            policy.write_text("#!/bin/sh\nexit 101\n")
            policy.chmod(0o755)
            _install(unfinished, ["condor"], log, sink.fileno())
        if not _is_complete(unfinished):
            raise CannotRun(f"Debian's condor brought no collector; see {log}")
        unfinished.rename(root)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _install(root: Path, packages: Sequence[str], log: Path, sink: int) -> None:
    """Have a chroot's own apt install packages; nothing of them is started."""
    script = (
        "mount -t proc proc /proc && export DEBIAN_FRONTEND=noninteractive && "
        "apt-get -o Acquire::Check-Valid-Until=false update -q && "
        f"apt-get install -y -q --no-install-recommends {' '.join(packages)} && "
        "apt-get clean"
    )
    unshare = ["unshare", "--mount", "--propagation", "private"]
    _step([*unshare, "chroot", str(root), "sh", "-c", script], log, sink)


def _add_packages(root: Path) -> None:
    """Add what a chroot that an older version made does not have yet."""
    missing = [
        name for file, name in _PACKAGES.items() if not os.path.lexists(root / file)
    ]
    if missing:
        print(f"adding {', '.join(missing)} to {root}", flush=True)
        log = root.with_name(f"{root.name}.log")
        with log.open("ab") as sink:
            _install(root, missing, log, sink.fileno())


def _source_texts() -> list[str]:
    apt = Path("/etc/apt")
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    return [
        path.read_text(errors="replace")
        for path in files
        if path.suffix in (".list", ".sources") and path.is_file()
    ]


def _install_debootstrap() -> None:
    if shutil.which("debootstrap"):
        return
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "debootstrap"],
    ):
        _step(command, None, subprocess.DEVNULL)


def _step(command: Sequence[str], log: Path | None, sink: int) -> None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            timeout=_INSTALL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotRun(f"{command[0]} failed: {error}") from error
    if done.returncode:
        where = f"; see {log}" if log else ""
        raise CannotRun(f"{command[0]} ended with {done.returncode}{where}")


def _add_submitter(root: Path) -> None:
    """Give the chroot the ordinary user who submits jobs."""
    users = (root / "etc/passwd").read_text()
    if not re.search(rf"^{_SUBMITTER}:", users, re.MULTILINE):
        _step(
            ["chroot", str(root), "useradd", "-m", _SUBMITTER], None, subprocess.DEVNULL
        )
