"""A function whose calls a cache answers: one wrapper for each kind of function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import aclosing, closing
from functools import partial
from typing import Any, TypeVar, cast

from resilient.caching.arguments import is_async
from resilient.caching.codec import ABSENT, ready_value
from resilient.caching.following import followed
from resilient.caching.functions import FunctionSlot
from resilient.caching.plans import Asked, Plan
from resilient.caching.raised import Raised
from resilient.caching.recording import Recording
from resilient.caching.scopes import NOWHERE
from resilient.caching.strategies.iterator import Replay
from resilient.caching.surrounding import StoppedError
from resilient.errors import ConfigurationError
from resilient.ports import Runtime
from resilient.runtime.drive import drive

F = TypeVar("F", bound=Callable[..., Any])
PLAN = "__resilient_plan__"
"""The attribute of a decorated function that says how its calls are cached."""


def decorated(function: F, plan_of: Callable[[Callable[..., Any]], Plan]) -> F:
    """``function`` with its calls answered as the plan for it says.

    A coroutine function stays one, and so do a plain function, a generator function and an asynchronous one. All that
    a generator yields is kept as one value: by a :class:`~resilient.caching.strategies.iterator.Replay` while it
    passes, by any other strategy before the first of it is yielded.
    """
    if isinstance(cast("object", function), classmethod | staticmethod):
        method = cast("Any", function)
        return cast("F", type(method)(decorated(method.__func__, plan_of)))
    plan = plan_of(function)
    replay = plan.strategy if isinstance(plan.strategy, Replay) else None
    if replay is not None and not (inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function)):
        raise ConfigurationError(f"iterator: {plan.function} is no generator function; give one that yields")
    if inspect.isasyncgenfunction(function):
        wrapper = _replaying_async(function, plan, replay) if replay else _async_generator(function, plan)
    elif inspect.isgeneratorfunction(function):
        wrapper = _replaying(function, plan, replay) if replay else _generator(function, plan)
    elif is_async(function):
        wrapper = _async_function(function, plan)
    else:
        wrapper = _function(function, plan)
    functools.update_wrapper(wrapper, function)
    setattr(wrapper, PLAN, plan)
    return cast("F", wrapper)


def _async_function(function: Callable[..., Any], plan: Plan) -> Callable[..., Any]:
    look = _looking(plan)

    async def call(*args: Any, **kwargs: Any) -> Any:
        key = plan.key(args, kwargs)
        if (value := look(key)) is not ABSENT:
            return value

        async def fill() -> object:
            try:
                return await function(*args, **kwargs)
            except plan.errors as error:
                return Raised(error)

        return _result(await _answered(plan, plan.core.tasks, key, Asked(args, kwargs), fill))

    return call


def _function(function: Callable[..., Any], plan: Plan) -> Callable[..., Any]:
    look = _looking(plan)

    def call(*args: Any, **kwargs: Any) -> Any:
        key = plan.key(args, kwargs)
        if (value := look(key)) is not ABSENT:
            return value

        async def fill() -> object:
            try:
                return function(*args, **kwargs)
            except plan.errors as error:
                return Raised(error)
            except (StopIteration, StopAsyncIteration) as error:
                raise StoppedError(error) from None

        try:
            return _result(drive(_answered(plan, plan.core.threads, key, Asked(args, kwargs), fill)))
        except StoppedError as stopped:
            raise stopped.error from None

    return call


def _async_generator(function: Callable[..., Any], plan: Plan) -> Callable[..., Any]:
    async def collect(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
        return tuple([item async for item in function(*args, **kwargs)])

    whole = _async_function(collect, plan)

    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        for item in await whole(*args, **kwargs):
            yield item

    return call


def _generator(function: Callable[..., Any], plan: Plan) -> Callable[..., Any]:
    whole = _function(lambda *args, **kwargs: tuple(function(*args, **kwargs)), plan)

    def call(*args: Any, **kwargs: Any) -> Generator[Any, None, None]:
        yield from whole(*args, **kwargs)

    return call


def _replaying_async(function: Callable[..., Any], plan: Plan, replay: Replay) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        slot = FunctionSlot(plan, plan.core.tasks, plan.key(args, kwargs), Asked(args, kwargs), _passing_by)
        with Recording(slot, replay) as recording:
            kept = await recording.kept()
            if kept is not None:
                for item in kept:
                    yield item
                return
            async with aclosing(recording.async_steps(function(*args, **kwargs))) as source:
                async for item in source:
                    recording.note(item)
                    yield item
            await recording.keep()

    return call


def _replaying(function: Callable[..., Any], plan: Plan, replay: Replay) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Generator[Any, None, None]:
        slot = FunctionSlot(plan, plan.core.threads, plan.key(args, kwargs), Asked(args, kwargs), _passing_by)
        with Recording(slot, replay) as recording:
            kept = drive(recording.kept())
            if kept is not None:
                yield from kept
                return
            with closing(recording.steps(function(*args, **kwargs))) as source:
                for item in source:
                    recording.note(item)
                    yield item
            drive(recording.keep())

    return call


async def _passing_by() -> object:
    """What a generator yields is not made by its slot, but put there in the end."""
    return ()


def _answered(
    plan: Plan, runtime: Runtime, key: str, asked: Asked, fill: Callable[[], Any]
) -> Coroutine[Any, Any, object]:
    slot = FunctionSlot(plan, runtime, key, asked, fill)
    if slot.trace is None:
        return _answer(plan, slot)
    return followed(slot.trace, partial(_answer, plan, slot), slot.over)


async def _answer(plan: Plan, slot: FunctionSlot) -> object:
    try:
        return await plan.strategy(slot)
    finally:
        slot.tell_if_missed()


def _result(value: Any) -> Any:
    if isinstance(value, Raised):
        raise value.error
    return value


def _looking(plan: Plan) -> Callable[[str], object]:
    """The short way to a value that is at hand: in this process's memory, fresh, and nobody's to change.

    It is open where nothing stands between a call and its store, and nobody listens. What is looked for is ABSENT
    where it is not at hand.
    """
    core, strategy = plan.core, plan.strategy.name
    here, wall = core.scopes.here, core.clock.wall
    lookups = core.figures.lookups
    hit = (strategy, "hit")

    def look(key: str) -> object:
        at_hand = core.at_hand
        if at_hand is None or here() is not NOWHERE:
            return ABSENT
        entry = at_hand(plan.name(key))
        if entry is None or wall() >= entry.fresh_until or (value := ready_value(entry)) is ABSENT:
            return ABSENT
        lookups[hit] += 1
        return value

    return look if plan.serves_what_is_fresh else _never


def _never(key: str) -> object:
    return ABSENT
