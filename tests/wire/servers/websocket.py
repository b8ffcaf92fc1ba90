"""A websocket (RFC 6455) that says back what it hears, and another protocol to switch to."""

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, Request, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import RemoteProtocolError

from .host import Host


class WebSocket(Host):
    """Says back every message; closes after ``bye``.

    Attributes:
        refusals: how many of the next handshakes are answered with 503.
        asked: the handshakes' paths.
    """

    def __init__(self, **listens):
        super().__init__(**listens)
        self.refusals = 0
        self.asked = []

    async def talk(self, reader, writer):
        connection = WSConnection(ConnectionType.SERVER)
        while data := await reader.read(65_536):
            try:
                connection.receive_data(data)
            except RemoteProtocolError:
                return
            for event in connection.events():
                if isinstance(event, Request):
                    self.asked.append(event.target)
                    if self.refusals:
                        self.refusals -= 1
                        writer.write(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                        await writer.drain()
                        return
                    writer.write(connection.send(AcceptConnection()))
                elif isinstance(event, TextMessage | BytesMessage):
                    writer.write(connection.send(type(event)(data=event.data)))
                    if event.data == "bye":
                        writer.write(connection.send(CloseConnection(code=CloseReason.NORMAL_CLOSURE)))
                elif isinstance(event, Ping):
                    writer.write(connection.send(event.response()))
                elif isinstance(event, CloseConnection):
                    writer.write(connection.send(event.response()))
                    await writer.drain()
                    return
            await writer.drain()


class Switching(Host):
    """Switches to a protocol in which each line is said back in capitals (RFC 9110 section 7.8)."""

    async def talk(self, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: shout\r\n\r\n")
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
