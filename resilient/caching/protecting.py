"""Functions with a rate limit or a circuit around their calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from resilient.caching.arguments import Arguments
from resilient.caching.core import Core
from resilient.caching.protect import Protected, RateLimited
from resilient.caching.surrounding import surrounded
from resilient.caching.templates import Template
from resilient.durations import Duration
from resilient.mechanics.breaker import Breaker
from resilient.ports import Job, Runtime

F = TypeVar("F", bound=Callable[..., Any])
KeyOf = Callable[[tuple[Any, ...], Mapping[str, Any]], str]


def rate_limited(
    core: Core, function: F, rate: str, key: str | None, burst: int | None, max_wait: Duration | None
) -> F:
    """``function``, called no more often than ``rate``, for each key by itself."""
    arguments = Arguments(function)
    key_of = _key_of(key, arguments)
    limited = RateLimited(rate, burst, name=arguments.name, max_wait=max_wait)

    async def around(runtime: Runtime, args: tuple[Any, ...], kwargs: Mapping[str, Any], job: Job[Any]) -> Any:
        await limited.enter(runtime, key_of(args, kwargs), core.record)
        return await job()

    return surrounded(core, function, around, option="rate_limit")


def circuit_broken(
    core: Core,
    function: F,
    breaker: Breaker,
    key: str | None,
    exceptions: type[Exception] | tuple[type[Exception], ...],
) -> F:
    """``function``, whose calls are refused after too many failures, for each key by itself."""
    arguments = Arguments(function)
    key_of = _key_of(key, arguments)
    protected = Protected(breaker, name=arguments.name, exceptions=exceptions)

    async def around(runtime: Runtime, args: tuple[Any, ...], kwargs: Mapping[str, Any], job: Job[Any]) -> Any:
        return await protected.run(runtime, key_of(args, kwargs), job, core.record)

    return surrounded(core, function, around, option="circuit_breaker")


def _key_of(key: str | None, arguments: Arguments) -> KeyOf:
    return (lambda _args, _kwargs: "") if key is None else Template(key, arguments, option="key").key
