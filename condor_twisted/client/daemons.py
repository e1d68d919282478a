"""Finding one daemon: by its address, its address file, or its ad in a collector.

Source: ``src/condor_daemon_client/daemon.cpp: Daemon::locate, getDaemonInfo,
getCmInfo, readAddressFile, idStr``.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, replace
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from condor_twisted.classad.wire_ad import WireAd
from condor_twisted.client.pool import Pool
from condor_twisted.config.settings import Settings
from condor_twisted.config.values import split_words
from condor_twisted.constants import attributes
from condor_twisted.errors import (
    CommandRefused,
    CondorTwistedError,
    DaemonNotFound,
    LocalProtocolError,
    MalformedMessage,
)
from condor_twisted.protocols.collector_names import collector_address
from condor_twisted.protocols.host_steps import run_in_threads
from condor_twisted.protocols.this_host import host_name, ip_of
from condor_twisted.security.sessions.remote_administration import take_capability
from condor_twisted.wire.sinful import SinfulAddress

__all__ = [
    "DaemonKind",
    "DaemonLocator",
    "FoundDaemon",
    "address_in_file",
    "kind_named",
    "quoted",
]

_log = Logger()

_CENTRAL: Final = frozenset({"collector", "view_collector"})
_AD_TYPES: Final = {
    "master": "DaemonMaster",
    "schedd": "Scheduler",
    "startd": "Machine",
    "collector": "Collector",
    "negotiator": "Negotiator",
    "had": "HAD",
    "credd": "CredD",
    "view_collector": "Collector",
}
_OTHER_KINDS: Final = frozenset({"any", "kbdd", "shadow", "starter", "gridmanager"})


@dataclass(frozen=True, slots=True)
class DaemonKind:
    """What sort of daemon is meant.

    Args:
        word: What tools call it, such as ``schedd``; ``any`` for no matter what.
        subsystem: Whose knobs name it.
        ad_type: The type of its ad; ``None`` where no collector knows such.
        is_standard: Whether HTCondor has a word of its own for it.
    """

    word: str
    subsystem: str
    ad_type: str | None
    is_standard: bool = True


def kind_named(word: str) -> DaemonKind:
    """The kind that a word means; one of somebody's own for an unknown word."""
    lower = word.lower()
    if lower in _AD_TYPES:
        return DaemonKind(lower, lower.upper(), _AD_TYPES[lower])
    if lower in _OTHER_KINDS:
        return DaemonKind(lower, lower.upper(), None)
    return DaemonKind(word, word.upper(), word, is_standard=False)


def quoted(text: str) -> str:
    """A text as a string literal of an expression."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@dataclass(frozen=True, slots=True)
class FoundDaemon:
    """A daemon that can be called.

    Args:
        kind: What it is.
        address: Its sinful string.
        name: Its name, if it is known.
        host: Its host's full name, if it is known.
        is_local: Whether it is this host's, found without a collector.
        ad: What a collector said of it.
    """

    kind: DaemonKind
    address: str
    name: str | None = None
    host: str | None = None
    is_local: bool = False
    ad: WireAd | None = None

    def __str__(self) -> str:
        """What tools call it: ``local master``, ``schedd NAME``, ``daemon at <..>``."""
        word = "daemon" if self.kind.word == "any" else self.kind.word
        if self.is_local:
            return f"local {word}"
        if self.name:
            return f"{word} {self.name}"
        try:
            parsed = SinfulAddress.parse(self.address)
            shown = f"<{parsed.host}:{parsed.port}>"
            if ":" in parsed.host:
                shown = f"<[{parsed.host}]:{parsed.port}>"
        except MalformedMessage:
            shown = self.address
        host = f" ({self.host})" if self.host else ""
        return f"{word} at {shown}{host}"


class DaemonLocator:
    """Finds daemons under one configuration; closed by ``async with``.

    Args:
        settings: The configuration.
        reactor: Where to run.
        pool: The collectors to ask, by name or as they are open already; those of the
            configuration by default.
    """

    def __init__(
        self, settings: Settings, reactor: Any, pool: str | Pool | None = None
    ) -> None:
        self.settings = settings
        self.pool = pool if isinstance(pool, Pool) else Pool(pool, settings, reactor)
        self._named_pool = self.pool.address
        self._in_thread = run_in_threads(reactor)

    async def __aenter__(self) -> DaemonLocator:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    def close(self) -> Deferred[Any]:
        """Close what is open; fires when that is done."""
        return self.pool.close()

    async def locate(
        self,
        kind: DaemonKind,
        name: str | None = None,
        address: str | None = None,
        *,
        to_administer: bool = False,
    ) -> FoundDaemon:
        """Find a daemon.

        Args:
            kind: What it is.
            name: Its name; this host's own where neither is given.
            address: Its sinful string, which is taken as it is.
            to_administer: If a collector is asked, and takes us for an administrator,
                use its right to administer the daemon.

        Raises:
            DaemonNotFound: It is nowhere to be found; the error says why.
        """
        if address is not None:
            return FoundDaemon(kind, address)
        if kind.word in _CENTRAL:
            return self._central(kind, name)
        return await self._ordinary(kind, name, to_administer=to_administer)

    def _central(self, kind: DaemonKind, name: str | None) -> FoundDaemon:
        """A collector: its name is where it is."""
        given = name or self._named_pool
        if given is not None:
            given = next(iter(split_words(given)), given)
        if given is None and kind.word == "view_collector":
            given = self.settings.text("CONDOR_VIEW_HOST")
        named = given
        if named is None:
            named = next(iter(self.settings.words("COLLECTOR_HOST")), None)
        host = self.settings.text("FULL_HOSTNAME")
        if named is None:
            address = self._address_file("COLLECTOR")
            if address is None:
                raise DaemonNotFound(
                    f"{kind.subsystem} address or hostname not specified in config file"
                )
            return FoundDaemon(kind, address, host, host, is_local=True)
        try:
            parsed = collector_address(named, self.settings)
        except LocalProtocolError as error:
            raise DaemonNotFound(str(error)) from error
        if parsed.port_number == 0:
            address = self._address_file("COLLECTOR")
            if address is not None:
                return FoundDaemon(kind, address, host, host, is_local=given is None)
        return FoundDaemon(kind, str(parsed), named, None, is_local=given is None)

    async def resolved(self, daemon: FoundDaemon) -> FoundDaemon:
        """The same daemon, with its host's IP address in its address.

        Raises:
            DaemonNotFound: Its address is none, or nobody knows the host.
        """
        try:
            address = SinfulAddress.parse(daemon.address)
        except MalformedMessage as error:
            raise DaemonNotFound(
                f"unable to parse sinful string: {daemon.address}"
            ) from error
        if ip_of(address.host) is not None:
            return daemon
        try:
            host = await self._in_thread(socket.gethostbyname, address.host)
        except OSError as error:
            raise DaemonNotFound(f"unknown host {address.host}") from error
        return replace(daemon, address=str(address.with_host(host)))

    async def _ordinary(
        self, kind: DaemonKind, name: str | None, *, to_administer: bool
    ) -> FoundDaemon:
        if name is None and self._named_pool is None:
            name = self.settings.text(f"{kind.subsystem}_HOST")
        local = self.local_name(kind)
        if name is not None:
            address = _address_in(name)
            if address is not None:
                return FoundDaemon(kind, address, name)
            full = await self.full_name(name)
            if full is None:
                raise DaemonNotFound(f"unknown host {name.rpartition('@')[2]}")
            name = full
            is_local = self._named_pool is None and name == local
        else:
            is_local = kind.word != "negotiator"
            name = local if is_local else None
        if is_local:
            address = self._address_file(kind.subsystem)
            if address is not None:
                host = self.settings.text("FULL_HOSTNAME")
                return FoundDaemon(kind, address, name, host, is_local=True)
        found = await self._asked(
            kind, name, is_local=is_local, to_administer=to_administer
        )
        if to_administer:
            self.use_capability(found)
        return found

    async def _asked(
        self,
        kind: DaemonKind,
        name: str | None,
        *,
        is_local: bool,
        to_administer: bool,
    ) -> FoundDaemon:
        """What the collector knows of a daemon."""
        missing = f"Can't find address for {kind.word} {name or ''}".rstrip()
        if kind.ad_type is None:
            raise DaemonNotFound(missing)
        constraint = None
        if name is not None:
            attribute = attributes.NAME
            if kind.word == "startd" and "@" not in name:
                attribute = attributes.MACHINE
            constraint = f"{attribute} == {quoted(name)}"
        try:
            ads = await self.pool.query(kind.ad_type, constraint, private=to_administer)
        except (CommandRefused, LocalProtocolError) as error:
            raise DaemonNotFound(f"{missing}: {error}") from error
        found = [self.of_ad(kind, ad, is_local=is_local) for ad in ads]
        usable = next((each for each in found if each is not None), None)
        if usable is None:
            raise DaemonNotFound(missing)
        return usable

    @staticmethod
    def of_ad(
        kind: DaemonKind, ad: WireAd, name: str | None = None, *, is_local: bool = False
    ) -> FoundDaemon | None:
        """The daemon of an ad; ``None`` if it says no address.

        Args:
            kind: What it is.
            ad: A collector's ad.
            name: What to call it, instead of the ad's name.
            is_local: Whether it is this host's.
        """
        address = ad.string(f"{kind.subsystem}IpAddr") or ad.string(
            attributes.MY_ADDRESS
        )
        if address is None:
            return None
        name = name or ad.string(attributes.NAME)
        host = ad.string(attributes.MACHINE)
        return FoundDaemon(kind, address, name, host, is_local, ad)

    def use_capability(self, daemon: FoundDaemon) -> None:
        """Administer a daemon by the right that a collector gave with its ad, if any.

        What the collector gives is good for commands to the daemon's address, as long
        as this locator is open; where there is nothing, we are who we are.
        """
        ad = daemon.ad
        text = None if ad is None else ad.string(attributes.REMOTE_ADMIN_CAPABILITY)
        if text is None:
            return
        try:
            take_capability(self.pool.client.opener.security, text, daemon.address)
        except CondorTwistedError as error:
            _log.warn(
                "The right to administer {daemon} is of no use: {error}",
                daemon=str(daemon),
                error=str(error),
            )

    def local_name(self, kind: DaemonKind) -> str:
        """What this host's own daemon of a kind is called."""
        host = host_name(self.settings)
        name = self.settings.text(f"{kind.word}_NAME")
        if not name or name.lower() in (host.lower(), host.lower().partition(".")[0]):
            return host
        return name if "@" in name else f"{name}@{host}"

    async def full_name(self, name: str) -> str | None:
        """A daemon's name with its host's full name; ``None`` for an unknown host."""
        if "@" in name:
            return name
        domain = self.settings.text("DEFAULT_DOMAIN_NAME")
        found: str | None = await self._in_thread(_full_hostname, name, domain)
        return found

    def _address_file(self, subsystem: str) -> str | None:
        """The address that a local daemon wrote down."""
        knobs = [f"{subsystem}_ADDRESS_FILE"]
        if os.geteuid() == 0 or self.settings.boolean("USE_SUPER_PORT", False):
            knobs.insert(0, f"{subsystem}_SUPER_ADDRESS_FILE")
        for knob in knobs:
            path = self.settings.text(knob)
            if path is not None:
                # Only the first file that is configured counts.
                return address_in_file(path)
        return None


def _address_in(name: str) -> str | None:
    """The sinful string that a name with a port is."""
    host, colon, port = name.rpartition("@")[2].rpartition(":")
    if name.startswith("<"):
        return name
    return f"<{host}:{port}>" if colon and host and port.isdigit() else None


def address_in_file(path: str) -> str | None:
    """The address that a daemon wrote down; ``None`` if there is none.

    Args:
        path: Its address file.

    Source: ``src/condor_daemon_client/daemon.cpp: Daemon::readAddressFile``.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(65_536)
    except OSError:
        return None
    for line in text.split("\n"):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if equals and name.strip().lower() == attributes.MY_ADDRESS.lower():
            line = value.strip().strip('"')
        return line if line.startswith(("<", "{")) and _is_address(line) else None
    return None


def _is_address(text: str) -> bool:
    try:
        SinfulAddress.parse(text)
    except MalformedMessage:
        return False
    return True


def _full_hostname(name: str, domain: str | None) -> str | None:
    """A host's name with its domain."""
    try:
        host, aliases, _ = socket.gethostbyname_ex(name)
    except OSError:
        return None
    for each in (host, *aliases):
        if "." in each and not each[-1].isdigit():
            return each
    return f"{host}.{domain}" if domain else host
