"""How the calls of one function are cached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

from resilient.caching.core import Core
from resilient.caching.names import named
from resilient.caching.slot import Strategy
from resilient.caching.strategies.early import Early
from resilient.caching.strategies.locked import Locked
from resilient.caching.strategies.simple import Simple
from resilient.caching.strategies.soft import Soft

_numbers = count(1)


class Asked(NamedTuple):
    """The arguments of one call."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """How the calls of one function are cached.

    Attributes:
        core: the cache.
        strategy: when a kept value is served.
        namespace: where the values are kept.
        function: its module and qualified name.
        key: the key of a call.
        tags: the tags of a call.
        condition: whether a result is kept, None if all are.
        errors: exceptions that are kept and raised again, as results are kept and returned.
        excused: exceptions for which a kept value may stand in.
        protected: whether a value is made once for all who miss it at the same time.
        spread: draws a time to live near the one that was given.
        number: tells it from every other plan.
    """

    core: Core
    strategy: Strategy
    namespace: str
    function: str
    key: Callable[[tuple[Any, ...], Mapping[str, Any]], str]
    tags: Callable[[tuple[Any, ...], Mapping[str, Any]], tuple[str, ...]]
    condition: Callable[..., bool] | None = None
    errors: tuple[type[Exception], ...] = ()
    excused: tuple[type[Exception], ...] = (Exception,)
    protected: bool = True
    spread: Callable[[float], float] | None = None
    number: int = field(default_factory=lambda: next(_numbers), init=False)

    @property
    def serves_what_is_fresh(self) -> bool:
        """Whether a call whose value is fresh does nothing but return it."""
        return isinstance(self.strategy, Simple | Locked | Soft | Early)

    def name(self, key: str) -> str:
        """The name under which a store keeps ``key``."""
        return named(self.namespace, key)
