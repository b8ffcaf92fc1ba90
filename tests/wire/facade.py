"""Clients of either colour, called in the same words: tests read as if everything were blocking.

The asynchronous colour runs a loop of its own, step by step, on the test's thread.
"""

import asyncio
import importlib
import importlib.util
import inspect
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Family:
    """An HTTP library and our door to it."""

    name: str
    http: ModuleType
    door: ModuleType

    def kinds(self, ours: bool) -> tuple[type, type]:
        """The clients, the blocking one first."""
        if ours:
            return self.door.ResilientClient, self.door.AsyncResilientClient
        return self.http.Client, self.http.AsyncClient


DOORS = {"httpx": "resilient.httpx", "httpx2": "resilient_adapters.httpx2"}


def families() -> list[str]:
    """The libraries to which there is a door; a door that is there has to open."""
    return [name for name, door in DOORS.items() if importlib.util.find_spec(door) is not None]


def family_of(name: str) -> Family:
    return Family(name, importlib.import_module(name), importlib.import_module(DOORS[name]))


class Wire:
    """One HTTP library in one colour, in real time."""

    def __init__(self, colour: str, family: Family, trust: Any) -> None:
        self.colour = colour
        self.blocking = colour == "blocking"
        self.family = family
        self.http = family.http
        self.trust = trust
        self._clients: list[Any] = []
        self._runner = asyncio.Runner()

    def client(self, *, ours: bool = True, **options: Any) -> "Caller":
        """A client of ours, or the library's own; it trusts the test's certificates if not told otherwise."""
        made = self.choose(*self.family.kinds(ours))(**{"verify": self.trust, **options})
        self._clients.append(made)
        return Caller(self, made)

    def theirs(self, **options: Any) -> "Caller":
        """The library's own client."""
        return self.client(ours=False, **options)

    def transport(self, **options: Any) -> Any:
        """The library's own transport."""
        return self.choose(self.http.HTTPTransport, self.http.AsyncHTTPTransport)(**options)

    def choose(self, blocking: Any, tasks: Any) -> Any:
        """The one of this colour."""
        return blocking if self.blocking else tasks

    def settled(self, result: Any) -> Any:
        """``result`` itself, or what it turns out to be."""
        return self.run(result) if inspect.isawaitable(result) else result

    def run(self, work: Any) -> Any:
        """Run a coroutine to its end."""
        return self._runner.run(work)

    def wait_for(self, condition: Any) -> bool:
        """Whether ``condition()`` comes true in reasonable time; the loop runs meanwhile."""
        for _ in range(3_000):
            if condition():
                return True
            self.pause(0.01)
        return False

    def pause(self, seconds: float) -> None:
        """Let a little time pass, for servers and for tasks left running."""
        if self.blocking:
            time.sleep(seconds)
        else:
            self.run(asyncio.sleep(seconds))

    def each(self, items: Any) -> Any:
        """The items of an iterator of this colour, one by one."""
        if self.blocking:
            yield from items
            return
        try:
            while True:
                try:
                    yield self.run(_next(items))
                except StopAsyncIteration:
                    return
        finally:
            if hasattr(items, "aclose"):
                self.run(items.aclose())

    def hook(self, function: Any) -> Any:
        """``function`` as something that a client of this colour calls back."""
        if self.blocking:
            return function

        async def called(*arguments: Any) -> Any:
            return function(*arguments)

        return called

    def one_shot(self, pieces: Any) -> Any:
        """A body that can be sent once: a generator of this colour."""

        def generator() -> Any:
            yield from pieces

        async def async_generator() -> Any:
            for piece in pieces:
                yield piece

        return generator() if self.blocking else async_generator()

    def at_once(self, *calls: Any) -> list[Any]:
        """What functions that call a client return, or the errors that they raise; all of them called at once."""

        def outcome(call: Any) -> Any:
            try:
                return call()
            except Exception as error:  # noqa: BLE001 - it is what the test wants to know
                return error

        async def gathered() -> list[Any]:
            return await asyncio.gather(*(call() for call in calls), return_exceptions=True)

        if not self.blocking:
            return self.run(gathered())
        with ThreadPoolExecutor(len(calls)) as threads:
            return list(threads.map(outcome, calls))

    def close(self) -> None:
        for client in reversed(self._clients):
            self.settled(client.close() if self.blocking else client.aclose())
        self._runner.close()


async def _next(items: Any) -> Any:
    return await anext(items)


class Caller:
    """A client; ``client`` is the thing itself."""

    def __init__(self, wire: Wire, client: Any) -> None:
        self.wire = wire
        self.client = client

    def __call__(self, method: str, url: Any, **options: Any) -> Any:
        return self.wire.settled(self.client.request(method, url, **options))

    def get(self, url: Any, **options: Any) -> Any:
        return self.wire.settled(self.client.get(url, **options))

    def post(self, url: Any, **options: Any) -> Any:
        return self.wire.settled(self.client.post(url, **options))

    def put(self, url: Any, **options: Any) -> Any:
        return self.wire.settled(self.client.put(url, **options))

    def send(self, request: Any, **options: Any) -> Any:
        return self.wire.settled(self.client.send(request, **options))

    def build(self, method: str, url: Any, **options: Any) -> Any:
        return self.client.build_request(method, url, **options)

    def outcome(self, method: str, url: Any, **options: Any) -> Any:
        """The answer, or the error."""
        try:
            return self(method, url, **options)
        except Exception as error:  # noqa: BLE001 - it is what the test wants to know
            return error

    @contextmanager
    def stream(self, method: str, url: Any, **options: Any) -> Any:
        """As the client's ``stream``; gives what can be read in this colour."""
        manager = self.client.stream(method, url, **options)
        if self.wire.blocking:
            with manager as response:
                yield Streamed(self.wire, response)
            return
        response = self.wire.run(manager.__aenter__())
        try:
            yield Streamed(self.wire, response)
        except BaseException as error:
            if not self.wire.run(_left_with(manager, error)):
                raise
        else:
            self.wire.run(manager.__aexit__(None, None, None))


async def _left_with(manager: Any, error: BaseException) -> Any:
    return await manager.__aexit__(type(error), error, error.__traceback__)


class Streamed:
    """An answer whose body is read by and by; ``response`` is the thing itself."""

    def __init__(self, wire: Wire, response: Any) -> None:
        self.wire = wire
        self.response = response

    def pieces(self, way: str = "bytes", *arguments: Any) -> Any:
        """What ``iter_<way>`` or ``aiter_<way>`` gives."""
        name = f"iter_{way}" if self.wire.blocking else f"aiter_{way}"
        return self.wire.each(getattr(self.response, name)(*arguments))

    def read(self) -> bytes:
        return self.wire.settled(self.response.read() if self.wire.blocking else self.response.aread())

    def close(self) -> None:
        self.wire.settled(self.response.close() if self.wire.blocking else self.response.aclose())
