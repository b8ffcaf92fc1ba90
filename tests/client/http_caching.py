"""What tests of the HTTP cache share: its policy, what it says of itself, and a desk for stores that need real time."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice

from resilient import Policy, ResponseCache
from resilient.testing import FakeClock, Reply

BARE = Policy(retry=None, breaker=None)
CACHED = BARE.replace(cache=ResponseCache())
PATIENT = BARE.replace(cache=ResponseCache(store_budget=None))
"""Waits for a disk or a Redis server as long as it takes, so that a busy machine changes nothing."""


def cached(**options):
    """A policy with a cache of these options."""
    return BARE.replace(cache=ResponseCache(**options))


def fresh(seconds=60, *more):
    """The fields of an answer that is fresh for so long."""
    return {"cache-control": ", ".join([f"max-age={seconds}", *more])}


def status_of(answer):
    """Our member of an answer's Cache-Status, the last one: ``{"hit": True, "ttl": "60"}``."""
    _, *parameters = answer.headers["cache-status"].rpartition(",")[2].split(";")
    pairs = (parameter.strip().partition("=") for parameter in parameters)
    return {name: value if equals else True for name, equals, value in pairs}


def is_hit(answer):
    """Whether it came from the cache, with nothing asked."""
    return "hit" in status_of(answer)


def validated(request, etag, **reply):
    """304 to a request that names ``etag``, else the whole answer."""
    headers = {**reply.pop("headers", {}), "etag": etag}
    if etag in request.headers.get("if-none-match", ""):
        return Reply(status=304, headers=headers)
    return Reply(headers=headers, **reply)


class Desk:
    """A client in real threads and loops, whose clock stands still: for stores on disk and in Redis."""

    def __init__(self, colour, family, store, policy=PATIENT, clock=None, **options):
        self.colour = colour
        self.clock = clock or FakeClock()
        self.origin = family.kit.Origin(clock=self.clock)
        kind = family.door.ResilientClient if colour == "blocking" else family.door.AsyncResilientClient
        given = {"transport": self.origin, "clock": self.clock, "base_url": "https://api.test", **options}
        self.client = kind(policies=policy, store=store, **given)
        self._runner = asyncio.Runner()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.do(self.client.close if self.colour == "blocking" else self.client.aclose)
        self._runner.close()

    def do(self, call):
        """What a method of the client returns."""
        if self.colour == "blocking":
            return call()

        async def main():
            return await call()

        return self._runner.run(main())

    def get(self, url="/", **options):
        """One GET."""
        return self.do(partial(self.client.get, url, **options))

    def stream(self, url="/", pieces=None):
        """Take so many pieces of a body as they come, or all of them, and leave the rest."""

        def blocking():
            with self.client.stream("GET", url) as response:
                for _ in islice(response.iter_raw(), pieces):
                    pass

        async def tasks():
            async with self.client.stream("GET", url) as response:
                left = pieces
                async for _ in response.aiter_raw():
                    left = None if left is None else left - 1
                    if left == 0:
                        break

        self.do(blocking if self.colour == "blocking" else tasks)

    def all_of(self, calls, at_once=8):
        """What many calls return, in their order: in so many threads, or as many tasks."""
        if self.colour == "blocking":
            with ThreadPoolExecutor(at_once) as pool:
                return list(pool.map(lambda call: call(), calls))

        async def main():
            turn = asyncio.Semaphore(at_once)

            async def one(call):
                async with turn:
                    return await call()

            return await asyncio.gather(*map(one, calls))

        return self._runner.run(main())
