"""What the library notes of each answer, our clients note too: how long it took, a line in its log, whom it answers."""

import gc
import gzip
import logging
import weakref

import pytest

from resilient import Policy, ResponseCache

from .both import Stream, reply_to

PACKED = gzip.compress(b"packed " * 50)
FIELDS = {"text": [], "gzip": [("content-encoding", "gzip")]}


class Body(Stream):
    """A body as it comes from a network, in both colours."""

    def __init__(self, content):
        self.content = content

    def __iter__(self):
        yield self.content

    async def __aiter__(self):
        yield self.content


def packed(request):
    """An answer whose body is still to be read and decoded."""
    return reply_to(request, headers=FIELDS["gzip"], stream=Body(PACKED))


def plain_text(request):
    """An answer whose body is still to be read."""
    return reply_to(request, stream=Body(b"text"))


@pytest.mark.parametrize("policy", [Policy.passthrough(), Policy.standard(), Policy(cache=ResponseCache(ttl="1h"))])
@pytest.mark.parametrize("handler", [plain_text, packed, reply_to])
@pytest.mark.parametrize("hooked", [False, True])
def test_an_answer_knows_how_long_it_took(world, policy, handler, hooked):
    """Read at once, decoded, from a cache, or read before it came; whether or not a hook sees it first."""

    def noop(response):
        pass

    async def anoop(response):
        pass

    hooks = {"response": [world.choose(noop, anoop)]} if hooked else {}
    caller = world.client(world.http.MockTransport(handler), policy, event_hooks=hooks)
    for _ in range(2):
        answer = caller.get()
        assert answer.elapsed.total_seconds() > 0
        assert (answer.is_closed, answer.is_stream_consumed) == (True, True)


@pytest.mark.parametrize("policy", [Policy.passthrough(), Policy(cache=ResponseCache(ttl="1h"))])
@pytest.mark.parametrize("handler", [plain_text, packed])
def test_a_stream_knows_how_long_it_took_once_it_is_closed(world, policy, handler):
    """Not before, as through the library; the second one of a client with a cache is a hit."""
    caller = world.client(world.http.MockTransport(handler), policy)

    async def script():
        answer = await caller.ask(stream=True)
        with pytest.raises(RuntimeError, match="elapsed"):
            _ = answer.elapsed
        assert not answer.is_closed
        await caller.read(answer)
        await caller.close(answer)
        return answer.elapsed.total_seconds()

    assert [world.do(script) > 0 for _ in range(2)] == [True, True]


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING])
def test_the_librarys_log_has_its_line_for_each_answer(world, plain, caplog, level):
    """The same line as the library's own, and none where its log is set to say less."""
    name = world.http.__name__
    said = []
    for caller in (plain(world.http.MockTransport(plain_text)), world.client(world.http.MockTransport(plain_text))):
        caplog.clear()
        with caplog.at_level(level, logger=name):
            caller.get("/x?a=1")
        said.append([(one.levelno, one.getMessage()) for one in caplog.records if one.name == name])
    expected, got = said
    assert got == expected
    assert len(got) == (level == logging.INFO)


def test_a_request_of_the_other_colour_is_refused_as_by_the_library(world, plain):
    """Its body could not be read; nothing is sent."""
    other = world.choose(world.http.AsyncByteStream, world.http.SyncByteStream)
    said = []
    for caller in (plain(world.http.MockTransport(plain_text)), world.client(world.http.MockTransport(plain_text))):

        async def script(caller=caller):
            request = caller.client.build_request("POST", "https://api.test/")
            request.stream = other()
            return await world.result_of(caller.client.send(request))

        with pytest.raises(RuntimeError) as caught:
            world.do(script)
        said.append(str(caught.value))
    assert said[0] == said[1]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("handler", [plain_text, packed])
def test_an_answer_is_gone_once_nobody_holds_it(world, handler, stream):
    """Without the garbage collector: nothing of ours makes an answer that is read and closed refer to itself."""
    caller = world.client(world.http.MockTransport(handler))

    async def script():
        answer = await caller.ask(stream=stream)
        if stream:
            await caller.read(answer)
            await caller.close(answer)
        return weakref.ref(answer)

    gc.disable()
    try:
        assert world.do(script)() is None
    finally:
        gc.enable()
