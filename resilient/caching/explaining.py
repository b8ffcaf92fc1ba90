"""What a cache would do with a call, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from resilient.caching.control import Command
from resilient.caching.core import Core
from resilient.caching.decorating import PLAN
from resilient.caching.plans import Plan
from resilient.caching.strategies.failover import Failover
from resilient.caching.strategies.hit import Hit
from resilient.durations import shown
from resilient.entry import FOREVER, Entry
from resilient.errors import ConfigurationError, CorruptEntryError
from resilient.ports import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a cache would do with a call; as text it is a report for people.

    Attributes:
        key: of the call.
        name: under which the store keeps its value.
        store: the store's name.
        strategy: how the function's calls are cached, for people.
        age: seconds since the value was stored, None if there is none.
        fresh_for: seconds that it stays fresh, negative once it is stale, None if there is none.
        expires_in: seconds until it is gone, None if there is none.
        served: whether the kept value would be returned at once.
        why: the reason, for people.
    """

    key: str
    name: str
    store: str
    strategy: str
    age: float | None
    fresh_for: float | None
    expires_in: float | None
    served: bool
    why: str

    def __str__(self) -> str:
        lines = [
            f"key       {self.key}",
            f"kept      as {self.name!r} in the store {self.store!r}",
            f"strategy  {self.strategy}",
        ]
        if self.age is not None and self.fresh_for is not None and self.expires_in is not None:
            freshness = f"fresh for {shown(self.fresh_for)}" if self.fresh_for > 0 else "stale"
            lines.append(f"value     {shown(self.age)} old, {freshness}, gone in {shown(self.expires_in)}")
        return "\n".join([*lines, f"a call    {'returns it' if self.served else 'executes'}: {self.why}"])


async def explain(core: Core, runtime: Runtime, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Explanation:
    """What a call of a decorated function would do.

    Raises:
        ConfigurationError: the function is not decorated by this cache.
        StoreError: the store failed.
    """
    plan: Plan | None = getattr(function, PLAN, None)
    if plan is None or plan.core is not core:
        raise ConfigurationError(f"{function!r} is no function that this cache decorates; give one")
    key = plan.key(args, kwargs)
    mount = core.mounts.of(key)
    entry = await mount.store(runtime).get(plan.name(key))
    served, why = _verdict(core, plan, key, entry)
    wall = core.clock.wall()
    return Explanation(
        key=key,
        name=plan.name(key),
        store=mount.pair.blocking.name,
        strategy=str(plan.strategy),
        age=None if entry is None else entry.age(wall),
        fresh_for=None if entry is None else entry.fresh_until - wall,
        expires_in=None if entry is None else entry.expires_at - wall,
        served=served,
        why=why,
    )


def _verdict(core: Core, plan: Plan, key: str, entry: Entry | None) -> tuple[bool, str]:
    if core.is_off(Command.GET, key):
        return False, "'get' is switched off"
    if entry is None:
        return False, "nothing is kept for this key"
    try:
        core.values.value_of(key, entry)
    except CorruptEntryError as error:
        return False, f"what is kept cannot be read: {error.__cause__ or error}"
    if isinstance(plan.strategy, Failover):
        return False, "failover always calls; the kept value stands in if that fails"
    if isinstance(plan.strategy, Hit):
        return True, f"unless it has been returned {plan.strategy.cache_hits} times"
    if entry.fresh_until == FOREVER or entry.is_fresh(core.clock.wall()):
        return True, "it is fresh"
    return True, "it is stale, and made anew in the background"
