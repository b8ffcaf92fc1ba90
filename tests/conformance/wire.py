"""All tests at once, over real sockets and in real time."""

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from time import monotonic
from typing import Any

from .messages import Answer
from .package import PackagedOrigin
from .running import Result, Send, run
from .suite import Case

EVERY = 0.04
"""Seconds from the start of a test to that of the next one."""
THREADS = 64
"""For blocking clients: the most requests at once."""
TOO_SLOW = 1.0
"""Seconds that no request should take: what is fresh for two seconds may be stale then before it is asked for."""


async def results_of(client: Any, cases: list[Case], origin: PackagedOrigin) -> tuple[dict[str, Result], float]:
    """What came of each test, and how long the slowest request took."""
    taken: list[float] = []
    with ThreadPoolExecutor(THREADS) as pool:
        send = _timed(_sender(client, f"http://{origin.address}", pool), taken)

        async def one(number: int, case: Case) -> Result:
            await asyncio.sleep(number * EVERY)
            return await run(case, send, asyncio.sleep, origin)

        # The longest first, so that they overlap with all others.
        ordered = sorted(cases, key=lambda case: -sum("pause_after" in step for step in case.requests))
        found = await asyncio.gather(*(one(*numbered) for numbered in enumerate(ordered)))
        await _closed(client)
    return dict(zip((case.id for case in ordered), found, strict=True)), max(taken)


def _sender(client: Any, base: str, pool: ThreadPoolExecutor) -> Send:
    """Sends by a client of httpx or one like it, blocking or async; tests share no cookies."""
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    request: Callable[..., Any] = client.request
    if not inspect.iscoroutinefunction(request):
        blocking = request

        async def request(*args: Any, **options: Any) -> Any:
            call = partial(blocking, *args, **options)
            return await asyncio.get_running_loop().run_in_executor(pool, call)

    async def send(method: str, path: str, fields: list[tuple[bytes, bytes]], body: bytes | None) -> Answer:
        response = await request(method, base + path, headers=fields, content=body)
        return Answer(response.status_code, list(response.headers.multi_items()), response.text)

    return send


def _timed(send: Send, taken: list[float]) -> Send:
    async def timed(*asked: Any) -> Answer:
        began = monotonic()
        try:
            return await send(*asked)
        finally:
            taken.append(monotonic() - began)

    return timed


async def _closed(client: Any) -> None:
    if hasattr(client, "aclose"):
        await client.aclose()
    else:
        client.close()
