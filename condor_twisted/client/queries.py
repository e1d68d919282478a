"""What is asked of a collector: the query ad, and the answer's ads.

Layout:
    request: the command's number; one ad, the query
    answer: one message, ``int 1`` and an ad for each hit, then ``int 0``

Source: ``src/condor_utils/condor_query.cpp: CondorQuery::getQueryAd, processAds``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from condor_twisted.classad.ad_kinds import ad_kind, quoted
from condor_twisted.classad.wire_ad import AdValue, ExpressionText, WireAd
from condor_twisted.constants import attributes
from condor_twisted.constants.commands import Command
from condor_twisted.errors import (
    LimitExceeded,
    LocalProtocolError,
    MalformedMessage,
    RemoteProtocolError,
)
from condor_twisted.wire.messages import MessageReader

__all__ = [
    "MAX_AD_BYTES",
    "AdAssembler",
    "Query",
    "make_query",
    "read_ads",
]

#: The longest ad that is taken from a collector, while the others stream.
MAX_AD_BYTES: Final = 64 << 20


#: What a look-up of a daemon's address wants to know.
_LOCATION: Final[tuple[str, ...]] = (
    "CondorVersion",
    "CondorPlatform",
    attributes.MY_ADDRESS,
    attributes.ADDRESS_V1,
    attributes.NAME,
    attributes.MACHINE,
    attributes.REMOTE_ADMIN_CAPABILITY,
)
_SCHEDD_LOCATION: Final = ("ScheddIpAddr", "CredDIpAddr")
#: Where a startd is looked for by its host: its name has no ``slot1@``.
_BY_MACHINE: Final = frozenset({"Machine", "StartD", "HAD"})


@dataclass(frozen=True, slots=True)
class Query:
    """One question to a collector.

    Args:
        command: The command's number.
        ad: The query ad.
        wants_identity: The answer depends on who asks: prefer to authenticate.
    """

    command: int
    ad: WireAd
    wants_identity: bool = False


def make_query(
    ad_type: str | Iterable[str] = "Any",
    constraint: str | None = None,
    projection: Iterable[str] = (),
    limit: int | None = None,
    *,
    private: bool = False,
    extra: Mapping[str, AdValue] | None = None,
) -> Query:
    """The question for ads of one kind, or of several.

    Args:
        ad_type: A name of `AD_KINDS`, any other for a generic table, or several.
        constraint: An expression that the ads must fulfil.
        projection: The attributes that are wanted; all by default.
        limit: How many ads at most.
        private: Ask for private attributes as well.
        extra: More attributes for the query ad.

    Raises:
        LocalProtocolError: No kind is named, or a value has no wire form.
    """
    names = [ad_type] if isinstance(ad_type, str) else list(ad_type)
    kinds = [ad_kind(name) for name in names]
    if not kinds:
        raise LocalProtocolError("a query needs a kind of ads")
    command = kinds[0].query
    if len(kinds) > 1:
        command = Command.QUERY_MULTIPLE_ADS
        if any(kind.name == "MachinePrivate" for kind in kinds):
            command = Command.QUERY_MULTIPLE_PVT_ADS
    target = ",".join(kind.name for kind in kinds)
    if command == Command.QUERY_STARTD_PVT_ADS:
        target = "Machine"
    values: dict[str, AdValue] = {
        attributes.MY_TYPE: "Query",
        attributes.TARGET_TYPE: target,
    }
    # Old collectors give nothing without a constraint; for several kinds it is not
    # to be trivial.
    several = command in (Command.QUERY_MULTIPLE_ADS, Command.QUERY_MULTIPLE_PVT_ADS)
    if constraint is not None or not several:
        values[attributes.REQUIREMENTS] = ExpressionText(constraint or "true")
    wanted = " ".join(projection)
    if wanted:
        values[attributes.PROJECTION] = wanted
    if limit is not None and limit > 0:
        values[attributes.LIMIT_RESULTS] = limit
    if private:
        values[attributes.SEND_PRIVATE_ATTRIBUTES] = True
    values.update(extra or {})
    # HTCondor's own clients send attributes in this order.
    ordered = sorted(values, key=lambda name: (len(name), name.lower()))
    return Query(
        int(command),
        WireAd.from_pairs({name: values[name] for name in ordered}),
        wants_identity=private,
    )


def locate_query(daemon_type: str, name: str | None) -> Query:
    """The question where a daemon is.

    Args:
        daemon_type: A name of `AD_KINDS`.
        name: The daemon's name, a host's name for a startd; any daemon by default.

    Source: ``src/condor_utils/condor_query.cpp: CondorQuery::setLocationLookup``,
    ``src/condor_daemon_client/daemon.cpp: Daemon::getDaemonInfo``.
    """
    kind = ad_kind(daemon_type)
    constraint = None
    if name is not None:
        if kind.name in _BY_MACHINE and "@" not in name:
            # One host's slots: all of every ad.
            return make_query(
                "Machine" if kind.name == "StartD" else kind.name,
                f"(({attributes.MACHINE} == {quoted(name)}))",
            )
        constraint = f"(({attributes.NAME} == {quoted(name)}))"
    wanted = _LOCATION
    if kind.name == "Scheduler":
        wanted += _SCHEDD_LOCATION
    return make_query(
        "Machine" if kind.name == "StartD" else kind.name,
        constraint,
        wanted,
        1,
        extra={attributes.LOCATION_QUERY: name or "any"},
    )


def read_ads(reader: MessageReader) -> list[WireAd]:
    """The ads of a whole answer.

    Raises:
        RemoteProtocolError: It is no answer.
    """
    found: list[WireAd] = []
    while reader.get_int32():
        ad = reader.get_ad()
        found.append(WireAd(ad.body, ad.secret_lines))
    reader.end_of_message()
    return found


class AdAssembler:
    """Makes ads of an answer that arrives in parts.

    What is incomplete is tried again only when there is twice as much of it, so an ad
    in many parts costs no more than a few times its length.

    Args:
        encrypted: Whether strings carry their length.
    """

    def __init__(self, encrypted: bool) -> None:
        self._encrypted = encrypted
        self._buffer = b""
        self._parts: list[bytes] = []
        self._waiting_bytes = 0
        self._wanted_bytes = 1
        #: Whether the answer is complete.
        self.finished = False

    def feed(self, part: bytes, last: bool) -> list[WireAd]:
        """Take the next part.

        Args:
            part: Its bytes.
            last: Whether the message ends with it.

        Returns:
            The ads that are complete now.

        Raises:
            RemoteProtocolError: It is no answer.
        """
        self._parts.append(part)
        self._waiting_bytes += len(part)
        if self._waiting_bytes > MAX_AD_BYTES:
            raise LimitExceeded("bytes of an ad", MAX_AD_BYTES, self._waiting_bytes)
        if self._waiting_bytes < self._wanted_bytes and not last:
            return []
        self._buffer += b"".join(self._parts)
        self._parts.clear()
        return self._read(last)

    def _read(self, last: bool) -> list[WireAd]:
        reader = MessageReader(self._buffer, encrypted=self._encrypted)
        found: list[WireAd] = []
        done = 0
        try:
            while reader.get_int32():
                ad = reader.get_ad()
                found.append(WireAd(ad.body, ad.secret_lines))
                done = reader.position
            reader.end_of_message()
            if not last:
                raise _TooMuch("an answer goes on behind its end")
            self.finished = True
            done = len(self._buffer)
        except _TooMuch:
            raise
        except RemoteProtocolError:
            # The rest of an ad may still be on its way; but not behind the end.
            if last:
                raise
        self._buffer = self._buffer[done:]
        self._waiting_bytes = len(self._buffer)
        self._wanted_bytes = (
            2 * self._waiting_bytes if self._waiting_bytes > 1024 else 1
        )
        return found


class _TooMuch(MalformedMessage):
    pass
