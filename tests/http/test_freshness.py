"""How long an answer is fresh and how old it is: RFC 9111 section 4.2."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.http.directives import response_control
from resilient.http.freshness import HEURISTIC_STATUSES, Lifetime, initial_age, lifetime, resident
from tests.http.making import NOW, fields, kept


def fresh_for(*lines, status=200, targets=(), received=NOW, **named):
    options = {name: named.pop(name) for name in ("heuristic_cap", "ttl") if name in named}
    given_fields = fields(*lines, **named)
    return lifetime(status, given_fields, response_control(given_fields, targets), received, **options)


# --- section 4.2.1: calculating freshness lifetime ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ({}, Lifetime(0, "none")),
        ({"cache_control": "max-age=60"}, Lifetime(60, "max-age")),
        ({"cache_control": "max-age=60", "expires": -5}, Lifetime(60, "max-age")),
        ({"cache_control": "max-age=60", "expires": "0"}, Lifetime(60, "max-age")),
        ({"cache_control": "max-age=0", "expires": 60}, Lifetime(0, "max-age")),
        ({"cache_control": "s-maxage=60"}, Lifetime(0, "none")),
        ({"cache_control": "s-maxage=60, max-age=1"}, Lifetime(1, "max-age")),
        ({"date": 0, "expires": 60}, Lifetime(60, "expires")),
        ({"date": 0, "expires": 0}, Lifetime(0, "expires")),
        ({"date": 0, "expires": -60}, Lifetime(0, "expires")),
        ({"date": -100, "expires": 60}, Lifetime(160, "expires")),
        ({"date": "today", "expires": 60}, Lifetime(60, "expires")),
        ({"expires": 60}, Lifetime(60, "expires")),
        ({"expires": "0", "last_modified": -1000}, Lifetime(0, "expires")),
        ({"expires": "Thu, 18 Aug 2050 02:01:18 UTC"}, Lifetime(0, "expires")),
    ],
)
def test_what_says_for_how_long(named, found):
    """max-age before Expires before a guess; what is malformed is in the past, and takes the guess away."""
    assert fresh_for(**named) == found


def test_two_lines_of_expires_are_in_the_past():
    """Nobody knows which is meant."""
    date = "Thu, 18 Aug 2050 02:01:18 GMT"
    assert fresh_for(f"Expires: {date}").seconds > 0
    assert fresh_for(f"Expires: {date}", f"Expires: {date}") == Lifetime(0, "expires")


def test_what_was_configured_takes_the_place_of_all():
    """Even of an Age that cannot be read."""
    assert fresh_for(ttl=5.0, cache_control="max-age=60", age="x") == Lifetime(5, "ttl")


def test_a_field_for_this_cache_takes_the_place_of_expires_too():
    """RFC 9213 section 2.2."""
    found = fresh_for("Mine: private", expires=60, targets=["mine"])
    assert found == Lifetime(0, "none")


# --- section 4.2.2: heuristics -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "seconds"),
    [
        ({"date": 0, "last_modified": -1000}, 100),
        ({"last_modified": -1000}, 100),
        ({"date": -500, "last_modified": -1000}, 50),
        ({"date": 0, "last_modified": 1000}, 0),
        ({"date": 0, "last_modified": -100_000_000}, 86_400),
        ({"date": 0, "last_modified": -1000, "heuristic_cap": 7.0}, 7),
        ({"date": 0, "last_modified": -1000, "cache_control": "no-transform"}, 100),
    ],
)
def test_a_tenth_of_the_time_without_a_change(named, seconds):
    """At most a day, or what was configured."""
    assert fresh_for(**named) == Lifetime(seconds, "heuristic")


def test_which_answers_may_be_guessed_about():
    """Those of RFC 9110 section 15.1 but 206, or any that says public; none if it is switched off."""
    guessed = {status for status in range(200, 600) if fresh_for(status=status, last_modified=-1000).seconds}
    assert guessed == {200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501} == HEURISTIC_STATUSES
    assert fresh_for(status=599, last_modified=-1000, cache_control="public").source == "heuristic"
    assert fresh_for(last_modified=-1000, heuristic_cap=0.0).source == "none"
    assert fresh_for(last_modified="yesterday").source == "none"


# --- sections 4.2.3 and 5.1: age ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "took", "age"),
    [
        ({}, 0, 0),
        ({}, 3, 3),
        ({"date": 0}, 0, 0),
        ({"date": -50}, 0, 50),
        ({"date": 50}, 0, 0),
        ({"age": "30"}, 0, 30),
        ({"age": "30"}, 3, 33),
        ({"age": "30", "date": -50}, 3, 50),
        ({"age": "70", "date": -50}, 3, 73),
        ({"age": "7200, 0"}, 0, 7200),
        ({"age": "0,7200"}, 0, 0),
        ({"age": "old"}, 3, 3),
        ({"age": "-7200"}, 0, 0),
    ],
)
def test_how_old_an_answer_is_when_it_comes(named, took, age):
    """The larger of what its Date shows and of what it says plus its way; of a list the first."""
    assert initial_age(fields(**named), NOW - took, NOW) == age


@pytest.mark.parametrize(
    "age",
    ["abc", "-7200", "7200.0", "", " ", "7200;foo=bar", "7200;foo=111", "0, 0", "3600, 3600", "0,", "0x10", "\u00b2"],
)
def test_an_age_that_cannot_be_believed_makes_stale(age):
    """Some cache on the way counts wrongly, or two do not agree."""
    assert fresh_for(age=age, cache_control="max-age=10000") == Lifetime(0, "age")


@pytest.mark.parametrize("age", ["0", "007", "0,7200", "99999999999999999999999"])
def test_an_age_that_is_a_number_is_believed(age):
    """However large it is; of a list on one line the first counts."""
    assert fresh_for(age=age, cache_control="max-age=10000") == Lifetime(10000, "max-age")


def test_two_lines_of_age_make_stale():
    """Though both say 0."""
    assert fresh_for("Age: 0", "Age: 0", cache_control="max-age=10000") == Lifetime(0, "age")


@pytest.mark.parametrize(
    ("wall", "elapsed", "seconds"),
    [
        (5, 5, 5),
        (5, 8, 8),
        (8, 5, 8),
        (-86_400, 5, 5),
        (86_400, 5, 86_400),
        (5, None, 5),
        (-5, None, 0),
        (-60, None, 0),
        (-61, None, inf),
        (-86_400, None, inf),
    ],
)
def test_how_long_an_answer_has_been_kept(wall, elapsed, seconds):
    """By the clock that says more; one from a future that cannot be has been kept for ever."""
    assert resident(NOW, NOW + wall, elapsed) == seconds


# --- together ----------------------------------------------------------------------------------------------------

SECONDS = st.floats(0, 1e9)


@settings(deadline=None)
@given(SECONDS, SECONDS, SECONDS, st.integers(0, 10**9), st.integers(-(10**9), 10**9))
def test_age_only_grows(took, early, late, told, date):
    """And the rest of the lifetime shrinks by as much: no time makes an answer fresh again."""
    answer = kept(took=took, age=str(told), date=date, cache_control="max-age=3600")
    early, late = sorted((early, late))
    assert 0 <= told <= answer.age(0) <= answer.age(early) <= answer.age(late)
    assert answer.ttl(early) >= answer.ttl(late)
    assert answer.ttl(late) == pytest.approx(3600 - answer.age(late))


@settings(deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_no_jump_of_the_wall_clock_makes_younger(before, after, elapsed):
    """Never less than the clock that only runs forward says."""
    assert resident(before, after, elapsed) >= elapsed
    assert resident(before, after, None) >= 0


TEXTS = st.sampled_from(["", "0", "60", "-1", "x", "60, 60", "Thu, 18 Aug 2050 02:01:18 GMT", "max-age=5", "\xff"])


@settings(deadline=None)
@given(TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, st.integers(100, 999))
def test_any_fields_have_a_lifetime(age, date, expires, last_modified, control, status):
    """Never an error, and never below 0."""
    named = {"age": age, "date": date, "expires": expires, "last_modified": last_modified, "cache_control": control}
    assert fresh_for(status=status, **named).seconds >= 0
    assert kept(status=status, **named).age(0) >= 0
