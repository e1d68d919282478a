"""The client for asyncio programs.

::

    from condor_twisted.aio import Pool

    async with Pool("cm.example.org") as pool:
        for ad in await pool.query("Machine", projection=["Name", "State"]):
            print(ad.string("Name"), ad.string("State"))

It is `condor_twisted.client.Pool` on the running loop, by Twisted's own asyncio
reactor. That reactor is this pool's alone: Twisted's global one is neither chosen nor
needed, unless it already runs on the same loop.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from condor_twisted.classad.wire_ad import AdValue, WireAd
from condor_twisted.client import Advertised, Location
from condor_twisted.client import Pool as TwistedPool
from condor_twisted.config.settings import Settings
from condor_twisted.wire.sinful import SinfulAddress

__all__ = ["Pool"]

T = TypeVar("T")


class Pool:
    """The collectors of one pool, for coroutines of the running loop.

    Args:
        address: As for `condor_twisted.client.Pool`.
        settings: As there.

    Every method is a coroutine and does what the method of the same name does there.
    One pool belongs to the loop on which it was first used.
    """

    def __init__(
        self,
        address: str | SinfulAddress | None = None,
        settings: Settings | None = None,
    ) -> None:
        self._address = address
        self._settings = settings
        self._pool: TwistedPool | None = None
        self._own_reactor: Any = None

    async def __aenter__(self) -> Pool:
        return self

    async def __aexit__(self, *unused: object) -> None:
        await self.close()

    async def query(
        self,
        ad_type: str | Iterable[str] = "Any",
        constraint: str | None = None,
        projection: Iterable[str] = (),
        limit: int | None = None,
        *,
        private: bool = False,
        extra: Mapping[str, AdValue] | None = None,
    ) -> list[WireAd]:
        """Ask for ads."""
        return await _wait(
            lambda: self._on_loop().query(
                ad_type, constraint, projection, limit, private=private, extra=extra
            )
        )

    async def stream(
        self,
        ad_type: str | Iterable[str] = "Any",
        constraint: str | None = None,
        projection: Iterable[str] = (),
        limit: int | None = None,
    ) -> AsyncIterator[WireAd]:
        """The ads one by one, read no faster than they are taken."""
        ads = self._on_loop().stream(ad_type, constraint, projection, limit)
        try:
            while True:
                try:
                    ad = await _wait(lambda: Deferred.fromCoroutine(_next(ads)))
                except StopAsyncIteration:
                    return
                if ad is None:
                    return
                yield ad
        finally:
            await _wait(lambda: Deferred.fromCoroutine(_close(ads)))

    async def locate(self, daemon_type: str, name: str | None = None) -> Location:
        """Ask where a daemon is."""
        return await _wait(lambda: self._on_loop().locate(daemon_type, name))

    async def advertise(
        self,
        ads: WireAd | Iterable[WireAd],
        command: int | None = None,
        *,
        use_tcp: bool | None = None,
    ) -> list[Advertised]:
        """Tell every collector of ads."""
        return await _wait(
            lambda: self._on_loop().advertise(ads, command, use_tcp=use_tcp)
        )

    async def invalidate(
        self,
        ad_type: str,
        name: str | None = None,
        constraint: str | None = None,
        *,
        extra: Mapping[str, AdValue] | None = None,
    ) -> list[Advertised]:
        """Take ads back at every collector."""
        return await _wait(
            lambda: self._on_loop().invalidate(ad_type, name, constraint, extra=extra)
        )

    async def close(self) -> None:
        """Give up what is kept between queries."""
        pool, self._pool = self._pool, None
        reactor, self._own_reactor = self._own_reactor, None
        if pool is not None:
            await _wait(pool.close)
        if reactor is not None:
            await _release(reactor)

    def _on_loop(self) -> TwistedPool:
        if self._pool is None:
            reactor = _running_reactor()
            if reactor is None:
                reactor = self._own_reactor = _new_reactor()
            self._pool = TwistedPool(self._address, self._settings, reactor)
        return self._pool


async def _next(ads: Any) -> WireAd | None:
    """The next ad; ``None`` behind the last."""
    try:
        ad: WireAd = await ads.__anext__()
    except StopAsyncIteration:
        return None
    return ad


async def _close(ads: Any) -> None:
    await ads.aclose()


async def _wait(start: Callable[[], Deferred[T]]) -> T:
    """Wait for a Deferred; cancelling the wait cancels it."""
    loop = asyncio.get_running_loop()
    result: T = await start().asFuture(loop)
    return result


def _running_reactor() -> Any:
    """Twisted's global reactor, where it runs on this very loop already."""
    reactor = sys.modules.get("twisted.internet.reactor")
    loop = asyncio.get_running_loop()
    if getattr(reactor, "_asyncioEventloop", None) is loop:
        return reactor
    return None


def _new_reactor() -> Any:
    """A reactor of our own on the running loop."""
    from twisted.internet.asyncioreactor import AsyncioSelectorReactor

    reactor: Any = AsyncioSelectorReactor(asyncio.get_running_loop())
    reactor.startRunning(installSignalHandlers=False)
    return reactor


async def _release(reactor: Any) -> None:
    """Give a reactor's threads and descriptors back; the loop goes on.

    Its shutdown events are not for this: they would stop the loop.
    """
    threads = reactor.threadpool
    if threads is not None:
        # A look-up that hangs would hold the loop up here.
        await asyncio.get_running_loop().run_in_executor(None, threads.stop)
    reactor.removeAll()
    waker = reactor.waker
    if waker is not None:
        reactor.removeReader(waker)
        waker.connectionLost(None)
