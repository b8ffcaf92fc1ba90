"""HTTP/2 (RFC 9113): streams side by side, streams refused, and a server that goes away."""

import asyncio
import contextlib
import json

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

from .host import Host


class Http2(Host):
    """Answers every request with what it received, and how much, as JSON.

    Args:
        streams: how many may be open at once on a connection.

    Attributes:
        refusals: how many of the next streams are refused, or None for all of them.
        departures: after how many answers a connection says GOAWAY, None for never.
        delay: seconds before an answer.
        seen: the method, path and body of each request.
        side_by_side: the most streams that were open on one connection.
        cancelled: how many streams the client reset.
    """

    def __init__(self, *, streams=100, **listens):
        super().__init__(**listens)
        self.streams = streams
        self.refusals = 0
        self.departures = None
        self.delay = 0.0
        self.seen = []
        self.side_by_side = 0
        self.cancelled = 0

    async def talk(self, reader, writer):
        await _Connection(self, writer).run(reader)


class _Connection:
    def __init__(self, server, writer):
        self.server = server
        self.writer = writer
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.heads = {}
        self.bodies = {}
        self.answered = 0
        self.last = 0
        self.tasks = set()

    async def run(self, reader):
        self.h2.initiate_connection()
        self.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: self.server.streams})
        self.flush()
        try:
            while data := await reader.read(65_536):
                for event in self.h2.receive_data(data):
                    self.react(event)
                self.flush()
                await self.writer.drain()
        except ProtocolError:
            pass
        finally:
            for task in (tasks := list(self.tasks)):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def flush(self):
        self.writer.write(self.h2.data_to_send())

    def react(self, event):
        if isinstance(event, RequestReceived):
            self.heads[event.stream_id] = dict(event.headers)
            self.bodies[event.stream_id] = b""
            self.server.side_by_side = max(self.server.side_by_side, len(self.heads))
        elif isinstance(event, DataReceived):
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if event.stream_id in self.bodies:
                self.bodies[event.stream_id] += event.data
        elif isinstance(event, StreamEnded):
            self.ended(event.stream_id)
        elif isinstance(event, StreamReset):
            self.heads.pop(event.stream_id, None)
            self.server.cancelled += 1

    def ended(self, stream):
        head, body = self.heads[stream], self.bodies.pop(stream)
        self.last = max(self.last, stream)
        self.server.seen.append((head[":method"], head[":path"], body))
        if self.server.refusals is None or self.server.refusals > 0:
            if self.server.refusals is not None:
                self.server.refusals -= 1
            del self.heads[stream]
            self.h2.reset_stream(stream, ErrorCodes.REFUSED_STREAM)
            return
        task = asyncio.ensure_future(self.answer(stream, head, body))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def answer(self, stream, head, body):
        await asyncio.sleep(self.server.delay)
        said = {"method": head[":method"], "path": head[":path"], "size": len(body), "headers": head}
        content = json.dumps(said).encode()
        with contextlib.suppress(ProtocolError):  # reset, or gone
            self.h2.send_headers(stream, [(":status", "200"), ("content-length", str(len(content)))])
            self.h2.send_data(stream, content, end_stream=True)
        self.heads.pop(stream, None)
        self.answered += 1
        if self.server.departures is not None and self.answered >= self.server.departures:
            self.h2.close_connection(last_stream_id=self.last)
        self.flush()
