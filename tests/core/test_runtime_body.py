"""The watched body: watchers see every piece and are told its end exactly once."""

import asyncio

import httpx
import pytest

from resilient.runtime.body import StreamBody
from resilient.runtime.tasks import TaskRuntime
from resilient.runtime.threads import ThreadRuntime
from resilient.testing import FakeClock, Origin


class Recorder:
    def __init__(self, fails=None):
        self.chunks = []
        self.ends = []
        self.fails = fails

    def chunk(self, data):
        self.chunks.append(data)

    async def ended(self, complete, error):
        self.ends.append((complete, type(error)))
        if self.fails is not None:
            raise self.fails


class Reader:
    """Reads bodies in one colour, by the same words."""

    def __init__(self, colour):
        self.colour = colour
        self.clock = FakeClock()
        self.origin = Origin(clock=self.clock)

    def body(self):
        """A body around what the origin sends."""
        request = httpx.Request("GET", "https://api.test/")
        if self.colour == "blocking":
            return StreamBody(self.origin.handle_request(request).stream)
        return StreamBody(asyncio.run(self.origin.handle_async_request(request)).stream)

    def pieces(self, body, most=100):
        if self.colour == "blocking":
            return [piece for piece, _ in zip(body, range(most), strict=False)]

        async def read():
            found = []
            async for piece in body:
                found.append(piece)
                if len(found) == most:
                    break
            return found

        return asyncio.run(read())

    def close(self, body):
        body.close() if self.colour == "blocking" else asyncio.run(body.aclose())

    def read(self, body, ends=float("inf")):
        """As the runtime does for a caller that does not stream."""
        if self.colour == "blocking":
            runtime = ThreadRuntime(self.clock)
            coroutine = runtime.read(body, ends)
        else:
            coroutine = TaskRuntime(self.clock).read(body, ends)
        return asyncio.run(coroutine)


@pytest.fixture(params=["blocking", "async"])
def reader(request):
    return Reader(request.param)


def watched(reader, *watchers):
    body = reader.body()
    for watcher in watchers:
        body.watch(watcher)
    return body


def test_a_body_that_is_read_and_closed_is_complete(reader):
    """Every piece is seen before the reader has it, and the end is told once, however often it is closed."""
    reader.origin.answers(body=[b"a", b"b"])
    body = watched(reader, first := Recorder(), second := Recorder())
    assert reader.pieces(body) == [b"a", b"b"]
    assert first.ends == []
    for _ in range(3):
        reader.close(body)
    assert first.chunks == second.chunks == [b"a", b"b"]
    assert first.ends == second.ends == [(True, type(None))]
    assert reader.origin.open_bodies == 0


def test_a_body_that_is_closed_unread_is_incomplete(reader):
    """It proves nothing against the origin."""
    body = watched(reader, watcher := Recorder())
    reader.close(body)
    assert (watcher.chunks, watcher.ends) == ([], [(False, type(None))])
    assert reader.origin.open_bodies == 0


def test_a_reader_that_stops_midway_is_no_error(reader):
    """Leaving the loop is not the origin's doing."""
    reader.origin.answers(body=[b"a", b"b", b"c"])
    body = watched(reader, watcher := Recorder())
    assert reader.pieces(body, most=2) == [b"a", b"b"]
    reader.close(body)
    assert watcher.ends == [(False, type(None))]


def test_a_body_that_breaks_tells_what_broke_it(reader):
    """The error reaches the reader and the watchers."""
    reader.origin.answers(body=[b"a", b"bcd"], drop_after=2)
    body = watched(reader, watcher := Recorder())
    with pytest.raises(httpx.RemoteProtocolError):
        reader.pieces(body)
    reader.close(body)
    assert watcher.ends == [(False, httpx.RemoteProtocolError)]
    assert reader.origin.open_bodies == 0


def test_every_watcher_is_told_even_if_one_fails(reader):
    """A cache that cannot write keeps no permit; the first failure is raised, the connection is free."""
    watchers = Recorder(), Recorder(fails=ValueError("first")), Recorder(fails=OSError("second")), Recorder()
    body = watched(reader, *watchers)
    with pytest.raises((ValueError, OSError)):
        reader.close(body)
    assert [len(watcher.ends) for watcher in watchers] == [1, 1, 1, 1]
    assert reader.origin.open_bodies == 0


def test_a_cancelled_end_is_told_to_every_watcher():
    """A task that is cancelled while a watcher writes loses no watcher behind it."""

    class Writer(Recorder):
        async def ended(self, complete, error):
            await super().ended(complete, error)
            await asyncio.sleep(60)

    async def main():
        origin = Origin(clock=FakeClock())
        response = await origin.handle_async_request(httpx.Request("GET", "https://api.test/"))
        body = StreamBody(response.stream)
        body.watch(Writer())
        body.watch(last := Recorder())
        task = asyncio.create_task(body.aclose())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return last.ends

    assert asyncio.run(main()) == [(False, type(None))]


def test_a_body_that_was_kept_is_read_as_often_as_it_is_asked_for(reader):
    """Its watchers saw the network's pieces, and see nothing of the copies."""
    reader.origin.answers(body=[b"a", b"b"])
    body = watched(reader, watcher := Recorder())
    body.keep(reader.read(body))
    assert reader.pieces(body) == reader.pieces(body) == [b"ab"]
    assert (watcher.chunks, watcher.ends) == ([b"a", b"b"], [(True, type(None))])
    assert reader.origin.open_bodies == 0


def test_a_blocking_read_looks_at_the_time_between_pieces():
    """Nothing can stop a thread from outside; it stops itself at the first piece that is too late."""
    reader = Reader("blocking")
    reader.origin.answers(body=[b"a", b"b", b"c"], chunk_latency=1.0)
    body = watched(reader, watcher := Recorder())
    with pytest.raises(TimeoutError):
        reader.read(body, ends=reader.clock.now() + 1.5)
    reader.close(body)
    assert watcher.chunks == [b"a", b"b"]
    assert watcher.ends == [(False, type(None))]
