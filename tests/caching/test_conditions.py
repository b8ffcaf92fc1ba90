"""Whether a result is kept: every way to say it."""

from unittest.mock import Mock

import pytest

from resilient.caching.conditions import condition_of
from resilient.errors import ConfigurationError

CALL = {"result": 5, "args": (1, 2), "kwargs": {"x": 3}, "key": "items:1"}


def asked(condition, **changes):
    return condition_of(condition)(**{**CALL, **changes})


def test_without_a_condition_there_is_none():
    """So that nothing is asked at all."""
    assert condition_of(None) is None


def test_not_none():
    """Whatever else is kept, an empty value too."""
    assert asked("not_none", result=0)
    assert not asked("not_none", result=None)


@pytest.mark.parametrize(
    "condition",
    [
        lambda result: result == 5,
        lambda r: r == 5,
        lambda args: args == 5,
        lambda key: key == 5,
        lambda value, limit=9: value < limit and value == 5,
        lambda result, limit=9: (result, limit) == (5, 9),
        lambda key, limit=9: (key, limit) == ("items:1", 9),
        lambda r, /: r == 5,
        lambda *results: results == (5,),
        lambda r, **others: r == 5 and not others,
        lambda *, result: result == 5,
        lambda result, key: (result, key) == (5, "items:1"),
        lambda key, result: (result, key) == (5, "items:1"),
        lambda result, args, kwargs, key: (result, args, kwargs, key) == (5, (1, 2), {"x": 3}, "items:1"),
        lambda args, kwargs: (args, kwargs) == ((1, 2), {"x": 3}),
        lambda result, *, args: (result, args) == (5, (1, 2)),
        lambda key, result=None: (result, key) == (5, "items:1"),
        lambda **everything: everything == CALL,
        lambda: True,
        (5).__eq__,
        bool,
    ],
)
def test_a_function_gets_what_it_names(condition):
    """One parameter is the result, whatever it is called; several are what they are called."""
    assert asked(condition) is True


def test_a_mock_gets_the_result():
    """As people test with it."""
    condition = Mock(return_value="yes")
    assert asked(condition) is True
    condition.assert_called_once_with(5)


def test_whatever_it_returns_is_yes_or_no():
    """As in an ``if``."""
    assert asked(lambda r: [r]) is True
    assert asked(lambda r: []) is False


def test_an_exception_is_a_result_like_any_other():
    """Where exceptions may be kept, the condition tells which."""
    assert asked(lambda result: isinstance(result, KeyError), result=KeyError("x"))


@pytest.mark.parametrize("condition", [lambda r, key: 0, lambda a, b: 0, lambda r, key=None: 0, lambda r, *, x: 0])
def test_other_names_are_refused(condition):
    """The message lists what there is."""
    with pytest.raises(ConfigurationError, match=r"condition=.* names '\w+', which it cannot be given; there are: "):
        condition_of(condition)


@pytest.mark.parametrize("condition", ["notnone", "", True, 1, [], object()])
def test_what_is_no_condition_is_refused(condition):
    """The message says what to give."""
    with pytest.raises(ConfigurationError, match=r"condition=.* is not right; give 'not_none', or a function"):
        condition_of(condition)


async def later(result): ...


def drawn(result):
    yield result


@pytest.mark.parametrize("condition", [later, drawn])
def test_what_would_have_to_be_awaited_is_refused(condition):
    """A coroutine would always be true."""
    with pytest.raises(ConfigurationError, match="is async or a generator; give a plain function"):
        condition_of(condition)
