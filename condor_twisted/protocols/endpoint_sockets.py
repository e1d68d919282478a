"""The sockets of daemons behind a shared port: their names, and connections to them.

An endpoint is a UNIX socket of this host. On Linux its name is an abstract one: a
cookie, which one tree of processes has in common, a slash, and the endpoint's id. A
daemon without a cookie has a file in DAEMON_SOCKET_DIR instead. Whoever may connect to
an endpoint may hand it connections of anybody; what they ask for is admitted or not as
on any other port.

Source: ``src/condor_io/shared_port_endpoint.cpp: GetDaemonSocketDir,
GetAltDaemonSocketDir``; ``src/condor_io/shared_port_client.cpp: SharedPortState``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import sys
from dataclasses import dataclass, field
from typing import Final

from condor_twisted.config.settings import Settings
from condor_twisted.errors import LocalProtocolError
from condor_twisted.wire.shared_port import PASS_SOCKET, is_endpoint_id

__all__ = ["EndpointSockets", "PassingFailed", "connected_pair"]

_MAX_NAME_BYTES: Final = 107
#: What an id has room for behind DAEMON_SOCKET_DIR.
_MIN_ID_BYTES: Final = 18
_BACKLOG: Final = 4096
_DIRECTORY_MODE: Final = 0o755
_NOBODY_ELSE: Final = 0o077
#: Nobody is there now; somebody may be under the other name.
_ABSENT: Final = frozenset({errno.ENOENT, errno.ECONNREFUSED})
#: Somebody is there who does not keep up; on some systems that is a refusal, too.
_BUSY: Final = frozenset(
    {errno.EAGAIN, errno.EWOULDBLOCK, errno.ETIMEDOUT, errno.ECONNREFUSED}
)


class PassingFailed(LocalProtocolError):
    """A connection could not be handed to an endpoint.

    Args:
        endpoint_id: Which.
        why: What happened.
        busy: The daemon is there and has no room, as far as that can be told.
    """

    def __init__(self, endpoint_id: str, why: str, *, busy: bool = False) -> None:
        super().__init__(f"no daemon takes connections for {endpoint_id!r}: {why}")
        self.busy = busy


@dataclass(frozen=True, slots=True)
class EndpointSockets:
    """Where the endpoints of this host are.

    Args:
        cookie: What abstract names begin with; ``None`` without one.
        directory: Where those are that are files; ``None`` where it cannot be.
    """

    cookie: str | None = field(repr=False)
    directory: str | None

    @classmethod
    def from_settings(cls, settings: Settings, cookie: str | None) -> EndpointSockets:
        """The places that a configuration names.

        Args:
            settings: DAEMON_SOCKET_DIR, LOCK.
            cookie: The one of our tree of processes.
        """
        directory = settings.text("DAEMON_SOCKET_DIR")
        if directory == "auto":
            lock = settings.text("LOCK")
            directory = f"{lock}/daemon_sock" if lock else None
        if directory is not None and (
            not directory.startswith("/")
            or len(os.fsencode(directory)) + _MIN_ID_BYTES > _MAX_NAME_BYTES
        ):
            directory = None
        if not sys.platform.startswith("linux"):
            cookie = None
        return cls(cookie or None, directory or None)

    def names(self, endpoint_id: str) -> tuple[str, ...]:
        """The names that an endpoint's socket can have, the likely one first.

        Raises:
            PassingFailed: The id is none, or there is no place for it.
        """
        if not is_endpoint_id(endpoint_id):
            raise PassingFailed(endpoint_id, "that is not a name of an endpoint")
        found = []
        if self.cookie is not None:
            found.append(f"\0{self.cookie}/{endpoint_id}")
        if self.directory is not None:
            found.append(f"{self.directory}/{endpoint_id}")
        usable = [each for each in found if len(os.fsencode(each)) <= _MAX_NAME_BYTES]
        if not usable:
            raise PassingFailed(
                endpoint_id,
                "its socket's name would be too long; set DAEMON_SOCKET_DIR to a "
                "shorter path",
            )
        return tuple(usable)

    def pass_on(self, connection: socket.socket, endpoint_id: str) -> None:
        """Hand a connection to a daemon of this host; this never waits.

        Args:
            connection: Stays open here; close it without shutting it down.
            endpoint_id: Whose it is.

        Raises:
            PassingFailed: Nobody has it.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as carrier:
            carrier.setblocking(False)
            self._connect(carrier, endpoint_id)
            try:
                # Both fit into the buffer of a new connection.
                carrier.sendall(PASS_SOCKET)
                socket.send_fds(carrier, [b"\0"], [connection.fileno()])
            except OSError as error:
                raise PassingFailed(endpoint_id, error.strerror or "") from error

    def _connect(self, carrier: socket.socket, endpoint_id: str) -> None:
        reasons: list[str] = []
        busy = False
        for name in self.names(endpoint_id):
            try:
                carrier.connect(name)
            except OSError as error:
                where = "abstract" if name.startswith("\0") else name
                reasons.append(f"{where}: {error.strerror}")
                busy = busy or error.errno in _BUSY
                if error.errno in _ABSENT:
                    continue
                break
            return
        raise PassingFailed(endpoint_id, "; ".join(reasons), busy=busy)

    def listen(self, endpoint_id: str) -> socket.socket:
        """Listen at an endpoint: in our tree's names, or at a file.

        A file that a daemon has left behind is replaced, one that is served is not.
        The directory is made where it is missing.

        Raises:
            LocalProtocolError: The id is none, or there is no place for it.
            OSError: It is taken, or not to be made.
        """
        name = self.names(endpoint_id)[0]
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.setblocking(False)
            if name.startswith("\0"):
                listening.bind(name)
            else:
                _bind_file(listening, name)
            listening.listen(_BACKLOG)
        except BaseException:
            listening.close()
            raise
        return listening


def _bind_file(listening: socket.socket, name: str) -> None:
    with contextlib.suppress(FileExistsError, FileNotFoundError):
        os.mkdir(os.path.dirname(name), _DIRECTORY_MODE)
    _remove_left_behind(name)
    before = os.umask(_NOBODY_ELSE)  # who may connect here may speak for anybody
    try:
        listening.bind(name)
    finally:
        os.umask(before)
    directory = os.stat(os.path.dirname(name))
    if os.geteuid() == 0 and directory.st_uid:
        os.chown(name, directory.st_uid, directory.st_gid, follow_symlinks=False)


def _remove_left_behind(name: str) -> None:
    """Remove a socket at which nobody listens.

    Raises:
        OSError: Something else is there.
    """
    try:
        found = os.lstat(name)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise FileExistsError(errno.EEXIST, "there is a file that is no socket", name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(name)
        except ConnectionRefusedError:
            os.unlink(name)
            return
    raise OSError(errno.EADDRINUSE, "another daemon listens there", name)


def connected_pair(host: str) -> tuple[socket.socket, socket.socket]:
    """Two ends of a TCP connection from an address of this host to itself.

    Returns:
        The end that connected and the one that accepted, neither of which blocks.

    Raises:
        OSError: That is no address of this host.

    Source: ``src/condor_io/reli_sock.cpp: ReliSock::connect_socketpair_impl``.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.bind((host, 0))
        listening.listen(1)
        near = socket.socket(family, socket.SOCK_STREAM)
        try:
            near.bind((host, 0))
            near.connect(listening.getsockname())
            listening.settimeout(1)  # it waits already, unless somebody else came
            far, peer = listening.accept()
            if peer != near.getsockname():
                far.close()
                raise OSError(errno.ECONNABORTED, "somebody else connected first")
            near.setblocking(False)
            far.setblocking(False)
        except BaseException:
            near.close()
            raise
    return near, far
