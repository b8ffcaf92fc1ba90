"""Parts of fake transports that httpx and httpx2 each take for their own; the answers are of whichever library asks."""

import sys

import httpx
import httpx2


class Stream(httpx.SyncByteStream, httpx.AsyncByteStream, httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body, in both colours."""


class Transport(httpx.BaseTransport, httpx.AsyncBaseTransport, httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """A transport, in both colours."""


class Auth(httpx.Auth, httpx2.Auth):
    """A flow of authentication."""


def library_of(request):
    """The library that a request is of."""
    return sys.modules[type(request).__module__.partition(".")[0]]


def reply_to(request, status=200, **options):
    """An answer to ``request``."""
    return library_of(request).Response(status, **options)


def raising(error, *args):
    """A handler that raises the library's error of this name, or ``error`` itself if it is nobody's."""

    def handler(request):
        raise error if isinstance(error, Exception) else getattr(library_of(request), error)(*args)

    return handler
