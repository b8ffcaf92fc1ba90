"""The same function cached by others, each as its documentation shows it; returns a function without parameters."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measure import Bench, Colour
from resilient import Cache

VALUE = "x" * 2048
ARGUMENT = "rates"
Called = Callable[[], Any]


class Function:
    """What is cached; counts its calls.

    Attributes:
        calls: how often it ran.
    """

    def __init__(self) -> None:
        self.calls = 0

    def cached(self, colour: Colour, decorator: Callable[[Any], Any]) -> Called:
        """The function of that colour, decorated and given its argument."""

        async def fetch(name: str) -> str:
            self.calls += 1
            return VALUE

        def blocking_fetch(name: str) -> str:
            self.calls += 1
            return VALUE

        return partial(decorator(fetch if colour == "async" else blocking_fetch), ARGUMENT)


def is_value(found: object) -> None:
    """Refuse what is not the cached value."""
    assert found == VALUE, found


def ours(bench: Bench, colour: Colour, function: Function, url: str = "mem://") -> Called:
    """Our decorator: time to live, figures and single flight on."""
    cache = Cache(url)
    bench.own(_Closing(cache.close))
    return function.cached(colour, cache(ttl="1h", key="fetch:{name}"))


def with_cashews(bench: Bench, colour: Colour, function: Function, url: str = "mem://") -> Called:
    """Its decorator, as in its README."""
    from cashews import Cache as Cashews

    cache = Cashews()
    cache.setup(url)
    return function.cached(colour, cache(ttl="1h", key="fetch:{name}"))


def with_aiocache(bench: Bench, colour: Colour, function: Function) -> Called:
    """Its decorator over memory."""
    from aiocache import cached

    return function.cached(colour, cached(ttl=3600))


def with_cachebox(bench: Bench, colour: Colour, function: Function) -> Called:
    """Its decorator over a ``TTLCache``, which is compiled."""
    import cachebox

    return function.cached(colour, cachebox.cached(cachebox.TTLCache(1000, 3600)))


def with_cachetools(bench: Bench, colour: Colour, function: Function) -> Called:
    """Its decorator over a ``TTLCache`` with a lock, as threads need it."""
    import cachetools

    return function.cached(colour, cachetools.cached(cachetools.TTLCache(1000, 3600), lock=threading.RLock()))


def with_dogpile(bench: Bench, colour: Colour, function: Function) -> Called:
    """``cache_on_arguments`` over its memory backend."""
    from dogpile.cache import make_region

    region = make_region().configure("dogpile.cache.memory", expiration_time=3600)
    return function.cached(colour, region.cache_on_arguments())


def with_diskcache(bench: Bench, folder: Path) -> Called:
    """``get`` of a value that was set."""
    import diskcache

    cache = bench.own(diskcache.Cache(str(folder)))
    cache.set(ARGUMENT, VALUE, expire=3600)
    return partial(cache.get, ARGUMENT)


class _Closing:
    """Something with a ``close`` method."""

    def __init__(self, close: Callable[[], None]) -> None:
        self.close = close
