"""A front for another server: it adds TLS, or a Unix socket, and passes everything on."""

import asyncio

from .host import LOOPBACK, Host, join


class Front(Host):
    """Passes each connection on to ``port``.

    Attributes:
        visitors: the common name in each client's certificate, None where it showed none.
    """

    def __init__(self, port, **listens):
        super().__init__(**listens)
        self.visitors = []
        self._behind = port

    async def talk(self, reader, writer):
        certificate = writer.get_extra_info("peercert")
        self.visitors.append(certificate and _name_in(certificate))
        await join((reader, writer), await asyncio.open_connection(LOOPBACK, self._behind))


def _name_in(certificate):
    return next((value for kind, value in certificate.get("subjectAltName", ()) if kind in {"DNS", "email"}), None)
