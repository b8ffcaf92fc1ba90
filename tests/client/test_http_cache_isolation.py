"""What the cache does is nobody else's affair: the jar, the caller's request, other threads, loops and processes."""

import asyncio
import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import respx

from resilient import AsyncResilientClient, ResilientClient

from .both import reply_to
from .http_caching import CACHED, cached, fresh, is_hit, validated


def test_a_hit_leaves_the_jar_alone(world, origin):
    """A cookie is given to whoever asked, and to nobody again."""
    caller = world.client(origin, cached(credential_headers=["authorization"]))
    origin.answers(headers=[*fresh().items(), ("set-cookie", "id=7"), ("set-cookie", "more=8")])
    first = caller.get()
    assert first.headers.get_list("set-cookie") == ["id=7", "more=8"]
    caller.client.cookies.clear()
    hit = caller.get()
    assert (is_hit(hit), "set-cookie" in hit.headers, dict(caller.client.cookies)) == (True, False, {})


def test_a_cookie_of_a_304_reaches_whoever_asked(world, origin):
    """It is that caller's, in the answer and in the jar; the next hit has none of it."""
    caller = world.client(origin, cached(credential_headers=["authorization"]))
    origin.answers(headers={**fresh(1), "etag": '"1"'})
    caller.get()
    world.clock.advance(2)
    origin.answers(304, headers=[*fresh().items(), ("etag", '"1"'), ("set-cookie", "id=7"), ("set-cookie", "more=8")])
    confirmed = caller.get()
    assert (confirmed.status_code, confirmed.content) == (200, b"ok")
    assert confirmed.headers.get_list("set-cookie") == ["id=7", "more=8"]
    assert dict(caller.client.cookies) == {"id": "7", "more": "8"}
    caller.client.cookies.clear()
    hit = caller.get()
    assert (is_hit(hit), "set-cookie" in hit.headers, dict(caller.client.cookies)) == (True, False, {})


def test_the_callers_request_stays_as_it_was(world, origin):
    """Our conditions go with a copy of it."""
    caller = world.client(origin, CACHED)
    origin.behaves(lambda request, *_: validated(request, '"1"', headers=fresh(0)))
    caller.get()
    answer = caller.get()
    assert "if-none-match" in origin.requests[-1].headers
    assert "if-none-match" not in answer.request.headers
    assert (answer.status_code, answer.content) == (200, b"ok")


def test_what_a_request_says_to_its_transport_arrives(world, origin):
    """Timeouts and the rest, where a kept answer is confirmed too."""
    caller = world.client(origin, CACHED)
    origin.behaves(lambda request, *_: validated(request, '"1"', headers=fresh(0)))
    for _ in range(2):
        caller.get(timeout=7, extensions={"sni_hostname": "other.test"})
    assert [request.status for request in origin.requests] == [200, 304]
    for request in origin.requests:
        assert request.extensions["sni_hostname"] == "other.test"
        assert request.extensions["timeout"]["read"] == 7


def test_hooks_run_for_hits_too(world, origin):
    """As for any other answer; and a hit has its time."""
    seen = []
    if world.colour == "blocking":

        def hook(response):
            seen.append(response.headers["cache-status"])

    else:

        async def hook(response):
            seen.append(response.headers["cache-status"])

    caller = world.client(origin, CACHED, event_hooks={"response": [hook]})
    origin.answers(headers=fresh())
    caller.get()
    assert caller.get().elapsed.total_seconds() >= 0
    assert len(seen) == 2
    assert "hit" in seen[1]


def test_each_hop_of_a_redirect_is_kept_by_itself(world, origin):
    """The second round asks for nothing."""
    caller = world.client(origin, CACHED)
    origin.at("/a").answers(301, headers={**fresh(), "location": "/b"})
    origin.at("/b").answers(body=b"there", headers=fresh())
    for _ in range(2):
        answer = caller.get("/a", follow_redirects=True)
        assert (answer.text, len(answer.history)) == ("there", 1)
    assert origin.sent == 2


def test_many_threads_use_one_client(family):
    """Sixteen at once on ten URLs: each gets the answer of its URL."""

    def handler(request):
        return reply_to(request, text=request.url.path, headers=fresh())

    transport = family.http.MockTransport(handler)
    with (
        family.door.ResilientClient(transport=transport, policies=CACHED) as client,
        ThreadPoolExecutor(16) as pool,
    ):
        paths = [f"/{number % 10}" for number in range(500)]
        assert list(pool.map(lambda path: client.get(f"https://api.test{path}").text, paths)) == paths


def test_one_client_lives_through_two_event_loops(family):
    """Nothing of what is kept is bound to the first one."""
    transport = family.http.MockTransport(lambda request: reply_to(request, text="x", headers=fresh()))
    client = family.door.AsyncResilientClient(transport=transport, policies=CACHED)

    async def main():
        return sorted(map(is_hit, await asyncio.gather(*(client.get("https://api.test/") for _ in range(3)))))

    assert asyncio.run(main()).count(True) < 3
    assert asyncio.run(main()) == [True] * 3
    asyncio.run(client.aclose())


def test_a_child_serves_what_its_parent_kept(family):
    """After a fork: the memory is copied, and its locks are in order."""
    sent = []

    def handler(request):
        sent.append(request)
        return reply_to(request, text="x", headers=fresh())

    with family.door.ResilientClient(transport=family.http.MockTransport(handler), policies=CACHED) as client:
        client.get("https://api.test/")

        def child(pipe):
            pipe.send((is_hit(client.get("https://api.test/")), is_hit(client.get("https://api.test/other"))))

        here, there = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(target=child, args=(there,))
        process.start()
        assert here.poll(60)
        assert here.recv() == (True, False)
        process.join()
    assert len(sent) == 1


def test_the_cache_stands_above_what_respx_plays(colour):
    """Which takes the place of httpx's own transport."""
    with respx.mock() as router:
        route = router.get("https://api.test/").respond(200, text="mocked", headers=fresh())
        if colour == "blocking":
            with ResilientClient(policies=CACHED) as client:
                answers = [client.get("https://api.test/") for _ in range(2)]
        else:

            async def main():
                async with AsyncResilientClient(policies=CACHED) as client:
                    return [await client.get("https://api.test/") for _ in range(2)]

            answers = asyncio.run(main())
    assert [answer.text for answer in answers] == ["mocked"] * 2
    assert (is_hit(answers[1]), route.call_count) == (True, 1)


def test_the_cache_stands_above_what_pytest_httpx_plays(httpx_mock):
    """Likewise."""
    httpx_mock.add_response(url="https://api.test/", text="mocked", headers=fresh())
    with ResilientClient(policies=CACHED) as client:
        answers = [client.get("https://api.test/") for _ in range(2)]
    assert [answer.text for answer in answers] == ["mocked"] * 2
    assert is_hit(answers[1])
