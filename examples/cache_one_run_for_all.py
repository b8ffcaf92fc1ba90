"""One run for all who share a folder: two caches stand for two processes."""

import asyncio
from tempfile import TemporaryDirectory

from resilient import Cache

runs: list[str] = []


def opened(folder: str) -> Cache:
    """A cache with patience: without it a call goes on by itself when the disk is slow."""
    cache = Cache()
    cache.setup(f"disk://{folder}", store_budget=None, busy_timeout="30s", write_wait="30s")
    return cache


async def report(name: str) -> str:
    runs.append(name)
    await asyncio.sleep(0.05)
    return f"report on {name}"


async def main(folder: str) -> None:
    here, there = opened(folder), opened(folder)
    decorated = [each.locked(ttl="1h", key="report:{name}")(report) for each in (here, there)]
    answers = await asyncio.gather(*(function("sales") for function in decorated * 10))
    print(f"Twenty callers, {len(set(answers))} answer, {len(runs)} run")

    await here.aclose()
    await there.aclose()
    later = opened(folder)
    print("Another process, later:", await later.get("report:sales", "nothing under the key itself"))
    print("By the decorator:", await later.locked(ttl="1h", key="report:{name}")(report)("sales"), f"({len(runs)} run)")
    await later.aclose()


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        asyncio.run(main(f"{folder}/reports"))
