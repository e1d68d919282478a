"""Calls MUNGE's own library, where it is installed.

Every call asks the local ``munged`` through a socket and may block.

Source: ``munge.h`` (``munge_encode``, ``munge_decode``, ``munge_strerror``).
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any, Final

from twisted.logger import Logger

__all__ = ["decode_munge", "encode_munge", "munge_available"]

_log = Logger()

_LIBRARY: Final = "libmunge.so.2"
_SUCCESS: Final = 0


@lru_cache(maxsize=1)
def _library() -> Any | None:
    """The library with its functions declared; ``None`` if it is not installed."""
    try:
        library: Any = ctypes.CDLL(_LIBRARY)
        free = ctypes.CDLL(None).free
        library.munge_encode.argtypes = [
            ctypes.POINTER(ctypes.c_void_p),
            ctypes.c_void_p,
            ctypes.c_char_p,
            ctypes.c_int,
        ]
        library.munge_decode.argtypes = [
            ctypes.c_char_p,
            ctypes.c_void_p,
            ctypes.POINTER(ctypes.c_void_p),
            ctypes.POINTER(ctypes.c_int),
            ctypes.POINTER(ctypes.c_uint32),
            ctypes.POINTER(ctypes.c_uint32),
        ]
        library.munge_strerror.argtypes = [ctypes.c_int]
        library.munge_strerror.restype = ctypes.c_char_p
        free.argtypes = [ctypes.c_void_p]
        free.restype = None
        library.release = free
    except (OSError, AttributeError):
        return None
    return library


def munge_available() -> bool:
    """Whether the library is installed."""
    return _library() is not None


def _complain(library: Any, what: str, error: int) -> None:
    _log.warn(
        "MUNGE cannot {what}: {reason}",
        what=what,
        reason=library.munge_strerror(error).decode("ascii", "replace"),
    )


def encode_munge(payload: bytes) -> str | None:
    """A credential of this process's user; ``None`` if there is none. May block."""
    library = _library()
    if library is None:
        return None
    credential = ctypes.c_void_p()
    error = library.munge_encode(ctypes.byref(credential), None, payload, len(payload))
    try:
        if error != _SUCCESS or not credential.value:
            _complain(library, "make a credential", error)
            return None
        return ctypes.string_at(credential.value).decode("ascii")
    finally:
        library.release(credential)


def decode_munge(credential: str) -> int | None:
    """The user id that a credential vouches for; ``None`` for none. May block."""
    library = _library()
    if library is None or not credential.isascii() or "\0" in credential:
        return None
    payload = ctypes.c_void_p()
    length = ctypes.c_int()
    uid, gid = ctypes.c_uint32(), ctypes.c_uint32()
    error = library.munge_decode(
        credential.encode("ascii"),
        None,
        ctypes.byref(payload),
        ctypes.byref(length),
        ctypes.byref(uid),
        ctypes.byref(gid),
    )
    # The payload comes back even with some errors, as for a credential used twice.
    library.release(payload)
    if error != _SUCCESS:
        _complain(library, "accept a credential", error)
        return None
    return uid.value
