"""A client that was used before its process forks, in a process of its own, which has no other threads.

    python forking.py answers httpx blocking ours http://127.0.0.1:9999 300

Prints what the processes found, as JSON.
"""

import asyncio
import importlib
import json
import os
import sys
import threading
import time
from collections import Counter

DOORS = {"httpx": "resilient.httpx", "httpx2": "resilient_adapters.httpx2"}
CHILDREN = 4


class Client:
    """A client of one library and one colour."""

    def __init__(self, library, colour, whose, url):
        from resilient import Policy, ResponseCache

        self.http = importlib.import_module(library)
        self.blocking = colour == "blocking"
        self.url = url
        given = {"timeout": self.http.Timeout(1.0 if whose == "plain" else 20.0)}
        if whose == "plain":
            kind = self.http.Client if self.blocking else self.http.AsyncClient
        else:
            door = importlib.import_module(DOORS[library])
            kind = door.ResilientClient if self.blocking else door.AsyncResilientClient
            given["policies"] = Policy(cache=ResponseCache(ttl="1h"))
        self.client = kind(**given)

    async def get(self, path):
        sent = self.client.get(self.url + path)
        return sent if self.blocking else await sent

    async def close(self):
        if self.blocking:
            self.client.close()
        else:
            await self.client.aclose()

    async def ask(self, name):
        """Whether the answer is that of the question: right, wrong, or the name of an error."""
        try:
            response = await self.get(f"/echo/{name}")
        except (self.http.HTTPError, RuntimeError) as error:
            return type(error).__name__
        return "right" if response.text == name else "wrong"

    async def port(self):
        """From which port a call comes."""
        response = await self.get("/503")
        stream = response.extensions["network_stream"]
        return stream.get_extra_info("client_addr")[1]


def forked(work):
    """Run ``work`` in a child, on an event loop of its own; gives its process and where it tells what it found."""
    reads, writes = os.pipe()
    if (child := os.fork()) != 0:
        os.close(writes)
        return child, reads
    os.close(reads)
    try:
        told = asyncio.run(work())
    except BaseException as error:  # noqa: BLE001 - it is the parent who tells
        told = {type(error).__name__: 1, "said": str(error)}
    os.write(writes, json.dumps(told).encode())
    os._exit(0)


def told_by(child, reads, patience=60.0):
    """What a child found; "hangs" if it takes too long."""
    os.set_blocking(reads, False)
    ends = time.monotonic() + patience
    said = b""
    while time.monotonic() < ends:
        try:
            if not (piece := os.read(reads, 65_536)):
                break
            said += piece
        except BlockingIOError:
            time.sleep(0.01)
    else:
        os.kill(child, 9)
    os.waitpid(child, 0)
    os.close(reads)
    return json.loads(said or '{"hangs": 1}')


async def names(client, who, times):
    """Ask ``times`` questions, ten at a time where that can be; then all of them again, of what was kept."""
    ended = Counter()
    asked = [f"{who}-{os.getpid()}-{number}" for number in range(times)]
    for _ in range(2):
        if client.blocking:
            for name in asked:
                ended[await client.ask(name)] += 1
        else:
            for first in range(0, times, 10):
                ended.update(await asyncio.gather(*(client.ask(name) for name in asked[first : first + 10])))
        if type(client.client).__name__ in {"Client", "AsyncClient"}:
            break
    return dict(ended)


async def answers(client, times):
    """Four children and their parent ask at once, each its own questions, with a client that was used before."""
    warm = await client.ask("warm")
    children = [forked(lambda number=number: names(client, number, times)) for number in range(CHILDREN)]
    own = await names(client, "parent", times)
    return {"warm": warm, "parent": own, "children": [told_by(*child) for child in children]}


async def families(client, times):
    """Children of children."""
    await client.ask("warm")

    async def child():
        before = await names(client, "child", times)
        grandchildren = [forked(lambda: names(client, "grandchild", times)) for _ in range(2)]
        after = await names(client, "child-again", times)
        return {"before": before, "after": after, "below": [told_by(*one) for one in grandchildren]}

    return told_by(*forked(child))


async def closing(client, times):
    """Children close the client, one that has used it and one that has not; the parent goes on over its connection."""
    port = await client.port()

    async def uses_and_closes():
        found = await names(client, "child", times)
        await client.close()
        return found

    async def closes():
        await client.close()
        return {}

    children = [told_by(*forked(work)) for work in (uses_and_closes, closes)]
    return {"children": children, "same": await client.port() == port, "parent": await names(client, "parent", times)}


async def locked(client, times):
    """Another thread holds the lock of the memory store in the moment of the fork."""
    await client.ask("warm")
    store = client.client._owner.engine.cache._core.mounts.of("").pair.blocking
    if times == 0:
        store._lock = threading.Lock()  # one that nobody frees
    held = threading.Event()

    def hold():
        with store._lock:
            held.set()
            time.sleep(0.4)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    began = time.monotonic()
    child = forked(lambda: names(client, "child", 5))
    waited = time.monotonic() - began
    thread.join()
    return {"waited": waited, "child": told_by(*child, 3.0)}


def main(scenario, library, colour, whose, url, times):
    client = Client(library, colour, whose, url)

    async def all_of_it():
        found = await globals()[scenario](client, int(times))
        await client.close()
        return found

    print(json.dumps(asyncio.run(all_of_it())))


if __name__ == "__main__":
    main(*sys.argv[1:])
