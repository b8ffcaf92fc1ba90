"""Header fields and lists, RFC 9110 sections 5.3, 5.5 and 5.6.1."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.http.fields import Fields, members, whole_number

RAW = [(b"Vary", b"a"), (b"X-\xe9", b"\xff"), (b"vary", b"b, c"), (b"VARY", b"")]


def test_lines_of_one_field_are_one_list():
    """In their order, whatever the case of their names; no byte is refused."""
    fields = Fields(RAW)
    assert fields.get("vary") == "a, b, c, "
    assert fields.lines("vary") == ("a", "b, c", "")
    assert fields.get("x-\xe9") == "\xff"
    assert fields.raw == ((b"vary", b"a"), (b"x-\xe9", b"\xff"), (b"vary", b"b, c"), (b"vary", b""))


def test_what_is_absent_is_told_from_what_is_empty():
    """An empty field is there."""
    fields = Fields([(b"A", b"")])
    assert "a" in fields
    assert fields.get("a") == ""
    assert fields.lines("a") == ("",)
    assert "b" not in fields
    assert fields.get("b") is None
    assert fields.lines("b") == ()


@settings(deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=8)), max_size=8), st.text(max_size=4))
def test_any_bytes_are_fields(raw, name):
    """Never an error, and every line is found under its name."""
    fields = Fields(raw)
    assert (name in fields) == (fields.get(name) is not None) == bool(fields.lines(name))
    for line, value in raw:
        assert value.decode("latin-1") in fields.lines(line.lower().decode("latin-1"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        (" , ,\t,", []),
        ("a", ["a"]),
        ("a,b", ["a", "b"]),
        (" a ,\tb c , ", ["a", "b c"]),
        ('"a, b", c', ['"a, b"', "c"]),
        (r'"a\", b", c', [r'"a\", b"', "c"]),
        ('x="a,b";y=",", c', ['x="a,b";y=","', "c"]),
        ('a, "open, b', ["a", '"open, b']),
        ('"a\\', ['"a\\']),
    ],
)
def test_lists_are_parted_at_commas(text, found):
    """Not within quotes; empty members and white space mean nothing."""
    assert members(text) == found


@settings(deadline=None)
@given(st.lists(st.from_regex(r'[a-z ]{1,5}|"([a-z, ]|\\[\x20-\x7e]){0,6}"', fullmatch=True), max_size=6))
def test_what_is_joined_is_parted_again(given_members):
    """Members with quotes or without."""
    wanted = [member.strip() for member in given_members if member.strip()]
    assert members(" , ".join(given_members)) == wanted


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from('ab,"\\ \t'), max_size=30))
def test_nothing_is_made_up_or_lost(text):
    """But for commas and white space, whatever the quotes."""
    assert all(member and member == member.strip(" \t") for member in members(text))
    bare = str.maketrans("", "", ", \t")
    assert "".join(members(text)).translate(bare) == text.translate(bare)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0), ("007", 7), ("999999999999999999", 10**18 - 1), ("1" * 19, 10**18), ("0" * 6000 + "5", 5),
        ("9" * 6000, 10**18), ("", None), ("-1", None), ("+1", None), ("1.0", None), (" 1", None), ("1_0", None),
        ("\u0663", None), ("\xb2", None),
    ],
)  # fmt: skip
def test_whole_numbers(text, number):
    """ASCII digits and nothing else; however long."""
    assert whole_number(text) == number
