"""What a request says of caches is honoured (RFC 9111 section 5.2.1)."""

import pytest

from resilient import Cache

from .http_caching import CACHED, fresh, is_hit, status_of, validated


@pytest.fixture
def caller(world, origin):
    """Of a client with an answer that is fresh for a minute, and ten seconds old."""
    caller = world.client(origin, CACHED)
    origin.answers(headers={**fresh(), "etag": '"1"'})
    caller.get()
    world.clock.advance(10)
    return caller


def asking(caller, control, url="/"):
    """The answer to a request that says so."""
    return caller.get(url, headers={"cache-control": control})


@pytest.mark.parametrize(
    ("control", "hit"),
    [
        ("max-age=10", True), ("max-age=9", False), ("max-age=0", False), ("max-age=5, max-stale=100", False),
        ("min-fresh=50", True), ("min-fresh=51", False), ("no-cache", False), ("only-if-cached", True),
        ("max-age=nonsense", False), ("odd=1", True), ("", True),
    ],
)  # fmt: skip
def test_a_request_says_how_fresh_an_answer_has_to_be(caller, control, hit):
    """Else the origin is asked, and Cache-Status says that the request wanted that."""
    answer = asking(caller, control)
    assert is_hit(answer) == hit
    assert hit or status_of(answer)["fwd"] == "request"


@pytest.mark.parametrize(
    ("control", "hit"),
    [
        ("max-stale", True),
        ("max-stale=10", True),
        ("max-stale=9", False),
        ("max-stale, min-fresh=1", False),
        ("", False),
    ],
)
def test_a_request_says_how_stale_an_answer_may_be(world, caller, control, hit):
    """Ten seconds after its minute."""
    world.clock.advance(60)
    assert is_hit(asking(caller, control)) == hit


@pytest.mark.parametrize("said", ["must-revalidate", "no-cache"])
def test_an_answer_may_refuse_to_be_served_stale(world, origin, said):
    """However stale the request would have it."""
    caller = world.client(origin, CACHED)
    origin.answers(headers=fresh(10, said))
    caller.get()
    world.clock.advance(20)
    assert not is_hit(asking(caller, "max-stale=100"))


def test_only_what_is_kept_is_504_where_nothing_is(caller, origin):
    """Nothing is sent (RFC 9111 section 5.2.1.7)."""
    answer = asking(caller, "only-if-cached", "/other")
    assert (answer.status_code, origin.sent) == (504, 1)
    assert asking(caller, "only-if-cached, max-age=5").status_code == 504
    assert origin.sent == 1


def test_a_request_with_no_store_leaves_nothing(world, origin):
    """Neither it nor its answer; what is kept already is left alone."""
    cache = Cache("mem://", clock=world.clock)
    caller = world.client(origin, CACHED, store=cache)
    origin.answers(headers=fresh())
    asking(caller, "no-store")
    assert list(cache.blocking.scan("*")) == []
    caller.get()
    asking(caller, "no-store", "/other")
    assert len(list(cache.blocking.scan("*"))) == 1
    assert is_hit(caller.get())


def test_no_cache_has_the_kept_answer_confirmed(world, origin):
    """By its validator; then it is as good as new."""
    caller = world.client(origin, CACHED)
    origin.behaves(lambda request, *_: validated(request, '"1"', headers=fresh()))
    caller.get()
    world.clock.advance(30)
    answer = asking(caller, "no-cache")
    assert (answer.status_code, answer.content, origin.requests[-1].status) == (200, b"ok", 304)
    world.clock.advance(50)
    assert is_hit(caller.get())


def test_pragma_counts_where_there_is_no_cache_control(caller, origin):
    """RFC 9111 section 5.4 leaves it open; a reload of old clients means it."""
    assert not is_hit(caller.get(headers={"pragma": "no-cache"}))
    assert is_hit(caller.get(headers={"pragma": "no-cache", "cache-control": "max-age=60"}))


def test_what_never_changes_is_not_asked_for_again(world, origin):
    """``immutable`` (RFC 8246): while it is fresh, ``max-age=0`` asks for nothing; ``no-cache`` does."""
    caller = world.client(origin, CACHED)
    origin.answers(headers=fresh(60, "immutable"))
    caller.get()
    assert is_hit(asking(caller, "max-age=0"))
    assert not is_hit(asking(caller, "no-cache"))
    world.clock.advance(61)
    assert not is_hit(asking(caller, "max-age=0"))


def test_a_callers_own_condition_is_answered_from_what_is_kept(caller, origin):
    """304 to whoever has it already, the whole answer to whoever has another one; its dates count after its tags."""
    same = caller.get(headers={"if-none-match": 'W/"0", W/"1"'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", '"1"')
    assert caller.get(headers={"if-none-match": "*"}).status_code == 304
    other = caller.get(headers={"if-none-match": '"2"', "if-modified-since": "Fri, 01 Jan 2038 00:00:00 GMT"})
    assert (other.status_code, other.content) == (200, b"ok")
    assert origin.sent == 1


def test_a_callers_own_condition_is_sent_where_nothing_is_kept(caller, origin):
    """And its 304 is handed on, though nothing is kept of it."""
    origin.answers(304, headers={"etag": '"9"'})
    answer = caller.get("/other", headers={"if-none-match": '"9"'})
    assert (answer.status_code, origin.requests[-1].headers["if-none-match"]) == (304, '"9"')
    origin.answers(headers=fresh())
    assert caller.get("/other").status_code == 200


@pytest.mark.parametrize(
    ("asked", "body", "part"),
    [("bytes=0-1", b"ab", "0-1"), ("bytes=2-", b"cdef", "2-5"), ("bytes=-2", b"ef", "4-5")],
)
def test_a_part_is_answered_from_the_whole(world, origin, asked, body, part):
    """206, with the place of the part (RFC 9110 section 14)."""
    caller = world.client(origin, CACHED)
    origin.answers(body=b"abcdef", headers={**fresh(), "etag": '"1"'})
    caller.get()
    answer = caller.get(headers={"range": asked})
    assert (answer.status_code, answer.content) == (206, body)
    assert answer.headers["content-range"] == f"bytes {part}/6"
    assert answer.headers["content-length"] == str(len(body))
    assert origin.sent == 1
