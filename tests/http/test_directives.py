"""Cache-Control, RFC 9111 section 5.2, in the syntax of RFC 9110 section 5.6."""

import re
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.http.directives import (
    OVERFLOW,
    RequestControl,
    ResponseControl,
    cache_control,
    request_control,
    response_control,
)
from tests.http.making import fields

# --- RFC 9111 section 5.2: names and arguments -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "directives"),
    [
        ([], {}),
        ([""], {}),
        (["no-store"], {"no-store": None}),
        (["max-age=60"], {"max-age": "60"}),
        (['max-age="60"'], {"max-age": "60"}),
        (["NO-Store, Max-Age=60"], {"no-store": None, "max-age": "60"}),
        (["private, max-age=60"], {"private": None, "max-age": "60"}),
        (["private", "max-age=60"], {"private": None, "max-age": "60"}),
        (["max-age="], {"max-age": ""}),
        (["community=UCI"], {"community": "UCI"}),
        (["x!#$%&'*+-.^_`|~=1"], {"x!#$%&'*+-.^_`|~": "1"}),
    ],
)
def test_directives_are_read(lines, directives):
    """Names in any case, arguments as tokens or quoted; several lines are one list (RFC 9110 section 5.3)."""
    assert cache_control(lines) == directives


# --- RFC 9110 section 5.6.1: lists -------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [",no-store", "no-store,", " , ,no-store,, ", "\tno-store\t", "a ,no-store , b"])
def test_empty_members_and_white_space_mean_nothing(line):
    """A recipient must accept them."""
    assert "no-store" in cache_control([line])


@pytest.mark.parametrize("line", ["max-age = 60", "max-age =60", "max-age= 60", 'max-age = "60"'])
def test_white_space_around_the_equals_sign_is_borne(line):
    """Bad senders write it; reading it makes no harm."""
    assert cache_control([line]) == {"max-age": "60"}


# --- RFC 9110 section 5.6.4: quoted strings ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('x="a, no-store"', "a, no-store"),
        (r'x="a\"b"', 'a"b'),
        (r'x="a\\"', "a\\"),
        (r'x="\n"', "n"),
        ('x=""', ""),
        (r'x="\", no-store, \""', '", no-store, "'),
    ],
)
def test_what_is_quoted_is_no_directive(line, value):
    """Commas and names within quotes are text."""
    assert cache_control([line]) == {"x": value}


# --- RFC 9111 section 5.2.3 and 4.2.1: what is wrong ----------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "@, no-store",
        "a b, no-store",
        'x="open, no-store',
        'x="a"b, no-store',
        "=5, no-store",
        'x=a"b", no-store',
        "(), no-store",
    ],
)
def test_what_cannot_be_read_ends_at_the_next_comma(line):
    """A directive that forbids must not be lost behind nonsense."""
    assert "no-store" in cache_control([line])


def test_of_duplicates_the_first_counts():
    """RFC 9111 section 4.2.1 allows it."""
    assert cache_control(["max-age=1, max-age=2", "max-age=3"]) == {"max-age": "1"}


# --- any text ----------------------------------------------------------------------------------------------------

TOKENS = st.text(alphabet="abcXYZ019-_.!", min_size=1, max_size=8)
LATIN_1 = [chr(code) for code in range(32, 256) if code != 127]
VALUES = st.one_of(st.none(), TOKENS, st.text(alphabet=LATIN_1, max_size=8))


@settings(deadline=None)
@given(st.dictionaries(TOKENS.map(str.lower), VALUES, max_size=6), st.randoms())
def test_what_is_written_by_the_rules_is_read_back(directives, random):
    """Tokens plain or quoted, everything else quoted and escaped; spaces and empty members in between."""
    members = []
    for name, value in directives.items():
        plain = value is not None and re.fullmatch(r"[\w.!-]+", value, re.ASCII)
        if value is None:
            members.append(name)
        elif plain and random.random() < 0.5:
            members.append(f"{name}={value}")
        else:
            escaped = re.sub(r'([\\"])', r"\\\1", value)
            members.append(f'{name}="{escaped}"')
    text = random.choice([",", ", ", " ,, ", ",\t,"]).join(members)
    assert cache_control([text]) == directives


@settings(deadline=None)
@given(st.lists(st.text(alphabet=st.one_of(st.sampled_from(' ,="\\\t@;'), st.characters()), max_size=40), max_size=4))
def test_no_text_is_too_bad_to_be_read(lines):
    """Whatever it is: an answer, and names in lower case without separators."""
    found = cache_control(lines)
    for name in found:
        assert name == name.lower()
        assert not set(name) & set(' ,="')


# --- RFC 9111 section 5.2.2: answers -----------------------------------------------------------------------------


def said(*lines):
    return response_control(fields(*[f"Cache-Control: {line}" for line in lines]))


@pytest.mark.parametrize(
    ("line", "control"),
    [
        ("", ResponseControl()),
        ("no-store", ResponseControl(no_store=True)),
        ("No-StOrE", ResponseControl(no_store=True)),
        ("no-store=1", ResponseControl(no_store=True)),
        ("no-cache", ResponseControl(no_cache=True)),
        ('no-cache="a, B"', ResponseControl(no_cache_fields=frozenset({"a", "b"}))),
        ("no-cache=a", ResponseControl(no_cache_fields=frozenset({"a"}))),
        ('no-cache=""', ResponseControl(no_cache=True)),
        ('no-cache="a", no-cache', ResponseControl(no_cache=True, no_cache_fields=frozenset({"a"}))),
        ("must-revalidate", ResponseControl(must_revalidate=True)),
        ("must-understand, no-store", ResponseControl(must_understand=True, no_store=True)),
        ("public, immutable", ResponseControl(public=True, immutable=True)),
        ('private="x"', ResponseControl(private=True)),
        ("proxy-revalidate, s-maxage=5, no-transform, stale, x=1", ResponseControl(s_maxage=5)),
        ("max-age=5", ResponseControl(max_age=5)),
        (
            "max-age=5, stale-while-revalidate=6, stale-if-error=7",
            ResponseControl(max_age=5, stale_while_revalidate=6, stale_if_error=7),
        ),
    ],
)
def test_what_an_answer_says(line, control):
    """Each directive, and that those for shared caches and unknown ones say nothing here."""
    assert said(line) == control


@pytest.mark.parametrize(
    ("argument", "seconds"),
    [
        ("0", 0), ("003600", 3600), ('"3600"', 3600), (str(2**31 - 1), 2**31 - 1), (str(2**31), OVERFLOW),
        (str(2**31 + 1), OVERFLOW), ("9" * 100, OVERFLOW), ("9" * 9000, OVERFLOW),
        ("-1", 0), ("3600.0", 0), ("a3600", 0), ("3600a", 0), ("'3600'", 0), ("", 0), ('""', 0), ('" 3600"', 0),
    ],
)  # fmt: skip
def test_numbers_of_seconds(argument, seconds):
    """Section 1.2.2: a large number is 2**31; what is no number is 0, so that the answer is stale."""
    assert said(f"max-age={argument}").max_age == seconds


def test_max_age_without_a_number_is_stale():
    """It was meant to say something, and nobody knows what."""
    assert said("max-age").max_age == 0


@pytest.mark.parametrize("members", list(permutations(["max-age=5", "max-age=60", "max-age=9"])))
def test_of_duplicates_the_smallest_counts(members):
    """Section 4.2.1, in any order, on one line or several."""
    assert said(", ".join(members)).max_age == said(*members).max_age == 5


def test_a_malformed_duplicate_counts():
    """It makes the answer stale."""
    assert said("max-age=60, max-age=x").max_age == 0


@pytest.mark.parametrize(
    "line", ['extension="max-age=3600", max-age=1', 'max-age="1", extension="max-age=3600"', 'x="no-store", max-age=1']
)
def test_what_is_quoted_says_nothing(line):
    """Neither before nor after the directive itself."""
    assert said(line) == ResponseControl(max_age=1)


# --- RFC 9111 sections 5.2.1 and 5.4: requests -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "control"),
    [
        ("", RequestControl()),
        ("no-store, no-cache", RequestControl(no_store=True, no_cache=True)),
        ("only-if-cached", RequestControl(only_if_cached=True)),
        ("max-age=5, max-age=4", RequestControl(max_age=4)),
        ("max-age=x", RequestControl(max_age=0)),
        ("min-fresh=5, min-fresh=6", RequestControl(min_fresh=6)),
        ("min-fresh=x", RequestControl(min_fresh=OVERFLOW)),
        ("max-stale", RequestControl(max_stale=OVERFLOW)),
        ("max-stale=5, max-stale", RequestControl(max_stale=5)),
        ("max-stale=x", RequestControl(max_stale=0)),
        ("stale-if-error=5", RequestControl(stale_if_error=5)),
        ("no-transform, x", RequestControl()),
    ],
)
def test_what_a_request_says(line, control):
    """Each directive; of duplicates and malformed numbers the strictest reading."""
    assert request_control(fields(f"Cache-Control: {line}")) == control


def test_pragma_counts_only_without_cache_control():
    """Section 5.4; no other word of it."""
    assert request_control(fields("Pragma: no-cache")).no_cache
    assert request_control(fields("Pragma: x", "Pragma: y, No-Cache")).no_cache
    assert not request_control(fields("Pragma: no-cache", "Cache-Control: max-age=5")).no_cache
    assert not request_control(fields("Pragma: unrecognised")).no_cache


def test_pragma_in_an_answer_says_nothing():
    """It is defined for requests."""
    assert response_control(fields("Pragma: no-cache")) == ResponseControl()


# --- RFC 9213: fields for one cache ------------------------------------------------------------------------------

TARGETS = ("mine-cache-control", "client-cache-control")


@pytest.mark.parametrize(
    ("lines", "control"),
    [
        (["CDN-Cache-Control: no-store"], ResponseControl(max_age=9)),
        (["Mine-Cache-Control: max-age=5"], ResponseControl(max_age=5, targeted=True)),
        (["Client-Cache-Control: max-age=5"], ResponseControl(max_age=5, targeted=True)),
        (
            ["Client-Cache-Control: max-age=5", "Mine-Cache-Control: no-store"],
            ResponseControl(no_store=True, targeted=True),
        ),
        (["Mine-Cache-Control: max-age=5", "Mine-Cache-Control: max-age=6"], ResponseControl(max_age=6, targeted=True)),
        (["Mine-Cache-Control: none"], ResponseControl(targeted=True)),
        (["Mine-Cache-Control: max-age=5.5"], ResponseControl(targeted=True)),
        (["Mine-Cache-Control: max-age=-5"], ResponseControl(targeted=True)),
        (["Mine-Cache-Control: max-age"], ResponseControl(targeted=True)),
        (["Mine-Cache-Control: no-store=?0, private;x=1"], ResponseControl(private=True, targeted=True)),
        (["Mine-Cache-Control: "], ResponseControl(max_age=9)),
        (["Mine-Cache-Control: Max-Age=5"], ResponseControl(max_age=9)),
        (["Mine-Cache-Control: max-age=5,"], ResponseControl(max_age=9)),
        (["Mine-Cache-Control: '", "Client-Cache-Control: max-age=5"], ResponseControl(max_age=5, targeted=True)),
        (
            ["Mine-Cache-Control: max-age=999999999999, immutable, must-revalidate, public, stale-if-error=2"],
            ResponseControl(
                max_age=OVERFLOW, immutable=True, must_revalidate=True, public=True, stale_if_error=2, targeted=True
            ),
        ),
        (
            ['Mine-Cache-Control: no-cache="A, b", stale-while-revalidate=3, must-understand'],
            ResponseControl(
                no_cache_fields=frozenset("ab"), stale_while_revalidate=3, must_understand=True, targeted=True
            ),
        ),
        (["Mine-Cache-Control: no-cache"], ResponseControl(no_cache=True, targeted=True)),
    ],
)
def test_the_first_field_that_is_written_for_this_cache_counts(lines, control):
    """In place of Cache-Control, if it can be read; a value of the wrong type says nothing."""
    assert response_control(fields("Cache-Control: max-age=9", *lines), TARGETS) == control


# --- any text ----------------------------------------------------------------------------------------------------

WORDS = ["no-store", "max-age", "min-fresh", "max-stale", "no-cache", "=", ",", '"', "\\", "5", " ", "x", "-", "\xff"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=20).map("".join))
def test_any_text_is_a_control(text):
    """Never an error, numbers never negative, whether the text was read before or not."""
    for control in (request_control(fields(f"a: {text}", cache_control=text)), said(text)):
        numbers = [value for value in control.__struct_fields__ if isinstance(getattr(control, value), int)]
        assert all(0 <= getattr(control, name) <= OVERFLOW for name in numbers)
    assert said(text + " " * 300) == said(text)


@settings(deadline=None)
@given(st.sets(st.sampled_from(["no-store", "max-age=5", "must-revalidate", "private", "x"])), st.randoms())
def test_order_does_not_matter(directives, random):
    """Nor on how many lines they are."""
    shuffled = list(directives)
    random.shuffle(shuffled)
    assert said(*shuffled) == said(", ".join(sorted(directives)))
