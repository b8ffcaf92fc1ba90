"""What makes a kept answer be asked for anew: a write, a group, the program itself."""

import pytest

from resilient import Cache, options
from resilient.testing import FakeClock, Reply

from .http_caching import CACHED, Desk, fresh, is_hit


def answering(origin, status=200, **fields):
    """GETs are fresh for ten minutes; writes are answered so."""
    origin.behaves(
        lambda request, *_: (
            Reply(headers={**fresh(600), "vary": "x-kind"})
            if request.method == "GET"
            else Reply(status=status, headers=fields)
        )
    )


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH"])
@pytest.mark.parametrize(("status", "forgets"), [(200, True), (204, True), (303, True), (404, False), (500, False)])
def test_a_write_has_everything_of_its_url_asked_for_anew(world, origin, method, status, forgets):
    """All variants, unless it has failed (RFC 9111 section 4.4); other URLs are left alone."""
    caller = world.client(origin, CACHED)
    answering(origin, status, location="/elsewhere")
    for kind in "ab":
        caller.get("/thing", headers={"x-kind": kind})
    caller.get("/other")
    caller(method, "/thing")
    assert [is_hit(caller.get("/thing", headers={"x-kind": kind})) for kind in "ab"] == [not forgets] * 2
    assert is_hit(caller.get("/other"))


@pytest.mark.parametrize("field", ["location", "content-location"])
@pytest.mark.parametrize(
    ("place", "forgets"),
    [
        ("/made", True),
        ("https://api.test/made", True),
        ("https://other.test/made", False),
        ("http://api.test/made", False),
    ],
)
def test_what_a_write_names_is_asked_for_anew(world, origin, field, place, forgets):
    """On the same origin only."""
    caller = world.client(origin, CACHED)
    answering(origin, 201, **{field: place})
    url = place if place.startswith("http") else f"https://api.test{place}"
    caller.get(url)
    caller.post("/things")
    assert is_hit(caller.get(url)) == (not forgets)


@pytest.fixture
def caller(world, origin):
    """Of a client with answers of some URLs, and of two users."""
    caller = world.client(origin, CACHED)
    origin.behaves(lambda request, *_: Reply(headers={**fresh(600), "cache-groups": f'"{request.url.path[1:2]}"'}))
    for url in URLS:
        caller.get(url)
    return caller


URLS = ("/a", "/a?page=2", "/a/b", "/b", "https://other.test/a")


def forgotten(world, caller, **what):
    """The URLs of which nothing is kept any more."""
    world.do(lambda: world.result_of(caller.client.invalidate(**what)))
    return [url for url in URLS if not is_hit(caller.get(url))]


@pytest.mark.parametrize(
    ("what", "urls"),
    [
        ({"url": "https://api.test/a"}, ["/a"]),
        ({"url": "https://api.test/nothing"}, []),
        ({"prefix": "https://api.test/a"}, ["/a", "/a?page=2", "/a/b"]),
        ({"prefix": "https://api.test/"}, ["/a", "/a?page=2", "/a/b", "/b"]),
    ],
    ids=str,
)
def test_a_program_has_urls_forgotten(world, caller, what, urls):
    """One of them, or all that begin so."""
    assert forgotten(world, caller, **what) == urls


def test_a_program_has_a_group_forgotten(world, caller):
    """Of the origins' own making, as any tag."""
    assert "/b" not in forgotten(world, caller, tag="a")


def test_a_program_has_a_users_answers_forgotten(world, origin):
    """A partition; nobody else's."""
    caller = world.client(origin, CACHED)
    origin.answers(headers=fresh(600))
    for who in "ab":
        caller.get(extensions=options(partition=who))
    world.do(lambda: world.result_of(caller.client.invalidate(partition="a")))
    assert [is_hit(caller.get(extensions=options(partition=who))) for who in "ab"] == [False, True]


def test_a_write_names_groups_that_are_forgotten(world, origin):
    """On its own origin, where it has not failed; a GET that names them changes nothing (RFC 9875)."""
    caller = world.client(origin, CACHED)

    def behave(request, *_):
        if request.method == "GET":
            told = {"cache-group-invalidation": '"a"'} if request.url.path == "/read" else {}
            return Reply(headers={**fresh(600), "cache-groups": f'"{request.url.path[1:2]}"', **told})
        return Reply(status=404 if "fail" in request.url.path else 200, headers={"cache-group-invalidation": '"a"'})

    origin.behaves(behave)
    urls = ["/a/1", "/a/2", "/b/1", "https://other.test/a/1"]

    def hits():
        return [is_hit(caller.get(url)) for url in urls]

    hits()
    caller.get("/read")
    caller.post("/fail")
    assert hits() == [True] * 4
    caller.post("/write")
    assert hits() == [False, False, True, True]


@pytest.mark.parametrize(
    "what",
    [{"url": "https://api.test/a"}, {"prefix": "https://api.test/"}, {"tag": "group"}, {"partition": "ann"}],
    ids=str,
)
def test_every_client_of_a_store_forgets(colour, family, store, what):
    """What one has forgotten no other one serves, in memory, on disk and in Redis."""
    clock = FakeClock()
    shared = Cache(store, clock=clock) if store == "mem://" else store
    asked = {"extensions": options(partition="ann")}
    with Desk(colour, family, shared, clock=clock) as one, Desk(colour, family, shared, clock=clock) as other:
        for desk in (one, other):
            desk.origin.answers(headers={**fresh(600), "cache-groups": '"group"'})
        one.get("/a", **asked)
        assert is_hit(other.get("/a", **asked))
        one.do(lambda: one.client.invalidate(**what))
        assert not is_hit(other.get("/a", **asked))


@pytest.mark.parametrize("wrong", [{}, {"url": "/relative"}, {"url": "https://api.test/", "tag": "a"}, {"tgs": "a"}])
def test_it_has_to_be_clear_what_is_meant(world, origin, wrong):
    """One thing, and a whole address."""
    caller = world.client(origin, CACHED)
    with pytest.raises((ValueError, TypeError)):
        world.do(lambda: world.result_of(caller.client.invalidate(**wrong)))
