"""The arguments of a call, by the names of the parameters."""

import functools
import inspect

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.caching.arguments import Arguments
from resilient.errors import ConfigurationError


def none(): ...
def plain(a, b=2, c=3): ...
def only_by_place(a, b=2, /, c=3): ...
def only_by_name(a, *, b, c=3): ...
def defaulted_by_name(a=1, *, b=2): ...
def many(a, *args, b=2, **kwargs): ...
def reused(a, /, **kwargs): ...
async def coroutine(a, b=2): ...


FUNCTIONS = [none, plain, only_by_place, only_by_name, defaulted_by_name, many, reused, coroutine]
CALLS = st.tuples(
    st.lists(st.integers(), max_size=4).map(tuple),
    st.dictionaries(st.sampled_from(["a", "b", "c", "d", "args", "kwargs"]), st.integers(), max_size=4),
)


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(FUNCTIONS), CALLS)
def test_a_call_is_read_as_python_reads_it(function, call):
    """The same values as by the standard library's slow way, or a TypeError, for every kind of parameter."""
    args, kwargs = call
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        with pytest.raises(TypeError):
            Arguments(function).values(args, kwargs)
        return
    bound.apply_defaults()
    arguments = Arguments(function)
    assert dict(zip(arguments.names, arguments.values(args, kwargs), strict=True)) == bound.arguments


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((1, 2, 3, 4), {}), ((1,), {"a": 2}), ((1,), {"d": 2}), ((), {"b": 2})],
)
@pytest.mark.parametrize("function", [plain, only_by_name, only_by_place])
def test_a_call_that_does_not_fit_is_refused_in_the_words_of_the_function(function, args, kwargs):
    """Whoever calls the cached function wrongly reads what they would have read without the cache."""
    with pytest.raises(TypeError) as expected:
        function(*args, **kwargs)
    with pytest.raises(TypeError) as caught:
        Arguments(function).values(args, kwargs)
    assert str(caught.value) == str(expected.value)


def test_a_wrapper_stands_for_what_it_wraps():
    """Decorators below ours take anything; what counts is what the innermost function takes. It does not run."""
    ran = []

    def innermost(a, b=2):
        ran.append(a)

    @functools.wraps(innermost)
    def wrapper(*args, **kwargs):
        ran.append(args)

    arguments = Arguments(wrapper)
    assert arguments.names == ("a", "b")
    assert arguments.values((1,), {}) == (1, 2)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'a'"):
        arguments.values((), {})
    assert not ran


def test_a_function_that_shows_other_parameters_is_not_run_to_refuse_a_call():
    """It might well take the call."""
    ran = []

    def function(*args):
        ran.append(args)

    @functools.wraps(function)
    def wrapper(*args): ...

    for one in (wrapper, function):
        one.__signature__ = inspect.signature(plain)
        with pytest.raises(TypeError, match=r"function\(\): missing a required argument: 'a'"):
            Arguments(one).values((), {})
    assert not ran


def test_a_function_that_does_not_say_its_parameters_is_refused():
    """As some that are written in C."""
    with pytest.raises(ConfigurationError, match=r"builtins\.type does not say"):
        Arguments(type)
