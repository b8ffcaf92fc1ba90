"""How the answers of one policy are cached: the rules, and the deviations that somebody asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal, NamedTuple, TypedDict, get_args

from msgspec.structs import replace

from resilient.caching.conditions import Condition
from resilient.caching.slot import Strategy
from resilient.checks import are_all, need
from resilient.durations import Duration, seconds_of
from resilient.errors import ConfigurationError
from resilient.http.directives import ResponseControl, response_control
from resilient.http.fields import Fields
from resilient.settings import nearest

Rules = Literal["rfc9111", "ttl-only"]


class Overrides(TypedDict, total=False):
    """Deviations from RFC 9111, each by its name; what is not given is as the RFC says.

    Attributes:
        store_no_store: keep answers although they say ``no-store``.
        ignore_no_cache: serve answers without asking although they say ``no-cache``.
        ignore_request: do not look at what requests say in Cache-Control and Pragma.
        statuses: keep answers of these statuses too, where a ``ttl`` or the answer itself says for how long.
        ignore_vary: names of request fields that answers may vary by without being told apart.
        heuristic_cap: the longest time that is guessed from Last-Modified; 0 for no guess.
        targets: names of answers' fields that stand in for Cache-Control (RFC 9213), the first that is there.
    """

    store_no_store: bool
    ignore_no_cache: bool
    ignore_request: bool
    statuses: Collection[int]
    ignore_vary: Collection[str]
    heuristic_cap: Duration
    targets: Collection[str]


class Deviations(NamedTuple):
    """The overrides, checked."""

    store_no_store: bool = False
    ignore_no_cache: bool = False
    ignore_request: bool = False
    statuses: frozenset[int] = frozenset()
    ignore_vary: frozenset[str] = frozenset()
    heuristic_cap: float = 86_400.0
    targets: tuple[str, ...] = ()


def deviations_of(overrides: Overrides | None) -> Deviations:
    """The overrides, checked.

    Raises:
        ConfigurationError: one does not exist, or has a wrong value.
    """
    need(isinstance(overrides, Mapping | None), "overrides", overrides, "a dict such as {'store_no_store': True}")
    made: dict[str, Any] = {}
    for name, value in (overrides or {}).items():
        if name not in Deviations._fields:
            hint = nearest(name, Deviations._fields)
            raise ConfigurationError(f"overrides has no {name!r} (given {value!r}); {hint}")
        made[name] = _READERS[name](name, value)
    return Deviations(**made)


def _flag(name: str, value: object) -> bool:
    need(isinstance(value, bool), f"overrides: {name}", value, "True or False")
    return value is True


def _statuses(name: str, value: Any) -> frozenset[int]:
    good = are_all(int, value) and all(200 <= one < 600 and one not in (206, 304) for one in value)
    need(good, f"overrides: {name}", value, "a list of final statuses such as [302, 403]; 206 and 304 cannot be kept")
    return frozenset(value)


def _names(name: str, value: Any) -> tuple[str, ...]:
    good = not isinstance(value, str) and are_all(str, value)
    need(good, f"overrides: {name}", value, "a list of header fields' names, such as ['user-agent']")
    return tuple(one.lower() for one in value)


def _set_of_names(name: str, value: Any) -> frozenset[str]:
    return frozenset(_names(name, value))


def _cap(name: str, value: Any) -> float:
    return 0.0 if value == 0 and not isinstance(value, bool) else seconds_of(value, option=f"overrides: {name}")


_READERS: Mapping[str, Any] = {
    "store_no_store": _flag,
    "ignore_no_cache": _flag,
    "ignore_request": _flag,
    "statuses": _statuses,
    "ignore_vary": _set_of_names,
    "heuristic_cap": _cap,
    "targets": _names,
}


class Terms(NamedTuple):
    """How answers are cached.

    Attributes:
        strategy: when a kept answer is served.
        holds: which answers may be kept, None for all.
        rules: ``rfc9111``; or ``ttl-only``, where of all that either side says only no-store and Vary count.
        deviations: what of the rules does not hold.
        max_stale: seconds that anything may be served stale at most, whoever permits it.
        max_body: bytes of the longest body that is kept.
        name: of the cache in Cache-Status, None for the client's.
        words: what tells those by which an answer is judged from others, also in another process.
    """

    strategy: Strategy
    holds: Condition | None
    rules: Rules
    deviations: Deviations
    max_stale: float
    max_body: int
    name: str | None
    words: str

    def control(self, fields: Fields) -> tuple[ResponseControl, str | None]:
        """What an answer says about caching as far as it counts here, and the name of the override that changed it."""
        said = response_control(fields, self.deviations.targets)
        if self.rules == "ttl-only":
            said = ResponseControl(no_store=said.no_store)
        if said.no_store and self.deviations.store_no_store:
            return replace(said, no_store=False), "store-no-store"
        if said.no_cache and self.deviations.ignore_no_cache:
            return replace(said, no_cache=False), "ignore-no-cache"
        return said, None


def words_of(strategy: Strategy, rules: Rules, deviations: Deviations) -> str:
    """What tells terms by which an answer is judged from others; the same in each process."""
    plain = [sorted(one) if isinstance(one, frozenset) else one for one in deviations]
    return f"{strategy} {rules} {plain}"


def rules_of(rules: object) -> Rules:
    """The rules of that name.

    Raises:
        ConfigurationError: there are none.
    """
    if rules not in get_args(Rules):
        raise ConfigurationError(f"rules={rules!r} is not right; {nearest(str(rules), get_args(Rules))}")
    return rules  # type: ignore[return-value] # one of them
