"""Whether a kept answer may be served: RFC 9111 sections 4 and 5.2, RFC 5861, RFC 8246."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.http.directives import RequestControl, request_control
from resilient.http.reuse import FAILED, Verdict, must_be_validated, stands_in, verdict
from tests.http.making import fields, kept


def judged(said, asked="", resident=0.0, cap=inf, **named):
    found = verdict(kept(cache_control=said, **named), request_control(fields(cache_control=asked)), resident, cap)
    return found.use if found.why is None else f"{found.use}: {found.why}"


# --- RFC 9111 section 4.2 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "resident", "use"),
    [
        ("max-age=60", 0, "fresh"),
        ("max-age=60", 59.9, "fresh"),
        ("max-age=60", 60, "validate: stale"),
        ("max-age=0", 0, "validate: stale"),
        ("max-age=60, no-cache", 0, "validate: stale"),
        ('max-age=60, no-cache="a"', 0, "fresh"),
        ("max-age=60, must-revalidate", 59, "fresh"),
        ("max-age=60, must-revalidate", 60, "validate: stale"),
        ("max-age=60", inf, "validate: stale"),
        ("private", 0, "validate: stale"),
    ],
)
def test_a_fresh_answer_is_served_and_a_stale_one_is_not(said, resident, use):
    """Up to the second at which its lifetime is over."""
    assert judged(said, resident=resident) == use


def test_the_age_that_it_came_with_counts():
    """Of 60 seconds 50 were over."""
    assert judged("max-age=60", resident=9, age="50") == "fresh"
    assert judged("max-age=60", resident=10, age="50") == "validate: stale"


# --- RFC 9111 section 5.2.1: what a request wants ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "asked", "resident", "use"),
    [
        ("max-age=60", "no-cache", 0, "validate: request"),
        ("max-age=60", "no-store", 0, "validate: request"),
        ("max-age=60", "max-age=0", 0, "validate: request"),
        ("max-age=60", "max-age=5", 5, "fresh"),
        ("max-age=60", "max-age=5", 5.1, "validate: request"),
        ("max-age=60", "max-age=100", 70, "validate: stale"),
        ("max-age=60", "min-fresh=10", 50, "fresh"),
        ("max-age=60", "min-fresh=10", 50.1, "validate: request"),
        ("max-age=60", "min-fresh=x", 0, "validate: request"),
        ("max-age=60", "max-stale=10", 70, "stale"),
        ("max-age=60", "max-stale=10", 70.1, "validate: stale"),
        ("max-age=60", "max-stale", 10**6, "stale"),
        ("max-age=60", "max-stale", inf, "validate: stale"),
        ("max-age=60", "max-stale=x", 61, "validate: stale"),
        ("max-age=60", "max-stale=10, max-age=65", 65, "stale"),
        ("max-age=60", "max-stale=10, max-age=65", 66, "validate: stale"),
        ("max-age=60", "max-stale=10, max-age=0", 5, "validate: request"),
        ("max-age=60", "max-stale=10, min-fresh=1", 65, "validate: stale"),
        ("max-age=60", "max-stale=10, no-cache", 65, "validate: request"),
        ("max-age=60, must-revalidate", "max-stale=10", 65, "validate: stale"),
        ("max-age=60, no-cache", "max-stale=100", 5, "validate: stale"),
        ("max-age=60", "only-if-cached", 0, "fresh"),
        ("max-age=60", "only-if-cached", 60, "unavailable: stale"),
        ("max-age=60", "only-if-cached, max-age=0", 1, "unavailable: request"),
        ("max-age=60", "only-if-cached, max-stale=10", 65, "stale"),
    ],
)
def test_what_a_request_wants_is_honoured(said, asked, resident, use):
    """Each directive at its edge; what the answer forbids wins."""
    assert judged(said, asked, resident) == use


# --- RFC 8246 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "resident", "use"),
    [
        ("max-age=0", 5, "fresh"),
        ("max-age=0", 60, "validate: stale"),
        ("max-age=1", 5, "validate: request"),
        ("no-cache", 5, "validate: request"),
    ],
)
def test_what_never_changes_is_not_confirmed(asked, resident, use):
    """While it is fresh, and the caller only reloads."""
    assert judged("max-age=60, immutable", asked, resident) == use


# --- RFC 5861 section 3 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "asked", "resident", "use"),
    [
        ("max-age=60, stale-while-revalidate=10", "", 59, "fresh"),
        ("max-age=60, stale-while-revalidate=10", "", 70, "behind"),
        ("max-age=60, stale-while-revalidate=10", "", 70.1, "validate: stale"),
        ("max-age=60, stale-while-revalidate=x", "", 60.1, "validate: stale"),
        ("max-age=60, stale-while-revalidate=10, must-revalidate", "", 65, "validate: stale"),
        ("max-age=60, stale-while-revalidate=10, no-cache", "", 5, "validate: stale"),
        ("max-age=60, stale-while-revalidate=10", "no-cache", 65, "validate: request"),
        ("max-age=60, stale-while-revalidate=10", "max-age=100", 65, "validate: stale"),
        ("max-age=60, stale-while-revalidate=10", "min-fresh=1", 65, "validate: stale"),
        ("max-age=60, stale-while-revalidate=10", "max-stale=7", 65, "stale"),
    ],
)
def test_a_stale_answer_is_served_while_it_is_asked_for_anew(said, asked, resident, use):
    """As far as the origin allows, unless the caller is particular about its age."""
    assert judged(said, asked, resident) == use


def test_what_an_origin_or_a_request_allows_is_capped():
    """Whatever they say."""
    assert judged("max-age=60, stale-while-revalidate=1000", resident=70, cap=10.0) == "behind"
    assert judged("max-age=60, stale-while-revalidate=1000", resident=71, cap=10.0) == "validate: stale"
    assert judged("max-age=60", "max-stale=20", resident=70, cap=10.0) == "stale"
    assert judged("max-age=60", "max-stale=20", resident=71, cap=10.0) == "validate: stale"


# --- RFC 5861 section 4 ------------------------------------------------------------------------------------------


def helps(said, asked="", resident=0.0, **options):
    return stands_in(kept(cache_control=said), request_control(fields(cache_control=asked)), resident, **options)


@pytest.mark.parametrize(
    ("said", "asked", "resident", "options", "allowed"),
    [
        ("max-age=60", "", 61, {}, False),
        ("max-age=60, stale-if-error=10", "", 70, {}, True),
        ("max-age=60, stale-if-error=10", "", 70.1, {}, False),
        ("max-age=60", "stale-if-error=10", 70, {}, True),
        ("max-age=60, stale-if-error=10", "stale-if-error=20", 80, {}, True),
        ("max-age=60, stale-if-error=100", "", 71, {"cap": 10.0}, False),
        ("max-age=60, stale-if-error=10, must-revalidate", "", 65, {}, False),
        ("max-age=60, stale-if-error=10, no-cache", "", 65, {}, False),
        ("max-age=60, stale-if-error=10", "no-cache", 65, {}, False),
        ("max-age=60, stale-if-error=10", "no-store", 65, {}, False),
        ("max-age=60, stale-if-error=10", "max-age=0", 5, {}, True),
        ("max-age=60", "max-age=0", 5, {}, False),
        ("max-age=60, stale-if-error=10", "", inf, {}, False),
    ],
)
def test_a_stale_answer_stands_in_for_a_failure(said, asked, resident, options, allowed):
    """As far as origin or request allow, never beyond the cap, never against must-revalidate."""
    assert helps(said, asked, resident, **options) is allowed


def test_which_statuses_are_failures():
    """RFC 5861 section 4; a 401, 403, 404 or 410 is an answer."""
    assert set(FAILED) == {500, 502, 503, 504}


# --- all together ------------------------------------------------------------------------------------------------

NUMBERS = st.one_of(st.none(), st.integers(0, 100))
REQUESTS = st.builds(
    RequestControl, no_store=st.booleans(), no_cache=st.booleans(), only_if_cached=st.booleans(), max_age=NUMBERS,
    min_fresh=NUMBERS, max_stale=NUMBERS, stale_if_error=NUMBERS,
)  # fmt: skip
SAID = st.sets(
    st.sampled_from(["no-cache", "must-revalidate", "immutable", "stale-while-revalidate=9", "stale-if-error=9", "x"])
)
RANK = {"fresh": 0, "stale": 1, "behind": 1, "validate": 2, "unavailable": 2}


@settings(deadline=None)
@given(SAID, st.integers(0, 60), REQUESTS, st.floats(0, 200), st.floats(0, 200))
def test_time_never_makes_an_answer_better(said, max_age, asked, early, late):
    """What must be confirmed now must be confirmed later, whatever anybody said."""
    answer = kept(cache_control=", ".join([f"max-age={max_age}", *said]))
    early, late = sorted((early, late))
    assert RANK[verdict(answer, asked, early).use] <= RANK[verdict(answer, asked, late).use]
    assert stands_in(answer, asked, early) >= stands_in(answer, asked, late)


@settings(deadline=None)
@given(SAID, st.integers(0, 60), REQUESTS, st.floats(0, 200))
def test_what_forbids_is_never_overruled(said, max_age, asked, resident):
    """must-revalidate and no-cache of the answer, no-cache and no-store of the request."""
    answer = kept(cache_control=", ".join([f"max-age={max_age}", *said]))
    found = verdict(answer, asked, resident)
    served = found in (Verdict("fresh"), Verdict("stale"), Verdict("behind"))
    assert served == (found.why is None)
    if asked.no_cache or asked.no_store or answer.control.no_cache:
        assert not served
    if must_be_validated(answer):
        assert found.use not in ("stale", "behind")
        assert not stands_in(answer, asked, resident)
