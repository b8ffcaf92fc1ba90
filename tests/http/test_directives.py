"""Cache-Control, RFC 9111 section 5.2, in the syntax of RFC 9110 section 5.6."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.http.directives import cache_control

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


HOSTILE = {
    "commas": "," * 100_000,
    "commas and a bad end": "," * 100_000 + "(",
    "spaces": " " * 100_000 + "(",
    "spaces after the equals sign": "a=" + " " * 100_000 + '"x',
    "spaces before the equals sign": "a" + " " * 100_000 + '"x',
    "spaces after a member": "a " * 50_000,
    "one long name": "a" * 100_000 + "(",
    "one long value": "a=" + "b" * 100_000 + '"',
    "open quotes": 'a="x,' * 20_000,
    "escapes": 'a="' + "\\\\" * 50_000,
    "escaped quotes": 'a="' + '\\"' * 50_000,
    "quotes": '"' * 100_000,
    "equals signs": "=" * 100_000,
    "members": "a=b," * 25_000,
    "quoted members": 'a="b",' * 16_000,
    "bad members": "a b," * 25_000,
    "open quote in each member": 'a="b\\", ' * 12_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_takes_longer_than_once_through(name):
    """A hundred kilobytes, as much as fits in a header: a second would be a way to stop a client."""
    started = time.perf_counter()
    cache_control([HOSTILE[name]])
    assert time.perf_counter() - started < 0.5
