"""One client on many event loops, in a process of its own: nothing may be warned of, and nothing may be left.

    python -X dev -W error looping.py httpx ours http://127.0.0.1:9999 threads=8 loops=50

Prints what became of the calls, as JSON.
"""

import asyncio
import gc
import importlib
import json
import logging
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

DOORS = {"httpx": "resilient.httpx", "httpx2": "resilient_adapters.httpx2"}


def client_of(library, whose):
    http = importlib.import_module(library)
    kind = http.AsyncClient if whose == "plain" else importlib.import_module(DOORS[library]).AsyncResilientClient
    return http, kind(timeout=http.Timeout(5.0))


def main(library, whose, url, threads, loops):
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # a slow step is no fault
    http, client = client_of(library, whose)
    ended = Counter()
    start = threading.Barrier(threads)

    async def ask(name):
        try:
            response = await client.get(f"{url}/echo/{name}")
        except (http.HTTPError, RuntimeError) as error:
            return type(error).__name__
        return "right" if response.text == name else "wrong"

    async def visit(name):
        found = [await ask(f"{name}-first")]
        found += await asyncio.gather(*(ask(f"{name}-{number}") for number in range(3)))
        return found

    def work(thread):
        start.wait(30)
        for number in range(loops):
            ended.update(asyncio.run(visit(f"{thread}-{number}")))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    gc.collect()
    with http.Client() as other:
        left = int(other.get(f"{url}/open").content)
    asyncio.run(client.aclose())
    places = None if whose == "plain" else len(client._places._loops)
    client = None
    gc.collect()
    print(json.dumps({"ended": ended, "open": left, "places": places}))


if __name__ == "__main__":
    main(*sys.argv[1:4], *map(int, sys.argv[4:6]))
