"""A pool, as its clients see it: ask and tell its collectors.

::

    pool = Pool("cm.example.org")
    slots = await pool.query("Machine", 'State == "Claimed"', ["Name", "State"])
    async for ad in pool.stream("Any"):
        print(ad.string("MyType"), ad.string("Name"))
    where = await pool.locate("Schedd", "submit.example.org")

Queries go to one collector, a random one of several, and to the next where that one
fails; updates go to all. Nothing here is global: each pool has its own identity,
configuration and sessions.

Source: ``src/condor_daemon_client/daemon_list.cpp: CollectorList``.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks

from condor_twisted.classad.ad_kinds import invalidation_ad, update_command
from condor_twisted.classad.wire_ad import AdValue, WireAd
from condor_twisted.client.answers import FAILURES, Answer, explained, refusal
from condor_twisted.client.command_client import CommandClient
from condor_twisted.client.queries import (
    Query,
    locate_query,
    make_query,
)
from condor_twisted.config.settings import Settings
from condor_twisted.constants import attributes
from condor_twisted.constants.commands import command_name
from condor_twisted.errors import (
    CommandRefused,
    LocalProtocolError,
)
from condor_twisted.protocols.client_channel import ClientChannel
from condor_twisted.protocols.collector_names import collector_addresses
from condor_twisted.protocols.collector_updates import UpdateConnection, ad_writer
from condor_twisted.wire.sinful import SinfulAddress

__all__ = ["Advertised", "Location", "Pool"]


@dataclass(frozen=True, slots=True)
class Location:
    """Where a daemon is.

    Args:
        name: Its name.
        machine: Its host.
        address: Its sinful string.
        version: Its ``$CondorVersion$`` string; empty if unknown.
        platform: Its ``$CondorPlatform$`` string; empty if unknown.
        ad: What the collector said.
    """

    name: str
    machine: str
    address: str
    version: str
    platform: str
    ad: WireAd


@dataclass(frozen=True, slots=True)
class Advertised:
    """What became of updates to one collector.

    Args:
        collector: Its name, as it was given.
        address: Its address.
        sent_count: How many went out.
        errors: What went wrong, for each of the others.
    """

    collector: str
    address: str
    sent_count: int
    errors: tuple[Exception, ...] = ()


class Pool:
    """The collectors of one pool.

    Args:
        address: ``host``, ``host:port``, a sinful string, or several with commas;
            COLLECTOR_HOST of the settings where this is ``None``.
        settings: The configuration; HTCondor's compiled-in defaults where this is
            ``None``.
        reactor: Where to run; Twisted's global one by default.
        shuffle: Puts the collectors into the order in which they are asked; at random
            by default, or as they are with HAD_USE_PRIMARY.
        raw: Without or with a negotiation, whatever the policy says.
    """

    def __init__(
        self,
        address: str | SinfulAddress | None = None,
        settings: Settings | None = None,
        reactor: Any = None,
        *,
        shuffle: Callable[[list[tuple[str, SinfulAddress]]], object] | None = None,
        raw: bool | None = None,
    ) -> None:
        self.client = CommandClient(settings, reactor)
        self._address = address
        self._shuffle = shuffle
        self._raw = raw

    @classmethod
    def from_configuration(
        cls, file: str | None = None, reactor: Any = None, address: str | None = None
    ) -> Pool:
        """The pool that this host's configuration names.

        Reads, as HTCondor's tools do, CONDOR_CONFIG or the usual files. May block for
        the time that reading takes.

        Args:
            file: The configuration file, instead of the usual ones.
            reactor: Where to run.
            address: The collectors, instead of COLLECTOR_HOST.

        Raises:
            ConfigError: There is no configuration, or it cannot be used.
        """
        from condor_twisted.client.configured import read_tool_settings

        settings = read_tool_settings(file, embedded=False)
        return cls(address, settings, reactor)

    @property
    def settings(self) -> Settings:
        """The configuration in use."""
        return self.client.settings

    @property
    def address(self) -> str | None:
        """What it was named by; ``None`` where it is that of the settings."""
        return None if self._address is None else str(self._address)

    def collectors(self) -> list[tuple[str, SinfulAddress]]:
        """The collectors with their names, in the order in which they are asked.

        Raises:
            LocalProtocolError: Nothing says where the collector is.
        """
        found = collector_addresses(self._address, self.settings)
        if self._shuffle is not None:
            self._shuffle(found)
        elif not self.settings.boolean("HAD_USE_PRIMARY", False):
            random.shuffle(found)
        return found

    # Asking.

    def query(
        self,
        ad_type: str | Iterable[str] = "Any",
        constraint: str | None = None,
        projection: Iterable[str] = (),
        limit: int | None = None,
        *,
        private: bool = False,
        extra: Mapping[str, AdValue] | None = None,
    ) -> Deferred[list[WireAd]]:
        """Ask for ads.

        Args:
            ad_type: ``Machine``, ``Schedd``, ... (`condor_twisted.client.queries`),
                the name of a generic table, or several.
            constraint: An expression that the ads must fulfil.
            projection: The attributes that are wanted; all by default.
            limit: How many ads at most.
            private: Ask for private attributes as well.
            extra: More attributes for the query ad.

        Returns:
            A `Deferred` of the ads. It fails with `CommandRefused`, which names the
            collectors, the command and what to do. Cancelling it gives up.
        """
        return self.run_query(
            make_query(
                ad_type, constraint, projection, limit, private=private, extra=extra
            )
        )

    def query_each(
        self,
        receive: Callable[[WireAd], object],
        ad_type: str | Iterable[str] = "Any",
        constraint: str | None = None,
        projection: Iterable[str] = (),
        limit: int | None = None,
    ) -> Deferred[int]:
        """Ask for ads and take each as it comes, however many there are.

        Args:
            receive: Gets each ad.
            ad_type: As for `query`, like the following.
            constraint: Which ads.
            projection: Which attributes.
            limit: How many.

        Returns:
            A `Deferred` of the number of ads; it fails as that of `query`, or
            with what ``receive`` raised. After the first ad no other collector is
            tried.
        """
        return self.run_query_each(
            make_query(ad_type, constraint, projection, limit), receive
        )

    async def stream(
        self,
        ad_type: str | Iterable[str] = "Any",
        constraint: str | None = None,
        projection: Iterable[str] = (),
        limit: int | None = None,
    ) -> AsyncIterator[WireAd]:
        """The ads one by one, read no faster than they are taken.

        Args:
            ad_type: As for `query`, like the following.
            constraint: Which ads.
            projection: Which attributes.
            limit: How many.

        Raises:
            CommandRefused: As `query` fails.
        """
        query = make_query(ad_type, constraint, projection, limit)
        answer = await self._open_somewhere(query)
        try:
            while not answer.finished:
                for ad in await answer.receive():
                    yield ad
        finally:
            answer.close()

    def run_query(self, query: Query) -> Deferred[list[WireAd]]:
        """Ask a question that is made already; see `query`."""
        found: list[WireAd] = []
        return self.run_query_each(query, found.append).addCallback(lambda _: found)

    @inlineCallbacks
    def run_query_each(
        self, query: Query, receive: Callable[[WireAd], object]
    ) -> Generator[Deferred[Any], Any, int]:
        """Ask a question that is made already; see `query_each`."""
        answer = yield self._open_somewhere(query)
        count = 0
        try:
            while not answer.finished:
                for ad in (yield answer.receive()):
                    receive(ad)
                    count += 1
        finally:
            answer.close()
        return count

    @inlineCallbacks
    def _open_somewhere(self, query: Query) -> Generator[Deferred[Any], Any, Answer]:
        """Ask one collector after the other until one begins to answer."""
        failures: list[tuple[SinfulAddress, Exception]] = []
        for _, address in self.collectors():
            channel: ClientChannel | None = None
            try:
                channel = yield self.client.start(
                    address,
                    query.command,
                    raw=self._raw,
                    request_authentication=query.wants_identity,
                )
                answer = Answer(
                    channel, self.settings.real("QUERY_TIMEOUT", 60.0), query.command
                )
                yield answer.ask(query.ad)
            except FAILURES as error:
                if channel is not None:
                    channel.abort()
                failures.append((address, error))
                continue
            return answer
        raise self._refused(query.command, failures)

    def _refused(
        self, command: int, failures: list[tuple[SinfulAddress, Exception]]
    ) -> CommandRefused:
        """One error for all collectors that were tried."""
        address, cause = failures[-1]
        if len(failures) == 1:
            reason = explained(cause)
        else:
            reason = "no collector answered: " + "; ".join(
                f"{each}: {explained(error)}" for each, error in failures
            )
        error = CommandRefused(
            command, str(address), f"{command_name(command)}: {reason}"
        )
        error.__cause__ = cause
        return error

    @inlineCallbacks
    def locate(
        self, daemon_type: str, name: str | None = None
    ) -> Generator[Deferred[Any], Any, Location]:
        """Ask where a daemon is.

        Args:
            daemon_type: ``Schedd``, ``Startd``, ``Master``, ``Negotiator``, ...
            name: Its name, or a startd's host; any one by default.

        Returns:
            A `Deferred` of the place.

        Raises:
            CommandRefused: The collector knows no such daemon, or did not answer.
        """
        query = locate_query(daemon_type, name)
        for ad in (yield self.run_query(query)):
            address = ad.string(attributes.MY_ADDRESS)
            if address:
                return Location(
                    ad.string(attributes.NAME) or "",
                    ad.string(attributes.MACHINE) or "",
                    address,
                    ad.string(attributes.CONDOR_VERSION) or "",
                    ad.string(attributes.CONDOR_PLATFORM) or "",
                    ad,
                )
        wanted = f"{daemon_type} {name}" if name else f"any {daemon_type}"
        raise CommandRefused(
            query.command,
            ", ".join(str(address) for _, address in self.collectors()),
            f"the collector knows no address of {wanted}; is it running, and is the "
            "name right?",
        )

    # Telling.

    @inlineCallbacks
    def advertise(
        self,
        ads: WireAd | Iterable[WireAd],
        command: int | None = None,
        *,
        use_tcp: bool | None = None,
        private_ads: Iterable[WireAd] = (),
    ) -> Generator[Deferred[Any], Any, list[Advertised]]:
        """Tell every collector of ads.

        Args:
            ads: One ad or several; over TCP they share a connection.
            command: Which command; what each ad's ``MyType`` asks for by default.
            use_tcp: TCP or UDP; UPDATE_COLLECTOR_WITH_TCP says by default.
            private_ads: For UPDATE_STARTD_AD: the private part of each slot's ad.

        Returns:
            A `Deferred` of what became of them, for each collector. It does not fail
            because of one that cannot be reached. A collector confirms nothing
            (but UPDATE_STARTD_AD_WITH_ACK): "sent" is not "accepted".

        Raises:
            LocalProtocolError: An ad's ``MyType`` tells no command, or nothing says
                where the collector is.
        """
        several = [ads] if isinstance(ads, WireAd) else list(ads)
        commands = [
            int(update_command(ad)) if command is None else command for ad in several
        ]
        private = list(private_ads)
        if private and len(private) != len(several):
            raise LocalProtocolError("each ad needs a private ad, or none")
        if use_tcp is None:
            use_tcp = self.settings.boolean("UPDATE_COLLECTOR_WITH_TCP", True)
        updates = [
            (number, ad, *private[index : index + 1])
            for index, (number, ad) in enumerate(zip(commands, several, strict=True))
        ]
        outcome: list[Advertised] = []
        for name, address in collector_addresses(self._address, self.settings):
            tell = self._tell if use_tcp else self._tell_by_datagrams
            outcome.append((yield tell(name, address, updates)))
        return outcome

    @inlineCallbacks
    def _tell(
        self, name: str, address: SinfulAddress, updates: list[tuple[Any, ...]]
    ) -> Generator[Deferred[Any], Any, Advertised]:
        connection = UpdateConnection(self.client.opener, address, self._raw)
        sent_count = 0
        errors: list[Exception] = []
        for command, *ads in updates:
            try:
                yield connection.send(command, *ads)
            except FAILURES as error:
                connection.abort()
                errors.append(refusal(command, address, error))
            else:
                sent_count += 1
        yield connection.finish()
        return Advertised(name, str(address), sent_count, tuple(errors))

    @inlineCallbacks
    def _tell_by_datagrams(
        self, name: str, address: SinfulAddress, updates: list[tuple[Any, ...]]
    ) -> Generator[Deferred[Any], Any, Advertised]:
        sent_count = 0
        errors: list[Exception] = []
        for command, *ads in updates:

            def write(writer: Any, ads: list[WireAd] = ads) -> None:
                for each in ads:
                    ad_writer(each)(writer)

            try:
                yield self.client.send_datagram(address, command, write, raw=self._raw)
            except FAILURES as error:
                errors.append(refusal(command, address, error))
            else:
                sent_count += 1
        return Advertised(name, str(address), sent_count, tuple(errors))

    def invalidate(
        self,
        ad_type: str,
        name: str | None = None,
        constraint: str | None = None,
        *,
        extra: Mapping[str, AdValue] | None = None,
        use_tcp: bool | None = None,
    ) -> Deferred[list[Advertised]]:
        """Take ads back at every collector.

        Args:
            ad_type: Their kind.
            name: The one ad that goes.
            constraint: Which ads go, where there is no name.
            extra: What else belongs to the key: ``MyAddress`` for schedds and
                submitters, ``ScheddName``, ...
            use_tcp: As for `advertise`.

        Returns:
            A `Deferred` of what became of it, for each collector.

        Raises:
            LocalProtocolError: Nothing says which ads are meant.
        """
        command, ad = invalidation_ad(ad_type, name, constraint, extra)
        return self.advertise(ad, command, use_tcp=use_tcp)

    def close(self) -> Deferred[Any]:
        """Give up what is kept between queries; fires when that is done."""
        return self.client.close()
