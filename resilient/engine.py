"""One request through its policy; no colour, no HTTP library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from contextvars import ContextVar
from typing import Any, Self, TypeAlias

from resilient.caching.cache import Cache
from resilient.caching.guard import Guard
from resilient.caching.http.invalidating import Invalidating
from resilient.caching.http.writing import written
from resilient.call import INFINITE, Call, Host, Sender
from resilient.errors import CallError, ConfigurationError
from resilient.events import CallEnded, CircuitClosed, CircuitOpened, Event
from resilient.http.invalidation import invalidates
from resilient.journey import Journey
from resilient.mechanics.budget import Tokens
from resilient.mechanics.circuit import Circuit
from resilient.messages import URL, Request, Response, asked_phases, origin_of
from resilient.options import EXTENSION, NO_OPTIONS, Options
from resilient.outcome import Outcome, failure_of, is_failed_status, outcome_of
from resilient.pipeline.breaker import circuit_of
from resilient.pipeline.rate_limit import RateLimit
from resilient.policies import Policies
from resilient.ports import HttpLibrary, Runtime
from resilient.runtime.ambient import ambient_deadline
from resilient.runtime.line import Line
from resilient.sinks import Sinks
from resilient.telemetry import CallTrace, Source, Tracer

TRIP = "resilient.trip"
"""The name under which a client's call travels in the extensions of its requests."""


class Trip:
    """One call of a client: what its redirects and rounds of authentication have in common.

    A request carries it; one that the call's authentication makes itself finds it in its context, which the ``with``
    statement sets, as it does what the call's spans and log lines belong to.

    Attributes:
        engine: what sends.
        request: the caller's own, as it travels.
        journey: what happened so far.
        streamed: whether the caller reads the body itself.
        trace: follows it, None if nobody does.
    """

    __slots__ = ("_mark", "engine", "journey", "request", "streamed", "trace")

    def __init__(
        self, engine: Engine, request: Request, journey: Journey, streamed: bool, trace: CallTrace | None
    ) -> None:
        self.engine = engine
        self.request = request
        self.journey = journey
        self.streamed = streamed
        self.trace = trace

    def __enter__(self) -> Self:
        self._mark = _under_way.set(self)
        if self.trace is not None:
            self.trace.__enter__()
        return self

    def __exit__(self, *ended: Any) -> None:
        if self.trace is not None:
            self.trace.__exit__(*ended)
        _under_way.reset(self._mark)


_NOTHING = nullcontext()
_GOOD = (Outcome.OK, Outcome.STALE)
_under_way: ContextVar[Trip | None] = ContextVar("resilient_under_way", default=None)
"""The innermost call of a client that is under way in this context."""


class Engine:
    """Sends requests through the pipelines of their policies.

    Args:
        policies: which policy applies to which request, and what was learned so far.
        runtime: how to wait.
        library: the HTTP library of the requests.
        cache: where answers are kept, None if nowhere.
        name: the client's name in events.
        sinks: who hears of events.
    """

    def __init__(
        self,
        policies: Policies,
        runtime: Runtime,
        library: HttpLibrary,
        cache: Cache | None,
        name: str,
        sinks: Sinks,
    ) -> None:
        self.policies = policies
        self.runtime = runtime
        self.library = library
        self.cache = cache
        self.name = name
        self.sinks = sinks

    def begin(self, request: Request, streamed: bool) -> Trip:
        """A call that starts now."""
        tracer = self.sinks.tracer
        trace = None if tracer is None else self._followed(tracer, request)
        return Trip(self, request, Journey(self.runtime.clock.now()), streamed, trace)

    def _followed(self, tracer: Tracer, request: Request) -> CallTrace | None:
        route, _ = self.policies.find(request.method, request.url)
        named = _options_of(request).route
        return tracer.begin(Source("client", self.name, named or route.name), request.method, request.url, named)

    async def handle(self, request: Request, send: Sender) -> Response:
        """Answer ``request``; it is part of the call that it carries or was made in, or else a call of its own."""
        trip: Trip | None = request.extensions.get(TRIP)
        if trip is None and (around := _under_way.get()) is not None and around.engine is self:
            trip = around
        if trip is not None:
            return await self._pass(request, send, trip)
        trip = self.begin(request, streamed=True)
        try:
            with trip if trip.trace is not None else _NOTHING:
                response = await self._pass(request, send, trip)
        except BaseException as error:
            self.failed(trip, request, error)
            raise
        self.ended(trip, request, response)
        return response

    async def _pass(self, request: Request, send: Sender, trip: Trip) -> Response:
        options = _options_of(request)
        route, host = self.policies.find(request.method, request.url)
        journey = trip.journey
        journey.route = options.route or route.name
        runtime = self.runtime
        deadline = INFINITE if options.deadline is None else journey.started + options.deadline
        if request is not trip.request:
            deadline = min(deadline, self._due(trip))
        if options.idempotency_key is not None:
            request = self.library.again(request, request.extensions, {"Idempotency-Key": options.idempotency_key})
        call = Call(
            request=request,
            asked=asked_phases(request),
            runtime=runtime,
            library=self.library,
            send=send,
            host=host,
            journey=journey,
            budget=route.budget,
            store=None if self.cache is None else self.cache.store(runtime),
            store_health=None if self.cache is None else self.cache.health,
            record_to=self.sinks.of(journey.route),
            is_heard=self.sinks.listens,
            options=options,
            client=self.name,
            streamed=trip.streamed,
            deadline=min(deadline, ambient_deadline()),
            trace=trip.trace,
        )
        journey.deadline = call.deadline
        try:
            response = await route.handler(call)
            if not route.caches and call.store is not None and invalidates(request.method, response.status_code):
                await _forget(call, response)
        except Exception as error:
            # Errors of the HTTP library carry it too: whoever catches one wants to know what came before.
            with suppress(AttributeError):
                error.journey = journey  # type: ignore[attr-defined]
            raise
        response.extensions[EXTENSION] = journey
        return response

    def _due(self, trip: Trip) -> float:
        """The instant at which a call must be over by what is said of its own request; others of it have to obey."""
        started, request = trip.journey.started, trip.request
        asked = _options_of(request).deadline
        if asked is not None:
            return started + asked
        route, _ = self.policies.find(request.method, request.url)
        return INFINITE if route.deadline is None else route.deadline.ends(started, asked_phases(request))

    def invalidating(self) -> Invalidating | None:
        """What makes the cache forget answers, None without one."""
        return None if self.cache is None else Invalidating(self.cache.store(self.runtime), self.runtime)

    def ended(self, trip: Trip, request: Request, response: Response) -> None:
        """Close the journey of a call that was answered."""
        if trip.trace is None and not self.sinks.hears(CallEnded):
            trip.journey.ended = self.runtime.clock.now()
            return
        stale = (found := trip.journey.cache) is not None and found.result == "stale"
        answered = Outcome.ERROR if is_failed_status(response.status_code) else Outcome.OK
        self._over(trip, request, Outcome.STALE if stale else answered, response.status_code, None)

    def failed(self, trip: Trip, request: Request, error: BaseException) -> None:
        """Close the journey of a call that raised."""
        meaning = failure_of(error, self.library.failures)
        self._over(trip, request, outcome_of(meaning), None, error)

    def _over(
        self, trip: Trip, request: Request, outcome: Outcome, status: int | None, error: BaseException | None
    ) -> None:
        journey = trip.journey
        journey.ended = self.runtime.clock.now()
        if trip.trace is not None:
            trip.trace.ended(journey, outcome, status, error)
        if self.sinks.hears(CallEnded):
            over = CallEnded(
                client=self.name,
                route=journey.route,
                method=request.method,
                origin=origin_of(request.url),
                outcome=outcome,
                status=status,
                seconds=journey.ended - journey.started,
                attempts=len(journey.attempts),
                saved_by=journey.saved_by if outcome in _GOOD else None,
            )
            with trip.trace or _NOTHING:
                self.sinks.of(journey.route)(over)

    def dressed(self, error: CallError) -> CallError:
        """``error`` as one of the HTTP library's own."""
        native = self.library.natives.get(type(error))
        return error if native is None else error.dressed(native)

    def describe(self, method: str, url: URL) -> str:
        """The pipeline that applies to a request, the outermost stage first."""
        route, _ = self.policies.find(method, url)
        head = f"{method} {origin_of(url)}{url.path}: policy {route.name!r}"
        return "\n".join([head, *(f"  {line}" for line in [*str(route.policy).splitlines(), "send"])])

    def state(self) -> dict[str, State]:
        """What is known of each origin: its circuit, its budget and its rate limit; by route and origin."""
        now = self.runtime.clock.now()
        found: dict[str, State] = {}
        for route, host in self.policies.known():
            known: dict[str, object] = {"route": host.route, "origin": host.origin}
            if (circuit := host.known(Circuit)) is not None:
                known["circuit"] = circuit.snapshot(now)
            if (tokens := host.known(Tokens)) is not None and route.budget is not None:
                known["budget"] = tokens.snapshot(route.budget, now)
            limits = [stage for stage in route.policy.stages() if isinstance(stage, RateLimit)]
            if limits and (line := host.known(Line)) is not None:
                known["rate_limit"] = line.snapshot(limits[0].quota, now)
            found[f"{host.route} {host.origin}"] = known
        return found

    def circuit(self, method: str, url: URL) -> CircuitHandle:
        """The circuit of an origin, to be worked by hand."""
        _, host = self.policies.find(method, url)
        return CircuitHandle(host, self.sinks, self.runtime.clock.now)


async def _forget(call: Call, response: Response) -> None:
    """Forget what an answer under a policy without a cache shows to be untrue: other policies may have kept it."""
    assert call.store is not None
    guard = Guard(call.store, call.runtime, call.record)
    try:
        if (secret := await guard.secret()) is not None:
            await written(call, response, guard, secret)
    except BaseException:
        await call.discard(response)
        raise


def _options_of(request: Request) -> Options:
    given = request.extensions.get(EXTENSION, NO_OPTIONS)
    if isinstance(given, Options):
        return given
    # Not shown itself: what is meant for options may be a secret.
    kind = type(given).__name__
    raise ConfigurationError(f"extensions={{{EXTENSION!r}: {kind}}} is not right; give extensions=options(...)")


State: TypeAlias = Mapping[str, object]


class CircuitHandle:
    """The circuit of one origin, worked by hand."""

    __slots__ = ("_host", "_now", "_sinks")

    def __init__(self, host: Host, sinks: Sinks, now: Callable[[], float]) -> None:
        self._host = host
        self._sinks = sinks
        self._now = now

    @property
    def state(self) -> str:
        """``closed``, ``open``, ``half_open`` or ``isolated``."""
        return circuit_of(self._host).state(self._now())

    def isolate(self) -> None:
        """Refuse every call to the origin until :meth:`close`."""
        circuit_of(self._host).isolate()
        self._tell(CircuitOpened(circuit=self._host.origin, open_for=INFINITE, cause="manual"))

    def close(self) -> None:
        """Let calls pass again and forget what was held against the origin."""
        if circuit_of(self._host).close() is not None:
            self._tell(CircuitClosed(circuit=self._host.origin))

    def _tell(self, event: Event) -> None:
        self._sinks(event)
