"""Many who ask for one thing at once: one asks the origin, where all may have its answer."""

import asyncio

import pytest

from resilient.testing import Reply

from .http_caching import CACHED, fresh, status_of


def test_a_hundred_who_miss_at_once_make_one_call(world, origin):
    """Each gets an answer of its own; Cache-Status says who shared."""
    caller = world.client(origin, CACHED)
    origin.answers(latency=2, headers=fresh())
    answers = world.run([caller.ask] * 100)
    assert (origin.sent, world.now) == (1, 2)
    assert [answer.content for answer in answers] == [b"ok"] * 100
    assert sum("collapsed" in status_of(answer) for answer in answers) == 99


@pytest.mark.parametrize("colour", ["async"])
@pytest.mark.parametrize("who", [0, 50, 99])
def test_whoever_is_cancelled_the_others_have_their_answer(world, origin, who):
    """The one that asked, or one that waits: still one call."""
    caller = world.client(origin, CACHED)
    origin.answers(latency=2, headers=fresh())

    async def main():
        tasks = [asyncio.ensure_future(caller.ask()) for _ in range(100)]
        await world.sleep(1)
        tasks[who].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    outcomes = world.do(main)
    assert isinstance(outcomes.pop(who), asyncio.CancelledError)
    assert {one.status_code for one in outcomes} == {200}
    assert (origin.sent, origin.open_bodies) == (1, 0)


@pytest.mark.parametrize("said", ["no-store", "max-age=0", "max-age=60, no-cache"])
def test_an_answer_that_cannot_be_shared_sends_everybody_on_their_own(world, origin, said):
    """All at once, not one after the other."""
    caller = world.client(origin, CACHED)
    origin.behaves(lambda _, number, __: Reply(body=b"%d" % number, headers={"cache-control": said}, latency=1))
    answers = world.run([caller.ask] * 100)
    assert origin.sent == 100
    assert len({answer.content for answer in answers}) == 100
    assert world.now == 2


def test_who_shares_must_be_answered_by_what_fits_its_own_request(world, origin):
    """A call under way for another language is waited for, and then it is not taken."""
    caller = world.client(origin, CACHED)

    def behave(request, *_):
        language = request.headers["accept-language"].encode()
        return Reply(body=language, headers={**fresh(), "vary": "accept-language"}, latency=1)

    origin.behaves(behave)
    languages = ["de", "fr"] * 10

    async def script(language):
        return (await caller.ask(headers={"accept-language": language})).text

    assert world.run([lambda language=language: script(language) for language in languages]) == languages


def test_a_call_for_what_is_stale_is_shared_too(world, origin):
    """One confirms it for all."""
    caller = world.client(origin, CACHED)
    origin.behaves(
        lambda request, *_: Reply(
            status=304 if "if-none-match" in request.headers else 200, headers={**fresh(5), "etag": '"1"'}, latency=1
        )
    )
    caller.get()
    world.clock.advance(10)
    answers = world.run([caller.ask] * 50)
    assert [answer.content for answer in answers] == [b"ok"] * 50
    assert [request.status for request in origin.requests] == [200, 304]
