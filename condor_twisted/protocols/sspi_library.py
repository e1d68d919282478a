"""Calls Windows' SSPI through ``sspilib``, on Windows alone.

Source: ``src/condor_io/condor_auth_sspi.cpp: sspi_client_auth, sspi_server_auth``.
"""

from __future__ import annotations

import importlib.util
import sys
from functools import lru_cache
from typing import Any

from twisted.logger import Logger

from condor_twisted.security.sspi import OpenSspi, SspiExchange, SspiProblem, SspiTurn

__all__ = ["open_sspi", "sspi_available"]

_log = Logger()


@lru_cache(maxsize=1)
def sspi_available() -> bool:
    """Whether Windows can be asked. Says so in the log, once, where Windows cannot."""
    if sys.platform != "win32":
        return False
    if importlib.util.find_spec("sspilib") is None:
        _log.info("NTSSPI is not offered: install condor_twisted[sspi]")
        return False
    return True


class _Exchange:
    """One side of a login by NTLM."""

    def __init__(self, server: bool) -> None:
        import sspilib

        self._library: Any = sspilib.raw
        self._server = server
        if server:
            credential = sspilib.UserCredential(protocol="NTLM", usage="accept")
            flags = self._library.AscReq
            self._context: Any = sspilib.ServerSecurityContext(
                credential,
                flags=flags.ASC_REQ_REPLAY_DETECT
                | flags.ASC_REQ_SEQUENCE_DETECT
                | flags.ASC_REQ_CONFIDENTIALITY,
            )
            return
        credential = sspilib.UserCredential(protocol="NTLM", usage="initiate")
        wanted = self._library.IscReq
        self._context = sspilib.ClientSecurityContext(
            credential,
            "",
            flags=wanted.ISC_REQ_REPLAY_DETECT
            | wanted.ISC_REQ_SEQUENCE_DETECT
            | wanted.ISC_REQ_CONFIDENTIALITY,
        )

    def advance(self, token: bytes) -> SspiTurn | SspiProblem:
        """Take what the other side has sent; may block."""
        try:
            answer = bytes(self._context.step(token or None))
            done = bool(self._context.complete)
            if not (done and self._server):
                return SspiTurn(answer, done)
            if self._context.attributes & self._library.AscRet.ASC_RET_NULL_SESSION:
                return SspiProblem("the login is anonymous")
            names = self._library.query_context_attributes(
                self._context, self._library.SecPkgContextNames
            )
            return SspiTurn(answer, done, str(names.username))
        except OSError as error:
            return SspiProblem(error.strerror or str(error))


def open_sspi(step: OpenSspi) -> SspiExchange | SspiProblem:
    """Begin a login. May block."""
    try:
        return _Exchange(step.server)
    except (OSError, ImportError) as error:
        return SspiProblem(str(error))
