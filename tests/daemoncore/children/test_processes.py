"""Tests of ``condor_twisted.daemoncore.children.processes``."""

from __future__ import annotations

import errno
import os
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.error import ProcessTerminated
from twisted.python.failure import Failure
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from condor_twisted.config.settings import Settings
from condor_twisted.daemoncore.children import processes as processes_module
from condor_twisted.daemoncore.children.child import Child, ExitStatus
from condor_twisted.daemoncore.children.child_start import READY
from condor_twisted.daemoncore.children.processes import ProcessSettings
from condor_twisted.daemoncore.children.spawn_options import SpawnOptions, Stream
from condor_twisted.errors import (
    ArgumentsTooLong,
    LocalProtocolError,
    ProgramNotExecutable,
    ProgramNotFound,
    ProgramNotPermitted,
    SpawnFailed,
)
from tests.daemoncore.process_kit import (
    MemoryProcessTestCase,
    RealProcessTestCase,
    every,
)


def failure_report(number: int, operation: str) -> bytes:
    """What a new process reports when something fails."""
    import sys

    return READY + number.to_bytes(4, sys.byteorder) + operation.encode()


class SettingsTests(SynchronousTestCase):
    def test_from_settings(self) -> None:
        """The knobs are read, with the daemon's own one first."""
        settings = Settings.from_assignments(
            {
                "PIPE_BUFFER_MAX": "99",
                "MAX_REAPS_PER_CYCLE": "3",
                "USE_PROCESS_GROUPS": "False",
                "DEFAULT_KILL_CHILDREN_ON_EXIT": "False",
                "MAX_CHILD_PROCESSES": "7",
                "MAX_CHILD_SPAWNS_PER_SECOND": "0",
            },
            "DAEMON",
        )
        found = ProcessSettings.from_settings(settings)
        self.assertEqual(found, ProcessSettings(7, 1, 99, 3, False, False))
        settings = Settings.from_assignments(
            {"DAEMON_KILL_CHILDREN_ON_EXIT": "False"}, "DAEMON"
        )
        found = ProcessSettings.from_settings(settings)
        self.assertEqual(found, ProcessSettings(kill_on_exit=False))


class SpawnTests(MemoryProcessTestCase):
    def test_mnh_10_11_the_order(self) -> None:
        """Descriptors are named one by one, and the order is given once."""
        done, process = self.spawn()
        self.assertNoResult(done)
        mapped = process.options["childFDs"]
        self.assertEqual(set(mapped), {0, 1, 2, 3, 4})
        self.assertEqual((mapped[3], mapped[4]), ("w", "r"))
        ((descriptor, order),) = process.written
        self.assertEqual(descriptor, 3)
        self.assertIn(b"executable=/bin/program\0argument=/bin/program\0", order)
        self.assertIn(b"\0variable=TOLD=yes\0", order)
        self.report(process)
        child = self.successResultOf(done)
        self.assertEqual(child.pid, process.pid)
        self.assertIs(self.processes.find(child.pid), child)

    def test_no_reaper_before_the_process_id(self) -> None:
        """A child that ends at once is reaped after ``spawn`` has given it."""
        order: list[str] = []
        done, process = self.spawn(reaper=lambda child, status: order.append("reaped"))
        done.addCallback(lambda child: order.append("spawned"))
        process.protocol.processExited(Failure(ProcessTerminated(3)))
        self.assertEqual(order, [])
        self.report(process)
        self.assertEqual(order, ["spawned"])
        self.reactor.advance(0)
        self.assertEqual(order, ["spawned", "reaped"])

    def test_failed_execution(self) -> None:
        """Whatever fails fails ``spawn`` with its errno, and no reaper is called."""
        for number, operation, kind in (
            (errno.ENOENT, "exec", ProgramNotFound),
            (errno.EACCES, "exec", ProgramNotPermitted),
            (errno.ENOEXEC, "exec", ProgramNotExecutable),
            (errno.E2BIG, "exec", ArgumentsTooLong),
            (errno.ENOMEM, "exec", SpawnFailed),
            (errno.ENOENT, "chdir", SpawnFailed),
        ):
            done, process = self.spawn()
            self.report(process, failure_report(number, operation))
            process.exit(1)
            error = self.failureResultOf(done, SpawnFailed).value
            self.assertIs(type(error), kind)
            self.assertEqual(error.error_number, number)
            self.assertIn(f"/bin/program cannot be started: {operation}", str(error))
            self.assertIn(errno.errorcode[number], str(error))
        self.reactor.advance(1)
        self.assertEqual(self.reaped, [])
        self.assertEqual(len(self.processes), 0)
        self.assertEqual(self.bequest.forgotten_count, 6)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_death_before_execution(self) -> None:
        """A new process that dies before it is prepared is no child."""
        done, process = self.spawn()
        process.exit(0, 9)
        self.failureResultOf(done, SpawnFailed)
        self.reactor.advance(1)
        self.assertEqual(self.reaped, [])

    def test_mnh_8_5_no_process(self) -> None:
        """Where the system starts none, the request fails and leaves nothing."""

        def refuse(*arguments: Any, **options: Any) -> None:
            raise OSError(errno.EAGAIN, "try again")

        self.reactor.spawnProcess = refuse  # type: ignore[method-assign]
        done = self.processes.spawn("/bin/program")
        error = self.failureResultOf(done, SpawnFailed).value
        self.assertEqual(error.error_number, errno.EAGAIN)
        self.assertEqual(len(self.processes), 0)
        self.assertEqual(self.bequest.forgotten_count, 1)

    def test_mnh_8_1_no_descriptors(self) -> None:
        """Without descriptors left none is started."""
        self.patch(processes_module, "have_descriptors", lambda count: False)
        done = self.processes.spawn("/bin/program")
        error = self.failureResultOf(done, SpawnFailed).value
        self.assertEqual(error.error_number, errno.EMFILE)
        self.assertEqual(self.reactor.processes, [])

    def test_nul(self) -> None:
        """A text with a NUL is refused, and the waiting process taken back."""
        done = self.processes.spawn("/bin/program", ["a\0b"])
        self.failureResultOf(done, LocalProtocolError)
        (process,) = self.reactor.processes
        self.assertEqual(process.signals, [9])
        self.assertEqual(len(self.processes), 0)

    def test_cancelled(self) -> None:
        """A cancelled start ends the process before it executes anything."""
        done, process = self.spawn()
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.assertEqual(process.signals, [9])
        process.exit(0, 9)
        self.reactor.advance(1)
        self.assertEqual(self.reaped, [])
        self.assertEqual(len(self.processes), 0)

    def test_mnh_1_31_limits(self) -> None:
        """So many children may run, and so many may be started in a second."""
        self.processes.settings = ProcessSettings(max_children=3, spawns_per_second=2)
        started = [self.processes.spawn("/bin/program") for _ in range(4)]
        error = self.failureResultOf(started[3], SpawnFailed).value
        self.assertIn("MAX_CHILD_PROCESSES", str(error))
        self.assertEqual(len(self.reactor.processes), 2)
        self.reactor.advance(0.49)
        self.assertEqual(len(self.reactor.processes), 2)
        self.reactor.advance(0.02)
        self.assertEqual(len(self.reactor.processes), 3)
        for process in self.reactor.processes:
            self.report(process)
            process.exit(0)
        self.reactor.advance(0)
        self.assertEqual(len(self.processes), 0)

    def test_pid_collision(self) -> None:
        """A process id of a child that is not reaped is given back and asked again."""
        waiting: Deferred[None] = Deferred()
        child, process = self.start(reaper=lambda child, status: waiting)
        process.exit(0)
        self.reactor.advance(0)
        self.assertIs(self.processes.find(child.pid), child)
        self.reactor._next_pid -= 1
        done = self.processes.spawn("/bin/program", reaper=self.reaper)
        taken, fresh = self.reactor.processes[-2:]
        self.assertEqual(taken.pid, child.pid)
        self.assertEqual((taken.signals, taken.written), ([9], []))
        taken.exit(0, 9)
        self.report(fresh)
        other = self.successResultOf(done)
        self.assertNotEqual(other.pid, child.pid)
        waiting.callback(None)
        self.assertIsNone(self.processes.find(child.pid))
        self.assertEqual(self.reaped, [])

    def test_too_many_collisions(self) -> None:
        """After so many attempts the start fails."""
        self.start()

        def same_again(*arguments: Any, **options: Any) -> Any:
            self.reactor._next_pid -= 1
            return original(*arguments, **options)

        original = self.reactor.spawnProcess
        self.reactor.spawnProcess = same_again  # type: ignore[method-assign]
        done = self.processes.spawn("/bin/program")
        self.failureResultOf(done, SpawnFailed)
        self.assertEqual(len(self.reactor.processes), 11)


class ReapingTests(MemoryProcessTestCase):
    def test_reaper(self) -> None:
        """A reaper gets the child and how it ended, and then the child is nobody's."""
        child, process = self.start()
        self.assertTrue(child.is_running)
        process.exit(3)
        exited = self.successResultOf(child.exited())
        self.assertEqual(exited, ExitStatus(3 << 8))
        self.reactor.advance(0)
        self.assertEqual(self.reaped, [(child.pid, "exited with status 3")])
        self.assertIsNone(self.processes.find(child.pid))
        self.assertEqual(self.ended, [child])
        self.assertEqual(self.bequest.forgotten_count, 1)
        self.assertFalse(child.kill(15))

    def test_default_reaper(self) -> None:
        """Children without a reaper of their own have the default one."""
        done = self.processes.spawn("/bin/program")
        self.report(self.reactor.processes[-1])
        self.successResultOf(done)
        self.processes.default_reaper = self.reaper
        self.reactor.processes[-1].exit(0, 11)
        self.reactor.advance(0)
        self.assertEqual([status for _, status in self.reaped], ["died on signal 11"])

    def test_no_reaper_at_all(self) -> None:
        """An end that nobody wants to hear of is logged."""
        done = self.processes.spawn("/bin/program")
        self.report(self.reactor.processes[-1])
        self.successResultOf(done)
        self.reactor.processes[-1].exit(4)
        self.reactor.advance(0)
        self.assertEqual(len(self.logged("exited with status 4")), 1)
        self.assertEqual(len(self.processes), 0)

    def test_order_and_turns(self) -> None:
        """Reapers are called in the order of the ends, so many in a turn."""
        self.processes.settings = ProcessSettings(max_reaps_per_turn=2)
        children = [self.start() for _ in range(5)]
        for _, process in reversed(children):
            process.exit(0)
        self.assertEqual(self.reaped, [])
        self.reactor.advance(0)
        expected = [child.pid for child, _ in reversed(children)]
        self.assertEqual([each for each, _ in self.reaped], expected)

    def test_mnh_3_3_raising_reaper(self) -> None:
        """A reaper that raises is logged; others are called."""

        def bad(child: Child, status: ExitStatus) -> None:
            raise RuntimeError("bad")

        _, first = self.start(reaper=bad)
        _, second = self.start()
        first.exit(0)
        second.exit(0)
        self.reactor.advance(0)
        self.assertEqual(len(self.reaped), 1)
        self.assertEqual(len(self.processes), 0)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_mnh_8_6_a_thousand_children(self) -> None:
        """A thousand ends in one turn are a thousand reapers, each once."""
        children = [self.start() for _ in range(1000)]
        for _, process in children:
            process.exit(0)
        self.reactor.advance(0)
        pids = [child.pid for child, _ in children]
        self.assertEqual([each for each, _ in self.reaped], pids)
        self.reactor.advance(10)
        self.assertEqual(len(self.reaped), 1000)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_reapers_that_spawn(self) -> None:
        """A reaper may start the next child."""

        def again(child: Child, status: ExitStatus) -> None:
            self.reaped.append((child.pid, "again"))
            self.processes.spawn("/bin/program", reaper=self.reaper)

        _, process = self.start(reaper=again)
        process.exit(0)
        self.reactor.advance(0)
        self.report(self.reactor.processes[-1])
        self.reactor.processes[-1].exit(0)
        self.reactor.advance(0)
        self.assertEqual(len(self.reaped), 2)


class ClosingTests(MemoryProcessTestCase):
    def test_children_are_ended(self) -> None:
        """Each gets its exit signal; reapers run before it is over."""
        _, first = self.start()
        _, second = self.start(SpawnOptions(exit_signal=15))
        _, third = self.start(SpawnOptions(exit_signal=0))
        closed = self.processes.close()
        self.assertEqual(
            [first.signals, second.signals, third.signals], [[9], [15], []]
        )
        self.assertNoResult(closed)
        first.exit(0, 9)
        self.reactor.advance(0)
        second.exit(0, 15)
        self.reactor.advance(0)
        self.assertIsNone(self.successResultOf(closed))
        self.assertEqual(len(self.reaped), 2)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.failureResultOf(self.processes.spawn("/bin/program"), LocalProtocolError)

    def test_child_that_does_not_end(self) -> None:
        """One that ignores its exit signal is killed; nobody waits for ever."""
        _, process = self.start(SpawnOptions(exit_signal=15))
        closed = self.processes.close()
        self.reactor.advance(0.9)
        self.assertNoResult(closed)
        self.assertEqual(process.signals, [15])
        self.reactor.advance(0.1)
        self.assertEqual(process.signals, [15, 9])
        self.assertIsNone(self.successResultOf(closed))

    def test_starts_that_wait(self) -> None:
        """What waits to be started is not, and leaves no timer."""
        self.processes.settings = ProcessSettings(spawns_per_second=1)
        started = [self.processes.spawn("/bin/program") for _ in range(3)]
        self.assertEqual(len(self.reactor.processes), 1)
        self.reactor.processes[0].exit(0, 9)
        self.successResultOf(self.processes.close())
        self.failureResultOf(started[0], SpawnFailed)
        for each in started[1:]:
            self.failureResultOf(each, LocalProtocolError)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_children_that_stay(self) -> None:
        """Children may outlive their parent, if the configuration says so."""
        self.processes.settings = ProcessSettings(kill_on_exit=False)
        _, process = self.start()
        self.assertIsNone(self.successResultOf(self.processes.close()))
        self.assertEqual(process.signals, [])


class RealTests(RealProcessTestCase):
    @every
    async def test_output_and_status(self) -> None:
        """A child's output is captured and its status told."""
        options = SpawnOptions(
            stdin=Stream.PIPE,
            stdout=Stream.PIPE,
            stderr=Stream.PIPE,
            environment={"SAID": "hello"},
            directory="/",
        )
        child = await self.processes.spawn(
            "sh", ["sh", "-c", "cat; pwd; echo $SAID $TOLD >&2; exit 3"], options
        )
        child.write_stdin(b"typed\n")
        child.close_stdin()
        status = await child.exited()
        self.assertEqual(child.stdout, b"typed\n/\n")
        self.assertEqual(child.stderr, b"hello yes\n")
        self.assertEqual((status.exit_code, status.signal), (3, None))

    @every
    async def test_errno_of_the_execution(self) -> None:
        """ENOENT, EACCES, ENOEXEC and E2BIG reach the caller, each as its own kind."""
        script = self.mktemp()
        with open(script, "w") as file:
            file.write("no program")
        os.chmod(script, 0o755)
        orphan = self.mktemp()
        with open(orphan, "w") as file:
            file.write("#!/nowhere/interpreter\n")
        os.chmod(orphan, 0o755)
        many = ["true", *["x" * 100_000] * 60]
        for kind, number, program, arguments in (
            (ProgramNotFound, errno.ENOENT, "/nowhere/program", []),
            (ProgramNotFound, errno.ENOENT, "no-such-program-anywhere", []),
            (ProgramNotFound, errno.ENOENT, os.path.abspath(orphan), []),
            (ProgramNotPermitted, errno.EACCES, "/dev/null", []),
            (ProgramNotExecutable, errno.ENOEXEC, os.path.abspath(script), []),
            (ArgumentsTooLong, errno.E2BIG, "/bin/true", many),
        ):
            error = await self.spawn_failure(program, arguments)
            self.assertIs(type(error), kind)
            self.assertEqual(error.error_number, number)
            self.assertEqual(error.operation, "exec")
        options = SpawnOptions(directory="/nowhere")
        error = await self.spawn_failure("true", (), options)
        self.assertEqual((error.operation, error.error_number), ("chdir", errno.ENOENT))
        self.assertEqual(self.reaped, [])
        self.assertEqual(len(self.processes), 0)

    @every
    async def test_what_the_child_finds(self) -> None:
        """Niceness, limits, mask, session and the marker are as they were ordered."""
        options = SpawnOptions(
            stdout=Stream.PIPE,
            nice=3,
            limits={"CORE": 0, "nofile": (100, 200)},
            umask=0o027,
            new_session=True,
            inherit_environment=False,
            environment={"PATH": os.defpath},
            blocked_signals=frozenset({10}),
        )
        script = (
            "nice; ulimit -c; ulimit -n; ulimit -Hn; umask; env | sort; "
            "cat /proc/self/stat | cut -d' ' -f6; grep SigIgn /proc/$$/status; echo $$"
        )
        child, _ = await self.run_shell(script, options)
        lines = child.stdout.decode().splitlines()
        base = os.nice(0)
        self.assertEqual(lines[0], str(min(19, base + 3)))
        self.assertEqual(lines[1:5], ["0", "100", "200", "0027"])
        marker = "=".join(child.marker)
        self.assertIn(marker, lines)
        self.assertTrue(marker.startswith(f"_CONDOR_ANCESTOR_{os.getpid()}="))
        self.assertIn("TOLD=yes", lines)
        self.assertEqual(lines[-1], str(child.pid))
        self.assertEqual(lines[-3], str(child.pid))  # its own session
        ignored = int(lines[-2].split()[1], 16)
        self.assertFalse(ignored & (1 << 12))  # SIGPIPE is not ignored

    @every
    async def test_mnh_8_7_descriptors(self) -> None:
        """A child has the descriptors that are named, and no other."""
        read_end, write_end = os.pipe()
        self.addCleanup(os.close, read_end)
        os.set_inheritable(read_end, True)
        options = SpawnOptions(stdout=Stream.PIPE, descriptors=(write_end,))
        child, _ = await self.run_shell(
            f"echo through > /proc/$$/fd/{write_end}; ls /proc/$$/fd", options
        )
        os.close(write_end)
        self.assertEqual(os.read(read_end, 100), b"through\n")
        self.assertEqual(sorted(map(int, child.stdout.split())), [0, 1, 2, write_end])
        error = await self.assertFailure(
            self.processes.spawn("true", (), SpawnOptions(descriptors=(999,))),
            LocalProtocolError,
        )
        self.assertIn("999 is not open", str(error))

    @every
    async def test_closed_streams(self) -> None:
        """A stream may be closed, or any file of ours."""
        path = self.mktemp()
        with open(path, "wb") as file:
            options = SpawnOptions(
                stdin=Stream.CLOSED, stdout=file.fileno(), stderr=Stream.CLOSED
            )
            await self.run_shell("ls /proc/$$/fd", options)
        with open(path) as file2:
            self.assertEqual(file2.read().split(), ["1"])

    @every
    async def test_flood(self) -> None:
        """A child that floods its pipe is cut off, and said so once."""
        options = SpawnOptions(stdout=Stream.PIPE, capture_bytes=5000)
        child, status = await self.run_shell("yes; exit 7", options)
        self.assertEqual(child.stdout, (b"y\n" * 2500))
        self.assertNotEqual(status.exit_code, 0)
        self.assertEqual(len(self.logged("more than 5000 bytes")), 1)

    @every
    async def test_streaming(self) -> None:
        """Output may be taken piece by piece instead, however much it is."""
        got: dict[int, int] = {1: 0, 2: 0}

        def take(descriptor: int, data: bytes) -> None:
            got[descriptor] += len(data)

        options = SpawnOptions(
            stdout=Stream.PIPE, stderr=Stream.PIPE, output_received=take
        )
        script = "head -c 300000 /dev/zero; head -c 5 /dev/zero >&2"
        child, _ = await self.run_shell(script, options)
        self.assertEqual(got, {1: 300_000, 2: 5})
        self.assertEqual(child.stdout, b"")

    @every
    async def test_pipe_held_by_a_descendant(self) -> None:
        """A descendant that holds the pipe open keeps nobody from reaping the child."""
        options = SpawnOptions(stdout=Stream.PIPE)
        child, status = await self.run_shell("echo here; sleep 30 & exit 2", options)
        self.assertEqual((status.exit_code, child.stdout), (2, b"here\n"))

    @every
    async def test_signals(self) -> None:
        """Suspended, resumed, asked to end; one that ignores everything is killed."""
        child = await self.processes.spawn("sleep", ["sleep", "60"])
        self.assertTrue(child.suspend())
        self.assertTrue(child.resume())
        self.assertTrue(child.shut_down_gracefully())
        self.assertEqual((await child.exited()).signal, 15)
        self.assertTrue(child.shut_down_gracefully())
        self.assertTrue(child.shut_down_fast())
        self.assertFalse(child.kill(15))
        ready: Deferred[bytes] = Deferred()
        options = SpawnOptions(
            stdout=Stream.PIPE, output_received=lambda _, data: ready.callback(data)
        )
        script = "trap '' TERM HUP INT QUIT; echo ready; while :; do sleep 1; done"
        child = await self.processes.spawn("sh", ["sh", "-c", script], options)
        self.assertEqual(await ready, b"ready\n")
        self.assertTrue(child.shut_down_gracefully())
        self.assertTrue(child.shut_down_fast())
        self.assertEqual((await child.exited()).signal, 9)

    @every
    async def test_starting_suspended(self) -> None:
        """A child may stop before it executes anything, until it is resumed."""
        path = self.mktemp()
        child = await self.processes.spawn(
            "touch", ["touch", path], SpawnOptions(suspended=True)
        )
        self.assertFalse(os.path.exists(path))
        self.assertTrue(child.resume())
        self.assertEqual((await child.exited()).exit_code, 0)
        self.assertTrue(os.path.exists(path))

    @every
    async def test_another_user(self) -> None:
        """A child may be another user for good."""
        if os.getuid() != 0:
            raise SkipTest("only root may")
        options = SpawnOptions(user="nobody", stdout=Stream.PIPE)
        child, _ = await self.run_shell("id -un; id -G", options)
        self.assertEqual(child.stdout.split()[0], b"nobody")
        options = SpawnOptions(user=12345, group=54, groups=(7,), stdout=Stream.PIPE)
        child, _ = await self.run_shell("id -u; id -g; id -G", options)
        self.assertEqual(child.stdout.split(), [b"12345", b"54", b"54", b"7"])
        for user in ("no-such-user", 12345):
            error = await self.spawn_failure("true", (), SpawnOptions(user=user))
            self.assertEqual(error.operation, "setuid")

    @every
    async def test_affinity(self) -> None:
        """A child may be bound to processors."""
        if not hasattr(os, "sched_getaffinity"):
            raise SkipTest("not on this system")
        one = min(os.sched_getaffinity(0))
        options = SpawnOptions(affinity=frozenset({one}), stdout=Stream.PIPE)
        child, _ = await self.run_shell(
            "grep Cpus_allowed_list /proc/$$/status", options
        )
        self.assertEqual(child.stdout.split()[1], str(one).encode())

    @every
    async def test_mnh_3_5_nothing_is_left(self) -> None:
        """Starts that succeed, fail or are cancelled leave no descriptor open."""
        if not os.path.isdir("/proc/self/fd"):
            raise SkipTest("descriptors cannot be counted here")

        async def each_kind() -> None:
            await self.run_shell("exit 1", SpawnOptions(stdout=Stream.PIPE))
            await self.spawn_failure("/nowhere/program")
            started = self.processes.spawn("/bin/true")
            started.cancel()
            await self.assertFailure(started, CancelledError)

        def count() -> int:
            return len(os.listdir("/proc/self/fd"))

        await each_kind()
        await self.settle()
        before = count()
        for _ in range(5):
            await each_kind()
        await self.settle()
        self.assertLessEqual(count(), before)
        self.assertEqual(len(self.processes), 0)

    @every
    async def test_mnh_8_6_storm(self) -> None:
        """Children that end together are reaped once each, and none is forgotten."""
        started = [self.processes.spawn("true", reaper=self.reaper) for _ in range(100)]
        children = await gatherResults(started)
        await self.reaped_count(100)
        self.assertEqual(
            sorted(each for each, _ in self.reaped),
            sorted(child.pid for child in children),
        )
        self.assertEqual(len(self.processes), 0)
        with self.assertRaises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
