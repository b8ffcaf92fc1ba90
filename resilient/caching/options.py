"""What every decorator of a cache takes."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypedDict, cast

from resilient.caching.arguments import Arguments
from resilient.caching.conditions import ConditionOption, condition_of
from resilient.caching.core import Core
from resilient.caching.forms import is_secret
from resilient.caching.keys import default_key, tags_of
from resilient.caching.plans import Plan
from resilient.caching.slot import Strategy
from resilient.caching.templates import Template
from resilient.caching.ttl import jittered, need_share
from resilient.checks import need
from resilient.settings import unknown_option

logger = logging.getLogger("resilient.cache")
_FIRST = ("ttl", "key", "tags", "condition")
"""Options that stand in the signature of each decorator."""
_WHOSE = frozenset({"user", "user_id", "account", "account_id", "tenant", "tenant_id", "session", "request"})
"""Parameters that say whose a result is."""


class More(TypedDict, total=False):
    """Options of every decorator that are seldom needed.

    Attributes:
        errors: exceptions that are kept and raised again, as results are kept and returned.
        jitter: the share, from 0 to below 1, by which the time to live may be shorter, so that not all expires at once.
        protected: whether a value is made once for all who miss it at the same time; True if not given.
    """

    errors: type[Exception] | tuple[type[Exception], ...]
    jitter: float
    protected: bool


def planned(
    core: Core,
    strategy_of: Callable[[Arguments], Strategy],
    namespace: str,
    key: str | None,
    tags: Sequence[str],
    condition: ConditionOption,
    more: More,
    excused: tuple[type[Exception], ...] = (Exception,),
) -> Callable[[Callable[..., Any]], Plan]:
    """What makes the plan for a function; all but what depends on the function is checked here.

    Raises:
        ConfigurationError: an option does not exist, or has a wrong value.
    """
    for name, value in more.items():
        if name not in More.__annotations__:
            unknown_option("a decorator of a cache", name, value, [*_FIRST, *More.__annotations__])
    errors = classes_of(more.get("errors", ()), "errors")
    jitter = more.get("jitter", 0.0)
    need_share(jitter)
    holds = condition_of(condition)
    spread = partial(jittered, jitter=jitter, random=random.random) if jitter else None

    def plan_of(function: Callable[..., Any]) -> Plan:
        arguments = Arguments(function)
        template = Template(default_key(arguments) if key is None else key, arguments, option="key")
        for name in sorted(set(arguments.names) - template.names):
            if name in _WHOSE or is_secret(name):
                logger.warning("the key of %s does not name its %r: all of them share results", arguments.name, name)
        return Plan(
            core=core,
            strategy=strategy_of(arguments),
            namespace=namespace,
            function=arguments.name,
            key=template.key,
            tags=tags_of(tags, arguments),
            condition=holds,
            errors=errors,
            excused=excused,
            protected=more.get("protected", True),
            spread=spread,
        )

    return plan_of


def classes_of(given: object, option: str) -> tuple[type[Exception], ...]:
    """One class of exceptions or several, as a tuple.

    Raises:
        ConfigurationError: it is something else.
    """
    classes = cast("tuple[object, ...]", given if isinstance(given, tuple) else (given,))
    for one in classes:
        right = isinstance(one, type) and issubclass(one, Exception)
        need(right, option, cast("Any", one), "a class of exceptions, or a tuple of them")
    return cast("tuple[type[Exception], ...]", classes)
