"""How old an answer is, and until when it is fresh (RFC 9111 section 4.2)."""

from email.utils import formatdate

import pytest

from .http_caching import CACHED, fresh, is_hit


def test_the_age_that_an_answer_had_already_counts(world, origin):
    """Fifty of its sixty seconds were spent in a cache on the way."""
    caller = world.client(origin, CACHED)
    origin.answers(headers={**fresh(60), "age": "50"})
    caller.get()
    world.clock.advance(9)
    hit = caller.get()
    assert (is_hit(hit), hit.headers.get_list("age")) == (True, ["59"])
    world.clock.advance(1)
    assert not is_hit(caller.get())


def test_the_age_that_is_told_grows(world, origin):
    """With every second that the answer is kept."""
    caller = world.client(origin, CACHED)
    origin.answers(headers=fresh(60))
    caller.get()
    told = []
    for _ in range(5):
        world.clock.advance(7)
        told.append(caller.get().headers["age"])
    assert told == ["7", "14", "21", "28", "35"]
    assert origin.sent == 1


def test_the_time_that_an_answer_took_counts(world, origin):
    """It may have been made at the beginning of that."""
    caller = world.client(origin, CACHED)
    origin.answers(headers={**fresh(10), "age": "0"}, latency=4)
    caller.get()
    world.clock.advance(5)
    assert caller.get().headers["age"] == "9"
    world.clock.advance(1)
    assert not is_hit(caller.get())


def test_an_old_date_counts(world, origin):
    """The origin's clock says that the answer was made a minute ago."""
    caller = world.client(origin, CACHED)
    date = formatdate(world.clock.wall() - 60, usegmt=True)
    origin.answers(headers={**fresh(60), "date": date})
    caller.get()
    assert not is_hit(caller.get())


@pytest.mark.parametrize("age", ["600", "0, 600", "600, 0", "nonsense", "-1", "1.5"])
def test_an_age_that_is_past_or_cannot_be_read_keeps_nothing_fresh(world, origin, age):
    """RFC 9111 section 5.1."""
    caller = world.client(origin, CACHED)
    origin.answers(headers={**fresh(60), "age": age})
    assert [is_hit(caller.get()) for _ in range(2)] == [False, False]


ONE_DAY_LATER = "Thu, 02 Jan 2025 00:00:00 GMT"
"""After the clock of the tests."""

MALFORMED = {
    "a number": ["0"],
    "two lines": [ONE_DAY_LATER, ONE_DAY_LATER],
    "another zone": ["Thu, 02 Jan 2025 00:00:00 UTC"],
    "a zone with an offset": ["Thu, 02 Jan 2025 00:00:00 +0000"],
    "a year of two digits": ["Thu, 02 Jan 25 00:00:00 GMT"],
    "no comma": ["Thu 02 Jan 2025 00:00:00 GMT"],
    "two blanks": ["Thu, 02  Jan  2025 00:00:00 GMT"],
    "dashes": ["Thu, 02-Jan-2025 00:00:00 GMT"],
    "full stops": ["Thu, 02 Jan 2025 00.00.00 GMT"],
    "an hour of one digit": ["Thu, 02 Jan 2025 0:00:00 GMT"],
    "no date of any year": ["Thu, 30 Feb 2025 00:00:00 GMT"],
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_date_that_cannot_be_read_is_past(world, origin, name):
    """Never a reason to keep an answer for longer (RFC 9111 section 5.3)."""
    caller = world.client(origin, CACHED)
    origin.answers(headers=[("expires", line) for line in MALFORMED[name]])
    assert [is_hit(caller.get()) for _ in range(2)] == [False, False]


@pytest.mark.parametrize(
    "date",
    [ONE_DAY_LATER, "Thursday, 02-Jan-25 00:00:00 GMT", "Thu Jan  2 00:00:00 2025", "THU, 02 JAN 2025 00:00:00 gmt"],
)
def test_a_date_in_each_form_is_understood(world, origin, date):
    """The one of today and the two of old, in whatever case (RFC 9110 section 5.6.7)."""
    caller = world.client(origin, CACHED)
    origin.answers(headers={"expires": date})
    assert [is_hit(caller.get()) for _ in range(2)] == [False, True]
    world.clock.advance("1d")
    assert not is_hit(caller.get())


def test_without_a_word_on_it_an_answer_is_fresh_for_a_tenth_of_its_age(world, origin):
    """A day at most (RFC 9111 section 4.2.2)."""
    caller = world.client(origin, CACHED)
    for url, days, seconds in (("/a", 1, 8640), ("/b", 1000, 86_400)):
        changed = formatdate(world.clock.wall() - days * 86_400, usegmt=True)
        origin.answers(headers={"last-modified": changed})
        caller.get(url)
        world.clock.advance(seconds - 1)
        assert is_hit(caller.get(url)), url
        world.clock.advance(1)
        assert not is_hit(caller.get(url)), url


def test_max_age_counts_more_than_expires(world, origin):
    """RFC 9111 section 5.3."""
    caller = world.client(origin, CACHED)
    origin.answers(headers={**fresh(0), "expires": ONE_DAY_LATER})
    assert [is_hit(caller.get()) for _ in range(2)] == [False, False]
    origin.answers(headers={**fresh(60), "expires": "0"})
    assert [is_hit(caller.get()) for _ in range(2)] == [False, True]
