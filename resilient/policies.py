"""Which policy a request gets, and what has been learned about each origin under it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from resilient.call import Handler, Host
from resilient.checks import need
from resilient.errors import ConfigurationError
from resilient.exchange import exchange
from resilient.locks import fork_safe_lock
from resilient.mechanics.budget import Budget
from resilient.mechanics.circuit import Circuit
from resilient.messages import URL, origin_of
from resilient.pattern import Pattern, canonical
from resilient.pipeline.compose import compose
from resilient.pipeline.deadline import Deadline
from resilient.pipeline.response_cache import ResponseCache
from resilient.policy import Policy

MAX_ORIGINS = 10_000
"""Origins whose state is kept by one ``Policies``; beyond that the least used go, open circuits last."""
_DEFAULT_PORTS = {"http": 80, "https": 443}

PolicyMap: TypeAlias = Mapping[str, Policy]


class Route:
    """One entry of the policies, ready to be used.

    Attributes:
        pattern: the requests to which it applies.
        policy: what happens to them.
        handler: the policy's pipeline down to the transport.
        deadline: the policy's deadline for a whole call, None without one.
        budget: what retries may cost, None for as much as they like.
        caches: whether the policy keeps answers.
        name: the pattern as text; a label in metrics.
    """

    __slots__ = ("budget", "caches", "deadline", "handler", "name", "pattern", "policy")

    def __init__(self, name: str, policy: Policy) -> None:
        if not isinstance(policy, Policy):
            raise ConfigurationError(f"policies={{{name!r}: {policy!r}}} is not right; give a Policy(...)")
        self.pattern = Pattern.read(name)
        self.policy = policy
        stages = policy.stages()
        self.handler: Handler = compose(stages, exchange)
        self.deadline = next((stage for stage in stages if isinstance(stage, Deadline)), None)
        self.budget: Budget | None = policy.effective_budget
        self.caches = any(isinstance(stage, ResponseCache) for stage in stages)
        self.name = name


class _Origin:
    """One origin: the routes that may apply to it, best first, and what was learned under each."""

    __slots__ = ("host", "hosts", "name", "port", "routes", "used")

    def __init__(self, name: str, host: str, port: int | None, routes: list[Route]) -> None:
        self.name = name
        self.host = host
        self.port = port
        self.routes = routes
        self.hosts: dict[str, Host] = {}
        self.used = False
        """Whether it was used again since it was made, or last considered for being forgotten."""

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
        self._lock = fork_safe_lock()
        self._routes = _routes_of(entries)
        self._origins: OrderedDict[tuple[str, bytes], _Origin] = OrderedDict()

    @property
    def routes(self) -> list[Route]:
        """The entries, the most specific first."""
        return list(self._routes)

    def reload(self, entries: PolicyMap | Policy | None) -> None:
        """Put ``entries`` in the place of those there are. Calls under way go on under the old ones.

        What was learned about an origin under an entry is kept: its circuit stays as it is, its budget as full.

        Raises:
            ConfigurationError: a pattern or a policy is wrong; nothing has changed.
        """
        routes = _routes_of(entries)
        with self._lock:
            self._routes = routes
            for origin in self._origins.values():
                origin.routes = self._applicable(origin.host, origin.port)

    def find(self, method: str, url: URL) -> tuple[Route, Host]:
        """The entry that applies to a request, and what is known of its origin under it."""
        key = (url.scheme, url.netloc)
        origin = self._origins.get(key)
        if origin is None:
            origin = self._made(key, url)
        else:
            origin.used = True
        route = origin.routes[0]
        if not route.pattern.is_for_all:
            path = url.path
            route = next(route for route in origin.routes if route.pattern.matches(method, path))
        host = origin.hosts.get(route.name)
        if host is None:
            host = origin.hosts.setdefault(route.name, Host(route.name, origin.name))
        return route, host

    def _made(self, key: tuple[str, bytes], url: URL) -> _Origin:
        with self._lock:
            if (found := self._origins.get(key)) is not None:
                return found
            port = _DEFAULT_PORTS.get(url.scheme) if url.port is None else url.port
            host = canonical(url.host)
            made = self._origins[key] = _Origin(origin_of(url), host, port, self._applicable(host, port))
            if len(self._origins) > MAX_ORIGINS:
                self._forget_one(key)
            return made

    def _applicable(self, host: str, port: int | None) -> list[Route]:
        return [route for route in self._routes if route.pattern.is_for(host, port)]

    def _forget_one(self, newest: tuple[str, bytes]) -> None:
        """Forget an origin that was not used lately; one with an open circuit only if there is no other.

        Using an origin only marks it, and who is considered gets a second chance for the mark: so finding one, which
        every call does, takes no lock.
        """
        spared: list[tuple[str, bytes]] = []
        for key, origin in self._origins.items():
            if key != newest and not origin.used and not origin.is_refused():
                break
            origin.used = False
            spared.append(key)
        else:
            others = [key for key in spared if key != newest]
            key = next((key for key in others if not self._origins[key].is_refused()), others[0])
            spared.remove(key)
        del self._origins[key]
        # Not looked at again until all the others have been.
        for key in spared:
            self._origins.move_to_end(key)

    def keep_answers(self) -> bool:
        """Whether any policy has a response cache, so that a store is wanted."""
        return any(route.caches for route in self._routes)

    def known(self) -> Iterable[tuple[Route, Host]]:
        """All origins of which something is known, with the route under which it was learned."""
        with self._lock:
            origins = list(self._origins.values())
        for origin in origins:
            for route in origin.routes:
                if (host := origin.hosts.get(route.name)) is not None:
                    yield route, host


def _routes_of(entries: PolicyMap | Policy | None) -> list[Route]:
    right = "a Policy, a dict of them by pattern such as {'api.example.com': Policy()}, or Policies"
    need(isinstance(entries, Policy | Mapping | None), "policies", entries, right)
    given = {"*": entries} if isinstance(entries, Policy) else dict(entries or {})
    given.setdefault("*", Policy.standard())
    routes = [Route(name, policy) for name, policy in given.items()]
    same: dict[object, str] = {}
    for route in routes:
        if (other := same.setdefault(route.pattern.requests, route.name)) is not route.name:
            raise ConfigurationError(f"policies={{{other!r}: ..., {route.name!r}: ...}} are for the same requests")
    return sorted(routes, key=lambda route: route.pattern.rank, reverse=True)
