"""Templates: what they may say, and that no two calls ever share a key."""

import base64
import json
import re
import threading
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.caching.arguments import Arguments
from resilient.caching.formatters import register_formatter
from resilient.caching.forms import digest_of, text_of
from resilient.caching.templates import Template
from resilient.errors import ConfigurationError


def get_items(category, page=1, *rest, user=None, **options): ...


def pair(a, b): ...


ITEMS = Arguments(get_items)
PAIR = Arguments(pair)


def key(text, *args, **kwargs):
    return Template(text, ITEMS, option="key").key(args, kwargs)


def key_of_pair(text, a, b):
    return Template(text, PAIR, option="key").key((a, b), {})


def token(**claims):
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"head.{part}.signature"


ANN = SimpleNamespace(id=7, name="Ann", tags=["x", {"deep": "y"}])


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("items:{category}:{page}", "items:books:1"),
        ("items", "items"),
        ("{category}", "books"),
        ("{{{category}}}:{{}}", "{books}:{}"),
        ("{user.id}:{user.name}", "7:Ann"),
        ("{user.tags[0]}:{user.tags[1][deep]}:{user.tags[-2]}", "x:y:x"),
        ("{options[lang]}:{rest[0]}:{rest}", "en:2:(2)"),
        ("{hash(category)}", digest_of("books")),
        ("{category:hash}", digest_of("books")),
        ("{user.name:lower}:{upper(user.name)}:{len(user.name)}:{user.tags:len}", "ann:ANN:3:2"),
        ("*:{category}*", "*:books*"),
        ("*{category}", "*books"),
        ("{options[none]:lower}:{options[none]:upper}", "None:None"),
    ],
)
def test_what_templates_write(text, written):
    """Parameters, what is behind them, formatters in both spellings, and braces."""
    assert key(text, "books", 1, 2, user=ANN, lang="en", none=None) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("k-{a}.json", "k-x-y.json"),
        ("{a}:{b}", "x-y:z-w"),
        ("{a}:x-{b}", "x-y:x-z-w"),
        ("{a}-{b}", "x-y-z%~w"),
        ("{a}-*", "x-y-*"),
        ("*-{b}", "*-z%~w"),
        ("{a}/-{b}-", "x-y/-z%~w-"),
        ("{a}-/{b}", "x-y-/z-w"),
        ("{a}{b}", "x-y%~z-w"),
        ("{a}%{b}", "x-y%%~z-w"),
        ("{a}~{b}", "x-y~%~z-w"),
    ],
)
def test_a_value_is_told_from_the_one_before_it(text, written):
    """It is written as it is wherever a colon, or nothing, stands before it; and as patterns write it, otherwise."""
    assert key_of_pair(text, "x-y", "z-w") == written


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("items:{categry}", "names 'categry', which is no parameter of {fn}; there are: category, "),
        ("{id}", "names 'id', which is no parameter of"),
        ("{hash(prompt)}", "names 'prompt', which is no parameter of"),
        ("{page:hsah}", "there is no formatter 'hsah'; there are: hash, "),
        ("{hsah(page)}", "there is no formatter 'hsah'; there are: hash, "),
        ("{page:jwt}", "the formatter 'jwt' needs text in parentheses"),
        ("{jwt(page)}", "the formatter 'jwt' needs text in parentheses"),
        ("{page:len(x)}", "the formatter 'len' takes no text in parentheses"),
        ("{page!r}", "has {page!r}, which is none of {param}, "),
        ("{page:.2f}", "which is none of {param}, "),
        ("{page:hash:len}", "which is none of {param}, "),
        ("{ page}", "which is none of {param}, "),
        ("{page.}", "which is none of {param}, "),
        ("{0}", "which is none of {param}, "),
        ("{}", "has a brace without its other half"),
        ("{page", "has a brace without its other half"),
        ("page}", "has a brace without its other half"),
        ("{page}}", "has a brace without its other half"),
        ("{a{page}}", "has a brace without its other half"),
        ("", "is not right; give text"),
        (None, "is not right; give text"),
        (b"{page}", "is not right; give text"),
    ],
)
def test_what_is_refused_at_decoration(text, message):
    """The message shows the template, what is wrong with it, and what there is, the nearest first."""
    with pytest.raises(ConfigurationError) as caught:
        Template(text, ITEMS, option="key")
    assert str(caught.value).startswith(f"key={text!r}")
    assert message.replace("{fn}", ITEMS.name) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value", "message"),
    [
        ("{user}", object(), "is an instance of object, which has no text that is the same in every process"),
        (
            "{user}",
            [threading.Lock()],
            "holds an instance of lock, which has no text that is the same in every process",
        ),
        ("{hash(user)}", object(), "is an instance of object, which has no text"),
        ("{user.id}", None, "an instance of NoneType, has no {user.id}: 'NoneType' object has no attribute 'id'"),
        ("{user[1]}", [0], "an instance of list, has no {user[1]}: list index out of range"),
        ("{user[x]}", {}, "an instance of dict, has no {user[x]}: 'x'"),
        ("{len(user)}", 5, "an instance of int, has no {len(user)}: object of type 'int' has no len()"),
    ],
)
def test_what_is_refused_at_the_call(text, value, message):
    """The message shows the template, the parameter, and the way out; there is never an address in a key."""
    with pytest.raises(ConfigurationError) as caught:
        key(text, "books", user=value)
    assert str(caught.value).startswith(f"key={text!r}: the argument 'user' of {ITEMS.name}")
    assert message in str(caught.value)


def test_the_way_out_is_named():
    """As it would be written."""
    with pytest.raises(ConfigurationError, match=re.escape("name what matters of it, as in key='...{user.id}'")):
        key("{user}", "books", user=object())


def test_what_holds_itself_is_refused():
    """And so is what is nested too deeply to be written."""
    user = []
    user.append(user)
    with pytest.raises(ConfigurationError, match="nested too deeply, or holds itself"):
        key("{user}", "books", user=user)


TEXTS = st.text(alphabet="ab12-.:*%~\"'()[]{}", max_size=4)
SMALL = st.one_of(TEXTS, st.integers(-20, 20), st.none(), st.booleans(), st.floats(-2, 2), st.lists(TEXTS, max_size=2))
BETWEEN = st.text(alphabet='ab12-.:*%~"()[],', max_size=3)
"""What stands between two values; braces have to be doubled, which is tested apart."""


def alike(one, other):
    return text_of(one) == text_of(other)


@settings(deadline=None, max_examples=500)
@given(BETWEEN, BETWEEN, BETWEEN, SMALL, SMALL, SMALL, SMALL)
def test_no_two_calls_share_a_key(before, between, behind, a, b, c, d):
    """Whatever is written between two values, or nothing: the text tells them apart."""
    template = f"{before}{{a}}{between}{{b}}{behind}"
    same = alike(a, c) and alike(b, d)
    assert (key_of_pair(template, a, b) == key_of_pair(template, c, d)) == same


@pytest.mark.parametrize(
    "between", ["", "-", "%", "~", '"', "1", "a", "--", "%~", "A", "2", "*", "-*", "*-", "e", "}}"]
)
def test_no_two_calls_share_a_key_whatever_is_between(between):
    """Every way to spread a few characters over two values, all of them at once."""
    parts = [
        "",
        "-",
        "--",
        "-1",
        "1",
        "11",
        "1-",
        "x-y",
        "y-z",
        "%",
        "~",
        "%~",
        '"',
        "a",
        "aa",
        "A",
        "%2A",
        "*",
        "e",
        1,
        11,
        -1,
    ]
    keys = {key_of_pair(f"{{a}}{between}{{b}}", a, b) for a in parts for b in parts}
    assert len(keys) == len(parts) ** 2


@settings(deadline=None)
@given(st.lists(st.sampled_from(["{a}", "{b}", "-", ":", "%", "x", "{{"]), max_size=6), SMALL, SMALL, SMALL, SMALL)
def test_values_may_stand_more_than_once(parts, a, b, c, d):
    """What a template shows tells its calls apart, what it does not show does not."""
    template = "k" + "".join(parts)
    same = ("{a}" not in parts or alike(a, c)) and ("{b}" not in parts or alike(b, d))
    assert (key_of_pair(template, a, b) == key_of_pair(template, c, d)) == same


def matches(pattern, text):
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


@settings(deadline=None, max_examples=200)
@given(SMALL, SMALL, SMALL, st.sampled_from([":", "-", "--"]))
def test_a_pattern_finds_the_keys_of_its_value_and_no_others(a, b, c, between):
    """A value that holds ``*`` is no wildcard; what a pattern leaves open may be anything."""
    written = key_of_pair(f"k:{{a}}{between}{{b}}", a, b)
    assert matches(key_of_pair(f"k:{{a}}{between}*", a, None), written)
    assert matches(key_of_pair(f"k:*{between}{{b}}", None, b), written)
    if between == ":":
        assert matches(key_of_pair("k:{a}:*", c, None), written) == alike(a, c)


def test_a_claim_of_a_token():
    """Of any token that says it, also behind a scheme; signatures are not looked at."""
    assert key("{user:jwt(sub)}", "books", user=token(sub="ann")) == "ann"
    assert key("{user:jwt(sub)}", "books", user="Bearer " + token(sub="ann")) == "ann"
    assert key("{user:jwt(sub)}", "books", user=token(sub=1)) != key("{user:jwt(sub)}", "books", user=token(sub="1"))
    assert key("{user:jwt(sub)}", "books", user=None) == "None"


@pytest.mark.parametrize(
    "value",
    ["", "a", "a.b.c", "a.!.c", token(name="ann"), "a." + base64.urlsafe_b64encode(b"[1]").decode() + ".c",
     "a." + base64.urlsafe_b64encode(b"[" * 100_000).decode() + ".c", "é.é.é", token(sub="ann")[:-30]],
)  # fmt: skip
def test_a_token_without_the_claim_stands_for_itself(value):
    """Its calls share nothing with anybody's; whoever checks the token still gets to refuse it."""
    assert key("{user:jwt(sub)}", "books", user=value) == f"jwt({digest_of(value)})"


def test_registered_formatters():
    """With and without text of their own; what they return is written as any value."""
    register_formatter("cents", lambda price: round(price * 100))
    register_formatter("first", lambda value, count: value[: int(count)])
    assert key("{page:cents}:{cents(page)}:{category:first(3)}", "books", 1.25) == "125:125:boo"
    assert key("{category:first(1)}", "1st") == '"1"'


@pytest.mark.parametrize(
    ("name", "function", "message"),
    [
        ("hash", len, "is that of a formatter which is always there"),
        ("a-b", len, "is not right; give a Python identifier"),
        (1, len, "is not right; give a Python identifier"),
        ("mine", None, "give a plain function"),
        ("mine", test_registered_formatters, None),
    ],
)
def test_formatters_that_cannot_be_registered(name, function, message):
    """Names that mean something already, or could not be written; and what cannot be called."""
    if message is None:
        register_formatter(name, function)
        with pytest.raises(ConfigurationError, match="takes no text in parentheses"):
            key("{page:mine(x)}", "books")
        return
    with pytest.raises(ConfigurationError, match=message):
        register_formatter(name, function)


def test_an_async_formatter_cannot_be_registered():
    """Keys are made without waiting."""

    async def fetch(value): ...

    with pytest.raises(ConfigurationError, match="give a plain function"):
        register_formatter("fetch", fetch)
