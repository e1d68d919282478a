"""FS and FS_REMOTE: the client makes a directory, the server looks whose it is.

1.  S: string name                  "" if the server could not invent one
2.  C: int result [, string extension]   0 or -1; what the client put behind the name
3.  S: int verdict                  0 success, -1 failure

The name is ``<directory>/FS_<ip>_<port>_<random>_``, with the server's end of this
connection. The underscore at its end asks the client to append *its* view of whom it
talks to, so that a server in the middle cannot pass another server's name on: the
extension has to be an address of the server. A name without it has to carry that
address itself. The client removes the directory after the verdict, whatever it is.

Layout: extension = ip ":" port [ "?sock=" id ], IPv6 in brackets.

Source: ``src/condor_io/condor_auth_fs.cpp: Condor_Auth_FS::authenticate,
Condor_Auth_FS::authenticate_continue``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from condor_twisted.errors import (
    AuthenticationFailed,
    LimitExceeded,
    MalformedMessage,
)
from condor_twisted.security.methods.base import (
    AuthenticationMethod,
    AuthResult,
    MethodContext,
    receive_int,
    send_int,
)
from condor_twisted.security.patterns.hosts import parse_ip
from condor_twisted.security.steps import (
    Handshake,
    PathKind,
    PathStatus,
    make_directory,
    make_temporary_name,
    receive_message,
    remove_directory,
    send_message,
    stat_path,
)
from condor_twisted.wire.messages import MessageReader, MessageWriter
from condor_twisted.wire.sinful import SinfulAddress, points_to_me

__all__ = ["FsMethod", "FsRemoteMethod"]

_SUCCESS: Final = 0
_FAILURE: Final = -1
_DIRECTORY_MODE: Final = 0o700
_MAX_EXTENSION_BYTES: Final = 256
_MAX_NAME_BYTES: Final = 4096
_SOCK: Final = "?sock="
_BINDING: Final = "SEC_FS_ENFORCE_CHANNEL_BINDING"
_ROOT_TO_CONDOR: Final = "FS_ROOT_TO_CONDOR"


def _ip_and_port(address: str, port: int) -> str:
    """An address as an extension has it."""
    ip = parse_ip(address)
    text = address if ip is None else str(ip)
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"


def _is_plain_path(path: str) -> bool:
    """Whether a name that a server gave is one to make a directory of."""
    return path.startswith("/") and path.isprintable() and "/../" not in path


def _wrong_with_directory(status: PathStatus | None) -> str | None:
    """Why what is there is not an empty directory that its owner just made."""
    if status is None:
        return "the directory is not there"
    if status.kind is not PathKind.DIRECTORY:
        return f"what is there is a {status.kind.value}, not a directory"
    if status.mode != _DIRECTORY_MODE:
        return f"the directory's mode is {status.mode:o}, not 700"
    if status.link_count not in (1, 2):
        return "the directory has directories in it, or links to it"
    if status.entry_count:
        return "the directory is not empty"
    return None


class FsMethod(AuthenticationMethod):
    """The same host's file system is the witness."""

    name = "FS"
    used_name = "FS"
    bit = 4
    switches: ClassVar[Mapping[str, bool]] = {_BINDING: True, _ROOT_TO_CONDOR: True}
    #: The knob that names the directory.
    directory_knob: ClassVar[str] = "FS_LOCAL_DIR"
    #: Whether other hosts' caches have to be told that something is new.
    remote: ClassVar[bool] = False

    def client(self, context: MethodContext) -> Handshake[AuthResult]:
        """Make the directory that the server names, bound to whom we dialled."""
        reader = MessageReader((yield from receive_message()))
        name = reader.get_string_bytes()
        reader.end_of_message()
        if len(name) > _MAX_NAME_BYTES:
            raise LimitExceeded("the length of a directory name", _MAX_NAME_BYTES)
        path, extension = self._choose_path(context, name.decode("utf-8", "replace"))
        made = False
        if path is not None:
            made = yield from make_directory(path, _DIRECTORY_MODE)
        writer = MessageWriter()
        writer.put_int(_SUCCESS if made else _FAILURE)
        if extension:
            writer.put_string(extension)
        yield from send_message(writer.end_of_message())
        verdict = yield from receive_int()
        if made:
            assert path is not None
            yield from remove_directory(path)
        if verdict != _SUCCESS or not made:
            raise self.failure(
                "the server does not accept the directory"
                if made
                else "the directory that the server wants cannot be made"
            )
        return AuthResult(user=None)

    def _choose_path(
        self, context: MethodContext, name: str
    ) -> tuple[str | None, str | None]:
        """The directory to make, if any, and what we put behind its name."""
        if not name or not _is_plain_path(name):
            return None, None
        ends = context.ends
        if not self.switch(context, _BINDING):
            return name, None
        if name.endswith("_"):
            extension = _ip_and_port(ends.peer_address, ends.peer_port)
            sock = _shared_port_id(ends.dialled)
            if sock:
                extension += _SOCK + sock
            return name + extension, extension
        prefix = f"{self.used_name}_{ends.peer_address}_{ends.peer_port}_"
        if name.rpartition("/")[2].startswith(prefix):
            return name, None
        return None, None

    def server(self, context: MethodContext) -> Handshake[AuthResult]:
        """Name a directory, and see whose it is when it is there."""
        security, ends = context.security, context.ends
        directory = (security.knobs.text(self.directory_knob) or "/tmp").rstrip("/")  # noqa: S108
        own_end = _ip_and_port(ends.own_address, ends.own_port)
        prefix = f"{self.used_name}_{ends.own_address}_{ends.own_port}_"
        name = yield from make_temporary_name(directory, prefix, own_end)
        writer = MessageWriter()
        writer.put_string(name or "")
        yield from send_message(writer.end_of_message())

        reader = MessageReader((yield from receive_message()))
        status = reader.get_int()
        extension = b"" if reader.at_end() else reader.get_string_bytes()
        reader.end_of_message()
        try:
            result = yield from self._judge(context, name, status, extension)
        except AuthenticationFailed:
            yield from send_int(_FAILURE)
            raise
        yield from send_int(_SUCCESS)
        return result

    def _judge(
        self, context: MethodContext, name: str | None, status: int, extension: bytes
    ) -> Handshake[AuthResult]:
        """See whose the directory is.

        Raises:
            AuthenticationFailed: Something is wrong with it.
        """
        if name is None:
            raise self.failure("we could not invent a name")
        if status != _SUCCESS:
            raise self.failure("the client could not make the directory")
        problem = _wrong_with_extension(context, extension)
        if problem is not None:
            raise self.failure(problem)
        found = yield from stat_path(name + extension.decode("ascii"), self.remote)
        problem = _wrong_with_directory(found)
        if problem is not None or found is None:
            raise self.failure(problem or "the directory is not there")
        root = None
        if self.switch(context, _ROOT_TO_CONDOR):
            root = context.security.host.condor_user
        return (yield from self.result_of_uid(context, found.owner_uid, root=root))


class FsRemoteMethod(FsMethod):
    """A file system that both hosts mount is the witness."""

    name = "FS_REMOTE"
    used_name = "FS_REMOTE"
    bit = 8
    directory_knob = "FS_REMOTE_DIR"
    remote = True


def _shared_port_id(address: str | None) -> str | None:
    """The shared port id in an address, if there is one."""
    try:
        return SinfulAddress.parse(address or "").shared_port_id
    except MalformedMessage:
        return None


def _wrong_with_extension(context: MethodContext, extension: bytes) -> str | None:
    """Why an extension is not the client's view of us."""
    if not extension:
        return None
    if len(extension) > _MAX_EXTENSION_BYTES or not extension.isascii():
        return "the extension is no address"
    text = extension.decode("ascii")
    if "/" in text or not text.isprintable():
        return "the extension is no address"
    where, separator, sock = text.partition(_SOCK)
    host, _, port = where.rpartition(":")
    address = parse_ip(host)
    if address is None or not port.isdigit() or len(port) > 5:
        return "the extension is no address"
    if ":" in host and not host.startswith("["):
        return "the extension is no address"
    ends = context.ends
    here = address == parse_ip(ends.own_address) and int(port) == ends.own_port
    if here and not separator:
        return None
    own_text = context.security.command_address
    if own_text is None:
        return "the extension is not our address"
    try:
        mine = SinfulAddress.parse(own_text)
        if here:
            own_sock = mine.shared_port_id
            matches = bool(sock) and sock == own_sock
        else:
            if not separator:
                mine = mine.with_parameters({"sock": None})
            matches = points_to_me(mine, SinfulAddress.parse(f"<{text}>"))
    except MalformedMessage:
        matches = False
    return None if matches else "the extension is not our address"
