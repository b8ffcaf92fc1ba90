"""Whether an answer may be kept, and what of it: RFC 9111 section 3 for a private cache that was given a ttl."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.http.storing import (
    STORABLE_STATUSES,
    combined,
    is_acceptable,
    is_complete,
    kept_fields,
    why_not_asked,
    why_not_stored,
)

# --- RFC 9110 section 5.3: field order ---------------------------------------------------------------------------


def test_lines_of_one_field_are_one_list():
    """In their order, whatever the case of their names; no byte is refused."""
    raw = [(b"Vary", b"a"), (b"X-\xe9", b"\xff"), (b"vary", b"b, c"), (b"VARY", b"")]
    assert combined(raw) == {"vary": "a, b, c, ", "x-\xe9": "\xff"}


# --- RFC 9111 section 3: storing responses -----------------------------------------------------------------------


def stored(*, method="GET", status=200, directives=None, vary=(), content_type="text/plain"):
    return why_not_stored(method, status, directives or {}, vary, content_type)


def test_a_plain_answer_to_get_is_stored():
    """Nothing forbids it."""
    assert stored() is None
    assert stored(directives={"private": None, "max-age": "60", "must-revalidate": None}) is None


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "QUERY"])
def test_only_answers_to_get_are_stored(method):
    """The only method that this cache understands; methods are case-sensitive (RFC 9110 section 9.1)."""
    assert stored(method=method) == "method"


def test_which_statuses_are_stored():
    """Final, complete, understood, and no failure of the server's (RFC 9110 section 15.1)."""
    wanted = {200, 203, 204, 300, 301, 308, 404, 405, 410, 414}
    assert {status for status in range(100, 600) if stored(status=status) is None} == wanted
    assert wanted == STORABLE_STATUSES
    assert stored(status=206) == "status"


@pytest.mark.parametrize("directive", ["no-store", "no-cache"])
def test_what_forbids_it_counts(directive):
    """Sections 5.2.2.4 and 5.2.2.5; with an argument too, which only narrows what we do not do."""
    assert stored(directives={directive: None}) == directive
    assert stored(directives={directive: "set-cookie", "max-age": "60"}) == directive


# --- RFC 9111 section 4.1: Vary ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vary", "reason"),
    [
        ([], None),
        ([""], None),
        (["Accept-Encoding"], None),
        ([" ACCEPT-encoding ", ""], None),
        (["*"], "vary"),
        (["Accept-Encoding", "*"], "vary"),
        (["Cookie"], "vary"),
        (["Accept-Encoding", "Accept-Language"], "vary"),
    ],
)
def test_what_varies_by_more_than_the_coding_is_not_stored(vary, reason):
    """One answer is kept for a key, and its coding is looked at when it is served."""
    assert stored(vary=vary) == reason


@pytest.mark.parametrize(
    "content_type", ["text/event-stream", "Text/Event-Stream; charset=utf-8", " text/event-stream "]
)
def test_a_stream_of_events_is_not_stored(content_type):
    """It has no end."""
    assert stored(content_type=content_type) == "event-stream"


# --- RFC 9111 section 5.2.1: requests ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "fields", "directives", "reason"),
    [
        ("GET", {}, {}, None),
        ("HEAD", {}, {"max-age": "0"}, None),
        ("POST", {}, {}, "method"),
        ("GET", {}, {"no-store": None}, "request-no-store"),
        ("GET", {}, {"no-cache": None}, "request-no-cache"),
        ("GET", {"range"}, {}, "range"),
        ("GET", {"if-match"}, {}, "conditional"),
        ("GET", {"if-none-match"}, {}, "conditional"),
        ("GET", {"if-modified-since"}, {}, "conditional"),
        ("GET", {"if-unmodified-since"}, {}, "conditional"),
        ("GET", {"if-range"}, {}, "conditional"),
        ("GET", {"content-length"}, {}, "request-body"),
        ("GET", {"transfer-encoding"}, {}, "request-body"),
    ],
)
def test_which_requests_go_past_the_cache(method, fields, directives, reason):
    """Those whose answer could not be told from another one's by its key, and those that say so."""
    assert why_not_asked(method, {name.encode() for name in fields}, directives) == reason


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
        (5, "٥", False, False),
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


# --- RFC 9111 section 3.1: storing header fields -----------------------------------------------------------------


def test_fields_of_one_connection_are_not_kept():
    """Nor those that Connection names, nor what is meant for a proxy, nor cookies, in whatever case."""
    gone = [
        "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization",
        "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Set-Cookie", "X-Hop", "x-other",
    ]  # fmt: skip
    raw = [(name.encode(), b"1") for name in [*gone, "X-Kept", "Content-Encoding", "Date"]]
    kept = kept_fields(raw, ["close", " X-HOP ", "X-Other", ""])
    assert kept == [(b"x-kept", b"1"), (b"content-encoding", b"1"), (b"date", b"1")]


def test_order_and_repetition_of_fields_are_kept():
    """Byte by byte but for the case of names, unknown fields included (RFC 9111 section 3.1)."""
    raw = [(b"a", b"1"), (b"B", b"\xff"), (b"a", b""), (b"\xe9", b"x")]
    assert kept_fields(raw, []) == [(b"a", b"1"), (b"b", b"\xff"), (b"a", b""), (b"\xe9", b"x")]


@settings(deadline=None)
@given(st.lists(st.tuples(st.binary(), st.binary())), st.lists(st.text()))
def test_any_fields_are_sorted_out(raw, connection):
    """Never an error, and nothing is made up."""
    kept = kept_fields(raw, connection)
    left = iter([(name.lower(), value) for name, value in raw])
    assert all(field in left for field in kept)


# --- RFC 9110 section 12.5.3: Accept-Encoding --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("coding", "accepted", "acceptable"),
    [
        (None, None, True),
        ("", "br", True),
        ("identity", "br", True),
        ("gzip", "gzip, deflate", True),
        ("GZIP", "deflate, GZip", True),
        ("gzip", "gzip;q=1.0", True),
        ("gzip", "gzip ; Q=0.5", True),
        ("gzip", "*", True),
        ("gzip", "*;q=0.1", True),
        ("gzip, br", "br, gzip", True),
        ("gzip,", "gzip", True),
        ("gzip", None, False),
        ("gzip", "", False),
        ("gzip", "deflate, br", False),
        ("gzip", "gzip;q=0", False),
        ("gzip", "gzip;q=0.000", False),
        ("gzip", "*, gzip;q=0", False),
        ("gzip", "*;q=0", False),
        ("gzip, br", "gzip", False),
        ("x-odd", "gzip, deflate", False),
    ],
)
def test_whether_a_coding_is_accepted(coding, accepted, acceptable):
    """All codings have to be; a name counts before the star; a weight of zero means no."""
    assert is_acceptable(coding, accepted) is acceptable


@settings(deadline=None)
@given(st.one_of(st.none(), st.text()), st.one_of(st.none(), st.text()))
def test_any_codings_are_judged(coding, accepted):
    """Never an error."""
    assert is_acceptable(coding, accepted) in {True, False}
