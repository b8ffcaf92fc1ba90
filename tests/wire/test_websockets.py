"""Websockets, and the reader of events, of libraries that have them."""

import asyncio
import importlib

import pytest

from resilient import Policy

from .facade import families, family_of
from .servers.websocket import WebSocket


@pytest.fixture(params=[name for name in families() if hasattr(importlib.import_module(name).Client, "websocket")])
def family(request):
    return family_of(request.param)


@pytest.fixture
def websocket():
    with WebSocket() as server:
        yield server


def test_a_websocket(client_of, wire, websocket):
    """Text, bytes and JSON there and back, and an orderly end from the other side."""
    made = client_of().client
    url = websocket.address("ws") + "/room"
    gone = importlib.import_module(f"{wire.http.__name__}.websockets").WebSocketDisconnect

    def blocking():
        with made.websocket(url) as session:
            session.send_text("hello")
            assert session.receive_text(10) == "hello"
            session.send_bytes(b"\x00\x01")
            assert session.receive_bytes(10) == b"\x00\x01"
            session.send_json({"a": 1})
            assert session.receive_json(10) == {"a": 1}
            assert session.ping().wait(10)
            session.send_text("bye")
            assert session.receive_text(10) == "bye"
            with pytest.raises(gone):
                session.receive_text(10)

    async def in_tasks():
        async with made.websocket(url) as session:
            await session.send_text("hello")
            assert await session.receive_text(10) == "hello"
            await session.send_bytes(b"\x00\x01")
            assert await session.receive_bytes(10) == b"\x00\x01"
            await session.send_json({"a": 1})
            assert await session.receive_json(10) == {"a": 1}
            await (await session.ping()).wait()
            await session.send_text("bye")
            assert await session.receive_text(10) == "bye"
            with pytest.raises(gone):
                await session.receive_text(10)

    blocking() if wire.blocking else wire.run(in_tasks())
    assert websocket.asked == ["/room"]
    assert wire.wait_for(lambda: not websocket.open)


def test_a_websocket_outlasts_the_policys_times(wire, websocket):
    """They are for the handshake."""
    made = wire.client(policies=Policy(deadline="600ms", attempt_timeout="500ms")).client
    url = websocket.address("ws")

    def blocking():
        with made.websocket(url) as session:
            for _ in range(3):
                wire.pause(0.25)
                session.send_text("hello")
                assert session.receive_text(10) == "hello"

    async def in_tasks():
        async with made.websocket(url) as session:
            for _ in range(3):
                await asyncio.sleep(0.25)
                await session.send_text("hello")
                assert await session.receive_text(10) == "hello"

    blocking() if wire.blocking else wire.run(in_tasks())


def test_a_handshake_is_tried_again(wire, websocket):
    """A server that is busy for a moment costs no error."""
    websocket.refusals = 2
    made = wire.client().client

    def blocking():
        with made.websocket(websocket.address("ws")) as session:
            session.send_text("hello")
            return session.receive_text(10)

    async def in_tasks():
        async with made.websocket(websocket.address("ws")) as session:
            await session.send_text("hello")
            return await session.receive_text(10)

    assert (blocking() if wire.blocking else wire.run(in_tasks())) == "hello"
    assert len(websocket.asked) == 3


def test_the_librarys_own_reader_of_events(client_of, wire, streams):
    """It wakes with each event."""
    made = client_of().client

    def blocking():
        with made.sse(streams.url + "/events") as source:
            events = iter(source)
            for number in range(3):
                streams.tell(f"event: tick\nid: {number}\ndata: {{}}\n\n".encode())
                event = next(events)
                assert (event.event, event.id, event.json()) == ("tick", str(number), {})

    async def in_tasks():
        async with made.sse(streams.url + "/events") as source:
            events = aiter(source)
            for number in range(3):
                streams.tell(f"event: tick\nid: {number}\ndata: {{}}\n\n".encode())
                event = await anext(events)
                assert (event.event, event.id, event.json()) == ("tick", str(number), {})

    blocking() if wire.blocking else wire.run(in_tasks())
    assert wire.wait_for(lambda: not streams.open)
