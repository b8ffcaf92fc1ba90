"""Whether an answer is kept, and what of it: RFC 9111 section 3 for a private cache."""

import typing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.http.asking import why_bypassed
from resilient.http.directives import ResponseControl
from resilient.http.fields import Fields
from resilient.http.keeping import is_complete, kept, why_not_kept
from resilient.http.reasons import Reason
from tests.http.making import NOW, asked, fields
from tests.http.making import kept as answered

FRESH = {"cache_control": "max-age=60"}


def why_not(*lines, request=None, status=200, ttl=None, unkeyed=(), window=0.0, **named):
    answer = answered(*lines, status=status, ttl=ttl, **named)
    return why_not_kept(status, asking=request or asked(), answer=answer, unkeyed=unkeyed, window=window)


# --- section 3: methods, statuses, directives --------------------------------------------------------------------


@pytest.mark.parametrize(
    "named",
    [
        FRESH,
        {"expires": 60},
        {"cache_control": "max-age=60, private, must-revalidate"},
        {"last_modified": -1000},
        {"etag": '"a"'},
        {"etag": '"a"', "cache_control": "no-cache"},
        {"cache_control": "max-age=0", "last_modified": -1000},
        {"cache_control": "max-age=0, stale-while-revalidate=5"},
        {"cache_control": "max-age=0, stale-if-error=5"},
    ],
)
def test_what_is_of_use_is_kept(named):
    """Fresh now, or to be confirmed, or good for a failure."""
    assert why_not(**named) is None


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"cache_control": "max-age=0"},
        {"expires": -60},
        {"expires": "0"},
        {"cache_control": "max-age=60", "age": "60"},
        {"cache_control": "max-age=60, no-cache"},
        {"cache_control": "max-age=0, must-revalidate, stale-if-error=5"},
        {"cache_control": "max-age=60", "age": "x"},
        {"etag": "*"},
    ],
)
def test_what_could_never_be_served_is_not_kept(named):
    """Neither fresh nor to be confirmed: nothing is written."""
    assert why_not(**named) == "no-validator"


def test_what_a_strategy_would_serve_is_kept():
    """Stale, unless the answer forbids that."""
    assert why_not(cache_control="max-age=0", window=5.0) is None
    assert why_not(cache_control="max-age=0, must-revalidate", window=5.0) == "no-validator"
    assert why_not(cache_control="no-cache", window=5.0) == "no-validator"


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "QUERY", ""])
def test_only_answers_to_get_are_kept(method):
    """The only method that this cache understands; methods are case-sensitive (RFC 9110 section 9.1)."""
    assert why_not(request=asked(method), **FRESH) == "method"


@pytest.mark.parametrize(
    ("named", "status", "reason"),
    [
        ({"cache_control": "max-age=60", "content_location": "/a"}, 200, None),
        ({"expires": 60, "content_location": "http://example.test/a"}, 200, None),
        ({"expires": 60, "content_location": "http://example.test:80/b/../a#x"}, 200, None),
        ({"expires": 60, "content_location": "/b"}, 200, "method"),
        ({"expires": 60, "content_location": "http://other.test/a"}, 200, "method"),
        ({"expires": 60, "content_location": "https://example.test/a"}, 200, "method"),
        ({"expires": 60, "content_location": "/a"}, 201, "method"),
        ({"last_modified": -1000, "content_location": "/a"}, 200, "method"),
        ({"cache_control": "max-age=60"}, 200, "method"),
    ],
)
def test_an_answer_to_post_that_is_what_get_would_give(named, status, reason):
    """RFC 9110 section 9.3.3: it says for how long it is fresh, and that it is of the same address."""
    assert why_not(request=asked("POST", content_length="5"), status=status, **named) == reason


def test_which_statuses_are_kept():
    """Final ones but 206 and 304, if the answer says for how long; else those of RFC 9110 section 15.1."""
    explicit = {status for status in range(100, 1000) if why_not(status=status, **FRESH) is None}
    assert explicit == set(range(200, 600)) - {206, 304}
    guessed = {status for status in range(100, 1000) if why_not(status=status, last_modified=-1000) is None}
    assert guessed == {200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501}
    assert why_not(status=206, **FRESH) == "partial"
    assert why_not(status=599, cache_control="public", last_modified=-1000) is None
    assert why_not(status=599, ttl=5.0) is None


@pytest.mark.parametrize(
    ("directives", "status", "reason"),
    [
        ("max-age=60, no-store", 200, "no-store"),
        ("max-age=60, must-understand", 200, None),
        ("max-age=60, must-understand, no-store", 200, None),
        ("max-age=60, must-understand, no-store", 404, None),
        ("max-age=60, must-understand", 599, "must-understand"),
        ("max-age=60, must-understand, no-store", 299, "must-understand"),
    ],
)
def test_no_store_and_must_understand(directives, status, reason):
    """Sections 5.2.2.5 and 5.2.2.3: who understands the status passes over no-store."""
    assert why_not(status=status, cache_control=directives) == reason


def test_a_request_can_forbid_it():
    """Section 5.2.1.5."""
    assert why_not(request=asked(cache_control="no-store"), **FRESH) == "request-no-store"


def test_a_get_with_a_body_asks_for_more_than_its_url_says():
    """RFC 9110 section 9.3.1."""
    assert why_not(request=asked(content_length="5"), **FRESH) == "request-body"
    assert why_not(request=asked(transfer_encoding="chunked"), **FRESH) == "request-body"
    assert why_not(request=asked(content_length="0"), **FRESH) is None


@pytest.mark.parametrize("vary", ["*", "Foo, *", ", ".join(f"a{number}" for number in range(33))])
def test_what_depends_on_what_cannot_be_compared_is_not_kept(vary):
    """Nor on more names than are looked at."""
    assert why_not(vary=vary, **FRESH) == "vary"
    assert why_not(vary=", ".join(f"a{number}" for number in range(32)), **FRESH) is None


@pytest.mark.parametrize(
    "content_type", ["text/event-stream", "Text/Event-Stream; charset=utf-8", " text/event-stream "]
)
def test_a_stream_of_events_is_not_kept(content_type):
    """It has no end."""
    assert why_not(content_type=content_type, **FRESH) == "event-stream"


def test_what_servers_answer_by_without_saying_so():
    """Section 7.1: with such a field nothing is kept on a guess, unless Vary names it."""
    request, unkeyed = asked("GET", "X-Forwarded-Host: evil.test"), ["x-forwarded-host"]
    assert why_not(request=request, unkeyed=unkeyed, last_modified=-1000) == "unkeyed"
    assert why_not(request=request, unkeyed=unkeyed, last_modified=-1000, vary="X-Forwarded-Host") is None
    assert why_not(request=request, unkeyed=unkeyed, **FRESH) is None
    assert why_not(unkeyed=unkeyed, last_modified=-1000) is None


LINES = st.lists(
    st.tuples(
        st.sampled_from([b"cache-control", b"vary", b"age", b"expires", b"etag", b"content-location", b"content-type"]),
        st.one_of(st.binary(max_size=12), st.sampled_from([b"no-store", b"max-age=5", b"*", b'"a"', b"/a", b"0"])),
    ),
    max_size=6,
)


@settings(deadline=None)
@given(st.sampled_from(["GET", "HEAD", "POST", "x"]), st.integers(0, 999), LINES, LINES)
def test_any_answer_is_judged_in_known_words(method, status, request, lines):
    """Never an error; what forbids it is never overlooked."""
    asking = asked(method)
    answer = answered(*[f"{name.decode()}: {value.decode('latin-1')}" for name, value in lines], status=status)
    reason = why_not_kept(status, asking=asking, answer=answer)
    assert reason is None or reason in typing.get_args(Reason)
    if answer.control.no_store and not answer.control.must_understand:
        assert reason is not None
    if reason is None:
        assert answer.ttl(0) > 0 or answer.has_validator or answer.control.stale_if_error


# --- section 5.2.1: requests -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "named", "reason"),
    [
        ("GET", {}, None),
        ("HEAD", {"cache_control": "max-age=0"}, None),
        ("GET", {"cache_control": "no-cache"}, None),
        ("GET", {"range": "bytes=0-1", "if_range": '"a"'}, None),
        ("GET", {"if_none_match": '"a"', "if_modified_since": -5}, None),
        ("POST", {}, "method"),
        ("get", {}, "method"),
        ("GET", {"cache_control": "no-store"}, "request-no-store"),
        ("GET", {"if_match": '"a"'}, "conditional"),
        ("GET", {"if_unmodified_since": -5}, "conditional"),
        ("GET", {"content_length": "5"}, "request-body"),
        ("GET", {"content_length": "0"}, None),
        ("GET", {"transfer_encoding": "chunked"}, "request-body"),
    ],
)
def test_which_requests_go_past_the_cache(method, named, reason):
    """Those for which no kept answer may stand in."""
    assert why_bypassed(asked(method, **named)) == reason


# --- RFC 9112 section 8: incomplete messages ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "content_length", "framed", "complete"),
    [
        (5, "5", False, True),
        (5, "5", True, True),
        (0, "0", False, True),
        (5, "005", False, True),
        (0, "000", False, True),
        (4, "5", False, False),
        (4, "5", True, False),
        (6, "5", False, False),
        (5, None, True, True),
        (5, None, False, False),
        (5, "", True, False),
        (5, "+5", False, False),
        (5, " 5", False, False),
        (5, "5, 5", False, False),
        (5, "\u0665", False, False),
        (5, "5.0", False, False),
        (5, "9" * 5000, False, False),
    ],
)
def test_whether_a_body_is_whole(length, content_length, framed, complete):
    """By its length, or by an end that is marked; the end of the connection proves nothing."""
    assert is_complete(length, content_length, framed) is complete


@settings(deadline=None)
@given(st.integers(min_value=0), st.one_of(st.none(), st.text(), st.integers().map(str)), st.booleans())
def test_any_length_is_judged(length, content_length, framed):
    """Never an error; a length that is stated has to be right."""
    found = is_complete(length, content_length, framed)
    if found and content_length is not None:
        assert int(content_length) == length


# --- section 3.1: storing header fields --------------------------------------------------------------------------


def test_fields_of_one_connection_are_not_kept():
    """Nor those that Connection names, nor what is meant for a proxy, nor cookies, in whatever case."""
    gone = [
        "Connection: close,  X-HOP", "connection: X-Other", "Keep-Alive: 1", "Proxy-Authenticate: 1",
        "Proxy-Authentication-Info: 1", "Proxy-Authorization: 1", "Proxy-Connection: 1", "TE: 1", "Trailer: 1",
        "Transfer-Encoding: 1", "Upgrade: 1", "Set-Cookie: 1", "Set-Cookie2: 1", "X-Hop: 1", "x-other: 1",
    ]  # fmt: skip
    left = kept(fields(*gone, "X-Kept: 1", "Content-Encoding: 1", "Date: 1"), ResponseControl(), NOW)
    assert left == ((b"x-kept", b"1"), (b"content-encoding", b"1"), (b"date", b"1"))


def test_fields_that_may_not_be_served_unconfirmed_are_not_kept():
    """Section 5.2.2.4: those that no-cache names."""
    control = ResponseControl(no_cache_fields=frozenset({"a"}))
    assert kept(fields("A: 1", "b: 2", date=0), control, NOW)[0] == (b"b", b"2")


def test_an_answer_without_a_date_gets_that_of_its_coming():
    """RFC 9110 section 6.6.1; one that has a Date keeps it, right or wrong."""
    assert kept(fields(), ResponseControl(), NOW) == ((b"date", b"Tue, 14 Nov 2023 22:13:20 GMT"),)
    assert kept(fields(date="x"), ResponseControl(), NOW) == ((b"date", b"x"),)


def test_order_and_repetition_of_fields_are_kept():
    """Byte by byte but for the case of names, unknown fields included."""
    raw = ((b"a", b"1"), (b"b", b"\xff"), (b"a", b""), (b"\xe9", b"x"), (b"date", b""))
    assert kept(Fields(raw), ResponseControl(), NOW) == raw


@settings(deadline=None)
@given(st.lists(st.tuples(st.binary(), st.binary())), st.binary())
def test_any_fields_are_sorted_out(raw, connection):
    """Never an error, and nothing is made up but a date."""
    found = kept(Fields([*raw, (b"Connection", connection)]), ResponseControl(), NOW)
    left = iter([(name.lower(), value) for name, value in raw])
    assert all(field in left for field in found if field[0] != b"date")
