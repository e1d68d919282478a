"""Tests of ``condor_twisted.daemoncore.administration``."""

from __future__ import annotations

from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.constants import attributes
from condor_twisted.constants.commands import Command
from condor_twisted.constants.permissions import Permission
from condor_twisted.daemoncore import CommandRequest, Daemon, command
from condor_twisted.security.sessions.remote_administration import take_capability
from tests.daemoncore.kit import DaemonTestCase
from tests.protocols.kit import SECURE


class Collecting(Daemon):
    """A collector that keeps what it is told, secrets included."""

    subsystem = "COLLECTOR"
    ads: tuple[WireAd, ...] = ()

    @command(Command.UPDATE_AD_GENERIC, Permission.DAEMON, udp=True, keeps_stream=True)
    def update(self, request: CommandRequest) -> None:
        """Take an ad."""
        ad = request.reader().get_ad()
        self.ads = (*self.ads, WireAd(ad.body, ad.secret_lines))


class Telling(Daemon):
    """A daemon with an ad."""

    subsystem = "TELLING"
    ad_type = "Generic"

    @command(72_500, Permission.ADMINISTRATOR, answers=True)
    def ask(self, request: CommandRequest) -> None:
        """Say who asks."""
        request.reader().get_int()
        writer = request.writer()
        writer.put_string(request.peer.user)
        request.reply(writer.end_of_message())


class AdministrationTests(DaemonTestCase):
    """Capabilities in ads."""

    def setUp(self) -> None:
        """A collector."""
        super().setUp()
        self.knobs.update(SECURE)
        self.knobs.update({"ALLOW_DAEMON": "*", "COLLECTOR_HOST": "127.0.0.1:9618"})
        self.collector = Collecting(self.settings(), self.reactor, port=9618)
        self.start(self.collector)

    def told(self, **knobs: str) -> tuple[Telling, str | None]:
        """A daemon that runs, and what it has told the collector."""
        self.knobs.update({"ALLOW_ADMINISTRATOR": "nobody@nowhere", **knobs})
        daemon = Telling(self.settings(), self.reactor)
        daemon._load_settings = self.settings
        self.start(daemon)
        self.reactor.flush()
        return daemon, self.newest()

    def newest(self) -> str | None:
        """The capability in the newest ad."""
        return self.collector.ads[-1].string(attributes.REMOTE_ADMIN_CAPABILITY)

    def test_told(self) -> None:
        """With what the collector was told, one is an administrator."""
        daemon, text = self.told()
        assert text is not None
        opener = self.opener()
        take_capability(opener.security, text, str(daemon.address))
        outcome = opener.open(str(daemon.address), 72_500)
        self.reactor.flush()
        channel = self.successResultOf(outcome)
        writer = channel.writer()
        writer.put_int(1)
        channel.send_message(writer.end_of_message())
        answer = channel.receive_message()
        self.reactor.flush()
        user = self.successResultOf(answer).get_string()
        self.assertEqual(user, "collector-side@matchsession")

    def test_mnh_0_5_only_where_it_is_hidden(self) -> None:
        """On a channel in clear nothing is told."""
        features = ("NEGOTIATION", "AUTHENTICATION", "ENCRYPTION", "INTEGRITY")
        self.knobs.update({f"SEC_DEFAULT_{each}": "NEVER" for each in features})
        self.collector._load_settings = self.settings
        self.assertTrue(self.collector.reconfigure())
        _, text = self.told()
        self.assertTrue(self.collector.ads)
        self.assertIsNone(text)

    def test_switched_off_and_on(self) -> None:
        """Whoever does not want it tells nothing, and from a reconfiguration on."""
        daemon, text = self.told(SEC_ENABLE_REMOTE_ADMINISTRATION="False")
        self.assertIsNone(text)
        self.knobs["SEC_ENABLE_REMOTE_ADMINISTRATION"] = "True"
        daemon.reconfigure()
        self.reactor.flush()
        self.assertIsNotNone(self.newest())
        self.knobs["SEC_ENABLE_REMOTE_ADMINISTRATION"] = "False"
        daemon.reconfigure()
        self.reactor.flush()
        self.assertIsNone(self.newest())

    def test_mnh_7_1_not_in_the_log(self) -> None:
        """The log knows nothing of it."""
        daemon, text = self.told()
        assert text is not None
        key = text.rpartition("]")[2]
        self.assertGreater(len(key), 32)
        self.assertEqual(self.logged(key), [])
        self.assertNotIn(key, repr(daemon.administration))
