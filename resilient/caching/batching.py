"""Functions that take many items at once: only those are asked for that are not kept."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from resilient.caching.arguments import Arguments, is_async
from resilient.caching.conditions import Condition
from resilient.caching.control import Command
from resilient.caching.core import Core
from resilient.caching.guard import Guard
from resilient.caching.keys import TagsOf
from resilient.caching.plain import Plain
from resilient.caching.spans import Span
from resilient.caching.templates import Template
from resilient.caching.through import Through
from resilient.checks import need
from resilient.errors import ConfigurationError
from resilient.events import CacheLookup, CacheStored
from resilient.ports import Runtime
from resilient.runtime.drive import drive
from resilient.settings import nearest

F = TypeVar("F", bound=Callable[..., Any])
_NOTHING: Any = object()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """How the calls of one function of many items are cached.

    Attributes:
        core: the cache.
        arguments: the function's parameters.
        over: the parameter that takes the items.
        key: the key of one item; there ``over`` stands for the item.
        tags: the tags of one item.
        ttl: how long one item's value is kept.
        condition: whether one item's value is kept, None if all are.

    Raises:
        ConfigurationError: ``over`` is no parameter, or not in the key, so that all items would share one value.
    """

    core: Core
    arguments: Arguments
    over: str
    key: Template
    tags: TagsOf
    ttl: Span
    condition: Condition | None

    def __post_init__(self) -> None:
        if self.over not in self.arguments.names:
            hint = nearest(self.over, self.arguments.names)
            raise ConfigurationError(f"over={self.over!r} is no parameter of {self.arguments.name}; {hint}")
        one = f"a template that names what differs between two items, as in 'user:{{{self.over}}}'"
        need(self.over in self.key.names, "key", self.key.text, one)

    def wrap(self, function: F) -> F:
        """``function``, called for those items only that are not kept."""
        if isinstance(cast("object", function), classmethod | staticmethod):
            method = cast("Any", function)
            return cast("F", type(method)(self.wrap(method.__func__)))

        async def call_async(*args: Any, **kwargs: Any) -> dict[Any, Any]:
            async def made(items: Collection[Any]) -> object:
                args_of_missing, kwargs_of_missing = self._with(items, args, kwargs)
                return await function(*args_of_missing, **kwargs_of_missing)

            return await self._answer(self.core.tasks, args, kwargs, made)

        def call(*args: Any, **kwargs: Any) -> dict[Any, Any]:
            async def made(items: Collection[Any]) -> object:
                args_of_missing, kwargs_of_missing = self._with(items, args, kwargs)
                return function(*args_of_missing, **kwargs_of_missing)

            return drive(self._answer(self.core.threads, args, kwargs, made))

        wrapper = call_async if is_async(function) else call
        return cast("F", functools.wraps(function)(wrapper))

    async def _answer(
        self,
        runtime: Runtime,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        make: Callable[[Collection[Any]], Coroutine[Any, Any, object]],
    ) -> dict[Any, Any]:
        values = self.arguments.values(args, kwargs)
        given = cast("Collection[Any]", values[self.arguments.names.index(self.over)])
        items = list(dict.fromkeys(given))
        if not items:
            return {}
        keys = [self.key.key(*self._with(item, args, kwargs)) for item in items]
        guard = self._guard(runtime, keys[0])
        plain = Plain(self.core, runtime)
        found = await self._kept(guard, plain, keys)
        kept = {item: value for item, value in zip(items, found, strict=True) if value is not _NOTHING}
        missing = [item for item in items if item not in kept]
        self._tell("hit", len(kept))
        self._tell("miss", len(missing))
        if not missing:
            return kept
        made = _mapping(await make(missing), self.arguments.name)
        new = {item: made[item] for item in missing if item in made}
        await self._keep(guard, plain, new, dict(zip(items, keys, strict=True)), args, kwargs)
        return {item: new[item] if item in new else kept[item] for item in items if item in new or item in kept}

    async def _kept(self, guard: Guard, plain: Plain, keys: list[str]) -> tuple[Any, ...]:
        nothing = (_NOTHING,) * len(keys)
        if any(self.core.is_off(command, key) for key in keys for command in (Command.GET, Command.GET_MANY)):
            return nothing
        get_many = functools.partial(self.core.through, Command.GET_MANY, plain.do, *keys, default=_NOTHING)
        return await guard.ask("get", get_many, None) or nothing

    async def _keep(
        self,
        guard: Guard,
        plain: Plain,
        new: Mapping[Any, Any],
        keys: Mapping[Any, str],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> None:
        groups: dict[tuple[float, tuple[str, ...]], dict[str, Any]] = {}
        for item, value in new.items():
            its, own = self._with(item, args, kwargs)
            key = keys[item]
            if self.condition is not None and not self.condition(result=value, args=its, kwargs=own, key=key):
                self.core.record(CacheStored(strategy="batch", function=self.arguments.name, detail="condition"))
            elif not any(self.core.is_off(command, key) for command in (Command.SET, Command.SET_MANY)):
                ttl = self.ttl if isinstance(self.ttl, float | int) else self.ttl.seconds(its, own, value)
                groups.setdefault((ttl, self.tags(its, own)), {})[key] = value
        for (ttl, tags), pairs in groups.items():
            set_many = functools.partial(self.core.through, Command.SET_MANY, plain.do, pairs, ttl=ttl, tags=tags)
            await guard.ask("set", set_many, None)

    def _guard(self, runtime: Runtime, key: str) -> Guard:
        mount = self.core.mounts.of(key)
        through = Through(self.core, runtime, self.core.values, "", mount)
        core = self.core
        return Guard(through, runtime, core.record, mount.budget, mount.health, core.tell, core.waits_for(mount))

    def _with(
        self, items: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with ``items`` in place of those that were given."""
        place = self.arguments.names.index(self.over)
        if place < len(args):
            return (*args[:place], items, *args[place + 1 :]), dict(kwargs)
        return args, {**kwargs, self.over: items}

    def _tell(self, result: Any, times: int) -> None:
        for _ in range(times):
            self.core.record(CacheLookup(result=result, strategy="batch", function=self.arguments.name))


def _mapping(made: Any, function: str) -> Mapping[Any, Any]:
    if not isinstance(cast("object", made), Mapping):
        raise TypeError(f"{function} must return a mapping of its items to values, not {type(made)!r}")
    return cast("Mapping[Any, Any]", made)
