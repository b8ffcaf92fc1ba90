"""What an answer makes untrue: RFC 9111 section 4.4, RFC 9875."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.http.addresses import named_paths
from resilient.http.groups import groups, invalidated_groups
from resilient.http.invalidation import invalidated, invalidates
from tests.http.making import fields

ORIGIN = "http://example.test"

# --- RFC 9111 section 4.4 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "QUERY", "get", ""])
def test_an_answer_to_what_may_have_changed_something(method):
    """If it is no error; a method that is not known may have."""
    assert {status for status in range(100, 600) if invalidates(method, status)} == set(range(200, 400))


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE"])
def test_an_answer_to_a_safe_method_changes_nothing(method):
    """RFC 9110 section 9.2.1."""
    assert not any(invalidates(method, status) for status in range(100, 600))


def test_the_addresses_that_no_longer_hold():
    """The target's own, and those that Location and Content-Location name; each once."""
    response = fields("Location: /b", "Content-Location: c?x=1", "Location: /a/d")
    assert invalidated(ORIGIN, b"/a/d", response) == (b"/a/d", b"/b", b"/a/c?x=1")
    assert invalidated(ORIGIN, b"/a", fields()) == (b"/a",)


@pytest.mark.parametrize(
    ("value", "paths"),
    [
        ("/b", (b"/b",)),
        ("b", (b"/a/b",)),
        ("?y=2", (b"/a/p?y=2",)),
        ("", (b"/a/p?x=1",)),
        ("#f", (b"/a/p?x=1",)),
        ("/b?x=/../y#f", (b"/b?x=/../y",)),
        ("../../b/./c/../d", (b"/b/d",)),
        ("http://example.test/b", (b"/b",)),
        ("HTTP://EXAMPLE.test:80/b/../c", (b"/c",)),
        ("http://example.test", (b"/",)),
        ("http://example.test?q", (b"/?q",)),
        ("//example.test/b", (b"/b",)),
        ("http://user:secret@example.test/b", (b"/b",)),
        (" /b ", (b"/b",)),
        ("/b c\xe9", (b"/b%20c%E9",)),
        ("/b%2fc%41", (b"/b%2fc%41",)),
        ("https://example.test/b", ()),
        ("http://example.test:81/b", ()),
        ("http://other.test/b", ()),
        ("//other.test/b", ()),
        ("ftp://example.test/b", ()),
        ("mailto:a@example.test", ()),
        ("http://[", ()),
        ("http://example.test:99999/", ()),
        ("http://example.test:x/", ()),
    ],
)
def test_an_address_counts_only_for_its_own_origin(value, paths):
    """Whatever its form; one that can be none is left out."""
    assert named_paths(ORIGIN, b"/a/p?x=1", [value]) == paths


def test_the_usual_port_may_be_written_out():
    """In the request or in the address."""
    assert named_paths("https://example.test:443", b"/a", ["https://example.test/b"]) == (b"/b",)
    assert named_paths("https://[::1]:8443", b"/a", ["https://[::1]:8443/b", "https://[::1]/c"]) == (b"/b",)


@settings(deadline=None)
@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=30), st.binary(max_size=10))
def test_any_address_is_resolved(value, path):
    """Never an error; what comes out is a path."""
    for found in named_paths(ORIGIN, b"/" + path, [value, "http:" + value, "//" + value]):
        assert found.startswith(b"/")
        assert found.isascii()
        assert b"#" not in found


# --- RFC 9875 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([], ()),
        (['Cache-Groups: "a"'], ("a",)),
        (['Cache-Groups: "a", "B c";x=1', 'cache-groups: "a", "A"'], ("a", "B c", "A")),
        (['Cache-Groups: ""'], ("",)),
        (['Cache-Groups: "a", b'], ()),
        (['Cache-Groups: "a", 1'], ()),
        (['Cache-Groups: "a", ("b")'], ()),
        (["Cache-Groups: a"], ()),
        (['Cache-Groups: "a'], ()),
        (["Cache-Groups: "], ()),
    ],
)
def test_the_groups_of_an_answer(lines, found):
    """A list of strings, whose case counts; what is no such list says nothing."""
    assert groups(fields(*lines)) == found


def test_at_least_32_groups_of_32_characters_are_borne():
    """And an answer with more cannot fill the memory."""
    names = [f"{number:032}" for number in range(32)]
    assert groups(fields(cache_groups=", ".join(f'"{name}"' for name in names))) == tuple(names)
    many = ", ".join(f'"{number}"' for number in range(10_000))
    assert 32 <= len(groups(fields(cache_groups=many))) <= 128
    assert groups(fields(cache_groups=f'"{"x" * 10_000}", "a"')) == ("a",)


@pytest.mark.parametrize(
    ("method", "status", "found"),
    [
        ("POST", 200, ("a", "b")),
        ("DELETE", 303, ("a", "b")),
        ("x", 200, ("a", "b")),
        ("POST", 404, ()),
        ("POST", 500, ()),
        ("GET", 200, ()),
        ("HEAD", 200, ()),
    ],
)
def test_the_groups_that_an_answer_invalidates(method, status, found):
    """Section 3: none if its request was safe, or it is an error."""
    assert invalidated_groups(method, status, fields(cache_group_invalidation='"a", "b"')) == found
