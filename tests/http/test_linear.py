"""No text takes longer to read than once through: a hostile server must not stop a client by a header."""

import time

import pytest

from resilient.http.addresses import named_paths
from resilient.http.answer import answer
from resilient.http.asking import asking
from resilient.http.codings import is_acceptable
from resilient.http.dates import parse_date
from resilient.http.directives import cache_control, request_control, response_control
from resilient.http.etags import parse_etag, parse_etags
from resilient.http.fields import Fields, members
from resilient.http.groups import groups
from resilient.http.keeping import kept
from resilient.http.structured import dictionary, list_of
from resilient.http.vary import matches, selecting, vary_names

SMALL, LARGE = 1_000, 32_000
"""Characters."""

UNITS = [
    ",", " ", "\t", '"', "\\", "=", "*", "(", "()", ":", ";", "9", "a", "/", "../", "-", "?", "%", "[",
    "a=b,", "a b,", 'a="x,', '\\"', '"\\",', 'a="b",', '"a",', 'W/"a" ,', "no-store, ", "max-age=5,",
    "a;b=1", "(a b),", "a;q=0.1,", ":YQ==:,", "Thu, ",
]  # fmt: skip
"""What a text is full of."""
AROUND = [("", ""), ("", '"'), ('a="', ""), ('"', "\\"), ("(", "(\x00"), (":", '"')]
"""How it begins and ends: what may make a reader go back."""


def read(text):
    """Read ``text`` in every way that a message's fields are read."""
    raw = text.encode("latin-1")
    cache_control([text])
    members(text)
    parse_date(text)
    parse_etag(text)
    parse_etags(text)
    list_of(text)
    dictionary(text)
    is_acceptable(text, text)
    named_paths("http://example.test", b"/", [text])
    named_paths("http://example.test", b"/" + raw, ["x"])
    names = ("accept-language", "accept-encoding", "x")
    request = Fields([(name.encode(), raw) for name in names])
    matches(selecting(names, request), selecting(names, request), text)
    names = ("accept-language",)
    matches(selecting(names, Fields([])), selecting(names, request), text)
    lines = [(b"cache-control", b"cache-groups", b"age", b"expires", b"vary", b"content-length", b"connection")]
    fields = Fields([(name, raw) for name in lines[0]])
    vary_names(fields)
    groups(fields)
    request_control(fields)
    control = response_control(Fields([(b"mine", raw), *fields.raw]), ["mine"])
    kept(fields, control, 0.0)
    answer(200, fields, requested_at=0.0, received_at=0.0)
    asking("GET", "http://example.test", b"/", fields.raw)


def seconds(text):
    """The processor time that it takes, the shortest of some."""
    found = []
    for _ in range(3):
        started = time.process_time()
        read(text)
        found.append(time.process_time() - started)
    return min(found)


@pytest.mark.parametrize("unit", UNITS)
def test_a_long_text_takes_as_much_longer_as_it_is(unit):
    """Not as the square of it, by which a reader that goes back takes two hundred times as long as a small text."""
    for begins, ends in AROUND:
        small, large = (f"{begins}{unit * (length // len(unit))}{ends}" for length in (SMALL, LARGE))
        started = time.process_time()
        read(large)
        # Most are read at once; only what takes its time is measured again, and against a small one.
        if time.process_time() - started > 0.2:
            assert seconds(large) < 6 * LARGE / SMALL * seconds(small)


def test_many_lines_of_one_field_are_joined_once():
    """Not each to all before it."""
    raw = [(b"vary", b"a")] * 20_000
    assert len(Fields(raw).get("vary")) == 59_998
    assert len(Fields(raw).lines("vary")) == 20_000
