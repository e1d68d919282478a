"""Files and commands that a configuration is read from."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from typing import Final

from condor_twisted.config.language import CommandOutput
from condor_twisted.errors import ConfigError

__all__ = ["FileSources", "split_command", "sync_directory", "write_atomically"]

COMMAND_TIMEOUT_SECONDS: Final = 60
_LIMIT_BYTES: Final = 64 << 20


def split_command(command: str) -> list[str]:
    """Split a command line as HTCondor does: raw, or quoted as a whole.

    Raw: separated by blanks, nothing is special. Quoted as a whole by ``"``: blanks
    separate, ``'`` quotes, a doubled quote stands for itself.

    Raises:
        ConfigError: A quote is not closed.

    Source: condor_arglist.cpp, AppendArgsV1RawOrV2Quoted.
    """
    text = command.strip()
    if not text.startswith('"'):
        return text.split()
    inner = text[1:-1].replace('""', "\0")
    if len(text) < 2 or not text.endswith('"') or '"' in inner:
        raise ConfigError(f"{command!r}: a double quote is missing")
    inner = inner.replace("\0", '"')
    words: list[str] = []
    word: str | None = None
    position, quoted = 0, False
    while position < len(inner):
        each = inner[position]
        if each == "'":
            if quoted and inner[position + 1 : position + 2] == "'":
                word = (word or "") + "'"
                position += 1
            else:
                quoted = not quoted
                word = word or ""
        elif each.isspace() and not quoted:
            if word is not None:
                words.append(word)
            word = None
        else:
            word = (word or "") + each
        position += 1
    if quoted:
        raise ConfigError(f"{command!r}: a single quote is missing")
    return words if word is None else [*words, word]


class FileSources:
    """The real file system; relative names count from the working directory.

    Args:
        environment: What commands see.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)

    def read_file(self, name: str) -> str:
        """The text of a file; bytes that are no UTF-8 survive unchanged."""
        with open(name, "rb") as file:
            data = file.read(_LIMIT_BYTES + 1)
        if len(data) > _LIMIT_BYTES:
            raise ConfigError(f"{name} is larger than {_LIMIT_BYTES} bytes")
        return data.decode("utf-8", "surrogateescape")

    def write_file(self, name: str, text: str) -> None:
        """Keep a text in a file that is there completely or not at all."""
        write_atomically(name, text.encode("utf-8", "surrogateescape"), 0o644)

    def run_command(self, command: str) -> CommandOutput:
        """Run a command line without a shell and wait for its end.

        Raises:
            ConfigError: It names no program or does not end in time.
            OSError: It cannot be started.
        """
        arguments = split_command(command)
        if not arguments:
            raise ConfigError("a command is empty")
        try:
            done = subprocess.run(  # noqa: S603  (no shell; see split_command)
                arguments,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                timeout=COMMAND_TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ConfigError(
                f"the command {command} did not end within {COMMAND_TIMEOUT_SECONDS} s"
            ) from error
        text = done.stdout.decode("utf-8", "surrogateescape")
        return CommandOutput(text, done.returncode)


def write_atomically(path: str, data: bytes, mode: int) -> None:
    """Replace a file so that a crash at any moment leaves the old or the new one."""
    directory = os.path.dirname(os.path.abspath(path))
    descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=".condor_")
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    sync_directory(directory)


def sync_directory(directory: str) -> None:
    """Make a rename in a directory survive a crash."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
