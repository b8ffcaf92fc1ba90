"""Exchanges that outlive their callers; what a real pool makes of them is in the client's tests of the pool."""

import asyncio

import pytest

from resilient.runtime.hand_over import Exchanges


async def turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


def own_task(caller):
    """The task in which an exchange runs."""
    (found,) = asyncio.all_tasks() - {caller, asyncio.current_task()}
    return found


def test_a_caller_whose_exchange_is_stopped_before_its_first_step_does_not_wait_for_ever():
    """None of its code runs then, so it cannot tell."""

    async def main():
        caller = asyncio.create_task(Exchanges().run(lambda: asyncio.sleep(3600)))
        await turns(1)
        own_task(caller).cancel()
        await asyncio.wait({caller}, timeout=10)
        assert caller.cancelled()

    asyncio.run(main())


@pytest.mark.parametrize("steps", range(6))
def test_what_comes_when_its_caller_has_gone_is_undone(steps):
    """Whatever moment the caller leaves in, the last one too: it has the answer, or the answer is undone."""
    undone = []

    async def main():
        exchanges = Exchanges()

        async def job():
            await turns(2)
            return "answer"

        async def undo(answer):
            undone.append(answer)

        caller = asyncio.create_task(exchanges.run(job, undo))
        await turns(steps)
        left = caller.cancel()
        try:
            got = await caller
        except asyncio.CancelledError:
            got = None
        await exchanges.settle()
        # One who is cancelled before its own first step has begun nothing.
        assert [*undone, *([got] if got else [])] == ([] if steps == 0 else ["answer"])
        assert (got is None) == left
        assert exchanges.pending == 0

    asyncio.run(main())


def test_the_error_of_an_exchange_is_its_callers():
    """The very object."""
    error = ValueError("x")

    async def job():
        await turns(2)
        raise error

    with pytest.raises(ValueError, match="x") as caught:
        asyncio.run(Exchanges().run(job))
    assert caught.value is error
