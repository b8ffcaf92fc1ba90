"""The response cache: what is kept, for whom, for how long, and that it is never a caller's problem."""

import asyncio
import dataclasses
import gzip
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import resilient
from resilient import AttemptTimeout, Cache, CircuitBreaker, ConfigurationError, Policy, ResponseCache, Retry, options
from resilient.caching.http.inspecting import kept_answers
from resilient.caching.tee import MAX_BODY
from resilient.entry import Entry
from resilient.errors import StoreError
from resilient.events import CacheLookup, CacheStored, StoreFailed
from resilient.ports import StorePair
from resilient.runtime.lift import Lifted
from resilient.stores.memory import MemoryStore

from .both import Stream, reply_to

SIMPLE = Policy(cache=ResponseCache(ttl="1m"))
FAILOVER = Policy(cache=ResponseCache.failover(ttl="1h"), retry=Retry(max_attempts=1), breaker=None)


def cache_of(answer):
    """What the cache said of a call, in a word."""
    return answer.extensions["resilient"].cache.result


def why_not_kept(answer):
    return [event.detail for event in answer.extensions["resilient"].events(CacheStored)]


def store_behind(caller):
    return caller.client._owner.engine.cache._core.mounts.of("").pair.blocking


# --- hits --------------------------------------------------------------------------------------------------------


def test_a_second_get_is_answered_from_the_cache(world, origin):
    """Nothing is sent; the answer looks like the first one, with its age, and has a journey of its own."""
    caller = world.client(origin, SIMPLE)
    origin.answers(headers={"content-type": "text/plain", "x-twice": "1", "etag": '"7"'}, body=b"rates")
    first = caller.get("/rates")
    world.clock.advance(7)
    second = caller.get("/rates")
    assert (cache_of(first), cache_of(second), origin.sent) == ("miss", "hit", 1)
    same = [(name.lower(), value) for name, value in first.headers.raw if name.lower() != b"cache-status"]
    date = [] if "date" in first.headers else [(b"date", second.headers["date"].encode())]
    status = (b"cache-status", b"resilient; hit; ttl=53; detail=ttl")
    assert second.headers.raw == [*same, *date, (b"age", b"7"), status]
    assert (second.status_code, second.content, second.text) == (200, b"rates", "rates")
    assert second.extensions["resilient"].attempts == []
    assert second.extensions["resilient"].cache.age == 7
    assert second.extensions["resilient"].cache.ttl == 53
    assert second.elapsed.total_seconds() >= 0
    assert second.http_version == first.http_version


def test_each_hit_has_header_fields_of_its_own(world, origin):
    """Whoever changes those of one answer changes those of no other, nor what is kept."""
    caller = world.client(origin, SIMPLE)
    caller.get()
    kept = store_behind(caller).get(*store_behind(caller).scan()).meta["headers"]
    first = caller.get()
    before = first.headers.raw
    first.headers["content-type"] = "changed"
    del first.headers["age"]
    assert caller.get().headers.raw == before
    assert store_behind(caller).get(*store_behind(caller).scan()).meta["headers"] == kept


def test_the_age_is_that_of_the_kept_answer(world, origin):
    """One field; what it was old already counts, and its ttl counts from its receipt."""
    caller = world.client(origin, SIMPLE)
    origin.answers(headers={"age": "100"})
    assert caller.get().headers["age"] == "100"
    world.clock.advance(5)
    assert caller.get().headers.get_list("age") == ["105"]


def test_an_answer_is_served_until_its_time_is_over(world, origin):
    """Sixty seconds: at 59.9 it is served, at 60 it is not."""
    caller = world.client(origin, SIMPLE)
    caller.get()
    world.clock.advance(59.9)
    assert cache_of(caller.get()) == "hit"
    world.clock.advance(0.1)
    assert cache_of(caller.get()) == "miss"
    assert origin.sent == 2


def test_the_ttl_replaces_what_the_answer_states(world, origin):
    """Its own freshness counts neither way; the rules on storing still do."""
    caller = world.client(origin, SIMPLE)
    origin.answers(headers={"cache-control": "max-age=0", "expires": "0"})
    caller.get()
    world.clock.advance(30)
    assert cache_of(caller.get()) == "hit"


def test_the_fragment_makes_no_difference_and_the_query_does(world, origin):
    """A fragment is never sent."""
    caller = world.client(origin, SIMPLE)
    for url in ("/a?x=1", "/a?x=1#part", "/a?x=2", "/a", "/a?", "http://api.test/a?x=1", "https://api.test:444/a?x=1"):
        caller.get(url)
    assert [one.url for one in origin.requests] == [
        "https://api.test/a?x=1",
        "https://api.test/a?x=2",
        "https://api.test/a",
        "https://api.test/a?",
        "http://api.test/a?x=1",
        "https://api.test:444/a?x=1",
    ]


def test_another_host_field_is_another_resource(world, origin):
    """Virtual hosts behind one address never answer for each other."""
    caller = world.client(origin, SIMPLE)
    origin.behaves(lambda request, *_: resilient.testing.Reply(body=request.headers["host"].encode()))
    hosts = ["one.test", "two.test", "one.test"]
    assert [caller.get("https://10.0.0.1/", headers={"host": host}).text for host in hosts] == hosts
    assert origin.sent == 2


@pytest.mark.parametrize("status", [200, 203, 204, 300, 301, 308, 404, 405, 410, 414])
def test_answers_that_may_stand_for_a_later_one_are_kept(world, origin, status):
    """RFC 9110 section 15.1."""
    caller = world.client(origin, SIMPLE)
    origin.answers(status, body=b"x")
    answers = [caller.get() for _ in range(2)]
    assert [answer.status_code for answer in answers] == [status] * 2
    assert answers[0].content == answers[1].content
    assert origin.sent == 1


def test_head_is_answered_from_a_kept_get(world, origin):
    """With its fields, without its body; the other way round there is nothing to answer with."""
    caller = world.client(origin, SIMPLE)
    origin.answers(body=b"twelve bytes")
    assert cache_of(caller("HEAD")) == "miss"
    assert why_not_kept(caller("HEAD")) == ["method"]
    caller.get()
    head = caller("HEAD")
    assert (cache_of(head), head.content, head.headers["content-length"]) == ("hit", b"", "12")
    assert origin.count(method="HEAD") == 2


def test_a_coded_body_is_kept_as_it_came(world, origin):
    """Coded fields over a coded body: content and fields are the same on a miss and on a hit, and so on disk."""
    packed = gzip.compress(b"rates " * 100)
    caller = world.client(origin, SIMPLE)
    origin.answers(body=[packed[:10], packed[10:]], headers={"content-encoding": "gzip", "vary": "Accept-Encoding"})
    first, second = caller.get(), caller.get()
    assert (cache_of(second), second.content) == ("hit", first.content)
    assert second.content == b"rates " * 100
    assert second.headers["content-encoding"] == "gzip"
    assert second.headers["content-length"] == str(len(packed))
    entry = store_behind(caller).get(next(store_behind(caller).scan()))
    assert entry.body == packed


@pytest.mark.parametrize("accepts", ["identity", "br", "gzip;q=0", "*;q=0", ""])
def test_a_coding_that_a_request_does_not_accept_is_a_miss(world, origin, accepts):
    """Even if the answer does not say that it varies."""
    caller = world.client(origin, SIMPLE)
    origin.answers(body=gzip.compress(b"x"), headers={"content-encoding": "gzip"})
    caller.get()
    assert cache_of(caller.get()) == "hit"
    assert cache_of(caller.get(headers={"accept-encoding": accepts})) == "miss"


def test_codings_on_several_lines_count_as_one_list(world, origin):
    """All of them have to be accepted that a client takes off."""
    caller = world.client(origin, SIMPLE)
    body = gzip.compress(gzip.compress(b"x"))
    origin.answers(body=body, headers=[("content-encoding", "gzip"), ("content-encoding", "gzip")])
    caller.get()
    assert cache_of(caller.get()) == "hit"
    assert cache_of(caller.get(headers={"accept-encoding": "br"})) == "miss"


# --- what is not kept --------------------------------------------------------------------------------------------


NOT_KEPT = {
    "no-store": {"headers": {"cache-control": "private, No-Store"}},
    "no-validator": {"headers": {"cache-control": "no-cache"}},
    "vary": {"headers": {"vary": "*"}},
    "vary by traces": {"headers": {"vary": "traceparent"}},
    "event-stream": {"headers": {"content-type": "text/Event-Stream; charset=utf-8"}},
    "partial": {"status": 206, "headers": {"content-range": "bytes 0-1/10"}},
    "status 201": {"status": 201},
    "status 302": {"status": 302, "headers": {"location": "/x"}},
    "status 401": {"status": 401},
    "status 403": {"status": 403},
    "status 500": {"status": 500},
    "status 501": {"status": 501},
    "status 503": {"status": 503},
    "too-large": {"body": b"x" * (MAX_BODY + 1)},
    "undecodable": {"body": b"no gzip", "headers": {"content-encoding": "gzip"}},
}


@pytest.mark.parametrize("name", NOT_KEPT)
@pytest.mark.parametrize("stream", [False, True])
def test_what_must_not_be_kept_is_not(world, origin, name, stream):
    """Read or streamed; the journey says why."""
    caller = world.client(origin, Policy(cache=ResponseCache(ttl="1m"), retry=None, breaker=None))
    origin.answers(**NOT_KEPT[name])

    async def script():
        response = await caller.ask(stream=stream)
        try:
            await caller.read(response)
        finally:
            await caller.close(response)
        return response

    for _ in range(2):
        try:
            response = world.do(script)
        except world.http.DecodingError:
            assert name == "undecodable"
        else:
            assert why_not_kept(response) == [name.partition(" ")[0]]
    assert origin.sent == 2
    assert list(store_behind(caller).scan()) == []


def test_an_empty_vary_varies_by_nothing(world, origin):
    """Empty members of a list are ignored (RFC 9110 section 5.6.1)."""
    caller = world.client(origin, SIMPLE)
    origin.answers(headers={"vary": ", Accept-Encoding,"})
    caller.get()
    assert cache_of(caller.get()) == "hit"


LIES = {
    "says more than it sends": {"headers": {"content-length": "5"}, "stream": [b"abc"]},
    "says less than it sends": {"headers": {"content-length": "2"}, "stream": [b"abc"]},
    "says nothing, ends with its connection": {"headers": {}, "stream": [b"abc"]},
    "says nonsense": {"headers": {"content-length": "-3"}, "stream": [b"abc"]},
    "says an endless number": {"headers": {"content-length": "9" * 5000}, "stream": [b"abc"]},
}


class Pieces(Stream):
    def __init__(self, pieces):
        self.pieces = pieces

    def __iter__(self):
        yield from self.pieces

    async def __aiter__(self):
        for piece in self.pieces:
            yield piece


@pytest.mark.parametrize("name", LIES)
@pytest.mark.parametrize("stream", [False, True])
def test_a_body_whose_length_is_not_sure_is_not_kept(world, name, stream):
    """It cannot be told from one that was cut off."""
    lie = LIES[name]
    sent = []

    def handler(request):
        sent.append(request)
        return reply_to(request, headers=lie["headers"], stream=Pieces(lie["stream"]))

    caller = world.client(world.http.MockTransport(handler), SIMPLE)

    async def script():
        response = await caller.ask(stream=stream)
        return response, await caller.read(response)

    for _ in range(2):
        response, content = world.do(script)
        assert content == b"abc"
        assert why_not_kept(response) in (["incomplete"], ["too-large"])
    assert len(sent) == 2


@pytest.mark.parametrize(
    "framing", [{"headers": {"transfer-encoding": "chunked"}}, {"extensions": {"http_version": b"HTTP/2"}}]
)
def test_a_body_whose_end_is_marked_is_kept_without_a_length(world, framing):
    """By chunks or by a frame of HTTP/2; the chunks themselves are of one connection, and are not kept."""
    sent = []

    def handler(request):
        sent.append(request)
        return reply_to(request, stream=Pieces([b"abc"]), **framing)

    caller = world.client(world.http.MockTransport(handler), SIMPLE)
    first, second = caller.get(), caller.get()
    assert (len(sent), cache_of(second), second.content) == (1, "hit", b"abc")
    assert "transfer-encoding" not in second.headers
    assert second.http_version == first.http_version


def test_the_words_beside_the_status_are_kept(world):
    """And the version of HTTP."""
    said = {"http_version": b"HTTP/2", "reason_phrase": b"Fine By Me", "network_stream": object()}
    handler = world.http.MockTransport(lambda request: reply_to(request, stream=Pieces([b"abc"]), extensions=said))
    caller = world.client(handler, SIMPLE)
    caller.get()
    hit = caller.get()
    assert (hit.http_version, hit.reason_phrase) == ("HTTP/2", "Fine By Me")
    assert set(hit.extensions) == {"http_version", "reason_phrase", "resilient"}


PAST = {
    "request-no-store": {"headers": {"cache-control": "no-store"}},
    "conditional": {"headers": {"if-match": '"x"'}},
    "conditional ": {"headers": {"if-unmodified-since": "Sat, 01 Nov 2025 00:00:00 GMT"}},
    "request-body": {"method": "GET", "content": b"query"},
    "request-body ": {"method": "GET", "headers": {"transfer-encoding": "chunked"}},
}


@pytest.mark.parametrize("name", PAST)
def test_some_requests_go_past_the_cache(world, origin, name):
    """They get no kept answer, and theirs is not kept."""
    caller = world.client(origin, SIMPLE)
    caller(**PAST[name])
    assert list(store_behind(caller).scan()) == []
    caller.get()
    for _ in range(2):
        answer = caller(**PAST[name])
        assert (cache_of(answer), answer.extensions["resilient"].cache.detail) == ("bypass", name.strip())
    assert origin.sent == 4


def test_a_request_may_ask_to_go_past_the_cache(world, origin):
    """``options(cache=False)`` neither reads nor writes."""
    caller = world.client(origin, SIMPLE)
    caller.get(extensions=options(cache=False))
    assert list(store_behind(caller).scan()) == []
    caller.get()
    answer = caller.get(extensions=options(cache=False))
    assert (cache_of(answer), answer.extensions["resilient"].cache.detail) == ("bypass", "options")
    assert origin.sent == 3


def test_fields_of_the_connection_are_not_kept(world, origin):
    """Nor those that the Connection field names (RFC 9111 section 3.1)."""
    caller = world.client(origin, SIMPLE)
    gone = {
        "connection": "close, X-Hop",
        "keep-alive": "5",
        "x-hop": "1",
        "proxy-authenticate": "Basic",
        "upgrade": "h2c",
    }
    origin.answers(headers={**gone, "x-kept": "1"})
    caller.get()
    hit = caller.get()
    assert hit.headers["x-kept"] == "1"
    assert not set(gone) & set(hit.headers)


# --- whose answer it is ------------------------------------------------------------------------------------------


ANN_AND_BOB = {
    "authorization": ({"authorization": "Bearer ann"}, {"authorization": "Bearer bob"}),
    "cookie": ({"cookie": "id=ann"}, {"cookie": "id=bob"}),
    "api key": ({"x-api-key": "ann"}, {"x-api-key": "bob"}),
    "api key, shorter name": ({"Api-Key": "ann"}, {"Api-Key": "bob"}),
    "nobody and somebody": ({}, {"authorization": "Bearer bob"}),
    "the same value elsewhere": ({"authorization": "ann"}, {"cookie": "ann"}),
    "spelt in another encoding": ({"authorization": "é".encode()}, {"authorization": "é".encode("latin-1")}),
    "one more cookie": ({"cookie": "a=1"}, [("cookie", "a=1"), ("cookie", "b=2")]),
    "named": ({"extensions": options(partition="ann")}, {"extensions": options(partition="bob")}),
    "named and credentials": ({"extensions": options(partition="x")}, {"authorization": "x"}),
    "named and nobody": ({"extensions": options(partition="")}, {}),
}


def asked_by(who):
    if isinstance(who, dict) and "extensions" in who:
        return who
    return {"headers": who}


def personal(request, number, now):
    """An answer for whoever asks."""
    return resilient.testing.Reply(body=f"for {number}".encode())


@pytest.mark.parametrize("name", ANN_AND_BOB)
def test_two_users_of_one_client_never_meet_in_a_hit(world, origin, name):
    """Each gets the answer that was given to them."""
    ann, bob = map(asked_by, ANN_AND_BOB[name])
    caller = world.client(origin, SIMPLE)
    origin.behaves(personal)
    assert [caller.get(**who).text for who in (ann, bob, ann, bob)] == ["for 1", "for 2", "for 1", "for 2"]


@pytest.mark.parametrize("name", ANN_AND_BOB)
def test_two_users_of_one_client_never_meet_in_a_stale_answer(world, origin, name):
    """When the origin fails, Bob gets the failure rather than what Ann was told."""
    ann, bob = map(asked_by, ANN_AND_BOB[name])
    caller = world.client(origin, FAILOVER)
    caller.get(**ann)
    origin.answers(503)
    assert caller.get(**bob).status_code == 503
    assert cache_of(caller.get(**ann)) == "stale"


@pytest.mark.parametrize("name", ANN_AND_BOB)
def test_two_users_of_one_client_never_share_a_call(world, origin, name):
    """Ten of each at once: two calls, and each gets their own."""
    ann, bob = map(asked_by, ANN_AND_BOB[name])
    caller = world.client(origin, SIMPLE)
    origin.behaves(lambda *asked: resilient.testing.Reply(body=personal(*asked).body, latency=1))

    async def script(who):
        return (await caller.ask(**who)).text

    texts = world.run([lambda who=who: script(who) for who in [ann, bob] * 10])
    assert origin.sent == 2
    assert texts == texts[:2] * 10
    assert texts[0] != texts[1]


def test_what_counts_as_credentials_may_be_chosen(world, origin):
    """A tenant's field; then the usual ones no longer count, so name them too."""
    caller = world.client(origin, Policy(cache=ResponseCache(ttl="1m", credential_headers=["X-Tenant"])))
    origin.behaves(personal)
    assert caller.get(headers={"x-tenant": "a"}).text == "for 1"
    assert caller.get(headers={"x-tenant": "b"}).text == "for 2"
    assert caller.get(headers={"x-tenant": "a", "authorization": "Bearer x"}).text == "for 1"


def test_a_cookie_is_given_once(world, origin):
    """Set-Cookie reaches the caller of the miss and is not kept: a hit neither shows it nor touches the jar."""
    caller = world.client(origin, Policy(cache=ResponseCache(ttl="1m", credential_headers=["authorization"])))
    origin.answers(headers=[("set-cookie", "id=7"), ("Set-Cookie", "more=8; Path=/")])
    first = caller.get()
    assert first.headers.get_list("set-cookie") == ["id=7", "more=8; Path=/"]
    assert dict(caller.client.cookies) == {"id": "7", "more": "8"}
    caller.client.cookies.clear()
    hit = caller.get()
    assert (cache_of(hit), hit.headers.get_list("set-cookie")) == ("hit", [])
    assert dict(caller.client.cookies) == {}


def test_those_who_share_a_call_get_no_cookie(world, origin):
    """Only the one whose request was sent does."""
    caller = world.client(origin, SIMPLE)
    origin.answers(headers={"set-cookie": "id=7"}, latency=1)

    async def script():
        return len((await caller.ask()).headers.get_list("set-cookie"))

    assert sorted(world.run([script] * 5)) == [0, 0, 0, 0, 1]


def test_nothing_of_a_request_can_be_read_in_a_key_or_in_an_entry(world, origin):
    """Keys are digests that only the store's own secret can make; credentials are nowhere."""
    caller = world.client(origin, SIMPLE)
    secret = {"authorization": "Bearer t0ken", "cookie": "id=t0ken", "x-api-key": "t0ken"}
    origin.answers(headers={"set-cookie": "id=t0ken"})
    caller.get("https://ann:t0ken@api.test/path?key=t0ken", headers=secret)
    caller.get("/path?key=t0ken", extensions=options(partition="t0ken"))
    store = store_behind(caller)
    keys = list(store.scan())
    assert len(keys) == 2
    for key in keys:
        entry = store.get(key)
        assert not {"t0ken", "ann", "path", "api.test"} & set(key.split(":"))
        for text in (key, repr(entry.meta), repr(entry.body), repr(entry.tags)):
            assert "t0ken" not in text
    other = MemoryStore(clock=world.clock)
    again = world.client(origin, SIMPLE, store=StorePair(other, Lifted(other)))
    again.get("/path?key=t0ken", extensions=options(partition="t0ken"))
    assert not set(other.scan()) & set(keys)


# --- many at once ------------------------------------------------------------------------------------------------


def test_fifty_who_miss_at_once_make_one_call(world, origin):
    """Each gets an answer of its own; the journeys say who shared."""
    caller = world.client(origin, SIMPLE)
    origin.answers(latency=2, body=b"rates")
    answers = world.run([caller.ask] * 50)
    assert origin.sent == 1
    assert [answer.content for answer in answers] == [b"rates"] * 50
    assert sorted(map(cache_of, answers)) == ["collapsed"] * 49 + ["miss"]
    assert len({id(answer) for answer in answers}) == 50
    assert sum(len(answer.extensions["resilient"].attempts) for answer in answers) == 1
    assert world.now == 2


def test_threads_that_miss_at_once_make_one_call(family):
    """Real ones, all in the cache before the first answer comes."""
    sent, entered = [], threading.Barrier(21)

    def handler(request):
        sent.append(request)
        entered.wait(10)
        time.sleep(0.05)
        return reply_to(request, text="rates")

    def ask(number):
        if number:
            entered.wait(10)
        return client.get("https://api.test/").text

    with (
        family.door.ResilientClient(transport=family.http.MockTransport(handler), policies=SIMPLE) as client,
        ThreadPoolExecutor(21) as pool,
    ):
        assert list(pool.map(ask, range(21))) == ["rates"] * 21
    assert len(sent) == 1


def test_a_failed_call_is_shared_too(world, origin):
    """Each gets an error of its own, as the library's; the next one asks anew."""
    caller = world.client(origin, Policy(cache=ResponseCache(ttl="1m"), retry=None, breaker=None))
    origin.fails(error="read", latency=1)
    errors = world.run([caller.ask] * 10, return_errors=True)
    assert origin.sent == 1
    assert {type(error) for error in errors} == {world.http.ReadError}
    assert len({id(error) for error in errors}) == 10
    assert len({id(error.request) for error in errors}) == 10
    assert len({id(error.journey) for error in errors}) == 10
    origin.answers()
    assert caller.get().status_code == 200


@pytest.mark.parametrize(
    "how", [{"headers": {"cache-control": "no-store"}}, {"headers": {"vary": "*"}}, {"status": 500}]
)
def test_an_answer_that_cannot_be_shared_sends_everybody_on_their_own(world, origin, how):
    """All at once, not one after the other."""
    caller = world.client(origin, Policy(cache=ResponseCache(ttl="1m"), retry=None, breaker=None))
    origin.behaves(lambda *asked: resilient.testing.Reply(body=personal(*asked).body, latency=1, **how))
    answers = world.run([caller.ask] * 20)
    assert origin.sent == 20
    assert len({answer.content for answer in answers}) == 20
    assert world.now == 2


def test_a_leaders_deadline_is_not_that_of_those_who_share(world, origin):
    """The first one's time is over after a second; the others go on and get their answer."""
    caller = world.client(origin, SIMPLE)
    origin.answers(latency=2)

    async def leader():
        return await caller.ask(extensions=options(deadline=1))

    first, *others = world.run([leader, *[caller.ask] * 5], return_errors=True)
    assert isinstance(first, resilient.DeadlineExceededError)
    assert first.timeout == 1
    assert len(first.journey.events(resilient.events.TimedOut)) == 1
    assert {one.status_code for one in others} == {200}


@pytest.mark.parametrize("hurry", [{"timeout": 0.5}, {"extensions": options(attempt_timeout=0.5)}])
def test_an_impatient_caller_fails_for_nobody_but_itself(world, origin, hurry):
    """Calls that were given other times for their attempts share nothing."""
    caller = world.client(origin, SIMPLE.replace(retry=None))
    origin.answers(latency=1)

    async def impatient():
        return await caller.ask(**hurry)

    first, *others = world.run([impatient, *[caller.ask] * 5, impatient], return_errors=True)
    assert isinstance(first, world.http.TimeoutException)
    assert isinstance(others.pop(), world.http.TimeoutException)
    assert {one.status_code for one in others} == {200}
    assert origin.sent == 2


def test_one_who_shares_gets_no_coding_that_it_does_not_accept(world, origin):
    """It asks on its own."""
    caller = world.client(origin, SIMPLE)

    def behave(request, *_):
        if "gzip" in request.headers["accept-encoding"]:
            return resilient.testing.Reply(body=gzip.compress(b"x"), headers={"content-encoding": "gzip"}, latency=1)
        return resilient.testing.Reply(body=b"x", latency=1)

    origin.behaves(behave)

    async def simple():
        return await caller.ask(headers={"accept-encoding": "identity"})

    answers = world.run([caller.ask, simple, caller.ask])
    assert [answer.headers.get("content-encoding") for answer in answers] == ["gzip", None, "gzip"]
    assert [answer.content for answer in answers] == [b"x"] * 3
    assert origin.sent == 2


def test_a_timeout_of_somebody_elses_is_shown_as_it_is(world, origin):
    """One that Python itself knows, raised by a transport: a bug there, and no deadline of ours."""
    caller = world.client(origin, SIMPLE)
    origin.behaves(lambda *_: TimeoutError("a bug"))
    assert repr(caller.outcome()) == "TimeoutError('a bug')"


def test_a_leader_whose_time_is_over_asks_no_second_time(world, origin):
    """Its error is its own, and comes once."""
    caller = world.client(origin, Policy(cache=ResponseCache(ttl="1m"), deadline=1, retry=None))
    origin.hangs()
    error = caller.outcome()
    assert isinstance(error, resilient.DeadlineExceededError)
    assert (origin.sent, world.now) == (1, 1.0)
    assert len(error.journey.attempts) == 1


def test_those_who_share_keep_their_own_deadlines(world, origin):
    """One with half a second left does not wait for the others' two."""
    caller = world.client(origin, SIMPLE)
    origin.answers(latency=2)

    async def hurried():
        await world.sleep(0.5)
        try:
            await caller.ask(extensions=options(deadline=0.5))
        except resilient.DeadlineExceededError:
            return world.now
        return None

    _, when = world.run([caller.ask, hurried])
    assert when == pytest.approx(1.0, abs=0.02)
    assert origin.sent == 1


@pytest.mark.parametrize("colour", ["async"])
def test_a_leader_that_is_cancelled_leaves_the_others_their_answer(world, origin):
    """Still one call; and the connection is free again."""
    caller = world.client(origin, SIMPLE)
    origin.answers(latency=2)

    async def main():
        tasks = [asyncio.ensure_future(caller.ask()) for _ in range(10)]
        await world.sleep(1)
        tasks[0].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, *others = world.do(main)
    assert isinstance(first, asyncio.CancelledError)
    assert {one.status_code for one in others} == {200}
    assert (origin.sent, origin.open_bodies, world.now) == (1, 0, 2)


@pytest.mark.parametrize("colour", ["async"])
def test_a_call_that_everybody_has_left_is_stopped(world, origin):
    """Nothing goes on in the background, and nothing stays open."""
    caller = world.client(origin, SIMPLE)
    origin.answers(body=[b"x"] * 10, chunk_latency=1)

    async def main():
        before = asyncio.all_tasks()
        tasks = [asyncio.ensure_future(caller.ask()) for _ in range(10)]
        await world.sleep(5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await world.sleep(1)
        return asyncio.all_tasks() - before

    assert world.do(main) == set()
    assert (origin.sent, origin.in_flight, origin.open_bodies) == (1, 0, 0)


def test_streamed_calls_share_nothing_while_under_way(world, origin):
    """What is read, and when, is the caller's affair; the first to be read to its end is kept."""
    caller = world.client(origin, SIMPLE)
    origin.answers(latency=1)

    async def script():
        response = await caller.ask(stream=True)
        assert world.now == 1
        await world.sleep(1)
        return await caller.read(response)

    assert world.run([script] * 3) == [b"ok"] * 3
    assert origin.sent == 3
    assert cache_of(caller.get()) == "hit"


# --- failover ----------------------------------------------------------------------------------------------------


def test_failover_asks_the_origin_each_time(world, origin):
    """And keeps the latest good answer."""
    caller = world.client(origin, FAILOVER)
    origin.behaves(personal)
    assert [caller.get().text for _ in range(3)] == ["for 1", "for 2", "for 3"]
    origin.fails(error="connect")
    assert caller.get().text == "for 3"


FAILURES = {
    "503": {"status": 503},
    "500": {"status": 500},
    "connect": {"error": "connect"},
    "connect timeout": {"error": "connect_timeout"},
    "pool": {"error": "pool"},
    "read": {"error": "read"},
    "timeout": {"error": "read_timeout"},
    "protocol": {"error": "protocol"},
    "half a body": {"status": 200, "body": b"half a body", "drop_after": 4},
}


@pytest.mark.parametrize("name", FAILURES)
def test_the_last_good_answer_stands_in_for_a_failure(world, origin, name):
    """Its age is told; what failed is let go."""
    caller = world.client(origin, FAILOVER)
    origin.answers(body=b"good")
    caller.get()
    world.clock.advance("10m")
    origin.fails(**FAILURES[name])
    answer = caller.get()
    assert (answer.status_code, answer.content, answer.headers["age"]) == (200, b"good", "600")
    assert (cache_of(answer), answer.extensions["resilient"].cache.age) == ("stale", 600)
    assert len(answer.extensions["resilient"].attempts) == 1
    assert origin.open_bodies == 0


def test_the_last_good_answer_stands_in_where_the_circuit_is_open(world, origin):
    """Nothing is sent then."""
    policy = FAILOVER.replace(breaker=CircuitBreaker(failures=1, open_for="30s"))
    caller = world.client(origin, policy)
    caller.get()
    origin.answers(503)
    caller.get()
    answer = caller.get()
    assert (cache_of(answer), origin.sent) == ("stale", 2)
    assert answer.extensions["resilient"].circuit == "open"


def test_the_last_good_answer_stands_in_where_an_attempt_takes_too_long(world, origin):
    """After the attempt's timeout; and where the caller streams."""
    caller = world.client(origin, FAILOVER.replace(attempt_timeout=AttemptTimeout(1)))
    caller.get()
    origin.hangs()

    async def script():
        response = await caller.ask(stream=True)
        return await caller.read(response)

    assert (world.do(script), world.now) == (b"ok", 1.0)


def test_an_old_answer_does_not_stand_in_for_ever(world, origin):
    """After the hour it is gone, and the failure is the caller's."""
    caller = world.client(origin, FAILOVER)
    caller.get()
    origin.answers(503)
    world.clock.advance("59m")
    assert cache_of(caller.get()) == "stale"
    world.clock.advance("1m")
    assert caller.get().status_code == 503


@pytest.mark.parametrize("directive", ["must-revalidate", "no-store", "no-cache"])
def test_an_answer_that_forbids_it_never_stands_in(world, origin, directive):
    """``must-revalidate`` means: an error rather than this (RFC 9111 section 5.2.2.2)."""
    caller = world.client(origin, FAILOVER)
    origin.answers(headers={"cache-control": f"max-age=60, {directive}"})
    caller.get()
    world.clock.advance(61)
    origin.answers(503)
    assert caller.get().status_code == 503


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429])
def test_an_answer_of_the_origin_is_no_failure(world, origin, status):
    """What it says about the request or about its author is handed on."""
    caller = world.client(origin, FAILOVER)
    caller.get()
    origin.answers(status)
    assert caller.get().status_code == status


def test_no_answer_stands_in_for_a_bug(world, origin):
    """An error that no HTTP library raised is shown, or nobody would ever find it."""
    caller = world.client(origin, FAILOVER)
    caller.get()
    origin.behaves(lambda *_: ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        caller.get()
    origin.behaves(lambda *_: world.http.UnsupportedProtocol("never"))
    with pytest.raises(world.http.UnsupportedProtocol):
        caller.get()


def test_a_failure_neither_replaces_nor_removes_the_last_good_answer(world, origin):
    """However many there are."""
    caller = world.client(origin, FAILOVER)
    caller.get()
    for status in (500, 503, 504):
        origin.answers(status)
        assert cache_of(caller.get()) == "stale"


# --- a store that misbehaves -------------------------------------------------------------------------------------


class Bad:
    """A store in which every command does the same wrong thing."""

    name = "bad"

    def __init__(self, act, *commands):
        self._act, self._commands, self._good = act, commands, MemoryStore()

    def __getattr__(self, command):
        return self._act if command in self._commands else getattr(self._good, command)

    def close(self):
        pass


class BadForTasks(Bad):
    def __getattr__(self, command):
        async def run(*args, **kwargs):
            act = self._act if command in self._commands else getattr(self._good, command)
            made = act(*args, **kwargs)
            return await made if asyncio.iscoroutine(made) else made

        return run

    async def close(self):
        pass


def with_store(world, transport, act, *commands, policy=SIMPLE, **more):
    store = StorePair(Bad(act, *commands), BadForTasks(act, *commands))
    return world.client(transport, policy, store=store, **more)


def store_failures(answer):
    return [(event.operation, event.kind) for event in answer.extensions["resilient"].events(StoreFailed)]


RAISES = {
    "full": (StoreError("no space", kind="full"), "full"),
    "unavailable": (resilient.StoreUnavailableError("gone"), "other"),
    "corrupt": (resilient.CorruptEntryError("what"), "corrupt"),
    "timeout": (TimeoutError(), "timeout"),
    "a bug of its own": (KeyError("x"), "other"),
}


@pytest.mark.parametrize("name", RAISES)
@pytest.mark.parametrize("policy", [SIMPLE, FAILOVER])
@pytest.mark.parametrize("command", ["secret", "get_many", "commit"])
def test_a_store_that_raises_is_no_problem_of_the_caller(world, origin, name, policy, command):
    """Whatever it raises and wherever: the origin answers, and the journey and the sinks hear of it."""
    error, kind = RAISES[name]
    heard = []

    def act(*args, **kwargs):
        raise error

    caller = with_store(world, origin, act, command, policy=policy, telemetry=[heard.append])
    answer = caller.get()
    assert (answer.status_code, answer.content) == (200, b"ok")
    assert store_failures(answer) == [("set" if command == "commit" else "get", kind)]
    assert [event.store for event in heard if isinstance(event, StoreFailed)] == ["bad"]


@pytest.mark.parametrize("colour", ["async"])
@pytest.mark.parametrize("commands", [("get_many",), ("commit",), ("secret",)])
def test_a_store_that_hangs_costs_a_call_a_tenth_of_a_second_at_most(world, origin, commands):
    """50 ms a command, and what does not answer is not asked to keep anything."""

    async def act(*args, **kwargs):
        await world.clock.asleep(1000)

    caller = with_store(world, origin, act, *commands)
    answer = caller.get()
    assert answer.status_code == 200
    assert world.now == pytest.approx(0.05 * len(commands))
    assert len(store_failures(answer)) == len(commands)


@pytest.mark.parametrize("colour", ["async"])
def test_a_slow_store_has_a_tenth_of_a_second_for_all_commands_of_a_call(world, origin):
    """40 ms each: the secret and the look-up are done; the writing is not waited for longer than 20 ms."""
    good = MemoryStore(clock=world.clock)

    class Slow(BadForTasks):
        def __getattr__(self, command):
            async def run(*args, **kwargs):
                await world.clock.asleep(0.04)
                return getattr(good, command)(*args, **kwargs)

            return run

    store = Slow(None)
    caller = world.client(origin, SIMPLE, store=StorePair(good, store))
    answer = caller.get()
    assert (answer.status_code, world.now) == (200, pytest.approx(0.1))
    assert (store_failures(answer), why_not_kept(answer)) == ([("set", "timeout")], ["store"])


@pytest.mark.parametrize("colour", ["async"])
def test_a_store_that_hangs_does_not_hold_a_streamed_body_either(world, origin):
    """Its last piece comes at once; closing waits 50 ms at most."""

    async def act(*args, **kwargs):
        await world.clock.asleep(1000)

    caller = with_store(world, origin, act, "commit")

    async def script():
        response = await caller.ask(stream=True)
        times = [world.now async for _ in response.aiter_raw()]
        return [*times, world.now]

    assert world.do(script) == [0, 0.05]


GOOD = {
    "status": 200,
    "headers": ((b"x", b"y"),),
    "extensions": {},
    "times": (1.7e9, 1.7e9, 0.0, b"another clock", 3e8, 3e8),
    "lifetime": (3e8, "ttl"),
    "age": 0.0,
    "selecting": (),
    "terms": SIMPLE.cache.terms.words,
    "public": False,
    "note": "ttl",
    "place": "https://api.test/",
}


def entry(meta=GOOD, body=b"kept"):
    return Entry(body=body, meta=meta, stored_at=1.7e9, fresh_until=2e9, expires_at=2e9)


def giving(found):
    """What answers with this for each answer that is looked for, and knows no marks."""
    return lambda keys: [found if key.startswith("http:") else None for key in keys]


GARBAGE = {
    "no entry": b"bytes",
    "no meta": entry(meta={}),
    "no status": entry(meta={**GOOD, "status": None}),
    "a status of text": entry(meta={**GOOD, "status": "200"}),
    "a status of nowhere": entry(meta={**GOOD, "status": 99}),
    "a fraction for a status": entry(meta={**GOOD, "status": 200.0}),
    "True for a status": entry(meta={**GOOD, "status": True}),
    "no headers": entry(meta={name: said for name, said in GOOD.items() if name != "headers"}),
    "no times": entry(meta={**GOOD, "times": ()}),
    "times of text": entry(meta={**GOOD, "times": ("now",) * 6}),
    "times without end": entry(meta={**GOOD, "times": (1.7e9, 1.7e9, 0.0, b"", float("inf"), 1.0)}),
    "a lifetime of nobody's": entry(meta={**GOOD, "lifetime": (5.0, "hearsay")}),
    "an age before its birth": entry(meta={**GOOD, "age": -1.0}),
    "a number that selects": entry(meta={**GOOD, "selecting": ((1, 2),)}),
    "a list of nothing": entry(meta={"variants": ((1, 2),)}),
    "a list of text": entry(meta={"variants": "x"}),
    "headers of text": entry(meta={**GOOD, "headers": (("x", "y"),)}),
    "headers of three": entry(meta={**GOOD, "headers": ((b"x", b"y", b"z"),)}),
    "a number for headers": entry(meta={**GOOD, "headers": 5}),
    "extensions of text": entry(meta={**GOOD, "extensions": {"http_version": "HTTP/1.1"}}),
    "a body of text": entry(body="text"),
    "no body": entry(body=None),
    "a time of text": dataclasses.replace(entry(), stored_at="now"),
    "a time that is none": dataclasses.replace(entry(), fresh_until=float("nan")),
    "a time that never was": dataclasses.replace(entry(), stored_at=float("-inf")),
}


@pytest.mark.parametrize("name", GARBAGE)
@pytest.mark.parametrize("policy", [SIMPLE, FAILOVER])
def test_what_is_no_answer_is_a_miss(world, origin, name, policy):
    """A store is not believed: what it gives back is checked, recorded as corrupt, and never handed on."""
    caller = with_store(world, origin, giving(GARBAGE[name]), "get_many", policy=policy)
    answer = caller.get()
    assert (answer.content, cache_of(answer)) == (b"ok", "miss")
    assert store_failures(answer) == [("get", "corrupt")]
    origin.answers(503)
    assert caller.get(extensions=options(deadline=1)).status_code == 503


def test_what_is_an_answer_is_a_hit(world, origin):
    """The counterpart: the same entry, sound."""
    caller = with_store(world, origin, giving(entry()), "get_many")
    answer = caller.get()
    assert (answer.status_code, answer.content, answer.headers["x"]) == (200, b"kept", "y")


@pytest.mark.parametrize("secret", [None, "text", b"", b"short", b"x" * 65, 5])
def test_a_secret_that_is_none_keeps_nothing(world, origin, secret):
    """Keys that anybody can make would let one user read another's answers."""
    caller = with_store(world, origin, lambda: secret, "secret")
    for _ in range(2):
        assert cache_of(caller.get()) == "bypass"
    assert origin.sent == 2


def test_a_body_that_is_too_long_to_be_kept_is_not_held(world):
    """Only the last piece of a long stream is in memory."""
    alive = []

    class Piece(bytes):
        def __del__(self):
            alive.remove(1)

    def pieces():
        for _ in range(40):
            alive.append(1)
            yield Piece(b"x" * (MAX_BODY // 16))

    length = str(40 * (MAX_BODY // 16))
    peaks = []
    caller = world.client(
        world.http.MockTransport(
            lambda request: reply_to(request, headers={"content-length": length}, stream=Pieces(pieces()))
        ),
        SIMPLE,
    )

    async def script():
        response = await caller.ask(stream=True)
        if world.colour == "blocking":
            for _ in response.iter_raw():
                peaks.append(len(alive))
        else:
            async for _ in response.aiter_raw():
                peaks.append(len(alive))
        return response

    assert why_not_kept(world.do(script)) == ["too-large"]
    assert max(peaks) <= 18
    assert max(peaks[20:]) <= 3


# --- whose cache it is -------------------------------------------------------------------------------------------


def test_two_clients_may_share_a_cache(world, origin):
    """What one has kept answers the other; credentials still part them."""
    cache = Cache("mem://", clock=world.clock)
    first, second = (world.client(origin, SIMPLE, store=cache) for _ in range(2))
    first.get()
    assert cache_of(second.get()) == "hit"
    assert cache_of(second.get(headers={"authorization": "Bearer x"})) == "miss"


def test_clients_that_share_no_cache_share_no_answers(world, origin):
    """Each has a memory of its own."""
    for _ in range(2):
        assert cache_of(world.client(origin, SIMPLE).get()) == "miss"


def test_one_client_may_live_through_several_event_loops(family):
    """Nothing of it is bound to the first one."""
    handler = family.http.MockTransport(lambda request: reply_to(request, text="x"))
    client = family.door.AsyncResilientClient(transport=handler, policies=SIMPLE)

    async def main():
        return [cache_of(one) for one in await asyncio.gather(*(client.get("https://api.test/") for _ in range(3)))]

    assert [sorted(asyncio.run(main())) for _ in range(2)] == [["collapsed", "collapsed", "miss"], ["hit"] * 3]
    asyncio.run(client.aclose())


def test_the_colours_share_a_cache(family, origin, world):
    """One memory, threads and tasks: what a blocking client kept answers an async one."""
    cache = Cache("mem://", clock=world.clock)
    door = family.door
    with door.ResilientClient(transport=origin, policies=SIMPLE, store=cache, clock=world.clock) as client:
        client.get("https://api.test/")

    async def main():
        async with door.AsyncResilientClient(
            transport=origin, policies=SIMPLE, store=cache, clock=world.clock
        ) as client:
            return await client.get("https://api.test/")

    assert cache_of(asyncio.run(main())) == "hit"


def test_a_file_keeps_answers_longer_than_a_client_lives(family, colour, tmp_path):
    """The store on disk, opened again: in real time, since it has threads of its own."""
    url = f"disk://{tmp_path}/cache?write_wait=30s&busy_timeout=30s"
    patient = Policy(cache=ResponseCache(ttl="1m", store_budget=None))
    given = {"transport": family.http.MockTransport(lambda request: reply_to(request, text="x")), "policies": patient}

    async def main():
        async with family.door.AsyncResilientClient(store=url, **given) as client:
            return await client.get("https://api.test/")

    def once():
        if colour == "async":
            return asyncio.run(main())
        with family.door.ResilientClient(store=url, **given) as client:
            return client.get("https://api.test/")

    assert [cache_of(once()) for _ in range(2)] == ["miss", "hit"]


def test_no_secret_is_in_the_files_nor_in_the_logs(family, tmp_path, caplog):
    """Of a store on disk: neither the credentials, nor the query, nor the user of an address, nor a cookie."""
    public = {"text": "public", "headers": {"set-cookie": "id=t0ken"}}
    secret = {"authorization": "Bearer t0ken", "cookie": "id=t0ken", "x-api-key": "t0ken"}
    with (
        caplog.at_level(logging.DEBUG, logger="resilient"),
        family.door.ResilientClient(
            transport=family.http.MockTransport(lambda request: reply_to(request, **public)),
            policies=Policy(cache=ResponseCache(ttl="1m", store_budget=None)),
            store=f"disk://{tmp_path}/cache?write_wait=30s&busy_timeout=30s",
        ) as client,
    ):
        for _ in range(2):
            last = client.get("https://ann:t0ken@api.test/?key=t0ken", headers=secret)
        written = b"".join(path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert cache_of(last) == "hit"
    assert b"public" in written
    assert b"t0ken" not in written
    assert not [record for record in caplog.records if record.name.startswith("resilient") and "t0ken" in str(record)]


# --- options -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        {"ttl": "1m", "strategy": ResponseCache(ttl=1).strategy},
        {"rules": "ttl-only"},
        {"rules": "rfc9112"},
        {"max_stale": -1},
        {"max_body": "much"},
        {"name": ""},
        {"overrides": ["no-store"]},
        {"overrides": {"store_nostore": True}},
        {"overrides": {"store_no_store": "yes"}},
        {"overrides": {"statuses": [206]}},
        {"overrides": {"ignore_vary": "user-agent"}},
        {"overrides": {"heuristic_cap": "long"}},
        {"ttl": 0},
        {"ttl": "soon"},
        {"ttl": 5, "credential_headers": "authorization"},
        {"ttl": 5, "credential_headers": [5]},
        {"ttl": 5, "credential_headers": 5},
        {"strategy": "soft"},
        {"tll": 5},
    ],
)
def test_wrong_options_are_refused(given):
    """A text for a list of names would be taken for its letters, and part nobody."""
    with pytest.raises(ConfigurationError):
        ResponseCache(**given)


def test_every_lookup_and_every_write_is_told(world, origin):
    """To the sinks, in order, once."""
    heard = []
    caller = world.client(origin, SIMPLE, telemetry=[heard.append])
    caller.get()
    caller.get()
    told = [event for event in heard if isinstance(event, CacheLookup | CacheStored)]
    assert [getattr(event, "result", "stored") for event in told] == ["stored", "miss", "hit"]


# --- deviations, by name -----------------------------------------------------------------------------------------


def overriding(world, origin, ttl=None, **overrides):
    return world.client(origin, Policy(cache=ResponseCache(ttl=ttl, overrides=overrides)))


def detail_of(answer):
    return answer.extensions["resilient"].cache.detail


MAX_AGE = {"cache-control": "max-age=60"}


def test_no_store_may_be_overridden(world, origin):
    """An API that says so of everything; each answer says who decided."""
    caller = overriding(world, origin, ttl="1m", store_no_store=True)
    origin.answers(headers={"cache-control": "no-store"})
    answers = [caller.get(), caller.get()]
    assert [(cache_of(one), detail_of(one)) for one in answers] == [
        ("miss", "store-no-store"),
        ("hit", "store-no-store"),
    ]
    assert why_not_kept(world.client(origin, SIMPLE).get()) == ["no-store"]


def test_no_cache_may_be_overridden(world, origin):
    """Served for its time, without a question."""
    caller = overriding(world, origin, ignore_no_cache=True)
    origin.answers(headers={"cache-control": "no-cache, max-age=60"})
    caller.get()
    answer = caller.get()
    assert (cache_of(answer), detail_of(answer)) == ("hit", "ignore-no-cache")


def test_what_requests_say_may_be_ignored(world, origin):
    """An SDK that sends ``no-cache`` with everything."""
    caller = overriding(world, origin, ignore_request=True)
    origin.answers(headers=MAX_AGE)
    asked = {"headers": {"cache-control": "no-cache, no-store, max-age=0"}}
    assert [cache_of(caller.get(**asked)) for _ in range(2)] == ["miss", "hit"]


def test_other_statuses_may_be_kept(world, origin):
    """With a ttl, which they do not state themselves."""
    caller = overriding(world, origin, ttl="1m", statuses=[302])
    origin.answers(302, headers={"location": "/x"})
    answers = [caller.get(follow_redirects=False) for _ in range(2)]
    assert [(cache_of(one), detail_of(one)) for one in answers] == [("miss", "statuses"), ("hit", "statuses")]


def test_a_field_of_vary_may_make_no_difference(world, origin):
    """User-Agent, of which there are as many as callers; what else is named still counts."""
    caller = overriding(world, origin, ignore_vary=["User-Agent"])
    origin.answers(headers={**MAX_AGE, "vary": "user-agent, x-kind"})
    asked = [("a", "1"), ("b", "1"), ("b", "2")]
    told = [cache_of(caller.get(headers={"user-agent": agent, "x-kind": kind})) for agent, kind in asked]
    assert told == ["miss", "hit", "miss"]


@pytest.mark.parametrize(("cap", "results"), [(0, ["miss"] * 3), ("30s", ["miss", "hit", "miss"])])
def test_guessed_freshness_may_be_shorter_or_none(world, origin, cap, results):
    """The answer has not changed for a year."""
    caller = overriding(world, origin, heuristic_cap=cap)
    origin.answers(headers={"last-modified": "Mon, 01 Jan 2024 00:00:00 GMT"})
    told = []
    for _ in range(3):
        told.append(cache_of(caller.get()))
        world.clock.advance(20)
    assert told == results


def test_a_field_of_ones_own_may_stand_in_for_cache_control(world, origin):
    """RFC 9213; without being named it says nothing."""
    caller = overriding(world, origin, targets=["My-Cache-Control"])
    origin.answers(headers={"my-cache-control": "max-age=60", "cache-control": "no-store"})
    assert [cache_of(caller.get()) for _ in range(2)] == ["miss", "hit"]
    assert why_not_kept(world.client(origin, Policy(cache=ResponseCache())).get()) == ["no-store"]


def test_a_ttl_alone_may_rule(world, origin):
    """Nothing that either side says counts, but for no-store; and nothing is asked conditionally."""
    caller = world.client(origin, Policy(cache=ResponseCache(ttl="1m", rules="ttl-only")))
    origin.answers(headers={"cache-control": "no-cache, must-revalidate", "etag": '"1"'})
    caller.get()
    assert cache_of(caller.get(headers={"cache-control": "no-cache"})) == "hit"
    world.clock.advance(61)
    assert cache_of(caller.get()) == "miss"
    assert "if-none-match" not in origin.requests[-1].headers
    origin.answers(headers={"cache-control": "no-store"})
    assert why_not_kept(caller.get("/other")) == ["no-store"]


def test_a_ttl_counts_from_the_receipt_and_nothing_else_is_replaced(world, origin):
    """An answer that a cache on the way had for an hour is good for the ttl; what says ``no-cache`` is confirmed."""
    caller = world.client(origin, SIMPLE)
    origin.answers(headers={"age": "3600", "etag": '"1"'})
    caller.get()
    assert cache_of(caller.get()) == "hit"
    origin.answers(headers={"cache-control": "no-cache", "etag": '"1"'})
    caller.get("/strict")
    origin.answers(304, headers={"etag": '"1"'})
    assert cache_of(caller.get("/strict")) == "revalidated"


def test_windows_that_an_origin_opens_are_capped(world, origin):
    """``max_stale`` is for what others allow."""
    caller = world.client(origin, Policy(cache=ResponseCache(max_stale="1m"), retry=None, breaker=None))
    origin.answers(headers={"cache-control": "max-age=10, stale-if-error=86400"})
    caller.get()
    origin.answers(503)
    world.clock.advance(69)
    assert cache_of(caller.get()) == "stale"
    world.clock.advance(2)
    assert caller.get().status_code == 503


def test_the_cache_has_the_clients_name(world, origin):
    """Or its own."""
    origin.answers(headers=MAX_AGE)
    for policy, name in ((ResponseCache(), "shop"), (ResponseCache(name="edge"), "edge")):
        caller = world.client(origin, Policy(cache=policy), name="shop")
        assert caller.get().headers["cache-status"].startswith(f"{name}; fwd=uri-miss")


# --- forgetting, and looking -------------------------------------------------------------------------------------


def test_a_write_is_seen_under_any_policy(world, origin):
    """The policy of the PUT keeps nothing; the kept GET is forgotten all the same."""
    caller = world.client(origin, {"GET api.test": Policy(cache=ResponseCache()), "*": Policy(cache=None)})
    origin.answers(headers={"cache-control": "max-age=600"})
    caller.get("/a")
    caller("PUT", "/a")
    assert cache_of(caller.get("/a")) == "miss"


def test_a_write_by_one_user_is_seen_by_all(world, origin):
    """Each has an answer of their own, in two variants; a PUT by a third one makes all of them untrue."""
    caller = world.client(origin, Policy(cache=ResponseCache()))
    origin.answers(headers={"cache-control": "max-age=600", "vary": "x-kind"})
    users = [{"authorization": who, "x-kind": kind} for who in ("ann", "bob") for kind in "12"]
    for fields in users:
        caller.get(headers=fields)
    assert {cache_of(caller.get(headers=fields)) for fields in users} == {"hit"}
    caller("PUT", headers={"authorization": "carl"})
    assert {cache_of(caller.get(headers=fields)) for fields in users} == {"miss"}


def test_what_is_public_is_everybodys_and_what_nobody_asked_for_is_not(world, origin):
    """Bob gets the public answer that Ann asked for; he never gets one that was given to nobody."""
    caller = world.client(origin, Policy(cache=ResponseCache()))
    ann, bob = {"authorization": "ann"}, {"authorization": "bob"}
    origin.answers(headers={"cache-control": "max-age=600, public"})
    caller.get("/public", headers=ann)
    assert [cache_of(caller.get("/public", headers=fields)) for fields in (ann, bob, {})] == ["hit"] * 3
    origin.answers(headers={"cache-control": "max-age=600"})
    caller.get("/private")
    assert [cache_of(caller.get("/private", headers=fields)) for fields in (ann, {}, ann)] == ["miss", "hit", "hit"]


def test_a_store_can_be_looked_at(world, origin):
    """Places without queries, partitions as digests; lists and functions' values are passed over."""
    caller = world.client(origin, Policy(cache=ResponseCache()))
    origin.answers(headers={"cache-control": "max-age=600", "cache-groups": '"a"', "vary": "x-kind"}, body=b"body")
    for kind in "12":
        caller.get("/place?key=t0ken", headers={"x-kind": kind, "authorization": "t0ken"})
    store = store_behind(caller)
    store.set("~early:other", entry(meta={}))
    found = list(kept_answers(store))
    assert {(one.place, one.status, one.size, one.varies_by) for one in found} == {
        ("https://api.test/place", 200, 4, ("x-kind",))
    }
    (partition,) = {one.partition for one in found}
    assert len(found) == 2
    assert len(partition) == 32
    assert all("a" in one.tags and one.expires_at > one.fresh_until > one.stored_at for one in found)
    assert "t0ken" not in repr(found)


def test_who_asks_after_a_write_does_not_wait_for_what_was_asked_before_it(world, origin):
    """A slow GET is under way when a PUT ends; the next GET gets what the PUT has made, not the slow one's answer."""
    caller = world.client(origin, Policy(cache=ResponseCache()))
    written = []

    def behave(request, *_):
        if request.method == "PUT":
            written.append(1)
            return resilient.testing.Reply()
        return resilient.testing.Reply(body=b"new" if written else b"old", headers=MAX_AGE, latency=5)

    origin.behaves(behave)

    async def early():
        return (await caller.ask()).text

    async def later():
        await world.sleep(1)
        await caller.ask("PUT")
        await world.sleep(1)
        return (await caller.ask()).text

    assert world.run([early, later]) == ["old", "new"]
    assert caller.get().text == "new"


@pytest.mark.parametrize("said", [{}, {"cache-control": "no-cache"}])
def test_what_has_to_be_confirmed_never_stands_in_while_it_is_fresh_either(world, origin, said):
    """By the word of the answer, or of the request."""
    caller = world.client(origin, FAILOVER)
    control = "max-age=60" if said else "max-age=60, no-cache"
    origin.answers(headers={"cache-control": control, "etag": '"1"'})
    caller.get()
    origin.answers(503)
    assert caller.get(headers=said).status_code == 503
