"""`condor_twisted.security.peer`."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from condor_twisted.security.peer import Peer, Transport, raw_peer


class PeerTests(SynchronousTestCase):
    """The other side of a channel."""

    def test_raw(self) -> None:
        """A raw peer has proved nothing; the same one is the same object."""
        peer = raw_peer("10.0.0.1", 4000, Transport.UDP)
        self.assertIs(peer, raw_peer("10.0.0.1", 4000, Transport.UDP))
        self.assertEqual(peer, Peer("10.0.0.1", 4000, Transport.UDP))
        self.assertFalse(peer.is_authenticated or peer.is_mapped or peer.negotiated)

    def test_authenticated_takes_a_method(self) -> None:
        """A name alone is not proved; a method without a name proves nobody."""
        peer = replace(raw_peer("10.0.0.1", 1, Transport.TCP), user="alice@dom")
        self.assertFalse(peer.is_authenticated)
        self.assertTrue(replace(peer, method="FS").is_authenticated)
        self.assertFalse(
            replace(
                peer, method="SSL", user="unauthenticated@unmapped"
            ).is_authenticated
        )

    def test_text(self) -> None:
        """A peer is shown with user and address."""
        peer = raw_peer("::1", 4000, Transport.TCP)
        self.assertEqual(str(peer), "unauthenticated@unmapped at <[::1]:4000>")
        peer = raw_peer("10.0.0.1", 4000, Transport.TCP)
        self.assertEqual(str(peer), "unauthenticated@unmapped at <10.0.0.1:4000>")
