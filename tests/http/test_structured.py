"""Structured fields, RFC 9651, as far as caches speak them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.http.structured import Token, dictionary, list_of, string, token_or_string


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ()),
        ("   ", ()),
        ("a", (Token("a"),)),
        ('"a", b , 1,2.5 ,?1,\t?0, :aGk=:', ("a", Token("b"), 1, 2.5, True, False, b"hi")),
        ('"a;b"; q=1;x', ("a;b",)),
        (r'"a\"\\b"', ('a"\\b',)),
        ("(a b), ( 1  2 );x, ()", ((Token("a"), Token("b")), (1, 2), ())),
        ("-15, 0, -0, 007, -1.250", (-15, 0, 0, 7, -1.25)),
        ("999999999999999, 999999999999.999", (999999999999999, 999999999999.999)),
        ("*a/b:c", (Token("*a/b:c"),)),
        ("::, :YQ:", (b"", b"a")),
    ],
)
def test_lists(text, found):
    """Section 4.2.1: every kind of member, parameters left out."""
    assert list_of(text) == found
    assert [type(member) for member in list_of(text)] == [type(member) for member in found]


@pytest.mark.parametrize(
    "text",
    [
        "a,", ",a", "a,,b", "a b", "\ta", "a\t", '"open', '"\x7f"', '"\xe9"', r'"a\n"', "a;", "a;B", "a;=1",
        "a; x= 1", "(a,b)",
        "1000000000000000", "1.", "1.2345", "1234567890123.1", "--1", "-", "?2", "?", ":a:", ":=a:", "(a", "(a)b",
        '("a""b")', "()()", "a=1", "'a'", "\xe9", "@1", '%"a"', "\x00",
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_no_list(text):
    """Nothing of it is believed."""
    assert list_of(text) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("a", {"a": True}),
        ("a=1, b;x=2,c=(1 2), a=?0", {"a": False, "b": True, "c": (1, 2)}),
        ('*x_-.9="v"', {"*x_-.9": "v"}),
        ("A=1", None), ("a=", None), ("a=1,", None), ("a =1", None), ("1=a", None), ("a=1 b=2", None),
    ],
)  # fmt: skip
def test_dictionaries(text, found):
    """Section 4.2.2: of duplicates the last; keys in lower case; nothing of a malformed one."""
    assert dictionary(text) == found


@settings(deadline=None)
@given(st.text(max_size=20))
def test_a_string_is_read_as_it_was_written(text):
    """What no string can hold becomes a question mark, so that the field stays whole."""
    wanted = "".join(char if " " <= char <= "~" else "?" for char in text)
    assert list_of(string(text)) == (wanted,)


@settings(deadline=None)
@given(st.text(max_size=8))
def test_a_word_is_a_token_if_it_can(text):
    """Read back it is the same word, or the same string."""
    [member] = list_of(token_or_string(text))
    assert isinstance(member, str)
    if isinstance(member, Token):
        assert member == text == token_or_string(text)


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from('ab1.-?:;=*"\\(), \t\xe9'), max_size=24))
def test_any_text_is_read(text):
    """Never an error; a list stays one when members are added."""
    found = list_of(text)
    dictionary(text)
    if found:
        assert list_of(f"{text}, z") == (*found, Token("z"))
