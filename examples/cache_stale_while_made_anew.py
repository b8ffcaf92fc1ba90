"""Nobody waits for a value that has grown old: it is served, and made anew in the background.

Time is virtual, so that an hour passes at once.
"""

import asyncio

from resilient import Cache
from resilient.testing import VirtualClock, virtual_run

clock = VirtualClock()
cache = Cache("mem://", clock=clock)


class Source:
    """What the function asks."""

    is_up = True
    version = 0


source = Source()


@cache.soft(ttl="1h", soft_ttl="1m", key="dashboard")
async def dashboard() -> str:
    """Four seconds of work."""
    await asyncio.sleep(4)
    if not source.is_up:
        raise ConnectionError("the source is down")
    source.version += 1
    return f"version {source.version}"


async def ask(when: str) -> None:
    began = clock.now()
    with cache.detect() as detected:
        answer = await dashboard()
    print(f"{when}: {answer}, {detected.calls[0].outcome}, after {clock.now() - began:.0f} s")


async def main() -> None:
    await ask("At first")
    await asyncio.sleep(60)
    await ask("A minute later")
    await asyncio.sleep(5)
    await ask("Five seconds later")

    source.is_up = False
    await asyncio.sleep(30 * 60)
    await ask("The source has been down for half an hour")
    await cache.aclose()


if __name__ == "__main__":
    virtual_run(main(), clock=clock)
