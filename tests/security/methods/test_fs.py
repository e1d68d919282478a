"""`condor_twisted.security.methods.fs`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.errors import (
    AuthenticationFailed,
    LimitExceeded,
    PeerClosed,
    RemoteProtocolError,
)
from condor_twisted.security.methods.base import AuthResult
from condor_twisted.security.methods.fs import FsMethod, FsRemoteMethod
from condor_twisted.security.steps import (
    MakeDirectory,
    MakeTemporaryName,
    PathKind,
    PathStatus,
    RemoveDirectory,
    StatPath,
)
from condor_twisted.wire.messages import MessageWriter
from tests.security.kit import FakeHost, Side
from tests.security.methods.kit import client_side, number, server_side, text

NAME = "/tmp/FS_127.0.0.1_9618_XXXabc123_"
GOOD = PathStatus(PathKind.DIRECTORY, 0o700, 2, 33, 0)


def answer(result: int, extension: str | None = None) -> bytes:
    """A client's second message."""
    writer = MessageWriter()
    writer.put_int(result)
    if extension is not None:
        writer.put_string(extension)
    return writer.end_of_message()


class ServerTests(SynchronousTestCase):
    """The server looks."""

    def judge(
        self,
        extension: str | None = "127.0.0.1:9618",
        status: PathStatus | None = GOOD,
        *,
        result: int = 0,
        knobs: Mapping[str, str] | None = None,
        condor_user: str | None = None,
        command_address: str | None = None,
    ) -> Side[AuthResult]:
        """A server that finds this behind the name it gave."""
        host = FakeHost()
        if status is not None:
            host.directories[NAME + (extension or "")] = status
        return server_side(
            FsMethod(),
            answer(result, extension),
            knobs=knobs,
            host=host,
            condor_user=condor_user,
            command_address=command_address,
        )

    def assert_refused(self, side: Side[AuthResult]) -> None:
        """The verdict was -1, and the method failed."""
        self.assertEqual(side.sent[1:], [number(-1)])
        self.assertRaises(AuthenticationFailed, side.outcome)

    def test_owner(self) -> None:
        """The owner of the directory is who the client is."""
        side = self.judge()
        self.assertEqual(side.sent, [text(NAME), number(0)])
        self.assertEqual(side.outcome().user, "www-data@test.domain")
        self.assertEqual(side.outcome().authenticated_name, "www-data")

    def test_mnh_4_40_name(self) -> None:
        """The name has the knob's directory, our end of the connection, and more."""
        side = server_side(FsMethod(), knobs={"FS_LOCAL_DIR": "/var/fs//"})
        self.assertEqual(
            side.host.asked[0],
            MakeTemporaryName("/var/fs", "FS_127.0.0.1_9618_", "127.0.0.1:9618"),
        )

    def test_ipv6_end(self) -> None:
        """An IPv6 end is in brackets where a port follows."""
        side = server_side(FsMethod(), own_address="::1")
        self.assertEqual(
            side.host.asked[0], MakeTemporaryName("/tmp", "FS_::1_9618_", "[::1]:9618")
        )

    def test_without_extension(self) -> None:
        """A client that binds nothing is looked at by the bare name."""
        self.assertEqual(self.judge(None).outcome().user, "www-data@test.domain")

    def test_mnh_4_40_extension_is_our_own_end(self) -> None:
        """No extension but our own address is looked at."""
        for extension in (
            "127.0.0.1:9619",
            "10.0.0.1:9618",
            "127.0.0.1:9618/../../x",
            "/etc",
            "127.0.0.1",
            "127.0.0.1:",
            ":9618",
            "127.0.0.1:09618x",
            "127.0.0.1:9618?sock=other",
            "127.0.0.1:9618\n",
            "host:9618",
            "::1:9618",
            "127.0.0.1:9618" + " " * 300,
        ):
            with self.subTest(extension=extension):
                side = self.judge(extension)
                self.assert_refused(side)
                self.assertFalse(
                    any(isinstance(step, StatPath) for step in side.host.asked)
                )

    def test_shared_port_id(self) -> None:
        """A shared port id has to be ours."""
        mine = "<127.0.0.1:9618?sock=collector>"
        good = self.judge("127.0.0.1:9618?sock=collector", command_address=mine)
        self.assertEqual(good.outcome().user, "www-data@test.domain")
        for sock in ("other", ""):
            self.assert_refused(
                self.judge(f"127.0.0.1:9618?sock={sock}", command_address=mine)
            )

    def test_forwarded_address(self) -> None:
        """Behind a forwarding host our public address is as good as our end."""
        mine = "<192.0.2.1:9618?addrs=192.0.2.1-9618+10.0.0.9-9618>"
        for extension in ("192.0.2.1:9618", "10.0.0.9:9618"):
            side = self.judge(extension, command_address=mine)
            self.assertEqual(side.outcome().user, "www-data@test.domain")
        self.assert_refused(self.judge("192.0.2.2:9618", command_address=mine))
        self.assert_refused(self.judge("192.0.2.1:9618", command_address="<junk"))

    def test_mnh_4_41_only_an_empty_directory_of_mode_0700(self) -> None:
        """Links, files, other modes, more links and entries are refused."""
        for status in (
            None,
            replace(GOOD, kind=PathKind.LINK),
            replace(GOOD, kind=PathKind.FILE, link_count=1),
            replace(GOOD, kind=PathKind.OTHER),
            replace(GOOD, mode=0o755),
            replace(GOOD, mode=0o1700),
            replace(GOOD, mode=0o4700),
            replace(GOOD, mode=0o600),
            replace(GOOD, link_count=3),
            replace(GOOD, link_count=0),
            replace(GOOD, entry_count=1),
            replace(GOOD, owner_uid=4242),
        ):
            with self.subTest(status=status):
                self.assert_refused(self.judge(status=status))
        self.assert_refused(
            self.judge(
                status=replace(GOOD, kind=PathKind.FILE, link_count=1),
                knobs={"FS_ALLOW_UNSAFE": "True"},
            )
        )
        for status in (replace(GOOD, link_count=1), replace(GOOD, entry_count=None)):
            self.judge(status=status).outcome()

    def test_root(self) -> None:
        """Root is the condor user where there is one and the knob allows it."""
        root = replace(GOOD, owner_uid=0)
        for knobs, condor_user, user in (
            ({}, "condor", "condor"),
            ({}, None, "root"),
            ({"FS_ROOT_TO_CONDOR": "False"}, "condor", "root"),
        ):
            side = self.judge(status=root, knobs=knobs, condor_user=condor_user)
            self.assertEqual(side.outcome().user, f"{user}@test.domain")

    def test_mnh_4_23_refused_owner(self) -> None:
        """An owner whose name cannot be a user's gets -1."""
        self.assert_refused(self.judge(knobs={"UID_DOMAIN": "family"}))

    def test_client_failed(self) -> None:
        """A client that could not make the directory gets its -1 all the same."""
        for result in (-1, 1, 1 << 40):
            self.assert_refused(self.judge(result=result))

    def test_no_name(self) -> None:
        """A server without a name sends an empty one and refuses."""
        side = server_side(FsMethod(), answer(0), host=FakeHost(can_name=False))
        self.assertEqual(side.sent[0], text(""))
        self.assert_refused(side)

    def test_remote(self) -> None:
        """FS_REMOTE has its own directory and has the directory looked at afresh."""
        host = FakeHost()
        name = "/nfs/FS_REMOTE_127.0.0.1_9618_XXXabc123_"
        host.directories[name] = GOOD
        side = server_side(
            FsRemoteMethod(), answer(0), knobs={"FS_REMOTE_DIR": "/nfs"}, host=host
        )
        self.assertEqual(side.outcome().user, "www-data@test.domain")
        self.assertIn(StatPath(name, True), host.asked)

    def test_truncated_and_trailing(self) -> None:
        """Cut anywhere or with more behind, the second message is refused."""
        payload = answer(0, "127.0.0.1:9618")
        for damaged in [payload[:end] for end in range(8)] + [
            payload[:-1],
            payload + b"\0",
        ]:
            side = server_side(FsMethod(), damaged)
            self.assertRaises(RemoteProtocolError, side.outcome)

    def test_silence(self) -> None:
        """A client that goes away is ``PeerClosed``."""
        side = server_side(FsMethod())
        side.peer_closed()
        self.assertRaises(PeerClosed, side.outcome)


class ClientTests(SynchronousTestCase):
    """The client makes."""

    def test_bound_to_whom_we_dialled(self) -> None:
        """What we put behind the name is the address that we connected to."""
        for dialled, address, extension in (
            ("<127.0.0.1:9618>", "127.0.0.1", "127.0.0.1:9618"),
            ("<h:9618?sock=abc>", "127.0.0.1", "127.0.0.1:9618?sock=abc"),
            ("<[::1]:9618>", "::1", "[::1]:9618"),
            ("<junk", "127.0.0.1", "127.0.0.1:9618"),
        ):
            side = client_side(
                FsMethod(),
                text(NAME),
                number(0),
                dialled=dialled,
                peer_address=address,
            )
            self.assertEqual(side.sent, [answer(0, extension)])
            self.assertEqual(side.host.made, [NAME + extension])
            self.assertEqual(side.host.directories, {})
            self.assertIsNone(side.outcome().user)

    def test_name_that_is_bound_already(self) -> None:
        """A name without an underscore has to carry the address that we dialled."""
        good = "/tmp/FS_127.0.0.1_9618_XXXabc123"
        side = client_side(FsMethod(), text(good), number(0))
        self.assertEqual(side.sent, [answer(0)])
        self.assertEqual(side.host.made, [good])
        side.outcome()
        for name in (
            "/tmp/FS_10.0.0.1_9618_XXXabc123",
            "/tmp/FS_127.0.0.1_9619_XXXabc123",
            "/tmp/FS_XXXabc123",
            "/FS_127.0.0.1_9618_a/evil",
        ):
            side = client_side(FsMethod(), text(name), number(-1))
            self.assertEqual(side.sent, [answer(-1)])
            self.assertEqual(side.host.made, [])
            self.assertRaises(AuthenticationFailed, side.outcome)

    def test_without_binding(self) -> None:
        """Where the knob says so, the bare name is made."""
        knobs = {"SEC_FS_ENFORCE_CHANNEL_BINDING": "False"}
        side = client_side(FsMethod(), text(NAME), number(0), knobs=knobs)
        self.assertEqual(side.sent, [answer(0)])
        self.assertEqual(side.host.made, [NAME])

    def test_strange_names(self) -> None:
        """Nothing is made of a name that is empty, relative or not printable."""
        for name in ("", "tmp/x_", "/tmp/../etc/x_", "/tmp/x\n_"):
            side = client_side(FsMethod(), text(name), number(-1))
            self.assertEqual(side.sent, [answer(-1)])
            self.assertEqual(side.host.made, [])
            self.assertRaises(AuthenticationFailed, side.outcome)
        side = client_side(FsMethod(), text("/" + "a" * 4096))
        self.assertRaises(LimitExceeded, side.outcome)

    def test_directory_exists(self) -> None:
        """A directory that was there is not ours and is not removed."""
        host = FakeHost()
        path = NAME + "127.0.0.1:9618"
        host.directories[path] = GOOD
        side = client_side(FsMethod(), text(NAME), number(-1), host=host)
        self.assertEqual(side.sent, [answer(-1, "127.0.0.1:9618")])
        self.assertIn(path, host.directories)
        self.assertRaises(AuthenticationFailed, side.outcome)

    def test_lying_server(self) -> None:
        """A success that cannot be one is a failure."""
        host = FakeHost()
        host.directories[NAME + "127.0.0.1:9618"] = GOOD
        side = client_side(FsMethod(), text(NAME), number(0), host=host)
        self.assertRaises(AuthenticationFailed, side.outcome)

    def test_mnh_4_42_removed_after_each_verdict(self) -> None:
        """Whatever the verdict, the client removes what it made."""
        for verdict in (0, -1, 7):
            side = client_side(FsMethod(), text(NAME), number(verdict))
            self.assertEqual(side.host.directories, {})
            self.assertEqual(len(side.host.made), 1)

    def test_mnh_4_42_taken_back_by_the_driver(self) -> None:
        """When the server goes away, the step itself says how it is taken back."""
        side = client_side(FsMethod(), text(NAME))
        (step,) = [each for each in side.host.asked if isinstance(each, MakeDirectory)]
        self.assertEqual(step.undo(), RemoveDirectory(NAME + "127.0.0.1:9618"))
        side.peer_closed()
        self.assertRaises(PeerClosed, side.outcome)

    def test_truncated(self) -> None:
        """A name without its end, or with more behind, is refused."""
        payload = text(NAME)
        for damaged in (payload[:-1], b"", payload + b"\0"):
            side = client_side(FsMethod(), damaged)
            self.assertRaises(RemoteProtocolError, side.outcome)
        self.assertRaises(
            RemoteProtocolError,
            client_side(FsMethod(), text(NAME), b"\0" * 7).outcome,
        )
