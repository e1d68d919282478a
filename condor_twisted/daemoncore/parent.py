"""Our DaemonCore parent: heartbeats to it, readiness, and what if it is gone.

Three things, as long as the daemon serves:

*   Heartbeats (DC_CHILDALIVE): each says how many seconds of silence mean that we hang;
    the parent then kills us hard and starts another one. Until the first has come, the
    parent neither counts us as alive nor kills us, so the first one is sent at once,
    over TCP, until it arrives; later ones go by UDP where the parent takes datagrams.
*   Readiness (DC_SET_READY), if the parent takes that: a master does.
*   Is the parent still there? A daemon whose parent is gone shuts down fast, for nobody
    would ever stop it.

Layout:
    DC_CHILDALIVE: int process id, int seconds until we count as hung, double fraction
    of the time spent waiting for the log's lock. DC_SET_READY: an ad of ``DaemonName``,
    ``DaemonPID``, ``DaemonState``. Neither is answered.

Source: ``src/condor_daemon_core.V6/daemon_keep_alive.cpp:
DaemonKeepAlive::SendAliveToParent, reconfig``;
``src/condor_daemon_core.V6/daemon_core_main.cpp: check_parent``.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.config.settings import Settings
from condor_twisted.constants.commands import Command
from condor_twisted.daemoncore.inheritance import Inherited
from condor_twisted.security.identity import PARENT_USER
from condor_twisted.security.sessions.session import command_numbers
from condor_twisted.wire.messages import MessageWriter
from condor_twisted.wire.sinful import SinfulAddress

if TYPE_CHECKING:
    from condor_twisted.daemoncore.daemon import Daemon

__all__ = ["Parent", "hang_seconds", "is_there", "timer_fuzz"]

_log = Logger()

_TRIES: Final = 3
_RETRY_SECONDS: Final = 5.0
_LONGEST_RETRY_SECONDS: Final = 60.0
_FIRST_CHECK_SECONDS: Final = 15
_CHECK_SECONDS: Final = 120
_DEFAULT_HANG_SECONDS: Final = 3600


def timer_fuzz(period_seconds: int, chance: float) -> int:
    """A few seconds more or less, so that daemons started together drift apart.

    Args:
        period_seconds: What is to be changed by up to a twentieth.
        chance: 0 to 1, without 1.

    Source: ``src/condor_utils/get_random_num.cpp: timer_fuzz``.
    """
    width = period_seconds // 10
    if width <= 0:
        if period_seconds <= 0:
            return 0
        width = period_seconds - 1
    fuzz = int(chance * (width + 1)) - width // 2
    return 0 if period_seconds + fuzz <= 0 else fuzz


def hang_seconds(settings: Settings) -> int:
    """After how many seconds of silence a daemon counts as hung."""
    usual = settings.integer("NOT_RESPONDING_TIMEOUT", _DEFAULT_HANG_SECONDS, minimum=1)
    own = f"{settings.subsystem}_NOT_RESPONDING_TIMEOUT"
    return settings.integer(own, usual, minimum=1)


def is_there(process_id: int) -> bool:
    """Whether a process exists, be it ours to signal or not."""
    try:
        os.kill(process_id, 0)
    except OSError as error:
        return error.errno == errno.EPERM
    return True


class Parent:
    """What a daemon does for the sake of its DaemonCore parent.

    Args:
        daemon: The child.
        inherited: Who the parent is.
        exists: Whether a process exists.
        parent_of_process: The process id of whoever would reap us now.
        chance: Gives a number from 0 to 1.
    """

    def __init__(
        self,
        daemon: Daemon,
        inherited: Inherited,
        *,
        exists: Callable[[int], bool] = is_there,
        parent_of_process: Callable[[], int] = os.getppid,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.process_id: Final = inherited.parent_id
        self.address: Final = inherited.parent_address
        #: How many heartbeats have left, and how many could not.
        self.sent_count = 0
        self.failed_count = 0
        self._inherited = inherited
        self._daemon = daemon
        self._exists = exists
        self._parent_of_process = parent_of_process
        self._chance = chance
        self._is_direct = parent_of_process() == self.process_id
        self._configured_seconds = _DEFAULT_HANG_SECONDS
        self._hang_seconds = _DEFAULT_HANG_SECONDS
        self._check_seconds = _CHECK_SECONDS
        self._first_has_left = False
        self._tries = 0
        self._timers: dict[str, IDelayedCall] = {}
        self._under_way: set[Deferred[Any]] = set()

    # Part of a daemon.

    def begin(self) -> None:
        """Send the first heartbeat, and look after the parent from now on."""
        if not self._inherited.has_session:
            _log.info(
                "Our parent at {address} has made no session for us: it hears us only "
                "if its policy lets us in",
                address=self.address,
            )
        self._call("alive", 0, self._send_alive)
        self._call("check", _FIRST_CHECK_SECONDS, self._check)
        if self._takes_ready():
            self._tell_ready()
        first = self._daemon.settings.integer(
            "PARENT_CHECK_FIRST_INTERVAL", _FIRST_CHECK_SECONDS, minimum=1
        )
        self._call("check", first, self._check)
        self._fuzz()
        self._read_settings()

    def renew(self) -> None:
        """Where the period has changed, the parent has to hear of it soon."""
        before = self.period_seconds
        self._read_settings()
        if self.period_seconds != before:
            self._call("alive", 1, self._send_alive)

    def end(self) -> None:
        """Stop sending."""
        timers, self._timers = self._timers, {}
        for timer in timers.values():
            if timer.active():
                timer.cancel()
        for each in list(self._under_way):
            each.cancel()

    @property
    def period_seconds(self) -> int:
        """How often a heartbeat is sent."""
        return max(1, self._hang_seconds // 3 - 30)

    def _read_settings(self) -> None:
        configured = hang_seconds(self._daemon.settings)
        if configured != self._configured_seconds:
            self._configured_seconds = configured
            self._fuzz()
        self._check_seconds = self._daemon.settings.integer(
            "PARENT_CHECK_INTERVAL", _CHECK_SECONDS, minimum=1
        )

    def _fuzz(self) -> None:
        configured = self._configured_seconds
        self._hang_seconds = configured + timer_fuzz(configured, self._chance())

    def _call(self, name: str, seconds: float, function: Callable[[], object]) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None and timer.active():
            timer.cancel()
        self._timers[name] = self._daemon.reactor.callLater(seconds, function)

    def _send(
        self,
        what: str,
        sending: Deferred[None],
        sent: Callable[[], object],
        failed: Callable[[], object],
    ) -> None:
        """Keep track of something under way."""
        limit = max(60.0, self.period_seconds / _TRIES)
        self._under_way.add(sending)
        sending.addTimeout(limit, self._daemon.reactor)

        def ended(result: object) -> None:
            self._under_way.discard(sending)
            if "check" not in self._timers:
                return  # the daemon stops
            if isinstance(result, Failure):
                failed()
                _log.warn(
                    "Failed to send {what} to our parent at {address}: {error}",
                    what=what,
                    address=self.address,
                    error=result.getErrorMessage() or type(result.value).__name__,
                )
            else:
                sent()

        sending.addBoth(ended)

    # Heartbeats.

    def _send_alive(self) -> None:
        self._call("alive", self.period_seconds, self._send_alive)
        opener = self._daemon.opener
        if opener is None or not self.address or not self._exists(self.process_id):
            return
        by_datagram = (
            self._first_has_left
            and self._daemon.wants_udp()
            and SinfulAddress.parse(self.address).accepts_udp
        )
        send = opener.send_datagram if by_datagram else opener.tell
        self._send(
            "a heartbeat",
            send(self.address, Command.DC_CHILDALIVE, self._write_alive),
            self._alive_sent,
            self._alive_failed,
        )

    def _write_alive(self, writer: MessageWriter) -> None:
        writer.put_int(os.getpid())
        writer.put_int(self._hang_seconds)
        writer.put_double(0.0)

    def _alive_sent(self) -> None:
        self.sent_count += 1
        self._tries = 0
        self._first_has_left = True

    def _alive_failed(self) -> None:
        """Try again soon: thrice, or until the parent has heard of us at all.

        Differs from HTCondor, which gives up its life when the first one fails.
        """
        self.failed_count += 1
        self._tries += 1
        if self._tries < _TRIES or not self._first_has_left:
            wait = min(
                _RETRY_SECONDS * max(1, self._tries - _TRIES + 1),
                _LONGEST_RETRY_SECONDS,
                self.period_seconds,
            )
            self._call("alive", wait, self._send_alive)
        else:
            self._tries = 0

    # Readiness.

    def _takes_ready(self) -> bool:
        """Whether the parent says that it takes DC_SET_READY."""
        security = self._daemon.security
        if security is None or not self.address:
            return False
        return any(
            Command.DC_SET_READY in command_numbers(session.valid_commands)
            for session in security.outgoing
            if session.user == PARENT_USER
        )

    def _tell_ready(self) -> None:
        opener = self._daemon.opener
        if opener is None:
            return
        settings = self._daemon.settings
        ad = WireAd.from_pairs(
            {
                "DaemonName": settings.local_name or settings.subsystem,
                "DaemonPID": os.getpid(),
                "DaemonState": "Ready",
            }
        )
        self._send(
            "word that we are ready",
            opener.tell(
                self.address,
                Command.DC_SET_READY,
                lambda writer: writer.put_ad(ad.body),
            ),
            lambda: None,
            lambda: self._call("ready", _RETRY_SECONDS, self._tell_ready),
        )

    # Orphans.

    def _check(self) -> None:
        self._call("check", self._check_seconds, self._check)
        adopted = self._is_direct and self._parent_of_process() != self.process_id
        if adopted or not self._exists(self.process_id):
            _log.warn(
                "Our parent process (pid {parent}) went away; shutting down fast",
                parent=self.process_id,
            )
            self._daemon.stop_fast()
