"""Results of pings that no daemon has to give."""

from __future__ import annotations

from typing import Any

from condor_twisted.client import PingResult
from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import CondorTwistedError
from condor_twisted.security.explanation import WISHES, Explanation, Wish
from condor_twisted.security.facts import ChannelEnds
from condor_twisted.security.handshake.pod_ads import PodAd
from condor_twisted.security.handshake.server_reply import ServerReply
from condor_twisted.security.keys import CryptoMethod
from condor_twisted.security.negotiation import NegotiationRecord
from condor_twisted.security.policy import FeatureLevel, SidePolicy
from condor_twisted.wire.sinful import SinfulAddress

__all__ = ["failed", "succeeded"]

_OPTIONAL = FeatureLevel.OPTIONAL
_POLICY = SidePolicy(
    Permission.CLIENT,
    _OPTIONAL,
    _OPTIONAL,
    _OPTIONAL,
    _OPTIONAL,
    FeatureLevel.PREFERRED,
    ("FS", "SSL"),
    tuple(CryptoMethod),
    60,
    3600,
    20,
)
_CLIENT = Explanation(wishes={name: Wish("OPTIONAL") for name in WISHES})
_ADDRESS = SinfulAddress("192.0.2.7", "9618")


def failed(error: CondorTwistedError, **known: Any) -> PingResult:
    """What came of a ping that ended with this error."""
    record = NegotiationRecord(
        ends=ChannelEnds("192.0.2.1", 5, "192.0.2.7", 9618), **known
    )
    return PingResult(60021, _ADDRESS, False, record, error, {}, _CLIENT, None)


def succeeded(server: Explanation | None = None, **answers: Any) -> PingResult:
    """What came of a ping that a server answered so."""
    ad = PodAd(
        {
            name.lower(): value
            for name, value in {
                "Authentication": "NO",
                "Encryption": "NO",
                "Integrity": "NO",
                "AuthMethodsList": "FS",
                "CryptoMethods": "AES",
                "ECDHPublicKey": "key",
                "RemoteVersion": "$CondorVersion: 25.14.1 $",
                **answers,
            }.items()
        }
    )
    record = NegotiationRecord(
        policy=_POLICY,
        answer=ad,
        agreed=ServerReply(ad, _POLICY),
        verdict=PodAd({"user": "nobody@x", "returncode": "AUTHORIZED"}),
    )
    return PingResult(60021, _ADDRESS, True, record, None, {}, _CLIENT, server)
