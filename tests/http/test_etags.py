"""Entity tags, RFC 9110 sections 8.8.3 and 13.1.2."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.http.etags import ETag, is_star, parse_etag, parse_etags


@pytest.mark.parametrize("text", ['"abc"', 'W/"abc"', '""', '"a\xfc"', '"a\\"', '"!#\'()*,;"', ' W/"a,b" '])
def test_a_tag_is_written_as_it_was_read(text):
    """Byte by byte; a backslash means nothing in it."""
    assert str(parse_etag(text)) == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        'w/"abc"',
        'W\\"abc"',
        'W"abc"',
        '"a"b"',
        '"a b"',
        '"a',
        '"a", "b"',
        '"\x7f"',
        "*",
        "a b",
        "a,b",
        "a\x7f",
    ],
)
def test_what_is_no_tag_is_none(text):
    """It could not be asked about."""
    assert parse_etag(text) is None


@pytest.mark.parametrize("text", ["abc", "'abc'", "W/abc", "a\xfc"])
def test_a_tag_without_quotes_is_known_again(text):
    """To the letter, but never as a strong one."""
    tag = parse_etag(text)
    assert str(tag) == text
    assert tag.weakly(parse_etag(text))
    assert not tag.strongly(parse_etag(text))
    assert not tag.weakly(parse_etag(f'"{text}"'))


@pytest.mark.parametrize(
    ("one", "other", "strongly", "weakly"),
    [
        ('"\xfc"', '"\xc3\xbc"', False, True),
        ('"\xfc"', '"\xfd"', False, False),
        ('W/"1"', 'W/"1"', False, True),
        ('W/"1"', 'W/"2"', False, False),
        ('W/"1"', '"1"', False, True),
        ('"1"', '"1"', True, True),
        ('"1"', '"2"', False, False),
    ],
)
def test_the_table_of_comparisons(one, other, strongly, weakly):
    """RFC 9110 section 8.8.3.2, both ways round; none is equal to no tag."""
    first, second = parse_etag(one), parse_etag(other)
    assert first.strongly(second) is second.strongly(first) is strongly
    assert first.weakly(second) is second.weakly(first) is weakly
    assert not first.weakly(None)
    assert not first.strongly(None)


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("", []),
        ("*", []),
        ('"a"', ['"a"']),
        ('"a", W/"b" ,"c,d",, "e"', ['"a"', 'W/"b"', '"c,d"', '"e"']),
        (' , "a" , ', ['"a"']),
        ('"a", b, "c"', ['"a"']),
        ('"a" b', []),
        ("abc", []),
        ('"open', []),
    ],
)
def test_lists_of_tags(text, tags):
    """Commas within a tag part nothing; nothing is believed from what is no tag on."""
    assert [str(tag) for tag in parse_etags(text)] == tags


def test_the_star():
    """Only alone."""
    assert is_star(" * ")
    assert not is_star('*, "a"')
    assert not is_star('"*"')


@settings(deadline=None)
@given(st.lists(st.builds(ETag, st.from_regex(r'"[\x21\x23-\x7e\x80-\xff]{0,6}"', fullmatch=True), st.booleans())))
def test_lists_are_read_as_they_are_written(tags):
    """Whatever is in them."""
    assert list(parse_etags(", ".join(map(str, tags)))) == tags


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from('aW/",\\* \xff'), max_size=20))
def test_any_text_is_read(text):
    """Never an error."""
    parse_etags(text)
    tag = parse_etag(text)
    assert tag is None or str(tag) == text.strip(" ")
