"""What a cache refuses, and in which words: the option, the value, and what would be right."""

import re

import pytest

from resilient import Cache, ConfigurationError, Policy, Retry
from resilient.middlewares import KeyPrefix


def rates(currency, day=1):
    """A function to decorate."""
    return currency, day


def many(ids):
    """A function of many items."""
    return {one: one for one in ids}


def without_parentheses(decorate):
    """What somebody gets who is used to decorators without options."""
    return decorate(rates)("EUR")


CACHE = Cache("mem://")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: without_parentheses(CACHE), "an instance of str cannot be decorated; write the options first, as"),
        (lambda: without_parentheses(CACHE.dynamic), "an instance of str cannot be decorated"),
        (lambda: without_parentheses(CACHE.invalidate), "an instance of str cannot be decorated"),
        (lambda: without_parentheses(CACHE.circuit_breaker), "an instance of str cannot be decorated"),
        (lambda: CACHE("1h", keys="a"), "no option 'keys' (given 'a'); did you mean 'key'?"),
        (lambda: CACHE("1h", tag="a"), "no option 'tag' (given 'a'); did you mean 'tags'?"),
        (lambda: CACHE.locked("1h", conditions=None), "did you mean 'condition'?"),
        (lambda: CACHE.batch("1h", "user:1", "ids")(many), "key='user:1' is not right; give a template that names"),
        (lambda: CACHE.batch("1h", "user:1", "ids")(many), "as in 'user:{ids}'"),
        (lambda: CACHE.disable("gett"), "a cache has no command 'gett'; did you mean 'get'?"),
        (lambda: CACHE.setup("mem://", disable="get"), "disable='get' is not right; give a list, as in ['get']"),
        (lambda: CACHE.setup("mem://", telemetry=print), "telemetry=<built-in function print> is not right; give"),
        (lambda: CACHE.setup("mem://", middlewares=KeyPrefix("v2:")), "is not right; give a list of them"),
        (lambda: CACHE.add_middleware(KeyPrefix), "is not right; give an object of a subclass of BaseMiddleware"),
        (lambda: CACHE.blocking.set("k", 1, tags="shop"), "tags='shop' is not right; give a list, as in ['shop']"),
        (
            lambda: CACHE.blocking.set_many({"k": 1}, tags="shop"),
            "tags='shop' is not right; give a list, as in ['shop']",
        ),
        (lambda: CACHE.blocking.incr("n", 1.5), "value=1.5 is not right; give a whole number"),
        (lambda: Policy(pipeline=Retry()), "is not right; give a list of middlewares"),
        (lambda: Policy(pipeline=[Retry]), "is not right; give a list of middlewares"),
        (lambda: Policy(pipeline=[3]), "pipeline=[3] is not right; give a list of middlewares"),
    ],
)
def test_what_is_wrong_is_named_and_so_is_what_would_be_right(wrong, words):
    """Where it is written, before anything is kept or called."""
    with pytest.raises(ConfigurationError, match=re.escape(words)):
        wrong()
    assert not list(CACHE.blocking.scan())
