"""Performs the host's steps of a handshake, in threads where they may block.

Also the one place that asks for host names, for handshakes and for authorization
alike: asynchronously, bounded, and cached for 60 s (15 s when there is no name).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import stat
import string
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from condor_twisted.classad.expressions import evaluate
from condor_twisted.classad.recent import HandlerTimes
from condor_twisted.errors import CondorTwistedError
from condor_twisted.protocols.answer_cache import AnswerCache
from condor_twisted.protocols.bearer_tokens import find_bearer_token
from condor_twisted.protocols.clocks import monotonic_seconds
from condor_twisted.protocols.kerberos_library import accept_ticket, request_ticket
from condor_twisted.protocols.known_hosts import KnownHosts, ask_user
from condor_twisted.protocols.munge_library import decode_munge, encode_munge
from condor_twisted.protocols.programs import run_program
from condor_twisted.protocols.secret_files import SecretFiles
from condor_twisted.protocols.sspi_library import open_sspi
from condor_twisted.protocols.tls_contexts import TlsContexts
from condor_twisted.security.credentials import find_tokens
from condor_twisted.security.host_requests import (
    ConfirmServer,
    ReadKnownHost,
    RecordKnownHost,
    RunProgram,
)
from condor_twisted.security.sspi import AdvanceSspi, OpenSspi
from condor_twisted.security.steps import (
    DecodeMunge,
    EncodeMunge,
    EvaluateCondition,
    FetchIssuerKeys,
    FindBearerToken,
    LookupHost,
    LookupUser,
    MakeDirectory,
    MakeTemporaryName,
    OpenTls,
    PathKind,
    PathStatus,
    ReadTokens,
    RemoveDirectory,
    StatPath,
    Step,
)
from condor_twisted.security.tickets import AcceptTicket, RequestTicket

if TYPE_CHECKING:
    from condor_twisted.protocols.issuer_keys import IssuerKeys

__all__ = ["AnswerCache", "Host", "HostNames", "confirmed_host_names", "run_in_threads"]

#: How long a name that was found, or was not, is believed.
FOUND_SECONDS = 60.0
MISSED_SECONDS = 15.0
#: How long anybody waits for a name, and how many are looked up at a time.
LOOKUP_TIMEOUT_SECONDS = 5.0
LOOKUPS_AT_ONCE = 4
#: A look-up that takes longer counts as slow.
#: Source: ``src/condor_utils/ipv6_addrinfo.cpp: getaddrinfo_slow_limit``.
SLOW_LOOKUP_SECONDS = 2.0
#: How many may wait for names; whoever comes then gets none.
WAITING_COUNT = 1000
#: How many tickets are asked for at a time: where no KDC answers, each takes a thread
#: for long, and the others have work to do.
TICKETS_AT_ONCE = 4
#: Plugins that run at once.
PROGRAMS_AT_ONCE = 4

#: A random byte's character in a temporary name.
_NAME_CHARACTERS = ((string.ascii_letters + string.digits) * 5)[:256].encode("ascii")
_NAME_LENGTH = 9
_NAME_ATTEMPTS_COUNT = 100

#: Runs a function that may block; its Deferred fires in the reactor's thread.
RunBlocking = Callable[..., "Deferred[Any]"]


def run_in_threads(reactor: IReactorFromThreads) -> RunBlocking:
    """Run blocking functions in the reactor's own thread pool."""

    def run(function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        pool = reactor.getThreadPool()  # type: ignore[attr-defined]
        return deferToThreadPool(reactor, pool, function, *arguments)

    return run


def confirmed_host_names(address: str) -> tuple[str, ...]:
    """The names of an address that resolve back to it. May block.

    Args:
        address: An IP address in text form.

    Returns:
        The names in lower case, the canonical one first; empty if there is none.
    """
    try:
        canonical, aliases, _ = socket.gethostbyaddr(address)
    except (OSError, UnicodeError, ValueError):
        return ()
    confirmed: list[str] = []
    for name in (canonical, *aliases[:8]):
        lower = name.lower()
        if lower in confirmed:
            continue
        try:
            found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, ValueError):
            continue
        if any(each[4][0] == address for each in found):
            confirmed.append(lower)
    return tuple(confirmed)


class HostNames:
    """Host names of addresses: asynchronous, cached, bounded.

    Nobody waits longer than 5 s, and at most 1,000 do: in a flood an address has no
    names. At most 4 look-ups run at a time, and askers for the same address share
    one. A look-up that outlives its askers still fills the cache.

    Args:
        clock: The reactor, for time and time limits.
        run_blocking: Runs the look-up, which blocks.
        look_up: The look-up itself.
    """

    def __init__(
        self,
        clock: IReactorTime,
        run_blocking: RunBlocking,
        look_up: Callable[[str], tuple[str, ...]] = confirmed_host_names,
    ) -> None:
        self._clock = clock
        self._seconds = monotonic_seconds(clock)
        self._run_blocking = run_blocking
        self._look_up = look_up
        self._answers: AnswerCache[str, tuple[str, ...]] = AnswerCache(clock)
        self._under_way: dict[str, list[Deferred[tuple[str, ...]]]] = {}
        self._places = DeferredSemaphore(LOOKUPS_AT_ONCE)
        #: How many look-ups there were, and how long they took, in all and of those
        #: that were ``Fast``, ``Slow``, or in vain (``Fail``).
        self.lookups = {
            outcome: HandlerTimes(self._seconds)
            for outcome in ("", "Fast", "Slow", "Fail")
        }
        self._waiting_count = 0

    def known(self, address: str) -> tuple[str, ...] | None:
        """The names if they are in the cache, else ``None``."""
        return self._answers.get(address)

    def names(self, address: str) -> tuple[str, ...] | Deferred[tuple[str, ...]]:
        """The names, or a `Deferred` of them that never fails."""
        known = self._answers.get(address)
        if known is not None:
            return known
        if max(self._waiting_count, len(self._under_way)) >= WAITING_COUNT:
            return ()
        waiting = self._under_way.get(address)
        asks = waiting is None
        if waiting is None:
            waiting = self._under_way[address] = []
        outcome: Deferred[tuple[str, ...]] = Deferred(_canceller_for(waiting))
        waiting.append(outcome)
        limit = self._clock.callLater(LOOKUP_TIMEOUT_SECONDS, self._give_up, outcome)

        self._waiting_count += 1

        def answered(names: tuple[str, ...]) -> tuple[str, ...]:
            self._waiting_count -= 1
            if limit.active():
                limit.cancel()
            return names

        outcome.addBoth(answered)
        if asks:
            self._places.run(self._start, address).addBoth(self._looked_up, address)
        return outcome

    def _start(self, address: str) -> Deferred[tuple[str, ...]]:
        """Look up, and measure how long that takes."""
        began = self._seconds()

        def measure(result: tuple[str, ...] | Failure) -> tuple[str, ...] | Failure:
            seconds = self._seconds() - began
            failed = isinstance(result, Failure) or not result
            outcome = "Slow" if seconds > SLOW_LOOKUP_SECONDS else "Fast"
            for name in ("", "Fail" if failed else outcome):
                self.lookups[name].add(address, seconds)
            return result

        return self._run_blocking(self._look_up, address).addBoth(measure)

    def clear(self) -> None:
        """Forget every answer, as after a reconfiguration."""
        self._answers.clear()

    def _looked_up(self, names: tuple[str, ...] | Failure, address: str) -> None:
        if isinstance(names, Failure):
            names = ()
        self._answers.put(address, names, FOUND_SECONDS if names else MISSED_SECONDS)
        for each in self._under_way.pop(address, ()):
            if not each.called:
                each.callback(names)

    def _give_up(self, outcome: Deferred[tuple[str, ...]]) -> None:
        if not outcome.called:
            outcome.callback(())


def _canceller_for(
    waiting: list[Deferred[tuple[str, ...]]],
) -> Callable[[Deferred[tuple[str, ...]]], None]:
    """A canceller that takes its Deferred off a list."""

    def cancel(outcome: Deferred[tuple[str, ...]]) -> None:
        if outcome in waiting:
            waiting.remove(outcome)

    return cancel


class Host:
    """The machine we run on, as handshakes see it.

    Args:
        clock: The reactor, for time.
        run_blocking: Runs what may block; `run_in_threads` of a reactor.
        names: Who looks host names up.
        local_directories: Directories of a local file system, where making, looking
            and removing do not block. Everywhere else these run in a thread.
    """

    def __init__(
        self,
        clock: IReactorTime,
        run_blocking: RunBlocking,
        names: HostNames | None = None,
        local_directories: tuple[str, ...] = ("/tmp", "/var/tmp", "/dev/shm"),  # noqa: S108
    ) -> None:
        self.names = HostNames(clock, run_blocking) if names is None else names
        self.run_blocking = run_blocking
        self._local = frozenset(local_directories) | {tempfile.gettempdir()}
        self._files = SecretFiles()
        self._tls = TlsContexts()
        self._known_hosts = KnownHosts()
        self._programs = DeferredSemaphore(PROGRAMS_AT_ONCE)
        self._tickets = DeferredSemaphore(TICKETS_AT_ONCE)
        self._clock = clock
        self._issuer_keys: IssuerKeys | None = None
        self._users: AnswerCache[int, str | bool] = AnswerCache(clock)

    def perform(self, step: Step) -> object:
        """The answer of a host step, or a `Deferred` of it.

        Raises:
            TypeError: If the step is not one of the host's.
        """
        if isinstance(step, LookupUser):
            return self._user(step.uid)
        if isinstance(step, LookupHost):
            return self.names.names(step.address)
        if isinstance(step, MakeTemporaryName):
            return self._near(
                step.directory,
                _make_temporary_name,
                step.directory,
                step.prefix,
                step.suffix,
            )
        if isinstance(step, MakeDirectory):
            return self._near(
                os.path.dirname(step.path), _make_directory, step.path, step.mode
            )
        if isinstance(step, RemoveDirectory):
            return self._near(os.path.dirname(step.path), _remove_directory, step.path)
        if isinstance(step, StatPath):
            return self._near(
                "" if step.refresh_directory else os.path.dirname(step.path),
                _stat_path,
                step.path,
                step.refresh_directory,
            )
        if isinstance(step, OpenTls):
            return self.run_blocking(self._tls.open, step.settings)
        if isinstance(step, ReadTokens):
            return self.run_blocking(find_tokens, step, self._files)
        if isinstance(step, EvaluateCondition):
            return self.run_blocking(_evaluate, step)
        if isinstance(step, EncodeMunge):
            return self.run_blocking(encode_munge, step.payload)
        if isinstance(step, DecodeMunge):
            return self.run_blocking(decode_munge, step.credential)
        if isinstance(step, RequestTicket):
            return self._tickets.run(self.run_blocking, request_ticket, step)
        if isinstance(step, AcceptTicket):
            return self.run_blocking(accept_ticket, step)
        if isinstance(step, OpenSspi):
            return self.run_blocking(open_sspi, step)
        if isinstance(step, AdvanceSspi):
            return self.run_blocking(step.exchange.advance, step.token)
        if isinstance(step, FindBearerToken):
            return self.run_blocking(find_bearer_token, step.path)
        if isinstance(step, FetchIssuerKeys):
            return self._keys_of(step.issuer)
        if isinstance(step, ReadKnownHost):
            return self.run_blocking(self._known_hosts.find, step)
        if isinstance(step, RecordKnownHost):
            return self.run_blocking(self._known_hosts.record, step)
        if isinstance(step, ConfirmServer):
            return self.run_blocking(ask_user, step)
        if isinstance(step, RunProgram):
            return self._programs.run(self.run_blocking, run_program, step)
        raise TypeError(f"{type(step).__name__} is not a step of the host")

    def _keys_of(self, issuer: str) -> object:
        if self._issuer_keys is None:
            # Only who takes SciTokens needs a client of the web.
            from condor_twisted.protocols.issuer_keys import IssuerKeys

            self._issuer_keys = IssuerKeys(self._clock)
        return self._issuer_keys.get(issuer)

    def _near(
        self, directory: str, function: Callable[..., object], *arguments: object
    ) -> object:
        if directory.rstrip("/") in self._local:
            return function(*arguments)
        return self.run_blocking(function, *arguments)

    def _user(self, uid: int) -> object:
        known = self._users.get(uid)
        if known is not None:
            return known or None

        def found(name: str | None) -> str | None:
            self._users.put(
                uid, name or False, FOUND_SECONDS if name else MISSED_SECONDS
            )
            return name

        return self.run_blocking(_user_name, uid).addCallback(found)


def _evaluate(step: EvaluateCondition) -> object:
    try:
        return evaluate(step.text, step.attributes, step.now, allow_expensive=True)
    except CondorTwistedError:
        return None


def _user_name(uid: int) -> str | None:
    try:
        import pwd
    except ImportError:  # not a POSIX system: it has no user ids either
        return None
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError, OSError):
        return None


def _make_temporary_name(directory: str, prefix: str, suffix: str) -> str | None:
    try:
        if not stat.S_ISDIR(os.stat(directory).st_mode):
            return None
        for _ in range(_NAME_ATTEMPTS_COUNT):
            noise = secrets.token_bytes(_NAME_LENGTH)
            unique = noise.translate(_NAME_CHARACTERS).decode("ascii")
            path = os.path.join(directory, f"{prefix}{unique}_")
            if not os.path.lexists(path) and not os.path.lexists(path + suffix):
                return path
    except (OSError, ValueError):
        return None
    return None


def _make_directory(path: str, mode: int) -> bool:
    try:
        os.mkdir(path, mode)
    except (OSError, ValueError):
        return False
    # The umask may have taken bits away, and the other side checks the mode.
    with contextlib.suppress(OSError):
        os.chmod(path, mode)
    return True


def _remove_directory(path: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        os.rmdir(path)


def _stat_path(path: str, refresh_directory: bool) -> PathStatus | None:
    try:
        if refresh_directory:
            _refresh(os.path.dirname(path))
        found = os.lstat(path)
    except (OSError, ValueError):
        return None
    mode = found.st_mode
    entries: int | None = None
    if stat.S_ISDIR(mode):
        kind = PathKind.DIRECTORY
        with contextlib.suppress(OSError), os.scandir(path) as listing:
            entries = 0 if next(listing, None) is None else 1
    elif stat.S_ISREG(mode):
        kind = PathKind.FILE
    elif stat.S_ISLNK(mode):
        kind = PathKind.LINK
    else:
        kind = PathKind.OTHER
    return PathStatus(kind, stat.S_IMODE(mode), found.st_nlink, found.st_uid, entries)


def _refresh(directory: str) -> None:
    """Create and delete a file, so that a network file system looks again."""
    with contextlib.suppress(OSError):
        handle, name = tempfile.mkstemp(prefix=".condor_refresh_", dir=directory)
        os.close(handle)
        os.unlink(name)
