"""Which middlewares a request gets: policies, and how one is found for it."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, Final, Self, TypeAlias

from resilient.call import Host, Middleware
from resilient.durations import Duration, seconds_of
from resilient.errors import ConfigurationError
from resilient.mechanics.budget import Budget
from resilient.messages import URL, Response, origin_of
from resilient.pipeline.attempt_timeout import AttemptTimeout
from resilient.pipeline.breaker import CircuitBreaker
from resilient.pipeline.deadline import Deadline
from resilient.pipeline.fallback import Answerer, Fallback
from resilient.pipeline.observe import observe_attempt
from resilient.pipeline.response_cache import ResponseCache
from resilient.pipeline.retry import Retry
from resilient.settings import settings

MAX_HOSTS = 10_000
"""Origins whose state is kept by one ``Policies``; beyond that the least used go, open circuits last."""


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
        cache: which answers are kept; none.
        retry: when a failed attempt is made again; three attempts.
        budget: how much retries may add to the traffic of a host.
        breaker: when calls to a failing origin are refused.
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
    attempt_timeout: AttemptTimeout | Duration | Unset | None = UNSET
    pipeline: Sequence[Middleware] | None = None

    def __post_init__(self) -> None:
        self._read("deadline", Deadline)
        self._read("attempt_timeout", AttemptTimeout)
        if self.fallback is not None and not isinstance(self.fallback, Fallback | Unset):
            object.__setattr__(self, "fallback", Fallback(self.fallback))
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
        """Deadline, retry with budget, breaker and attempt timeout at their defaults: what ``Policy()`` is."""
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
        return Budget() if self.budget is UNSET else self.budget

    def stages(self) -> list[Middleware]:
        """The middlewares that apply, the outermost first, defaults filled in."""
        if self.pipeline is not None:
            return [*self.pipeline, observe_attempt]
        found: list[Any] = [
            DEFAULT_DEADLINE if self.deadline is UNSET else self.deadline,
            None if self.fallback is UNSET else self.fallback,
            None if self.cache is UNSET else self.cache,
            DEFAULT_RETRY if self.retry is UNSET else self.retry,
            DEFAULT_BREAKER if self.breaker is UNSET else self.breaker,
            DEFAULT_ATTEMPT_TIMEOUT if self.attempt_timeout is UNSET else self.attempt_timeout,
            observe_attempt,
        ]
        return [stage for stage in found if stage is not None]


_STAGES = ("deadline", "fallback", "cache", "retry", "budget", "breaker", "attempt_timeout")
_KINDS: dict[str, type] = {"cache": ResponseCache, "retry": Retry, "budget": Budget, "breaker": CircuitBreaker}
DEFAULT_DEADLINE = Deadline(30.0, named=False)
DEFAULT_ATTEMPT_TIMEOUT = AttemptTimeout(10.0, named=False)
DEFAULT_RETRY = Retry()
DEFAULT_BREAKER = CircuitBreaker()

_PATTERN = re.compile(
    r"(?:(?P<method>[A-Z]+)\ )?"
    r"(?P<host>\*|(?:\*\.)?[^\s/:*?#@\[\]]+|\[[0-9a-fA-F:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[^\s?#]*)?",
    re.VERBOSE,
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Pattern:
    """To which requests an entry applies: ``[METHOD ]host[:port][/path]``, such as ``GET *.shop.com/v1/*``."""

    text: str
    method: str | None
    host: str
    port: int | None
    path: re.Pattern[str] | None
    rank: tuple[int, int, int, int, int]

    @classmethod
    def read(cls, text: str) -> Self:
        """The pattern that ``text`` writes.

        Raises:
            ConfigurationError: it is none.
        """
        found = _PATTERN.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise ConfigurationError(
                f"policies={{{text!r}: ...}} is no pattern; write 'api.example.com', '*.example.com/v1/*', "
                "'GET api.example.com:8443' or '*', without scheme and query"
            )
        host = found["host"].lower().strip("[]")
        path = found["path"]
        exact, suffix = (0, 0) if host == "*" else (0, len(host)) if host.startswith("*.") else (1, 0)
        return cls(
            text=text,
            method=found["method"],
            host=host,
            port=int(found["port"]) if found["port"] else None,
            path=None if path is None else re.compile(".*".join(map(re.escape, path.split("*"))), re.DOTALL),
            rank=(exact, suffix, len(path or ""), found["port"] is not None, found["method"] is not None),
        )

    def is_for(self, host: str, port: int | None) -> bool:
        """Whether it may apply to requests for ``host`` and ``port``."""
        if self.port is not None and self.port != port:
            return False
        if self.host.startswith("*"):
            return host.endswith(self.host[1:])
        return host == self.host

    def matches(self, method: str, path: str) -> bool:
        """Whether it applies to a request for such a host."""
        if self.method is not None and self.method != method:
            return False
        return self.path is None or self.path.fullmatch(path) is not None


PolicyMap: TypeAlias = Mapping[str, Policy]


class Policies:
    """Policies by pattern, and what has been learned about each origin under them.

    Exactly one entry applies to a request: an exact host before a wildcard, the longest suffix before a shorter
    one, then the longest path, then the port, then the method. Without an entry that matches, the standard policy does.
    Clients that are given the same object share circuits and budgets.

    Args:
        entries: policies by pattern, or one policy for everything.

    Raises:
        ConfigurationError: a pattern or a policy is wrong.
    """

    def __init__(self, entries: PolicyMap | Policy | None = None) -> None:
        given = {"*": entries} if isinstance(entries, Policy) else dict(entries or {})
        for pattern, policy in given.items():
            if not isinstance(policy, Policy):
                raise ConfigurationError(f"policies={{{pattern!r}: {policy!r}}} is not right; give a Policy(...)")
        given.setdefault("*", Policy.standard())
        entries_by_rank = sorted(((Pattern.read(text), policy) for text, policy in given.items()), key=_rank)
        self._entries: list[tuple[Pattern, Policy]] = entries_by_rank[::-1]
        self._lock = threading.Lock()
        self._by_server: OrderedDict[tuple[str, str, int | None], list[tuple[Pattern, Policy]]] = OrderedDict()
        self._hosts: OrderedDict[tuple[str, str], Host] = OrderedDict()

    def __iter__(self) -> Any:
        return iter((pattern.text, policy) for pattern, policy in self._entries)

    def find(self, method: str, url: URL) -> tuple[str, Policy]:
        """The entry that applies to a request: its pattern and its policy."""
        server = (url.scheme, url.host, url.port)
        candidates = self._by_server.get(server)
        if candidates is None:
            candidates = self._candidates(server)
        path = url.path
        for pattern, policy in candidates:
            if pattern.matches(method, path):
                return pattern.text, policy
        raise AssertionError("the entry '*' matches everything")

    def _candidates(self, server: tuple[str, str, int | None]) -> list[tuple[Pattern, Policy]]:
        scheme, host, port = server
        port = _DEFAULT_PORTS.get(scheme) if port is None else port
        found = [entry for entry in self._entries if entry[0].is_for(host.lower(), port)]
        with self._lock:
            self._by_server[server] = found
            while len(self._by_server) > MAX_HOSTS:
                self._by_server.popitem(last=False)
        return found

    def host(self, route: str, url: URL) -> Host:
        """What has been learned about the origin of ``url`` under the entry ``route``."""
        key = (route, origin_of(url))
        with self._lock:
            found = self._hosts.get(key)
            if found is None:
                found = self._hosts[key] = Host(*key)
                if len(self._hosts) > MAX_HOSTS:
                    self._forget_one()
            else:
                self._hosts.move_to_end(key)
        return found

    def _forget_one(self) -> None:
        """Forget the host that was used longest ago, one with an open circuit only if a hundred of them are."""
        oldest = [key for key, _ in zip(self._hosts, range(100), strict=False)]
        for key in oldest:
            if not any(getattr(one, "is_precious", False) for one in self._hosts[key].everything()):
                del self._hosts[key]
                return
        del self._hosts[oldest[0]]

    def keep_answers(self) -> bool:
        """Whether any policy has a response cache, so that a store is wanted."""
        return any(isinstance(stage, ResponseCache) for _, policy in self._entries for stage in policy.stages())

    def hosts(self) -> list[Host]:
        """All origins of which something is known."""
        with self._lock:
            return list(self._hosts.values())


def _rank(entry: tuple[Pattern, Policy]) -> tuple[int, ...]:
    return entry[0].rank
