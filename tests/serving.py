"""An HTTP/1.1 server in a process of its own, for tests under load: it takes no time from the test's interpreter.

GET /            "ok", after up to ``slow`` seconds
GET /echo/text   "text", in two pieces, after up to ``slow`` seconds
GET /open        how many other connections are open
"""

import asyncio
import random
import subprocess
import sys
from contextlib import contextmanager

LOOPBACK = "127.0.0.1"


OPEN = set()


class Conversation(asyncio.Protocol):
    """One connection."""

    slow = 0.0

    def connection_made(self, transport):
        OPEN.add(self)
        self.transport = transport
        self.received = b""

    def connection_lost(self, error):
        OPEN.discard(self)

    def data_received(self, data):
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head, self.received = self.received[:end], self.received[end + 4 :]
            path = head.split(b" ", 2)[1]
            if path == b"/open":
                self.answer(str(len(OPEN) - 1).encode())
                continue
            if path == b"/503":
                self.answer(b"busy", b"503 Service Unavailable")
                continue
            body = path.removeprefix(b"/echo/") if path.startswith(b"/echo/") else b"ok"
            if self.slow:
                asyncio.get_running_loop().call_later(random.random() * self.slow, self.answer, body)
            else:
                self.answer(body)

    def answer(self, body, status=b"200 OK"):
        half = len(body) // 2
        head = b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n" % (status, len(body))
        self.transport.write(head + body[:half])
        self.transport.write(body[half:])


async def main():
    Conversation.slow = float(sys.argv[1])
    server = await asyncio.get_running_loop().create_server(Conversation, LOOPBACK, 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def serving(slow=0.0):
    """The address of a server that answers after up to ``slow`` seconds."""
    with subprocess.Popen([sys.executable, __file__, str(slow)], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://{LOOPBACK}:{int(process.stdout.readline())}"
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(main())
