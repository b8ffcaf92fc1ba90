"""The names and values that OpenTelemetry's conventions for HTTP clients ask for (semantic conventions 1.44)."""

from __future__ import annotations

import os
from collections.abc import Collection
from functools import lru_cache
from typing import TypeAlias

from resilient.events import CacheLookup
from resilient.messages import URL, Response
from resilient.redaction import shown_url

Attributes: TypeAlias = dict[str, str | int | float]

_METHODS = "CONNECT,DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT,TRACE,QUERY"
_PORTS = {"http": 80, "https": 443}
_VERSIONS = {b"HTTP/1.0": "1.0", b"HTTP/1.1": "1.1", b"HTTP/2": "2", b"HTTP/3": "3"}


@lru_cache(maxsize=1)
def known_methods() -> frozenset[str]:
    """The methods that are named; an environment variable of OpenTelemetry's may list others."""
    listed = os.environ.get("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS") or _METHODS
    return frozenset(name.strip() for name in listed.split(",") if name.strip())


def span_name(method: str, template: str | None) -> str:
    """The name of a request's span: never its path, of which there may be any number."""
    word = method if method in known_methods() else "HTTP"
    return f"{word} {template}" if template else word


def server_of(url: URL) -> Attributes:
    """Where a request goes."""
    server: Attributes = {"server.address": url.host}
    port = url.port or _PORTS.get(url.scheme)
    if port is not None:
        server["server.port"] = port
    return server


def method_of(method: str) -> Attributes:
    """The request's method, one of few."""
    if method in known_methods():
        return {"http.request.method": method}
    return {"http.request.method": "_OTHER", "http.request.method_original": method}


def shown(url: URL, safe_params: Collection[str]) -> str:
    """The address of a request, as it may be seen."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    netloc = host if url.port is None else f"{host}:{url.port}"
    return shown_url(url.scheme, netloc, url.raw_path.decode("ascii", "replace"), safe_params)


def protocol_of(response: Response) -> Attributes:
    """Which HTTP was spoken."""
    version = _VERSIONS.get(response.extensions.get("http_version", b""))
    return {} if version is None else {"network.protocol.version": version}


def peer_of(response: Response) -> Attributes:
    """Who answered, as far as the connection says; a mock's does not."""
    stream = response.extensions.get("network_stream")
    match None if stream is None else stream.get_extra_info("server_addr"):
        case (str(host), int(port), *_):
            return {"network.peer.address": host, "network.peer.port": port}
        case _:
            return {}


def cached(lookup: CacheLookup | None) -> Attributes:
    """What a cache said."""
    if lookup is None:
        return {"resilient.cache.status": "off"}
    said: Attributes = {"resilient.cache.status": lookup.result}
    if lookup.age is not None:
        said["resilient.cache.age"] = lookup.age
    if lookup.ttl is not None:
        said["resilient.cache.ttl"] = lookup.ttl
    return said


def error_type(error: BaseException) -> str:
    """A word for an error: ours for our own errors, else the name of its class."""
    code: str = getattr(error, "code", "")
    if isinstance(code, str) and code:
        return code
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
