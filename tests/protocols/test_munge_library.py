"""Tests of ``condor_twisted.protocols.munge_library``."""

from __future__ import annotations

import ctypes
from typing import Any

from twisted.internet.testing import EventLoggingObserver
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.protocols import munge_library
from condor_twisted.protocols.munge_library import (
    decode_munge,
    encode_munge,
    munge_available,
)


class Library:
    """MUNGE's library as C sees it, in Python.

    Args:
        error: What its functions return.
    """

    def __init__(self, error: int = 0) -> None:
        self.error = error
        self.buffers: list[Any] = []
        self.released: list[int | None] = []

    def _give(self, pointer: Any, content: bytes) -> None:
        buffer = ctypes.create_string_buffer(content)
        self.buffers.append(buffer)
        pointer._obj.value = ctypes.addressof(buffer)

    def munge_encode(
        self, credential: Any, context: None, payload: bytes, length: int
    ) -> int:
        """Make a credential."""
        if self.error == 0:
            self._give(credential, b"MUNGE:%d:%d:" % (len(payload), length))
        return self.error

    def munge_decode(
        self,
        credential: bytes,
        context: None,
        payload: Any,
        length: Any,
        uid: Any,
        gid: Any,
    ) -> int:
        """Accept a credential."""
        self._give(payload, b"payload")
        length._obj.value = 7
        uid._obj.value = 33
        gid._obj.value = 44
        return self.error

    def munge_strerror(self, error: int) -> bytes:
        """What an error means."""
        return b"Replayed credential"

    def release(self, pointer: ctypes.c_void_p) -> None:
        """Free memory."""
        self.released.append(pointer.value)


class MungeTests(SynchronousTestCase):
    """Calls of the library."""

    def use(self, library: Library | None) -> None:
        """Have this one."""
        self.patch(munge_library, "_library", lambda: library)

    def logged(self) -> EventLoggingObserver:
        """What is logged from now on."""
        observer = EventLoggingObserver()
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        return observer

    def test_encode(self) -> None:
        """A credential is around the payload, and its memory is given back."""
        library = Library()
        self.use(library)
        self.assertEqual(encode_munge(b"x" * 24), "MUNGE:24:24:")
        self.assertEqual(library.released, [ctypes.addressof(library.buffers[0])])

    def test_decode(self) -> None:
        """A credential is of a user id, and the payload's memory is given back."""
        library = Library()
        self.use(library)
        self.assertEqual(decode_munge("MUNGE:x:"), 33)
        self.assertEqual(library.released, [ctypes.addressof(library.buffers[0])])

    def test_errors(self) -> None:
        """An error is no answer, and a line in the log without the credential."""
        library = Library(error=17)
        self.use(library)
        observer = self.logged()
        self.assertIsNone(encode_munge(b"x"))
        self.assertIsNone(decode_munge("MUNGE:x:"))
        self.assertEqual(len(library.released), 2)
        lines = [formatEvent(event) for event in observer]
        self.assertEqual(
            lines,
            [
                "MUNGE cannot make a credential: Replayed credential",
                "MUNGE cannot accept a credential: Replayed credential",
            ],
        )

    def test_no_credential(self) -> None:
        """What is no text of C is no credential."""
        self.use(Library())
        for text in ("MUNGE:\0", "MUNGE:\xe4"):
            self.assertIsNone(decode_munge(text))

    def test_without_library(self) -> None:
        """Without the library there is nothing."""
        self.use(None)
        self.assertFalse(munge_available())
        self.assertIsNone(encode_munge(b"x"))
        self.assertIsNone(decode_munge("MUNGE:x:"))

    def test_library_that_is_not_there(self) -> None:
        """A library that cannot be loaded is not there."""
        self.patch(munge_library, "_LIBRARY", "libnobody-has-this.so.99")
        self.assertIsNone(munge_library._library.__wrapped__())
