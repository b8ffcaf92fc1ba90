"""Connections to Redis that many tasks ask on at once: whose answer is whose, and what is not waited for."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import os
import random
import socket
import sys
import termios
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import NoScriptError, ReadOnlyError, RedisError

from resilient.entry import Entry, counted
from resilient.errors import StoreError, StoreUnavailableError
from resilient_adapters.redis import link, links, pool
from resilient_adapters.redis.wire import Answers, packed
from tests.stores.servers import USER, free_port

FOREVER = float("inf")


def entry(body=b"value", ttl=600.0, **more):
    now = time.time()
    return Entry(body=body, stored_at=now, fresh_until=now + ttl, expires_at=now + ttl, **more)


def connections(server):
    """How many connections the store has, as the server counts them."""
    return sum(client["user"] == USER for client in server.admin().client_list())


async def until(happened):
    """Sooner or later; the limit of the test itself ends it."""
    while not happened():
        await asyncio.sleep(0.005)


# --- what goes over the wire --------------------------------------------------------------------------------------

ANSWERS = st.recursive(
    st.none() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=30),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=12,
)


def said(answer):
    """An answer as a server writes it."""
    if answer is None:
        return b"$-1\r\n"
    if isinstance(answer, int):
        return b":%d\r\n" % answer
    if isinstance(answer, bytes):
        return b"$%d\r\n%b\r\n" % (len(answer), answer)
    return b"*%d\r\n" % len(answer) + b"".join(map(said, answer))


@given(st.lists(ANSWERS, max_size=6), st.data())
def test_answers_are_the_same_in_whatever_pieces_they_come(answers, data):
    """Numbers, bytes with line ends in them, nothing, and lists of lists; cut anywhere."""
    rest, reader, found = b"".join(map(said, answers)), Answers(), []
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        found += reader.take(rest[:size])
        rest = rest[size:]
    assert found == answers


def test_what_a_server_refuses_is_an_error_of_its_kind():
    """Between other answers, which stay whole."""
    found = Answers().take(b"+OK\r\n-READONLY You can't\r\n-NOSCRIPT No\r\n*-1\r\n*0\r\n:7\r\n")
    assert [type(each) for each in found] == [bytes, ReadOnlyError, NoScriptError, type(None), list, int]
    assert str(found[1]) == "You can't"


@pytest.mark.parametrize(
    "nonsense",
    [b"hello\r\n", b"$3\r\nfour\r\n", b"$x\r\n", b":seven\r\n", b"*two\r\n", b"\r\n", b"x" * 70_000,
     b"-ERR max number of clients reached\r\n"],
)  # fmt: skip
def test_what_no_server_says_ends_the_connection(nonsense):
    """Nothing after it can be trusted; neither can one that the server wants to be rid of."""
    reader = Answers()
    assert reader.take(b":1\r\n") == [1]
    with pytest.raises((RedisError, ValueError)):
        reader.take(nonsense)


def test_a_large_answer_is_seen_coming_and_read_once():
    """By its first line; a list of many by what there is of it. What comes in between is not gone through again."""
    reader = Answers()
    assert reader.take(b"$8000000\r\n" + b"x" * 1000) == []
    assert reader.on_its_way > 8_000_000
    for _ in range(7999):
        assert reader.take(b"x" * 1000) == []
    assert reader.take(b"\r\n") == [b"x" * 8_000_000]
    assert reader.on_its_way == 0
    reader.take(b"*1000\r\n" + said(b"x" * 1000) * 500)
    assert reader.on_its_way > 500_000
    (whole,) = reader.take(said(b"x" * 1000) * 500)
    assert whole == [b"x" * 1000] * 1000


@given(st.lists(st.lists(st.binary(max_size=20) | st.text(max_size=9) | st.integers() | st.floats(), min_size=1)))
def test_commands_are_lists_of_words(commands):
    """As a server reads them: each word with its length before it, numbers as text."""
    as_bytes = [[word if isinstance(word, bytes) else str(word).encode() for word in each] for each in commands]
    assert Answers().take(packed([tuple(each) for each in commands]) + b":1\r\n") == [*as_bytes, 1]


# --- many at once -------------------------------------------------------------------------------------------------


def test_a_thousand_tasks_at_once_need_one_connection_and_few_messages(redis_server, redis_url, opened):
    """As the server counts them: each connection takes 16 KB at a time from its socket."""
    pair = opened(redis_url)
    pair.blocking.commit({f"{number}": entry(b"%d" % number) for number in range(1000)})

    def messages():
        return redis_server.admin().info("stats")["total_reads_processed"]

    async def main():
        await pair.tasks.get("0")
        before = messages()
        found = await asyncio.gather(*(pair.tasks.get(f"{number}") for number in range(1000)))
        assert messages() - before < 50
        assert [each.body for each in found] == [b"%d" % number for number in range(1000)]
        assert connections(redis_server) - there == 1

    there = connections(redis_server)
    asyncio.run(main())


def test_each_task_s_commands_are_done_in_its_order(redis_url, opened):
    """A hundred of them count side by side, and none ever reads less than it has written."""
    pair = opened(redis_url)

    async def count(name):
        for number in range(1, 21):
            await pair.tasks.set(name, entry(b"%d" % number))
            assert (await pair.tasks.get(name)).body == b"%d" % number
            assert await pair.tasks.incr(f"{name}:n", 1, FOREVER) == number

    async def main():
        await asyncio.gather(*(count(f"task {number}") for number in range(100)))

    asyncio.run(main())


def test_where_there_is_no_room_tasks_wait_and_all_are_served(redis_server, redis_url, opened, monkeypatch):
    """Five may wait on a connection, and there are two: others come later, and those who give up take no place."""
    monkeypatch.setattr(link, "MOST", 5)
    pair = opened(redis_url, maxsize=2)
    pair.blocking.commit({f"{number}": entry(b"%d" % number) for number in range(200)})
    there = connections(redis_server)

    async def read(number):
        return (await pair.tasks.get(f"{number}")).body

    async def main():
        for _ in range(20):
            tasks = [asyncio.create_task(read(number)) for number in range(200)]
            given_up = random.sample(tasks, 50)
            await asyncio.sleep(0)
            for task in given_up:
                task.cancel()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            for number, (task, body) in enumerate(zip(tasks, found, strict=True)):
                assert isinstance(body, asyncio.CancelledError) if task in given_up else body == b"%d" % number
        assert connections(redis_server) - there == 2

    asyncio.run(main())


def test_loops_of_several_threads_share_a_store(redis_server, redis_url, opened):
    """Each with connections of its own, of which none is left once its loop has ended."""
    pair = opened(redis_url)
    pair.blocking.commit({f"{number}": entry(b"%d" % number) for number in range(50)})

    async def read():
        found = await asyncio.gather(*(pair.tasks.get(f"{number}") for number in range(50)))
        return [int(each.body) for each in found]

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: asyncio.run(read()), range(20)))
    assert found == [list(range(50))] * 20
    while connections(redis_server) > 1:
        time.sleep(0.01)


@pytest.mark.parametrize("minsize", [0, 1])
def test_connections_that_no_task_needs_are_closed_after_their_rest(
    redis_server, redis_url, opened, monkeypatch, minsize
):
    """But for as many as are kept, even if all have rested at the same moment; the next command opens one."""
    monkeypatch.setattr(pool, "REST", 0.1)
    monkeypatch.setattr(link, "LOOK", 0.01)
    monkeypatch.setattr(link, "MOST", 1)
    pair = opened(redis_url, minsize=minsize, maxsize=3)

    async def main():
        turns = 0
        while connections(redis_server) < 3:
            await asyncio.gather(*(pair.tasks.incr("n", 1, FOREVER) for _ in range(30)))
            turns += 1
        await asyncio.sleep(0.05)
        time.sleep(0.2)
        await until(lambda: connections(redis_server) <= minsize)
        assert connections(redis_server) == minsize
        assert counted(await pair.tasks.get("n")) == 30 * turns

    asyncio.run(main())


# --- what is not waited for ---------------------------------------------------------------------------------------


class Gate:
    """A link to a server, each of whose connections lets through what its two gates let through."""

    def __init__(self, server):
        self.connections = []
        self._port = server.port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = server.url.replace(f":{server.port}", f":{self._listener.getsockname()[1]}")
        self.hears = True
        """Whether new connections do."""

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self.connections:
            each.close()

    def connected(self):
        """How many connections are open."""
        return sum(each.is_open for each in self.connections)

    def _accept(self):
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections.append(_Connection(client, self._port, self.hears))


class _Connection:
    """One of them; closing a gate keeps what comes, and opening it lets that pass.

    Attributes:
        most: bytes of answers after which their gate closes.
        kept: bytes that stand behind a closed gate.
        after: what follows each piece of answers without having been asked for.
    """

    def __init__(self, client, port, hears):
        server = socket.create_connection(("127.0.0.1", port))
        self.ends = (client, server)
        self.words, self.answers = threading.Event(), threading.Event()
        self.answers.set()
        if hears:
            self.words.set()
        self.most, self.kept, self.after = FOREVER, 0, b""
        self.is_open = True
        for source, target, gate in ((client, server, self.words), (server, client, self.answers)):
            threading.Thread(target=self._pass, args=(source, target, gate), daemon=True).start()

    def _pass(self, source, target, gate):
        passed = 0
        with suppress(OSError):
            while data := source.recv(16_384):
                if gate is self.answers:
                    passed += len(data)
                    if passed > self.most:
                        gate.clear()
                self.kept += len(data) * (not gate.is_set())
                gate.wait()
                target.sendall(data + self.after * (gate is self.answers))
        self.close()

    def close(self):
        self.is_open = False
        for gate in (self.words, self.answers):
            gate.set()
        for end in self.ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def test_a_dead_connection_is_left_at_once_and_given_up_later(own_server, opened, monkeypatch):
    """Whoever asks after a moment of silence is answered over a new one; who waits on the dead one hears of it."""
    monkeypatch.setattr(link, "LOOK", 0.01)
    monkeypatch.setattr(link, "GIVEN_UP", 1_000_000)
    server = own_server()
    with Gate(server) as gate:
        pair = opened(gate.url)

        async def main():
            await pair.tasks.set("k", entry())
            (dead,) = gate.connections
            dead.answers.clear()
            patient = asyncio.create_task(pair.tasks.get("k"))
            await until(lambda: dead.kept)
            hurried = answered = 0
            while answered < 10:
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        hurried += 1
                        assert (await pair.tasks.get("k")).body == b"value"
                        answered += 1
            assert hurried > answered
            assert not patient.done()
            monkeypatch.setattr(link, "GIVEN_UP", 1)
            with pytest.raises(StoreUnavailableError, match="does not answer") as caught:
                await patient
            assert caught.value.kind == "timeout"
            await until(lambda: gate.connected() == 1)
            assert not dead.is_open

        asyncio.run(main())


def test_a_server_that_was_silent_for_a_while_is_taken_back(own_server, opened, monkeypatch):
    """Its late answers are read, and its connection is used again."""
    monkeypatch.setattr(link, "LOOK", 0.01)
    monkeypatch.setattr(link, "GIVEN_UP", 10_000)
    server = own_server()
    pair = opened(server.url, maxsize=1)

    async def main():
        await pair.tasks.set("k", entry())
        client = [each["id"] for each in server.admin().client_list() if each["user"] == USER]
        server.pause()
        waiting = [asyncio.create_task(pair.tasks.get("k")) for _ in range(3)]
        for _ in range(5):
            await asyncio.sleep(link.LOOK)
        # It is in doubt, and no more may be opened: these wait until there is room.
        waiting += [asyncio.create_task(pair.tasks.get("k")) for _ in range(3)]
        waiting[0].cancel()
        waiting[3].cancel()
        await asyncio.sleep(0)
        server.resume()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert [getattr(each, "body", None) for each in found] == [None, b"value", b"value"] * 2
        assert [each["id"] for each in server.admin().client_list() if each["user"] == USER] == client

    asyncio.run(main())


def test_nobody_waits_behind_a_large_answer(own_server, opened):
    """Most of 8 MiB are held back on their way; a hundred others read meanwhile, over a second connection."""
    server = own_server()
    opened(server.url).blocking.commit({"large": entry(os.urandom(8 * 2**20)), "small": entry()})
    with Gate(server) as gate:
        pair = opened(gate.url)

        async def main():
            await pair.tasks.get("small")
            gate.connections[0].most = 100_000
            large = asyncio.create_task(pair.tasks.get("large"))
            await until(lambda: gate.connections[0].kept)
            # What was let through is read before the next answers are.
            await asyncio.sleep(0.05)
            for _ in range(100):
                assert (await pair.tasks.get("small")).body == b"value"
            assert not large.done()
            gate.connections[0].most = FOREVER
            gate.connections[0].answers.set()
            assert len((await large).body) == 8 * 2**20
            assert gate.connected() == 2

        asyncio.run(main())


def test_nobody_waits_behind_a_large_write(own_server, opened):
    """It does not get out; a hundred others read and write meanwhile, over a second connection."""
    server = own_server()
    with Gate(server) as gate:
        pair = opened(gate.url, compress=None)

        async def main():
            await pair.tasks.set("small", entry())
            gate.connections[0].words.clear()
            large = asyncio.create_task(pair.tasks.set("large", entry(os.urandom(16 * 2**20))))
            await until(lambda: gate.connections[0].kept)
            for number in range(50):
                await pair.tasks.set("small", entry(b"%d" % number))
                assert (await pair.tasks.get("small")).body == b"%d" % number
            assert not large.done()
            gate.connections[0].words.set()
            assert await large is True
            assert len((await pair.tasks.get("large")).body) == 16 * 2**20
            assert len(gate.connections) == 2

        asyncio.run(main())


def test_a_server_that_lets_one_connection_hang_is_tried_by_another(own_server, opened, monkeypatch):
    """The first is accepted and never heard; those who wait are answered over the second, and the first is left."""
    monkeypatch.setattr(links, "AGAIN", 0.05)
    server = own_server()
    with Gate(server) as gate:
        gate.hears = False
        pair = opened(gate.url)

        async def main():
            waiting = [asyncio.create_task(pair.tasks.get("k"))]
            await until(lambda: gate.connections)
            gate.hears = True
            while not waiting[0].done():
                await asyncio.sleep(0.02)
                waiting.append(asyncio.create_task(pair.tasks.get("k")))
            assert await asyncio.gather(*waiting) == [None] * len(waiting)
            # Heard at last, it would stay, had it not been left.
            gate.connections[0].words.set()
            await until(lambda: gate.connected() == 1)
            assert not gate.connections[0].is_open

        asyncio.run(main())


def test_whoever_hears_that_nobody_is_there_may_ask_again_at_once(opened):
    """Their next command opens a connection itself; it does not wait for the one that has just failed."""
    pair = opened(f"redis://127.0.0.1:{free_port()}")

    async def main():
        for _ in range(3):
            with pytest.raises(StoreUnavailableError, match=r"refused|Connect call failed"):
                await pair.tasks.get("k")

    asyncio.run(main())


@pytest.mark.parametrize("unasked", [b"$5\r\nother\r\n", b"$5\r\not"], ids=["whole", "begun"])
def test_an_answer_that_nobody_asked_for_is_nobody_s(own_server, opened, unasked):
    """The connection is closed, and the next command is answered right; by tasks as soon as it comes."""
    server = own_server()
    with Gate(server) as gate:
        pair = opened(gate.url)

        async def main():
            await pair.tasks.set("k", entry())
            (first,) = gate.connections
            first.ends[0].sendall(unasked)
            await until(lambda: not first.is_open)
            assert (await pair.tasks.get("k")).body == b"value"
            assert len(gate.connections) == 2

        asyncio.run(main())


@pytest.mark.parametrize("unasked", [b"$5\r\nother\r\n", b"$5\r\not"], ids=["whole", "begun"])
def test_nor_is_one_a_thread_s(own_server, opened, unasked):
    """Whether it comes before the thread asks, or right after the answer and in one piece with it."""
    server = own_server()
    with Gate(server) as gate:
        store = opened(gate.url).blocking
        store.set("k", entry())
        client = gate.connections[0].ends[0]
        client.sendall(unasked)
        while int.from_bytes(fcntl.ioctl(client, termios.TIOCOUTQ, bytes(4)), sys.byteorder):
            time.sleep(0.001)
        assert store.get("k").body == b"value"
        assert len(gate.connections) == 2
        gate.connections[1].after = unasked
        with pytest.raises(StoreUnavailableError, match="nobody has asked"):
            store.get("k")
        assert store.get("k").body == b"value"
        assert len(gate.connections) == 3


def test_whoever_gives_up_leaves_nothing_to_be_kept(opened):
    """Nor what was to be written; else many would fill the memory while a server lets nobody in."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        pair = opened(f"redis://:x@127.0.0.1:{deaf.getsockname()[1]}")

        async def main():
            tasks = [asyncio.create_task(pair.tasks.set("k", entry())) for _ in range(50)]
            await asyncio.sleep(0.01)
            assert kept() == 50
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            tasks.clear()
            del task
            # Until this one goes on waiting, it holds on to what has woken it, and that to their errors.
            await asyncio.sleep(0)
            assert kept() == 0
            await pair.tasks.close()

        asyncio.run(main())


def kept():
    """How many have not been let go who asked."""
    gc.collect()
    return sum(isinstance(each, link.Asked) for each in gc.get_objects())


# --- the end ------------------------------------------------------------------------------------------------------


def test_closing_tells_all_who_wait(own_server, opened, monkeypatch):
    """On a connection, for room on one, and for one to be opened; nothing is left of them."""
    monkeypatch.setattr(link, "MOST", 5)
    server = own_server()
    pair = opened(server.url, maxsize=2)

    async def main():
        await pair.tasks.set("k", entry())
        server.pause()
        try:
            tasks = [asyncio.create_task(pair.tasks.get("k")) for _ in range(20)]
            await asyncio.sleep(0.05)
            assert asyncio.all_tasks() > {*tasks}, "nobody opens a connection"
            await pair.tasks.close()
            for task in tasks:
                with pytest.raises(StoreUnavailableError, match="closed"):
                    await task
            assert asyncio.all_tasks() == {asyncio.current_task()}
        finally:
            server.resume()

    asyncio.run(main())
    while connections(server):
        time.sleep(0.01)


@pytest.mark.slow
def test_a_loop_may_end_while_tasks_wait(script, own_server, ends_well):
    """In the middle of answers and of opening connections: it closes them, and nothing is complained of."""
    end = """
import gc, random
pair = open_store(sys.argv[1], maxsize=3)

async def main(turn):
    tasks = [asyncio.create_task(pair.tasks.set(f"{number}", entry(b"x" * 1000))) for number in range(50)]
    for _ in range(turn % 10):
        await asyncio.sleep(0)
    if turn % 3:
        await asyncio.sleep(random.random() * 0.005)

for turn in range(30):
    asyncio.run(main(turn))
    gc.collect()
print("all ended")
"""
    assert ends_well(script(end, own_server().url)) == "all ended\n"


def test_errors_of_those_who_wait_together_are_their_own(own_server, opened):
    """Each may add to it, as tasks do that raise it again."""
    server = own_server()
    pair = opened(server.url)

    async def main():
        await pair.tasks.set("k", entry())
        server.pause()
        tasks = [asyncio.create_task(pair.tasks.get("k")) for _ in range(5)]
        await asyncio.sleep(0.02)
        server.kill()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(each, StoreError) for each in found)
        assert len({id(each) for each in found}) == 5
        assert all(each.__cause__ is each.__context__ is None for each in found)

    asyncio.run(main())
