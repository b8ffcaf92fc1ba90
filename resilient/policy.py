"""What happens to a request: one named field a middleware."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields
from enum import Enum
from typing import Any, Final, Self

from resilient.call import Middleware
from resilient.checks import need
from resilient.durations import Duration, seconds_of
from resilient.errors import ConfigurationError
from resilient.mechanics.budget import Budget
from resilient.messages import Response
from resilient.pipeline.attempt_timeout import AttemptTimeout
from resilient.pipeline.breaker import CircuitBreaker
from resilient.pipeline.deadline import Deadline
from resilient.pipeline.fallback import Answerer, Fallback
from resilient.pipeline.observe import observe_attempt
from resilient.pipeline.rate_limit import RateLimit
from resilient.pipeline.response_cache import ResponseCache
from resilient.pipeline.retry import Retry
from resilient.settings import settings


class Unset(Enum):
    """The value of an option that nobody gave."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "unset"


UNSET: Final = Unset.UNSET


@settings
class Policy:
    """What happens to the requests of one entry. ``None`` turns a stage off; what is not given has its default.

    Args:
        deadline: the time for a whole call; 30 s.
        fallback: what answers when all else has failed; nothing.
        cache: which answers are kept; those that say for how long, or by what they can be confirmed (RFC 9111).
        retry: when a failed attempt is made again; three attempts.
        budget: how much retries may add to the traffic of a host.
        breaker: when calls to a failing origin are refused.
        rate_limit: how many attempts may be sent in a time; as many as there are.
        attempt_timeout: the time for one attempt; 10 s, at most the deadline.
        pipeline: middlewares in an order of your own, the first outermost, in place of all stages above.

    Raises:
        ConfigurationError: an option has a wrong value, or two contradict each other.
    """

    deadline: Deadline | Duration | Unset | None = UNSET
    fallback: Fallback | Response | Answerer | str | Unset | None = UNSET
    cache: ResponseCache | Unset | None = UNSET
    retry: Retry | Unset | None = UNSET
    budget: Budget | Unset | None = UNSET
    breaker: CircuitBreaker | Unset | None = UNSET
    rate_limit: RateLimit | str | Unset | None = UNSET
    attempt_timeout: AttemptTimeout | Duration | Unset | None = UNSET
    pipeline: Sequence[Middleware] | None = None

    def __post_init__(self) -> None:
        if self.pipeline is not None:
            ready = isinstance(self.pipeline, Sequence) and not any(
                isinstance(one, type) or not callable(one) for one in self.pipeline
            )
            need(ready, "pipeline", self.pipeline, "a list of middlewares, as in [Deadline('2s'), Retry()]")
        self._read("deadline", Deadline)
        self._read("attempt_timeout", AttemptTimeout)
        if self.fallback is not None and not isinstance(self.fallback, Fallback | Unset):
            object.__setattr__(self, "fallback", Fallback(self.fallback))
        if isinstance(self.rate_limit, str):
            object.__setattr__(self, "rate_limit", RateLimit(self.rate_limit))
        for name, kind in _KINDS.items():
            value = getattr(self, name)
            if value is not None and not isinstance(value, kind | Unset):
                raise ConfigurationError(f"{name}={value!r} is not right; give a {kind.__name__}, or None for off")
        deadline, attempt = self.deadline, self.attempt_timeout
        if not isinstance(attempt, AttemptTimeout):
            return
        if isinstance(deadline, Deadline) and attempt.seconds > deadline.seconds:
            raise ConfigurationError(
                f"attempt_timeout={attempt.seconds:g} s is longer than deadline={deadline.seconds:g} s; "
                "an attempt ends with its call, so give at most the deadline"
            )
        if isinstance(self.breaker, CircuitBreaker) and attempt.seconds > self.breaker.rule.window:
            raise ConfigurationError(
                f"the breaker's window={self.breaker.rule.window:g} s is shorter than "
                f"attempt_timeout={attempt.seconds:g} s; attempts that time out would never meet in it"
            )

    def _read(self, name: str, kind: type[Deadline] | type[AttemptTimeout]) -> None:
        value = getattr(self, name)
        if value is not None and not isinstance(value, kind | Unset):
            object.__setattr__(self, name, kind(seconds_of(value, option=name)))

    @classmethod
    def standard(cls) -> Self:
        """Deadline, cache, retry with budget, breaker and attempt timeout at their defaults: what ``Policy()`` is."""
        return cls()

    @classmethod
    def passthrough(cls) -> Self:
        """Nothing at all: the HTTP library's own behaviour."""
        return cls(**dict.fromkeys(_STAGES))

    @classmethod
    def background(cls) -> Self:
        """For work that nobody waits for: 5 minutes, six attempts of at most a minute."""
        return cls(
            deadline="5m",
            attempt_timeout="1m",
            retry=Retry(max_attempts=6),
            breaker=CircuitBreaker(window="1m"),
        )

    def replace(self, **changes: Any) -> Self:
        """The same policy with some options changed.

        Raises:
            ConfigurationError: an option does not exist, or has a wrong value.
        """
        return type(self)(**{one.name: getattr(self, one.name) for one in fields(self)} | changes)

    def __or__(self, other: Policy) -> Self:
        """This policy with what ``other`` sets explicitly, None included."""
        given = {one.name: getattr(other, one.name) for one in fields(other)}
        changes = {name: value for name, value in given.items() if value is not UNSET}
        if other.pipeline is None:
            del changes["pipeline"]
        return self.replace(**changes)

    @property
    def effective_budget(self) -> Budget | None:
        """The budget with its default filled in."""
        return DEFAULT_BUDGET if self.budget is UNSET else self.budget

    def stages(self) -> list[Middleware]:
        """The middlewares that apply, the outermost first, defaults filled in."""
        if self.pipeline is not None:
            return [*self.pipeline, observe_attempt]
        found: list[Any] = [
            DEFAULT_DEADLINE if self.deadline is UNSET else self.deadline,
            None if self.fallback is UNSET else self.fallback,
            DEFAULT_CACHE if self.cache is UNSET else self.cache,
            DEFAULT_RETRY if self.retry is UNSET else self.retry,
            DEFAULT_BREAKER if self.breaker is UNSET else self.breaker,
            None if self.rate_limit is UNSET else self.rate_limit,
            DEFAULT_ATTEMPT_TIMEOUT if self.attempt_timeout is UNSET else self.attempt_timeout,
            observe_attempt,
        ]
        return [stage for stage in found if stage is not None]

    def __str__(self) -> str:
        """The stages that apply, one a line, the outermost first."""
        budget = self.effective_budget
        lines: list[str] = []
        for stage in self.stages():
            if stage is not observe_attempt:
                lines.append(_line(_words(stage), stage))
            if isinstance(stage, Retry) and budget is not None:
                lines.append(_line("budget", budget))
        off = [name for name in _STAGES if self.pipeline is None and getattr(self, name) is None]
        return "\n".join([*lines, f"off: {', '.join(off)}"] if off else lines)


_STAGES = ("deadline", "fallback", "cache", "retry", "budget", "breaker", "rate_limit", "attempt_timeout")
_KINDS: dict[str, type] = {
    "cache": ResponseCache,
    "retry": Retry,
    "budget": Budget,
    "breaker": CircuitBreaker,
    "rate_limit": RateLimit,
}
DEFAULT_DEADLINE = Deadline(30.0, named=False)
DEFAULT_ATTEMPT_TIMEOUT = AttemptTimeout(10.0, named=False)
DEFAULT_CACHE = ResponseCache()
DEFAULT_RETRY = Retry()
DEFAULT_BUDGET = Budget()
DEFAULT_BREAKER = CircuitBreaker()
_DEFAULTS = (DEFAULT_DEADLINE, DEFAULT_CACHE, DEFAULT_ATTEMPT_TIMEOUT, DEFAULT_RETRY, DEFAULT_BUDGET, DEFAULT_BREAKER)


def _line(name: str, stage: object) -> str:
    text = (stage.__doc__ or "").partition("\n")[0] if hasattr(stage, "__name__") else str(stage)
    mark = "  (default)" if any(stage is default for default in _DEFAULTS) else ""
    return f"{name:<16} {text}{mark}".rstrip()


def _words(stage: object) -> str:
    """``AttemptTimeout(...)`` is an ``attempt timeout``; a function has a name already."""
    return getattr(stage, "__name__", None) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(stage).__name__).lower()
