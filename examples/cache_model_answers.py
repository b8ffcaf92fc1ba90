"""Answers of a language model on the disk: paid for once, streamed to the first caller, replayed to the next."""

import asyncio
from collections.abc import AsyncIterator
from tempfile import TemporaryDirectory

from resilient import Cache

cache = Cache("mem://")
paid: list[str] = []


@cache.iterator(ttl="30d", key="llm:{model}:{hash(prompt)}", tags=["llm:{model}"])
async def answer(model: str, prompt: str) -> AsyncIterator[str]:
    """Stands for the SDK of a provider."""
    paid.append(prompt)
    for token in ("To ", "be, ", "or ", "not."):
        await asyncio.sleep(0.001)
        yield token


async def ask(model: str, prompt: str) -> str:
    return "".join([token async for token in answer(model, prompt)])


async def main(folder: str) -> None:
    # With patience: without it a call goes on by itself when the disk is slow.
    cache.setup(f"disk://{folder}", store_budget=None, busy_timeout="30s", write_wait="30s")
    print("The first time:", await ask("small", "say it"))
    print("The second time:", await ask("small", "say it"), f"(paid {len(paid)} time)")

    async for _ in answer("small", "leave in the middle"):
        break
    await ask("small", "leave in the middle")
    print(f"What was not read to its end is asked for again (paid {len(paid)} times)")

    print("Another model is coming; forgotten:", await cache.delete_tags("llm:small"), "answers")
    await cache.aclose()


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        asyncio.run(main(f"{folder}/llm"))
