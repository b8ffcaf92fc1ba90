"""Spans of decorated functions: what is below what, how it ended, what it points at."""

from __future__ import annotations

from functools import partial

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from resilient import Cache, CircuitOpenError
from tests.caching.conftest import OVER
from tests.tracing import Spans, check_names

NAME = f"{__name__}.rates"


async def rates(scene, tracer, error=None):
    """What is decorated: it takes a second, and has a span of its own."""
    with tracer.start_as_current_span("work"):
        await scene.sleep(1)
        if error is not None:
            raise error
        return [7]


class Stand:
    """A decorated function in a world of its own."""

    def __init__(self, scene, spans, **options):
        self.scene = scene
        self.tracer = spans.provider.get_tracer("user")
        self.error = None
        scene.cache.setup("mem://", telemetry=[spans.sink(**options)])

    def decorated(self, decorator):
        async def script(number=1):
            return await rates(self.scene, self.tracer, self.error)

        script.__module__, script.__qualname__ = __name__, "rates"
        return decorator(self.scene.function(script))


@pytest.fixture
def spans():
    return Spans()


@pytest.fixture
def stand(scene, spans):
    return Stand(scene, spans)


def f_miss_and_hit(stand):
    """The function's own span is below that of its call."""
    function = stand.decorated(stand.scene.cache(ttl=60))

    async def script():
        for _ in range(2):
            assert await stand.scene.call(function) == [7]

    stand.scene.do(script)
    return [f"resilient {NAME} ok miss", "  work", f"resilient {NAME} ok hit -> filled_by 1"]


def f_soft(stand):
    """Served stale, and made anew in a trace of its own."""
    function = stand.decorated(stand.scene.cache.soft(ttl=60, soft_ttl=10))
    far_apart(stand, function)
    return [
        f"resilient {NAME} ok miss",
        "  work",
        f"resilient {NAME} stale stale -> filled_by 1",
        f"resilient refresh {NAME} ok -> triggered_by 3",
        "  work",
    ]


def f_early(stand):
    """The same where it is called fresh."""
    function = stand.decorated(stand.scene.cache.early(ttl=60, early_ttl=10))
    far_apart(stand, function)
    return [
        f"resilient {NAME} ok miss",
        "  work",
        f"resilient {NAME} ok hit -> filled_by 1",
        f"resilient refresh {NAME} ok -> triggered_by 3",
        "  work",
    ]


def f_refresh_failed(stand):
    """It is an error of that trace, and of no caller's."""
    function = stand.decorated(stand.scene.cache.soft(ttl=60, soft_ttl=10))

    async def script():
        await stand.scene.call(function)
        stand.error = OSError("s3cret")
        await stand.scene.sleep(20)
        await stand.scene.call(function)
        await stand.scene.sleep(5)

    stand.scene.do(script)
    return [
        f"resilient {NAME} ok miss",
        "  work",
        f"resilient {NAME} stale stale -> filled_by 1",
        f"resilient refresh {NAME} error OSError ! -> triggered_by 3",
        "  work !",
    ]


def f_failover(stand):
    """A stale value in place of an error."""
    function = stand.decorated(stand.scene.cache.failover(ttl=60))

    async def script():
        await stand.scene.call(function)
        stand.error = OSError("s3cret")
        await stand.scene.call(function)

    stand.scene.do(script)
    return [f"resilient {NAME} ok miss", "  work", f"resilient {NAME} stale stale -> filled_by 1", "  work !"]


def f_error(stand):
    """What the function raises is the call's error, by the name of its class."""
    function = stand.decorated(stand.scene.cache(ttl=60))
    stand.error = LookupError("s3cret")

    async def script():
        with pytest.raises(LookupError):
            await stand.scene.call(function)

    stand.scene.do(script)
    return [f"resilient {NAME} error miss LookupError !", "  work !"]


def f_kept_error(stand):
    """An exception that is kept is an error each time."""
    function = stand.decorated(stand.scene.cache(ttl=60, errors=LookupError))
    stand.error = LookupError("s3cret")

    async def script():
        for _ in range(2):
            with pytest.raises(LookupError):
                await stand.scene.call(function)

    stand.scene.do(script)
    return [
        f"resilient {NAME} error miss LookupError !",
        "  work !",
        f"resilient {NAME} error hit LookupError ! -> filled_by 1",
    ]


def f_refused(stand):
    """By a policy within."""
    function = stand.decorated(stand.scene.cache(ttl=60))
    stand.error = CircuitOpenError("rates", 1.0)

    async def script():
        with pytest.raises(CircuitOpenError):
            await stand.scene.call(function)

    stand.scene.do(script)
    return [f"resilient {NAME} rejected miss circuit_open !", "  work !"]


def f_collapsed(stand):
    """Fifty at once: one makes it, and all others point at that one."""
    function = stand.decorated(stand.scene.cache(ttl=60))

    async def script():
        await stand.scene.all_at_once(*[lambda: stand.scene.call(function)] * 50)

    stand.scene.do(script)
    waiters = [f"resilient {NAME} ok collapsed -> collapsed_into 1"] * 49
    return [f"resilient {NAME} ok miss", "  work", *waiters]


def far_apart(stand, function):
    """Two calls, 20 s apart, and a moment for what goes on behind them."""

    async def script():
        await stand.scene.call(function)
        await stand.scene.sleep(20)
        await stand.scene.call(function)
        await stand.scene.sleep(5)

    stand.scene.do(script)


FUNCTIONS = [
    f_miss_and_hit, f_soft, f_early, f_refresh_failed, f_failover, f_error, f_kept_error, f_refused, f_collapsed,
]  # fmt: skip


@pytest.mark.parametrize("scenario", FUNCTIONS, ids=lambda one: one.__name__)
def test_a_call_of_a_function_has_this_tree(scene, stand, spans, scenario):
    """In both colours."""
    expected = scenario(stand)
    assert spans.lines() == expected
    check_names(spans)


async def test_a_number_can_still_be_counted_on(scene, stand, spans):
    """It is kept as it is; only those who wait for it point at who made it."""

    @stand.scene.cache(ttl=60, key="visits")
    @stand.scene.function
    async def visits():
        await stand.scene.sleep(1)
        return 7

    script = partial(stand.scene.call, visits)
    assert await stand.scene.all_at_once(*[script] * 3) == [7] * 3
    assert await stand.scene.ask.incr("visits") == 8
    assert await stand.scene.call(visits) == 8
    kinds = [line.removeprefix(f"resilient {visits.__module__}.{visits.__qualname__} ") for line in spans.lines()]
    assert kinds == ["ok miss", *["ok collapsed -> collapsed_into 1"] * 2, "ok hit"]


async def test_a_generator_has_one_span_and_what_is_between_its_items_is_not_below_it(scene, stand, spans):
    """Its own work is; it ends when the run does, be it early."""
    user = stand.tracer

    @stand.scene.cache.iterator(ttl=60)
    @stand.scene.generator
    def pages(name):
        for number in range(3):
            with user.start_as_current_span(f"page {number}"):
                pass
            yield [number]

    for left_early, expected in [(True, 1), (False, 3)]:
        found = pages("a")
        for number in range(expected):
            assert await stand.scene.next_of(found) == [number]
            with user.start_as_current_span("between"):
                pass
        if left_early:
            await stand.scene.close(found)
        else:
            assert await stand.scene.next_of(found) == OVER
    assert await stand.scene.call(pages, "a") == [[0], [1], [2]]
    name = f"resilient {pages.__module__}.{pages.__qualname__}"
    assert spans.lines() == [
        f"{name} cancelled miss", "  page 0", "between",
        f"{name} ok miss", "  page 0", "  page 1", "  page 2", *["between"] * 3,
        f"{name} ok hit -> filled_by 4",
    ]  # fmt: skip


async def test_a_generator_that_breaks_is_an_error(scene, stand, spans):
    """By the name of its exception's class."""

    @stand.scene.cache.iterator(ttl=60)
    @stand.scene.generator
    def pages():
        yield 1
        raise OSError("s3cret")

    with pytest.raises(OSError, match="s3cret"):
        await stand.scene.call(pages)
    assert spans.lines() == [f"resilient {pages.__module__}.{pages.__qualname__} error miss OSError !"]


async def test_what_surrounds_a_function_is_current_again_afterwards(scene, stand, spans):
    """And is above its span."""
    function = stand.decorated(stand.scene.cache(ttl=60))
    with stand.tracer.start_as_current_span("checkout") as outer:
        await stand.scene.call(function)
        assert trace.get_current_span() is outer
    assert spans.lines() == ["checkout", f"  resilient {NAME} ok miss", "    work"]


async def test_the_span_of_a_function_says_what_the_cache_said(scene, stand, spans):
    """Whose cache, which store, how old."""
    function = stand.decorated(stand.scene.cache(ttl=60))
    await stand.scene.call(function)
    await stand.scene.sleep(5)
    await stand.scene.call(function)
    hit = spans.named(f"resilient {NAME}")[1]
    assert (hit.kind, hit.status.status_code) == (SpanKind.INTERNAL, StatusCode.UNSET)
    assert dict(hit.attributes) == {
        "resilient.cache.name": "default",
        "resilient.cache.store": "mem",
        "resilient.cache.status": "hit",
        "resilient.cache.age": 5,
        "resilient.cache.ttl": 55,
        "resilient.outcome": "ok",
    }


async def test_who_stored_it_may_be_left_out(scene, spans):
    """By a switch; who waited for whom is still told."""
    stand = Stand(scene, spans, filled_by=False)
    function = stand.decorated(scene.cache(ttl=60))
    await scene.all_at_once(*[partial(scene.call, function)] * 2)
    await scene.call(function)
    assert spans.lines() == [
        f"resilient {NAME} ok miss", "  work",
        f"resilient {NAME} ok collapsed -> collapsed_into 1",
        f"resilient {NAME} ok hit",
    ]  # fmt: skip


def test_without_a_tracer_nothing_is_marked():
    """And a value that is at hand is found by the short way."""
    cache = Cache("mem://")

    @cache(ttl=60, key="k")
    def function():
        return "v"

    function()
    assert set(cache._core.at_hand("k").meta) == {"kind"}
    cache.close()
