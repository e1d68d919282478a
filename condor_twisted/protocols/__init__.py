"""CEDAR as Twisted protocols, and the driver that runs handshakes."""
