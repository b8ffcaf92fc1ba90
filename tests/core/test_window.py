"""Counts over the last seconds: what a window holds at any instant."""

from hypothesis import given
from hypothesis import strategies as st

from resilient.mechanics.window import BUCKETS, Figures, Window


def test_it_moves_on_bucket_by_bucket():
    """One call a second: a window of ten seconds never holds more than ten, and drops one at a time."""
    window = Window()
    for second in range(25):
        window.ok(10.0, float(second))
        assert window.figures(float(second)).calls == min(second + 1, 10)
    assert [window.figures(24.0 + later).calls for later in (0, 0.9, 1, 5, 9, 9.9, 10, 1e9)] == [
        10,
        10,
        9,
        5,
        1,
        1,
        0,
        0,
    ]


def test_another_span_applies_at_once():
    """A reload to a longer window forgets nothing that was kept; to a shorter one, what is too old for it."""
    window = Window()
    for second in range(20):
        window.ok(10.0, float(second))
    assert window.failed(60.0, 24.0) == Figures(11, 1, 0)
    assert window.failed(1.0, 25.0) == Figures(1, 1, 0)


def test_forgetting_leaves_nothing():
    """Neither at once nor with the next call."""
    window = Window()
    window.failed(10.0, 5.0, slow=True)
    window.forget()
    assert window.figures(5.0) == Figures(0, 0, 0)
    assert window.failed(10.0, 5.1) == Figures(1, 1, 0)


def test_a_reading_of_the_clock_that_comes_late_counts_now():
    """Threads read the clock before they queue for the lock."""
    window = Window()
    window.ok(10.0, 10.0)
    window.ok(10.0, 8.5)
    assert window.figures(10.0).calls == 2


@given(
    span=st.sampled_from([0.3, 1.0, 10.0, 60.0]),
    steps=st.lists(st.tuples(st.floats(0, 30), st.sampled_from(["ok", "failed", "slow"])), max_size=60),
)
def test_it_holds_what_a_list_of_all_calls_holds(span, steps):
    """At least all calls of the last nine tenths of the span, and none older than the span."""
    window, now, seen = Window(), 0.0, []
    for wait, kind in steps:
        now += wait
        if kind == "ok":
            window.ok(span, now)
        else:
            window.failed(span, now, slow=kind == "slow")
        seen.append((now, kind))
        figures, slack = window.figures(now), 1e-6
        recent = [kind for at, kind in seen if at > now - span * (1 - 1 / BUCKETS) + slack]
        possible = [kind for at, kind in seen if at >= now - span - slack]
        for count, kinds in zip(figures, (("ok", "failed", "slow"), ("failed", "slow"), ("slow",)), strict=True):
            assert sum(k in kinds for k in recent) <= count <= sum(k in kinds for k in possible)
        assert len(window._notes) <= BUCKETS + 1
