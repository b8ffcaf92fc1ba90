"""Coded bodies: kept as they came, and served to those only who can read them."""

import gzip

import brotli
import pytest

from resilient.testing import Reply

from .http_caching import CACHED, Desk, fresh, is_hit

TEXT = b"rates " * 500
CODED = {"gzip": gzip.compress(TEXT, mtime=0), "br": brotli.compress(TEXT)}


@pytest.mark.parametrize("coding", CODED)
@pytest.mark.parametrize("store", ["mem://", "disk"])
def test_a_hit_has_the_fields_and_the_content_of_the_miss(coding, store, colour, family, tmp_path):
    """Nothing is decoded before it is kept."""
    url = store if store != "disk" else f"disk://{tmp_path}/cache?write_wait=60s&busy_timeout=60s"
    with Desk(colour, family, url) as desk:
        desk.origin.answers(body=CODED[coding], headers={**fresh(), "content-encoding": coding})
        first, second = desk.get(), desk.get()
        assert (is_hit(first), is_hit(second)) == (False, True)
        assert first.content == second.content == TEXT
        for name in ("content-encoding", "content-length", "date"):
            assert first.headers[name] == second.headers[name]


@pytest.mark.parametrize("coding", CODED)
def test_who_cannot_read_a_coding_asks_the_origin(world, origin, coding):
    """Even if the answer does not say that it varies: as where a codec is not installed."""
    caller = world.client(origin, CACHED)

    def behave(request, *_):
        if coding in request.headers.get("accept-encoding", ""):
            return Reply(body=CODED[coding], headers={**fresh(), "content-encoding": coding})
        return Reply(body=TEXT, headers=fresh())

    origin.behaves(behave)
    caller.get()
    assert is_hit(caller.get())
    plain = caller.get(headers={"accept-encoding": "identity"})
    assert (is_hit(plain), plain.content) == (False, TEXT)


def test_a_304_leaves_the_coding_of_what_is_kept(world, origin):
    """It says how the kept bytes are to be read, whatever the 304 says (RFC 9111 section 3.2)."""
    caller = world.client(origin, CACHED)
    said = {**fresh(0), "etag": '"1"', "content-encoding": "gzip"}
    origin.answers(times=1, body=CODED["gzip"], headers=said)
    origin.answers(304, headers={"etag": '"1"', "content-encoding": "br", "content-length": "3", "x-new": "1"})
    caller.get()
    second = caller.get()
    assert (second.content, second.headers["content-encoding"]) == (TEXT, "gzip")
    assert second.headers["content-length"] == str(len(CODED["gzip"]))
    assert second.headers["x-new"] == "1"
