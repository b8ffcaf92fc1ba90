"""The forms of values: one for each value, in every process."""

import itertools
import json
import os
import pickle
import subprocess
import sys
import threading
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from unittest.mock import MagicMock
from uuid import UUID

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.caching.forms import UnstableError, digest_of, form_of, is_secret, text_of
from tests.caching.written import EXAMPLES, Attributes, Colour, Login, Model, Pair, Point, Struct, Word

ROOT = Path(__file__).parents[2]
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(),
    st.decimals(allow_nan=False), st.uuids(), st.dates(), st.datetimes(), st.timedeltas(),
    st.text(alphabet='ab1":*{}%()[],=\'~-'),
    st.sampled_from(["None", "True", "1", "1.5", "inf", "b'a'", "[1]", "(1)", "set(1)", 'date("1")', "", '"', "%22"]),
)  # fmt: skip
KEYS = st.one_of(st.integers(), st.text(max_size=3), st.none())
VALUES = st.recursive(
    LEAVES,
    lambda each: st.one_of(
        st.lists(each, max_size=3),
        st.tuples(each, each),
        st.dictionaries(KEYS, each, max_size=3),
        st.sets(KEYS, max_size=3),
        st.frozensets(KEYS, max_size=3),
    ),
    max_leaves=8,
)


def like(one, other):
    """Whether two values are the same for whoever is called with them; written without any form."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(like, one, other))
    if isinstance(one, dict):
        return len(one) == len(other) and all(any(like(a, b) for b in other.items()) for a in one.items())
    if isinstance(one, set | frozenset):
        return len(one) == len(other) and all(any(like(a, b) for b in other) for a in one)
    return repr(one) == repr(other) if isinstance(one, float | Decimal) else one == other


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("books", "books"), ("gpt-4o mini", "gpt-4o mini"), ("ann@example.com", "ann@example.com"), ("été", "été"),
        ("6f1c9a52-1111-4222-8333-123456789abc", "6f1c9a52-1111-4222-8333-123456789abc"), ("2024-01-31", "2024-01-31"),
        ("it's", "it's"), ("a(b", "a(b"), ("1st", "1st"), ("-", "-"), ("a[0]", "a[0]"),
        (1, "1"), (-1, "-1"), (1.5, "1.5"), (True, "True"), (None, "None"),
        ("1", '"1"'), ("-1.5", '"-1.5"'), ("1e+16", '"1e+16"'), ("True", '"True"'), ("None", '"None"'),
        ("nan", '"nan"'), ("", '""'), ("a:b", '"a%3Ab"'), ("a*", '"a%2A"'), ("{a}", '"%7Ba%7D"'),
        ("a{", '"a%7B"'), ("a}", '"a%7D"'),
        ("50%", '"50%25"'), ("False", '"False"'), ("inf", '"inf"'), ("-inf", '"-inf"'),
        ('"a"', '"%22a%22"'), ("b'a'", "\"b'a'\""), ("[1]", '"[1]"'), ("f(x)", '"f(x)"'),
        (b"a:b'", "b'a%3Ab%27'"), (["x", "y"], '["x","y"]'), (("x", "y"), '("x","y")'), ("x:y", '"x%3Ay"'),
        ({"b": 1, "a": [2]}, 'dict("a"=[2],"b"=1)'), ({2, 1}, "set(1,2)"),
        (UUID(int=1), "UUID(00000000-0000-0000-0000-000000000001)"), (Decimal("1.50"), "Decimal(1.50)"),
        (date(2024, 1, 31), "date(2024-01-31)"), (datetime(2024, 1, 31, 10), 'datetime("2024-01-31T10%3A00%3A00")'),
        (time(10, 30), 'time("10%3A30%3A00")'), (timedelta(hours=1), 'timedelta("1%3A00%3A00")'),
        (Colour.CRIMSON, "tests.caching.written.Colour(RED)"), (Word.RED, "tests.caching.written.Word(RED)"),
        (Point(1, "a"), 'tests.caching.written.Point(x=1,y="a")'), (Point, "class(tests.caching.written.Point)"),
        (Struct(1), "tests.caching.written.Struct(x=1)"), (Attributes(1), "tests.caching.written.Attributes(x=1)"),
        (Model(x=[1]), "tests.caching.written.Model(x=[1])"), (Pair(1, 2), "tests.caching.written.Pair(x=1,y=2)"),
        (len, "function(len)"),
    ],
)  # fmt: skip
def test_how_values_are_written(value, text):
    """Plainly, so that people can write the key themselves; in quotes only what could be taken for something else."""
    assert text_of(value) == text


def test_no_two_examples_have_the_same_form():
    """None and its name, numbers and their digits, equal numbers of other types, and all kinds that we know."""
    for write in (text_of, form_of, digest_of):
        forms = [write(value) for value in EXAMPLES]
        same = [(a, b) for (a, f), (b, g) in itertools.combinations(zip(EXAMPLES, forms, strict=True), 2) if f == g]
        assert not same


@settings(deadline=None, max_examples=300)
@given(VALUES, VALUES)
def test_values_have_the_same_form_only_if_they_are_alike(one, other):
    """And always then: for text of its own, within another value, and as a digest."""
    for write in (text_of, form_of, digest_of):
        assert (write(one) == write(other)) == like(one, other)


@settings(deadline=None)
@given(st.text(alphabet="ab1.-e\":*{}%()[],='~"), st.text(alphabet="ab1.-e\":*{}%()[],='~"))
def test_texts_never_meet_halfway(one, other):
    """Text that is written plainly never looks like one that is quoted."""
    assert (text_of(one) == text_of(other)) == (one == other)


@settings(deadline=None)
@given(VALUES)
def test_no_form_holds_a_mark(value):
    """No separator, wildcard or brace; a percent sign only before two hexadecimal digits."""
    text = text_of(value)
    assert text
    assert not set(text) & set(":*{}")
    assert all(len(bytes.fromhex(rest[:2])) == 1 for rest in text.split("%")[1:])


@settings(deadline=None)
@given(st.dictionaries(KEYS, LEAVES), st.randoms())
def test_the_order_of_a_dict_does_not_matter(values, random):
    """Equal dicts are one value, in whatever order they were filled."""
    items = list(values.items())
    random.shuffle(items)
    assert text_of(dict(items)) == text_of(values)


def test_what_does_not_count_for_equality_does_not_count_here():
    """Two points are equal although only one of them has been seen."""
    assert text_of(Point(1, 2, seen=True)) == text_of(Point(1, 2))


@pytest.mark.slow
def test_every_process_writes_the_same():
    """Two others, in which text has other hashes, write all examples and 300 random values as this one does."""
    drawn = []

    @settings(max_examples=300, database=None, deadline=None)
    @given(VALUES)
    def draw(value):
        drawn.append(value)

    draw()
    here = [text_of(value) for value in [*EXAMPLES, *drawn]]
    for seed in ("1", "2"):
        printed = subprocess.run(
            [sys.executable, "-m", "tests.caching.written"],
            cwd=ROOT,
            input=pickle.dumps(drawn),
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert printed.returncode == 0, printed.stderr.decode()
        assert json.loads(printed.stdout) == here


class Plain:
    """Has nothing but an address."""


class Masked:
    def __repr__(self):
        return "Masked('***')"


class Shortened:
    def __repr__(self):
        return "Shortened([1, 2, ..., 9])"


class Addressed:
    def __repr__(self):
        return f"Addressed({id(self)})"


class Rounded:
    def __repr__(self):
        return "Rounded([0.3333])"

    def __array__(self):
        raise NotImplementedError


def made():
    return lambda: None


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (object(), "object"), (Plain(), "Plain"), ([1, {"a": Plain()}], "Plain"), (Point(Plain(), 1), "Plain"),
        (threading.Lock(), "lock"), ((n for n in ()), "generator"), (iter([1]), "list_iterator"),
        (itertools.count(), "count"), (made(), "function"), (Plain().__init__, "method-wrapper"),
        ([].append, "builtin"),
        (Masked(), "Masked"), (Shortened(), "Shortened"), (Addressed(), "Addressed"), (Rounded(), "Rounded"),
        (MagicMock(), "MagicMock"), (type("Made", (), {}), "type"),
        (type("Point", (), {"__module__": Point.__module__}), "type"),
        (httpx.Request("POST", "https://a.test", content=b"x"), "Request"),
    ],
)  # fmt: skip
def test_what_is_refused(value, kind):
    """What has but an address, is drawn from, or says less of itself than there is; wherever it stands."""
    with pytest.raises(UnstableError, match=kind):
        text_of(value)


def test_what_is_called_a_secret_is_not_shown():
    """Not within another value, however it is called; and its type still counts."""
    assert "hunter2" not in text_of({"api_key": "hunter2", "deep": [Login("ann", "hunter2")]})
    assert text_of({"token": "1"}) != text_of({"token": 1})


@pytest.mark.parametrize("name", ["password", "accessToken", "access_token", "X-Api-Key", "APIKey", "Authorization",
                                  "client_secret", "cookies", "private_key", "session_id", "pwd"])  # fmt: skip
def test_names_of_secrets(name):
    """In the spellings of Python, HTTP and JavaScript."""
    assert is_secret(name)


@pytest.mark.parametrize("name", ["author", "key", "keyword", "passenger", "tokenizer", "secretary", "x", "", "monkey"])
def test_names_of_no_secrets(name):
    """A word that only begins like one is none."""
    assert not is_secret(name)


def test_a_digest_is_the_same_for_ever():
    """A new release must find what an older one has stored."""
    assert digest_of("prompt") == "95c154246319e5e610d4c67a5a34ac20b83fb8c7"
    assert digest_of(["a", 1]) == "0c42fe5620f6a7a29020d8ee56909bf33ff89c21"
