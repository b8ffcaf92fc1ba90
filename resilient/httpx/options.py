"""The arguments of httpx's clients, typed, so that a misspelt one is found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict, cast

import httpx

from resilient.checks import need
from resilient.errors import ConfigurationError
from resilient.httpx.library import refuse_foreign
from resilient.httpx.owner import Store
from resilient.messages import Unasked
from resilient.ports import Clock
from resilient.settings import unknown_option
from resilient.telemetry import Sink

_DEFAULT_TIMEOUT = httpx.Timeout(Unasked(5.0))
"""httpx's own default, whose seconds say that nobody asked for them; httpx copies timeouts, never seconds."""

Fields = Mapping[str, str] | Mapping[bytes, bytes] | Sequence[tuple[str, str]] | Sequence[tuple[bytes, bytes]]
Auth = tuple[str | bytes, str | bytes] | Callable[[httpx.Request], httpx.Request] | httpx.Auth
Times = float | tuple[float | None, float | None, float | None, float | None] | httpx.Timeout | None
Certificate = str | tuple[str, str] | tuple[str, str, str]


class SharedOptions(TypedDict, total=False):
    """Every argument of httpx's clients that has one meaning in both colours."""

    auth: Auth | None
    params: Any
    headers: httpx.Headers | Fields | None
    cookies: Any
    verify: Any
    cert: Certificate | None
    trust_env: bool
    http1: bool
    http2: bool
    proxy: str | httpx.URL | httpx.Proxy | None
    timeout: Times
    follow_redirects: bool
    limits: httpx.Limits
    max_redirects: int
    event_hooks: Mapping[str, list[Callable[..., Any]]] | None
    base_url: httpx.URL | str
    default_encoding: str | Callable[[bytes], str]


class ClientOptions(SharedOptions, total=False):
    """Every argument of ``httpx.Client``."""

    mounts: Mapping[str, httpx.BaseTransport | None] | None
    transport: httpx.BaseTransport | None


class AsyncClientOptions(SharedOptions, total=False):
    """Every argument of ``httpx.AsyncClient``."""

    mounts: Mapping[str, httpx.AsyncBaseTransport | None] | None
    transport: httpx.AsyncBaseTransport | None


class _Beside(TypedDict, total=False):
    """What may be given beside a file of policies."""

    store: Store | None
    name: str
    telemetry: Sequence[Sink]
    clock: Clock | None


class ConfiguredOptions(ClientOptions, _Beside, total=False):
    """Every argument of ``ResilientClient`` but its policies."""


class AsyncConfiguredOptions(AsyncClientOptions, _Beside, total=False):
    """Every argument of ``AsyncResilientClient`` but its policies."""


OWN_OPTIONS = ("policies", "store", "name", "telemetry", "clock")


def checked(owner: str, options: Mapping[str, Any], known: type[SharedOptions]) -> dict[str, Any]:
    """The options for httpx, with a default timeout that says that it is one."""
    names = {*known.__annotations__, *SharedOptions.__annotations__}
    for name, value in options.items():
        if name not in names:
            # A misspelt auth, headers or proxy holds secrets.
            shown = value if isinstance(value, int | float | None) else f"a {type(value).__name__}"
            unknown_option(owner, name, shown, {*names, *OWN_OPTIONS})
        refuse_foreign(name, value)
    mounts: Mapping[str, object] = options.get("mounts") or {}
    for pattern, transport in mounts.items():
        refuse_foreign(f"mounts[{pattern!r}]", transport)
    return {"timeout": _DEFAULT_TIMEOUT, **options}


def invalidation(given: Mapping[str, Any]) -> tuple[str, Any]:
    """What a cache is to forget: the name of the one argument that was given, and its value.

    Raises:
        ConfigurationError: none was given, or several, or it has a wrong value.
    """
    found = [(name, value) for name, value in given.items() if value is not None]
    if len(found) != 1:
        said = " and ".join(name for name, _ in found) or "nothing"
        raise ConfigurationError(f"invalidate() was given {said}; give one of: {', '.join(given)}")
    name, value = found[0]
    if name in ("url", "prefix"):
        return name, _whole(name, value)
    need(isinstance(value, str), name, value, "text")
    return name, value


def _whole(option: str, value: object) -> httpx.URL:
    right = "a whole URL, such as 'https://api.example.com/items'"
    need(isinstance(value, str | httpx.URL), option, value, right)
    try:
        url = httpx.URL(cast("str", value))
    except httpx.InvalidURL:
        url = httpx.URL()
    need(url.scheme in ("http", "https") and url.host != "", option, value, right)
    return url
