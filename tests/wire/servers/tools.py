"""A server of the Model Context Protocol, the real one, that can be busy for a moment."""

import threading
import time

import uvicorn
from mcp.server.mcpserver import MCPServer

from .host import PATIENCE


class Tools:
    """Offers a tool that adds.

    Attributes:
        busy: how many of the next requests are answered with 503.
        methods: the HTTP method of each request.
    """

    def __init__(self):
        self.busy = 0
        self.methods = []
        server = MCPServer("tools")

        @server.tool()
        def add(a: int, b: int) -> int:
            """Add two numbers."""
            return a + b

        self._app = server.streamable_http_app(json_response=False)
        options = {"interface": "asgi3", "log_level": "critical", "ws": "none", "timeout_graceful_shutdown": 1}
        self._server = uvicorn.Server(uvicorn.Config(self._serve, port=0, **options))
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self):
        self._thread.start()
        ends = time.monotonic() + PATIENCE
        while not self._server.started and time.monotonic() < ends:
            time.sleep(0.01)
        assert self._server.started
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/mcp"
        return self

    def __exit__(self, *_):
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    async def _serve(self, scope, receive, send):
        if scope["type"] == "http":
            self.methods.append(scope["method"])
            if self.busy:
                self.busy -= 1
                await send({"type": "http.response.start", "status": 503, "headers": [(b"content-length", b"0")]})
                await send({"type": "http.response.body", "body": b""})
                return
        await self._app(scope, receive, send)
