"""What a reviewer did to the cache of answers, each once; what it had to say to that."""

import asyncio
import gzip
import sys
import zlib
from itertools import chain, repeat

import pytest

from resilient import Cache, DeadlineExceededError, ResponseCache, options
from resilient.caching.names import is_mark
from resilient.http.codings import MAX_INFLATED
from resilient.ports import StorePair
from resilient.runtime.lift import Lifted
from resilient.stores.memory import MemoryStore
from resilient.testing import Reply

from .http_caching import BARE, CACHED, cached, fresh, is_hit, status_of

ANN, BOB = ({"authorization": f"Bearer {name}"} for name in ("ann", "bob"))


def who(request):
    return request.headers.get("authorization", "nobody").encode()


@pytest.mark.parametrize(
    "said",
    [
        "private, max-age=60, s-maxage=60", "private, public, max-age=60", "max-age=60, s-maxage=0",
        "public, max-age=60, s-maxage=0",
    ],
)  # fmt: skip
def test_an_answer_that_contradicts_itself_is_nobody_elses(world, origin, said):
    """Of two words for whose it is, the more careful one counts."""
    origin.behaves(lambda request, *_: Reply(body=who(request), headers={"cache-control": said}))
    caller = world.client(origin, CACHED)
    assert [caller.get(headers=user).content for user in (ANN, BOB, ANN)] == [
        b"Bearer ann",
        b"Bearer bob",
        b"Bearer ann",
    ]
    assert origin.sent == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"overrides": {"targets": ["my-cc"]}}, {"my-cc": "private, max-age=60", "cache-control": "s-maxage=60"}),
        ({"overrides": {"targets": ["my-cc"]}}, {"my-cc": "max-age=60", "cache-control": "public"}),
        ({"rules": "ttl-only", "ttl": "60s"}, {"cache-control": "public, s-maxage=60"}),
    ],
)
def test_what_does_not_count_makes_no_answer_everybodys(world, origin, options, said):
    """Neither a Cache-Control that another field stands in for, nor one that a policy does not believe."""
    origin.behaves(lambda request, *_: Reply(body=who(request), headers=said))
    caller = world.client(origin, cached(**options))
    assert [caller.get(headers=user).content for user in (ANN, BOB, ANN)] == [
        b"Bearer ann",
        b"Bearer bob",
        b"Bearer ann",
    ]
    assert origin.sent == 2


def test_a_target_field_can_make_an_answer_everybodys(world, origin):
    """It stands in for Cache-Control in this too."""
    origin.answers(headers={"my-cc": "max-age=60, public", "cache-control": "private"})
    caller = world.client(origin, cached(overrides={"targets": ["my-cc"]}))
    assert [is_hit(caller.get(headers=user)) for user in (ANN, BOB)] == [False, True]


@pytest.mark.parametrize("status", [302, 400, 401, 403, 429, 500, 503])
@pytest.mark.parametrize(
    "said",
    [
        {"cache-control": "max-age=0, private, must-revalidate"},
        {"cache-control": "max-age=0"},
        {"expires": "0"},
        {"age": "x"},
    ],
)
def test_no_ttl_makes_a_refusal_last(world, origin, status, said):
    """That it must not be used again is no reason to use it for as long as the policy says."""
    replies = chain([Reply(status=status, headers=said)], repeat(Reply(body=b"good")))
    origin.behaves(lambda *_: next(replies))
    caller = world.client(origin, cached(ttl="5m"))
    assert [caller.get().status_code for _ in range(2)] == [status, 200]


def test_no_ttl_makes_a_failure_last_that_says_it_may(world, origin):
    """Its origin meant a moment; a redirect that says so lasts as long as the policy has it."""
    origin.behaves(lambda request, *_: Reply(status=int(request.url.path[1:]), headers={"cache-control": "max-age=1"}))
    caller = world.client(origin, cached(ttl="5m"))
    assert [is_hit(caller.get(f"/{status}")) for status in (503, 503, 302, 302)] == [False, False, False, True]


def test_a_condition_that_raises_keeps_nothing_and_harms_nobody(world, origin):
    """The answer is not kept, which is told; the caller has it, and the connection is free again."""
    origin.answers(headers=fresh(), body=b"whole")
    caller = world.client(origin, cached(condition=lambda response: response.json()["x"]))

    async def streamed():
        response = await caller.ask(stream=True)
        return response, await caller.read(response)

    for _ in range(2):
        response, content = world.do(streamed)
        assert (content, status_of(response)["detail"]) == (b"whole", "condition-failed")
    assert (origin.sent, origin.open_bodies) == (2, 0)


class SlowStore(Lifted):
    """A store in memory that takes its time once it is told to."""

    name = "slow"
    sleep = None

    async def get(self, key):
        await self._wait()
        return await super().get(key)

    async def commit(self, *given, **named):
        await self._wait()
        return await super().commit(*given, **named)

    async def _wait(self):
        self.waits += self.sleep is not None
        if self.sleep is not None:
            await self.sleep(10)


class Remembering(MemoryStore):
    """A store that a guard has to ask as it asks a slow one."""


@pytest.mark.parametrize("colour", ["async"])
@pytest.mark.parametrize("what", ["POST", "POST past a policy without a cache", "304 of another variant", "HEAD"])
def test_an_answer_is_let_go_of_if_its_call_is_cancelled_while_the_store_is_slow(world, origin, what):
    """Whoever holds it when the call ends gives its connection back."""
    memory = Remembering(clock=world.clock)
    slow = SlowStore(memory)
    slow.waits = 0
    cache = cached(store_budget=None)
    policies = {"GET *": cache, "*": BARE} if "past" in what else cache
    caller = world.client(origin, policies, store=StorePair(blocking=memory, tasks=slow))
    method = what.split()[0].replace("304", "GET")
    last = False

    def behave(request, *_):
        if not last:
            language = request.headers["accept-language"]
            return Reply(headers={"cache-control": "no-cache", "vary": "accept-language", "etag": f'"{language}"'})
        slow.sleep = world.sleep
        return Reply(
            status=304 if "304" in what else 200, headers={"etag": '"en"'}, body=b"" if "304" in what else b"x"
        )

    origin.behaves(behave)
    for language in ("de", "en"):
        caller.get(headers={"accept-language": language})
    last = True

    async def main():
        task = asyncio.ensure_future(caller.ask(method, stream=True, headers={"accept-language": "de"}))
        await world.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    world.do(main)
    assert (slow.waits > 0, origin.sent, origin.open_bodies) == (True, 3, 0)


def test_a_write_overtakes_an_answer_whose_mark_the_store_has_let_go_of(world, origin):
    """What this process made forget it remembers, however small its store is."""
    content = b"old"

    def behave(request, *_):
        nonlocal content
        if request.method == "PUT":
            content = b"new"
            return Reply(status=204)
        return Reply(body=content, headers=fresh(600), latency=2 if request.url.path == "/slow" else 0)

    origin.behaves(behave)
    memory = MemoryStore(20, clock=world.clock)
    caller = world.client(origin, CACHED, store=StorePair(blocking=memory, tasks=Lifted(memory)))

    async def reader():
        return (await caller.ask(url="/slow")).content

    async def writer():
        await world.sleep(1)
        await caller.ask("PUT", "/slow")
        for number in range(30):
            await caller.ask(url=f"/{number}")
        return [key for key in memory.scan() if is_mark(key)]

    assert world.run([reader, writer]) == [b"old", []]
    last = caller.get("/slow")
    assert (last.content, is_hit(last)) == (b"new", False)


def zeros(length):
    """So many of them, coded with gzip: a thousandth of that."""
    coder = zlib.compressobj(9, zlib.DEFLATED, 31)
    pieces = [coder.compress(b"\0" * 2**20) for _ in range(length // 2**20)]
    return b"".join(pieces) + coder.flush()


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (gzip.compress(b"text " * 100), True), (gzip.compress(b"text " * 100)[:-12], False),
        (gzip.compress(b"text " * 100)[:-1], False), (zeros(MAX_INFLATED), True), (zeros(MAX_INFLATED + 2**20), False),
    ],
    ids=["whole", "ends early", "ends just too early", "longest", "bomb"],
)  # fmt: skip
def test_a_coded_body_is_kept_if_it_can_be_decoded_without_much_ado(world, origin, body, kept):
    """Not if it ends too early, and not if to see that nobody else would have a turn for seconds."""
    origin.answers(headers={**fresh(), "content-encoding": "gzip"}, body=body)
    caller = world.client(origin, CACHED)

    async def streamed():
        response = await caller.ask(stream=True)
        pieces = response.iter_raw() if world.colour == "blocking" else response.aiter_raw()
        length = sum(
            [len(piece) for piece in pieces] if world.colour == "blocking" else [len(one) async for one in pieces]
        )
        await caller.close(response)
        return length, is_hit(response)

    assert [world.do(streamed) for _ in range(2)] == [(len(body), False), (len(body), kept)]


@pytest.mark.parametrize(
    ("coding", "coded"), [("deflate", zlib.compress(b"x")), ("Deflate", zlib.compress(b"x", wbits=-15))]
)
def test_both_forms_of_deflate_can_be_decoded(world, origin, coding, coded):
    """With its frame, and without, as some servers send it."""
    origin.answers(headers={**fresh(), "content-encoding": coding}, body=coded)
    caller = world.client(origin, CACHED)
    assert [(one.content, is_hit(one)) for one in (caller.get(), caller.get())] == [(b"x", False), (b"x", True)]


@pytest.mark.parametrize(
    ("cache", "said"),
    [
        (cached(), "public, max-age=1, stale-while-revalidate=100"),
        (BARE.replace(cache=ResponseCache.soft(ttl="100s", soft_ttl="1s")), "public"),
    ],
    ids=["standard", "soft"],
)
def test_everybodys_stale_answer_is_asked_for_once_whoever_finds_it(world, origin, cache, said):
    """A hundred users are served at once; in the background goes one question, not one for each of them."""
    origin.answers(headers={"cache-control": said}, latency=1)
    caller = world.client(origin, cache)

    async def main():
        await caller.ask(headers={"authorization": "first"})
        await world.sleep(5)

    world.do(main)
    users = [lambda user=user: caller.ask(headers={"authorization": user}) for user in map(str, range(100))]
    began = world.now
    assert all(is_hit(answer) for answer in world.run(users))
    assert world.now == began
    world.do(lambda: world.sleep(5))
    assert origin.sent == 2


def test_when_the_time_of_who_asks_is_over_one_of_those_who_wait_asks(world, origin):
    """The impatient one has its error; all others have one answer, by one more call."""
    origin.answers(latency=1, headers=fresh(), body=b"whole")
    caller = world.client(origin, CACHED)
    deadlines = ["300ms", *["10s"] * 99]
    calls = [lambda deadline=deadline: caller.ask(extensions=options(deadline=deadline)) for deadline in deadlines]
    impatient, *others = world.run(calls, return_errors=True)
    assert isinstance(impatient, DeadlineExceededError)
    assert {one.content for one in others} == {b"whole"}
    assert (origin.sent, world.now) == (2, 1.3)


@pytest.mark.parametrize(("longest", "hits"), [("10s", [True, False]), (0, [False, False]), ("1d", [True, True])])
def test_a_policy_caps_how_stale_an_answer_a_request_may_have(world, origin, longest, hits):
    """Whoever allows it, the origin or the request."""
    origin.answers(headers={**fresh(10), "etag": '"1"'})
    caller = world.client(origin, cached(max_stale=longest))
    found = []
    for seconds in (15, 10_000):
        caller.get()
        world.clock.advance(seconds)
        found.append(is_hit(caller.get(headers={"cache-control": "max-stale"})))
    assert found == hits


STUBBORN = cached(ttl="1d", overrides={"store_no_store": True})


@pytest.mark.parametrize(
    ("keeper", "said", "reader"),
    [
        (STUBBORN, "no-store", CACHED), (STUBBORN, "no-store", cached(ttl="1d")),
        (cached(ttl="1d"), "max-age=0", CACHED), (cached(ttl="1d"), "max-age=0", cached(ttl="1s")),
        (BARE.replace(cache=ResponseCache.soft(ttl="1d", soft_ttl="1h")), "max-age=0", CACHED),
        (BARE.replace(cache=ResponseCache.failover(ttl="1d")), "max-age=1, stale-while-revalidate=1", CACHED),
        (cached(overrides={"ignore_no_cache": True}), "max-age=60, no-cache", CACHED),
        (cached(overrides={"targets": ["my-cc"]}), "max-age=0", CACHED),
    ],
)  # fmt: skip
def test_a_deviation_belongs_to_the_policy_where_it_stands(world, origin, keeper, said, reader):
    """What one keeps against the rules another one that shares the store does not serve."""
    origin.answers(headers={"cache-control": said, "my-cc": "max-age=60"})
    store = Cache("mem://", clock=world.clock)
    caller = world.client(origin, keeper, store=store)
    caller.get()
    if said.startswith("max-age=1,"):
        world.clock.advance(5)  # past what the answer says, within the keeper's own window
    else:
        assert is_hit(caller.get())
    assert not is_hit(world.client(origin, reader, store=store).get())


def test_what_an_answer_says_itself_counts_for_whoever_shares_the_store(world, origin):
    """One policy keeps it as the answer says, another one serves it so."""
    origin.answers(headers=fresh(60))
    cache = Cache("mem://", clock=world.clock)
    world.client(origin, CACHED, store=cache).get()
    assert is_hit(world.client(origin, BARE.replace(cache=ResponseCache.failover(ttl="1h")), store=cache).get())
    world.clock.advance(61)
    assert not is_hit(world.client(origin, cached(ttl="1d"), store=cache).get())


def test_a_part_of_a_coded_body_is_asked_of_the_origin(world, origin):
    """No client can decode a part from the middle; the origin may send the whole, as many do."""
    coded = gzip.compress(b"hello" * 100)
    origin.answers(headers={**fresh(), "content-encoding": "gzip"}, body=coded)
    caller = world.client(origin, CACHED)
    caller.get()
    answer = caller.get(headers={"range": "bytes=10-19"})
    assert (answer.content, status_of(answer)["fwd"]) == (b"hello" * 100, "partial")


@pytest.mark.parametrize(
    "said", [{"connection": "content-encoding"}, {"cache-control": 'max-age=60, no-cache="content-encoding, vary"'}]
)
def test_no_answer_leaves_out_how_its_body_is_to_be_read(world, origin, said):
    """A hit is decoded as a miss is, and given to whom it fits."""
    coded = gzip.compress(b"hello")
    headers = {**fresh(), "content-encoding": "gzip", "vary": "accept-language", **said}
    origin.answers(headers=headers, body=coded)
    caller = world.client(origin, CACHED)
    answers = [caller.get(headers={"accept-language": language}) for language in ("de", "de", "en")]
    assert [(one.content, is_hit(one)) for one in answers] == [(b"hello", False), (b"hello", True), (b"hello", False)]


def test_what_was_waited_for_before_it_was_sent_makes_no_answer_older(world, origin):
    """Neither a place in the line of a rate limit nor the attempts before; the way there and back does."""
    origin.answers(headers=fresh(5), latency=1)
    caller = world.client(origin, CACHED.replace(rate_limit="1/10s", deadline="60s"))
    caller.get("/a")
    answers = [caller.get("/b") for _ in range(2)]
    assert [is_hit(one) for one in answers] == [False, True]
    assert (world.now, answers[1].headers["age"]) == (11, "1")


def test_a_cache_status_that_nobody_can_read_is_replaced(world, origin):
    """Ours can be read all the same."""
    origin.answers(headers={**fresh(), "cache-status": '"foo'})
    caller = world.client(origin, CACHED)
    assert [caller.get().headers["cache-status"] for _ in range(2)] == [
        "resilient; fwd=uri-miss; stored; ttl=60", "resilient; hit; ttl=60",
    ]  # fmt: skip


def test_large_header_fields_live_no_longer_than_the_store_keeps_them(world, origin):
    """What makes a hit cheap remembers the small ones, of which there are many."""
    origin.answers(headers={**fresh(), "x-large": "x" * 60_000})
    caller = world.client(origin, CACHED)
    memo = sys.modules[caller.client.__module__.rpartition(".")[0] + ".library"]._headers
    before = memo.cache_info().misses
    assert [is_hit(caller.get()) for _ in range(2)] == [False, True]
    assert memo.cache_info().misses == before


@pytest.mark.parametrize(
    ("client", "told"), [("café", "caf%C3%A9"), ("日本", '"%E6%97%A5%E6%9C%AC"'), ("", "resilient")]
)
def test_any_clients_name_can_be_read_in_cache_status(world, origin, client, told):
    """A structured field has ASCII only; no two clients are called the same for that."""
    caller = world.client(origin, CACHED, name=client)
    assert caller.get().headers["cache-status"].startswith(f"{told}; fwd=uri-miss")


def test_that_everybodys_answer_does_not_fit_is_told_to_who_has_credentials_too(world, origin):
    """Another language is kept for all; it does not fit, which is not that nothing is kept."""
    origin.answers(headers={**fresh(60, "public"), "vary": "accept-language"})
    caller = world.client(origin, CACHED)
    answers = [caller.get(headers={"accept-language": language, **ANN}) for language in ("de", "en", "en")]
    assert [status_of(one).get("fwd") for one in answers] == ["uri-miss", "vary-miss", None]


@pytest.mark.parametrize("status", [401, 403, 407])
def test_a_refusal_is_nobody_elses_whatever_it_says(world, origin, status):
    """Whoever has credentials is asked about, though the refusal before it is ``public``."""

    def behave(request, *_):
        refused = "authorization" not in request.headers
        return Reply(status=status if refused else 200, headers={"cache-control": "public, max-age=600"})

    origin.behaves(behave)
    caller = world.client(origin, CACHED)
    assert caller.get().status_code == status
    assert caller.get(headers={"authorization": "Bearer a"}).status_code == 200
