"""A service of language models, as much of it as its client packages ask for."""

import json

from resilient.testing.wire import head_of, read_request

from .streams import Telling


class Chat(Telling):
    """Answers with ``answer`` as JSON; where a stream is asked for, sends what the test tells.

    Attributes:
        answer: what it says.
        busy: how many of the next requests are answered with 503.
        silent: whether it says nothing at all.
        seen: the path, header fields and JSON body of each request.
    """

    def __init__(self, **listens):
        super().__init__(**listens)
        self.answer = {}
        self.busy = 0
        self.silent = False
        self.seen = []

    async def talk(self, reader, writer):
        while (request := await read_request(reader)) is not None:
            body = json.loads(request.body)
            self.seen.append((request.path, request.headers, body))
            if self.silent:
                await reader.read()
            elif self.busy:
                self.busy -= 1
                self._say(writer, 503, {"error": {"type": "overloaded_error", "message": "busy"}})
            elif body.get("stream"):
                return await self.pass_on(reader, writer)
            else:
                self._say(writer, 200, self.answer)
            await writer.drain()

    def _say(self, writer, status, answer):
        content = json.dumps(answer).encode()
        fields = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        writer.write(head_of(status, fields) + content)
