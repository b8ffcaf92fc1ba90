"""How long a result is kept: what is accepted, what is refused, and functions that say it for each call."""

import functools
import math
import random
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.caching.arguments import Arguments
from resilient.caching.ttl import jittered, need_share, ttl_of
from resilient.errors import ConfigurationError

ACCEPTED = "give a number of seconds, a timedelta, or text such as '500ms', '30s', '1h30m', '1d2h3m50s', '1w'"
UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1, "ms": Fraction(1, 1000)}
NUMBERS = st.from_regex(r"[0-9]{1,4}(\.[0-9]{1,3})?", fullmatch=True)


def feed(user_type, page=1, *, result=None): ...


FEED = Arguments(feed)


@st.composite
def texts(draw):
    """The grammar: at least one unit, each at most once, from the largest to the smallest, a number before each."""
    units = draw(st.sets(st.sampled_from(list(UNITS)), min_size=1))
    return "".join(draw(NUMBERS) + unit for unit in UNITS if unit in units)


@st.composite
def near_misses(draw):
    """A text of the grammar with one or two mistakes in it; or, now and then, with none."""
    text = draw(texts())
    for _ in range(draw(st.integers(1, 2))):
        at, more = draw(st.integers(0, len(text))), draw(st.text(alphabet="0123456789.wdhms -+e,H", max_size=2))
        text = text[:at] + more + text[at + draw(st.integers(0, 2)) :]
    return text


def read(text):
    """The grammar once more, read from left to right without any regular expression; None for what is not of it."""
    total, left = Fraction(0), list(UNITS)
    while text:
        number = text[: len(text) - len(text.lstrip("0123456789."))]
        rest = text[len(number) :]
        unit = rest[: len(rest) - len(rest.lstrip("abcdefghijklmnopqrstuvwxyz"))]
        whole, dot, part = number.partition(".")
        if not whole.isdigit() or (dot and not part.isdigit()) or unit not in left:
            return None
        left = left[left.index(unit) + 1 :]
        total += Fraction(number) * UNITS[unit]
        text = rest[len(unit) :]
    return total or None


@settings(deadline=None, max_examples=300)
@given(st.one_of(texts(), near_misses(), st.text(max_size=5)))
def test_exactly_the_grammar_is_accepted(text):
    """The parser and a second reading of the grammar agree on every text, and on how long it is."""
    seconds = read(text)
    if seconds is None:
        with pytest.raises(ConfigurationError, match="is not a duration above zero"):
            ttl_of(text, FEED)
    else:
        assert ttl_of(text, FEED) == pytest.approx(float(seconds))


@pytest.mark.parametrize(("ttl", "seconds"), [("1h", 3600.0), (30, 30.0), (0.5, 0.5), (timedelta(minutes=1), 60.0)])
def test_a_time_that_is_always_the_same_is_a_number(ttl, seconds):
    """So that it costs nothing at a call."""
    assert ttl_of(ttl, FEED) == seconds
    assert type(ttl_of(ttl, FEED)) is float


@pytest.mark.parametrize("ttl", ["1h30", "", "1 h", 0, -1, math.nan, math.inf, True, None, timedelta(0), [], b"1h"])
def test_what_is_refused(ttl):
    """Alike at decoration and from a function, which is named; the message lists the accepted forms."""
    with pytest.raises(ConfigurationError) as caught:
        ttl_of(ttl, FEED, option="soft_ttl")
    assert str(caught.value) == f"soft_ttl={ttl!r} is not a duration above zero; {ACCEPTED}"

    def compute_ttl():
        return ttl

    with pytest.raises(ConfigurationError) as caught:
        ttl_of(compute_ttl, FEED).seconds(("x",), {}, None)
    text = str(caught.value)
    assert text.startswith(f"ttl={__name__}.test_what_is_refused.<locals>.compute_ttl(...)={ttl!r} is not a duration")
    assert text.endswith(ACCEPTED)


@pytest.mark.parametrize(
    ("function", "seconds"),
    [
        (lambda user_type: "4h" if user_type == "premium" else "30m", 14400),
        (lambda: 5, 5),
        (lambda page: page, 2),
        (lambda page, user_type: f"{page}{user_type[0].replace('p', 'm')}", 120),
        (lambda *, page: timedelta(seconds=page), 2),
        (lambda page, /, user_type: page, 2),
        (lambda page, factor=10: page * factor, 20),
        (lambda result: result, 7),
        (lambda result, page: result + page, 9),
        (lambda **everything: len(everything), 3),
        (lambda page, **others: len(others), 2),
        (functools.partial(lambda factor, page: page * factor, 3), 6),
        (functools.partial(lambda page, factor: page * factor, factor=3), 6),
    ],
)
@pytest.mark.parametrize(("args", "kwargs"), [(("premium", 2), {}), ((), {"page": 2, "user_type": "premium"})])
def test_a_function_gets_what_it_names(function, seconds, args, kwargs):
    """Any of the call's parameters, however they were given, and the result."""
    assert ttl_of(function, FEED).seconds(args, kwargs, 7) == seconds


def test_a_function_gets_the_defaults_of_the_call():
    """As the called function does."""
    assert ttl_of(lambda page: page, FEED).seconds(("free",), {}, None) == 1


def test_result_is_what_the_call_returned():
    """Also where the function has a parameter of that name."""
    assert ttl_of(lambda result: result, FEED).seconds(("free",), {"result": 1}, 9) == 9


def test_a_name_that_there_is_not_is_refused_at_decoration():
    """The message names it and what there is, the nearest first."""

    def compute_ttl(user_tpye): ...

    with pytest.raises(ConfigurationError) as caught:
        ttl_of(compute_ttl, FEED, option="ttl")
    assert "compute_ttl names 'user_tpye', which it cannot be given; there are: user_type, " in str(caught.value)
    assert all(name in str(caught.value).partition("there are: ")[2].split(", ") for name in ("page", "result"))


async def later(page): ...


async def streamed(page):
    yield page


def drawn(page):
    yield page


class Callable:
    async def __call__(self, page): ...


@pytest.mark.parametrize("function", [later, streamed, drawn, Callable(), functools.partial(later, page=1)])
def test_a_function_that_would_have_to_be_awaited_is_refused(function):
    """It is called where nothing can be awaited."""
    with pytest.raises(ConfigurationError, match="is async or a generator; give a plain function"):
        ttl_of(function, FEED)


def test_what_the_function_raises_is_raised():
    """It is the user's own mistake, and theirs to see."""
    with pytest.raises(ZeroDivisionError):
        ttl_of(lambda page: 1 / 0, FEED).seconds(("x",), {}, None)


@given(st.floats(1e-3, 1e9), st.floats(0, 0.99), st.floats(0, 1, exclude_max=True))
def test_jitter_only_shortens(seconds, jitter, drawn):
    """By its share at most, and never to nothing."""
    assert 0 < seconds * (1 - jitter) <= jittered(seconds, jitter, random=lambda: drawn) <= seconds


def test_jitter_is_spread_evenly():
    """Ten parts of the range get a tenth of the draws each; without jitter the time stays what it is."""
    draw = random.Random(3).random
    times = [jittered(100, 0.1, random=draw) for _ in range(20_000)]
    parts = [sum(90 + part <= time < 91 + part for time in times) for part in range(10)]
    assert all(1800 < count < 2200 for count in parts)
    assert jittered(100, 0, random=draw) == 100


@pytest.mark.parametrize("jitter", [-0.1, 1, 1.5, math.nan, True, "0.1", None])
def test_jitter_that_is_no_share_is_refused(jitter):
    """At 1 a time could become nothing."""
    with pytest.raises(ConfigurationError, match=r"jitter=.* is not right; give a number from 0"):
        need_share(jitter)
    need_share(0)
    need_share(0.5)
