"""Keys of functions without a template, and tags."""

import functools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.caching.arguments import Arguments
from resilient.caching.keys import default_key, tags_of
from resilient.caching.templates import Template
from resilient.errors import ConfigurationError


def fetch(currency, page=1, *, deep=False): ...


def many(first, *rest, **options): ...


def login(user, password, api_key=None): ...


class Plain:
    def find(self, name): ...

    @classmethod
    def make(cls, name): ...


def key(function, *args, **kwargs):
    arguments = Arguments(function)
    return Template(default_key(arguments), arguments, option="key").key(args, kwargs)


def test_a_key_of_its_own():
    """Module, name and every argument, readable."""
    assert key(fetch, "EUR") == f"{__name__}.fetch:currency:EUR:page:1:deep:False"


def test_all_spellings_of_a_call_have_one_key():
    """By place, by name, and left to its default."""
    spellings = [
        key(fetch, "EUR"), key(fetch, "EUR", 1), key(fetch, currency="EUR"), key(fetch, page=1, currency="EUR"),
        key(fetch, "EUR", deep=False), key(fetch, "EUR", page=1),
    ]  # fmt: skip
    assert len(set(spellings)) == 1


@given(*[st.tuples(st.integers(0, 2), st.lists(st.integers(0, 2), max_size=2),
                   st.dictionaries(st.sampled_from("ab"), st.integers(0, 2)))] * 2)  # fmt: skip
def test_every_argument_counts(one, other):
    """Those of ``*args`` and ``**kwargs`` too, in whatever order they are named."""
    first, second = (key(many, head, *rest, **options) for head, rest, options in (one, other))
    assert (first == second) == (one == other)


def test_secrets_are_not_shown_in_it():
    """But they count."""
    one = key(login, "ann", "hunter2", api_key="k1")
    assert "hunter2" not in one
    assert "k1" not in one
    assert one.startswith(f"{__name__}.login:user:ann:password:")
    assert key(login, "ann", "hunter3", api_key="k1") != one
    assert "hunter2" not in key(many, 1, token="hunter2")


def test_a_method_needs_a_key_that_says_which_object_it_is_of():
    """``self`` has nothing but an address; of a class method, the class has a name."""
    with pytest.raises(
        ConfigurationError, match=r"the argument 'self' of .*Plain\.find is an instance of Plain, .*\{self\.id\}"
    ):
        key(Plain.find, Plain(), "x")
    assert key(Plain.make.__func__, Plain, "x") == f"{__name__}.Plain.make:cls:class({__name__}.Plain):name:x"


@pytest.mark.parametrize("function", [lambda x: x, functools.partial(fetch, "EUR")])
def test_a_function_without_a_name_needs_a_key(function):
    """Two lambdas of one module would share theirs."""
    with pytest.raises(ConfigurationError, match="has no name of its own; give a key"):
        default_key(Arguments(function))


def test_tags():
    """Templates over the same parameters; those that say the same for every call are not written anew."""
    arguments = Arguments(fetch)
    tags = tags_of(["rates", "currency:{currency}", "page:{page}:{{}}"], arguments)
    assert tags(("EUR",), {}) == ("rates", "currency:EUR", "page:1:{}")
    assert tags((), {"currency": "a:b", "page": 2}) == ("rates", 'currency:"a%3Ab"', "page:2:{}")
    constant = tags_of(("a", "{{b}}"), arguments)
    assert constant((), {}) == ("a", "{b}")
    assert constant(("x",), {}) is constant((), {})
    assert tags_of((), arguments)(("EUR",), {}) == ()


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ("rates", r"tags='rates' is not right; give a list, as in \['rates'\]"),
        (["{curency}"], r"tag='\{curency\}' names 'curency', which is no parameter of .*; there are: currency, "),
        ([""], "tag='' is not right"),
        ([1], "tag=1 is not right"),
    ],
)
def test_tags_that_are_refused(tags, message):
    """One text instead of a list, unknown names, and what is no text."""
    with pytest.raises(ConfigurationError, match=message):
        tags_of(tags, Arguments(fetch))
