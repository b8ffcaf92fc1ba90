"""A program in which everything happens that is counted, again and again, for a real Prometheus to scrape.

``python everything.py REDIS_URL FOLDER`` prints the port of its metrics once all of it has happened, and goes on until
its input ends.
"""

import sys
import threading
import time
from collections import Counter
from functools import partial

import httpx
from prometheus_client import start_http_server

from resilient import Cache, CircuitBreaker, Fallback, Policy, RateLimit, ResilientClient, ResponseCache, Retry
from resilient.errors import ResilientError, StoreUnavailableError
from resilient.ports import StorePair
from resilient.runtime.background import MOST
from resilient.runtime.lift import Lifted
from resilient.stores.memory import MemoryStore
from resilient_adapters.prometheus import Prometheus

TOLD = [Prometheus()]


class Origin:
    """Answers each host in its own way."""

    def __init__(self):
        self.asked = Counter()

    def __call__(self, request):
        host = request.url.host
        self.asked[host] += 1
        if host == "down.test":
            raise httpx.ConnectError("nobody is there")
        # A good answer after each bad one, and a bad one after each good one.
        fails = {"shaky.test": self.asked[host] % 2 == 1, "rates.test": self.asked[host] % 2 == 0, "ill.test": True}
        return httpx.Response(503 if fails.get(host) else 200, json={})


class Frail(MemoryStore):
    """A store that can be away, and forget who holds a lease."""

    name = "frail"
    is_away = forgets = False

    def get(self, key):
        if self.is_away:
            raise StoreUnavailableError("it is away")
        return super().get(key)

    def set(self, key, entry):
        if self.is_away:
            raise StoreUnavailableError("it is away")
        return super().set(key, entry)

    def release(self, name, owner):
        return super().release(name, owner) and not self.forgets


def tried(job):
    """Do it, whatever becomes of it."""
    try:
        return job()
    except (ResilientError, httpx.HTTPError, TimeoutError, OSError):
        return None


class Calls:
    """What happens to a client: retries, refusals, circuits, stale answers, fallbacks, hits."""

    def __init__(self):
        self.client = ResilientClient(
            name="shop",
            transport=httpx.MockTransport(Origin()),
            telemetry=TOLD,
            policies={
                "shaky.test": Policy(retry=Retry(base=0.001), budget=None, breaker=None),
                "rates.test": Policy(retry=None, breaker=None, cache=ResponseCache.failover(ttl="1h")),
                "down.test": Policy(retry=None, breaker=CircuitBreaker(failures=2, open_for=0.05, max_open=0.05)),
                "ill.test": Policy(retry=Retry(), breaker=None, fallback=Fallback(httpx.Response(200, json={}))),
                "busy.test": Policy(retry=None, breaker=None, rate_limit=RateLimit("50/s", burst=1)),
                "kept.test": Policy(retry=None, breaker=None, cache=ResponseCache(ttl="1h")),
            },
        )

    def happen(self):
        for host in ("shaky.test", "rates.test", "rates.test", "busy.test", "busy.test", "kept.test", "kept.test"):
            self.client.get(f"https://{host}/")
        self.client.post("https://ill.test/")
        for _ in range(3):
            tried(lambda: self.client.get("https://down.test/"))


class Caches:
    """What happens to caches: hits, misses, refreshes, evictions, refused entries, locks, stores that go away."""

    def __init__(self, redis, folder):
        self.open = threading.Event()
        self.memory = Cache(name="prices", telemetry=TOLD)
        self.memory.setup("mem://?size=100")
        self.disk = Cache(name="reports", telemetry=TOLD)
        self.disk.setup(f"disk://{folder}/cache")
        self.redis = Cache(name="shared", telemetry=TOLD)
        self.redis.setup(redis, client_side=True)
        self.signed = Cache(name="signed")
        self.signed.setup(f"disk://{folder}/signed", secret="the secret of this one")
        self.forged = Cache(name="signed", telemetry=TOLD)
        self.forged.setup(f"disk://{folder}/signed", secret="the secret of another one")
        self.frail = Frail()
        self.away = Cache(StorePair(self.frail, Lifted(self.frail)), name="away", telemetry=TOLD)
        self.once()

    def once(self):
        """What takes long, and happens once."""

        @self.memory.soft(ttl="1h", soft_ttl=0.05, key="slow:{n}")
        def slow(n):
            if threading.current_thread().name == "resilient-background":
                assert self.open.wait(60)
                raise OSError("it fails in the background")
            return n

        for _ in range(2):
            for n in range(MOST + 1):
                slow(n)
            time.sleep(0.1)
        self.open.set()
        found = self.away(ttl="1h", key="k")(lambda: 1)
        self.frail.is_away = True
        for _ in range(10):
            found()
        self.frail.is_away = False
        time.sleep(1.1)
        found()

    def happen(self):
        for cache in (self.memory, self.disk, self.redis):
            ask = cache.blocking
            ask.set("k", "v")
            ask.get("k")
            ask.delete("k")
            tried(partial(waited_in_vain, cache))
        for n in range(120):
            self.memory.blocking.set(f"many:{n}", n)
        self.redis.blocking.set("copied", "v")
        self.redis.blocking.get("copied")
        self.signed.blocking.set("k", "v")
        tried(lambda: self.forged.blocking.get("k"))
        self.frail.forgets = True
        tried(partial(waited_in_vain, self.away))


def waited_in_vain(cache):
    """Hold a lock while somebody wants it too; it may be lost meanwhile."""
    with cache.lock("k"):
        tried(cache.lock("k", timeout=0.01).__enter__)


def main():
    calls, caches = Calls(), Caches(*sys.argv[1:])
    ends = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ends.set()), daemon=True).start()
    calls.happen()
    caches.happen()
    server, _ = start_http_server(0, "127.0.0.1")
    print(server.server_port, flush=True)
    while not ends.wait(0.05):
        calls.happen()
        caches.happen()


if __name__ == "__main__":
    main()
