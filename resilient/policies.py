"""Which policy a request gets, and what has been learned about each origin under it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TypeAlias

from resilient.call import Handler, Host
from resilient.errors import ConfigurationError
from resilient.exchange import exchange
from resilient.mechanics.budget import Budget
from resilient.mechanics.circuit import Circuit
from resilient.messages import URL, origin_of
from resilient.pattern import Pattern
from resilient.pipeline.compose import compose
from resilient.pipeline.response_cache import ResponseCache
from resilient.policy import Policy

MAX_ORIGINS = 10_000
"""Origins whose state is kept by one ``Policies``; beyond that the least used go, open circuits last."""
_SPARED = 100
"""How many of the least used origins are looked at for one without an open circuit."""
_DEFAULT_PORTS = {"http": 80, "https": 443}

PolicyMap: TypeAlias = Mapping[str, Policy]


class Route:
    """One entry of the policies, ready to be used.

    Attributes:
        pattern: the requests to which it applies.
        policy: what happens to them.
        handler: the policy's pipeline down to the transport.
        budget: what retries may cost, None for as much as they like.
        name: the pattern as text; a label in metrics.
    """

    __slots__ = ("budget", "handler", "name", "pattern", "policy")

    def __init__(self, name: str, policy: Policy) -> None:
        if not isinstance(policy, Policy):
            raise ConfigurationError(f"policies={{{name!r}: {policy!r}}} is not right; give a Policy(...)")
        self.pattern = Pattern.read(name)
        self.policy = policy
        self.handler: Handler = compose(policy.stages(), exchange)
        self.budget: Budget | None = policy.effective_budget
        self.name = name


class _Origin:
    """One origin: the routes that may apply to it, best first, and what was learned under each."""

    __slots__ = ("hosts", "name", "routes")

    def __init__(self, name: str, routes: list[Route]) -> None:
        self.name = name
        self.routes = routes
        self.hosts: dict[str, Host] = {}

    def is_refused(self) -> bool:
        """Whether a circuit of it is not closed: forgetting it would send what should not be sent."""
        circuits = [host.known(Circuit) for host in self.hosts.values()]
        return any(circuit is not None and not circuit.is_closed for circuit in circuits)


class Policies:
    """Policies by pattern, and what has been learned about each origin under them.

    Exactly one entry applies to a request: an exact host before a wildcard, the longest suffix before a shorter
    one, then the longest path, then the port, then the method. Without an entry that matches, the standard policy
    does. Clients that are given the same object share circuits and budgets.

    Args:
        entries: policies by pattern, or one policy for everything.

    Raises:
        ConfigurationError: a pattern or a policy is wrong.
    """

    def __init__(self, entries: PolicyMap | Policy | None = None) -> None:
        self._lock = threading.Lock()
        self._routes = _routes_of(entries)
        self._origins: OrderedDict[tuple[str, bytes], _Origin] = OrderedDict()

    @property
    def routes(self) -> list[Route]:
        """The entries, the most specific first."""
        return list(self._routes)

    def find(self, method: str, url: URL) -> tuple[Route, Host]:
        """The entry that applies to a request, and what is known of its origin under it."""
        origin = self._origin(url)
        path = url.path
        for route in origin.routes:
            if route.pattern.matches(method, path):
                break
        else:
            raise AssertionError("the entry '*' matches everything")
        host = origin.hosts.get(route.name)
        if host is None:
            host = origin.hosts.setdefault(route.name, Host(route.name, origin.name))
        return route, host

    def _origin(self, url: URL) -> _Origin:
        key = (url.scheme, url.netloc)
        with self._lock:
            found = self._origins.get(key)
            if found is not None:
                self._origins.move_to_end(key)
                return found
            port = _DEFAULT_PORTS.get(url.scheme) if url.port is None else url.port
            applicable = [route for route in self._routes if route.pattern.is_for(url.host.lower(), port)]
            made = self._origins[key] = _Origin(origin_of(url), applicable)
            if len(self._origins) > MAX_ORIGINS:
                self._forget_one()
            return made

    def _forget_one(self) -> None:
        oldest = list(islice(self._origins.items(), _SPARED))
        forgotten = next((key for key, origin in oldest if not origin.is_refused()), oldest[0][0])
        del self._origins[forgotten]

    def keep_answers(self) -> bool:
        """Whether any policy has a response cache, so that a store is wanted."""
        return any(isinstance(stage, ResponseCache) for route in self._routes for stage in route.policy.stages())

    def known(self) -> Iterable[tuple[Route, Host]]:
        """All origins of which something is known, with the route under which it was learned."""
        with self._lock:
            origins = list(self._origins.values())
        for origin in origins:
            for route in origin.routes:
                if (host := origin.hosts.get(route.name)) is not None:
                    yield route, host


def _routes_of(entries: PolicyMap | Policy | None) -> list[Route]:
    given = {"*": entries} if isinstance(entries, Policy) else dict(entries or {})
    given.setdefault("*", Policy.standard())
    routes = [Route(name, policy) for name, policy in given.items()]
    return sorted(routes, key=lambda route: route.pattern.rank, reverse=True)
