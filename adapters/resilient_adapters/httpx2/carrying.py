"""A caller's request on its trip through the client, and back in the caller's hands."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

import httpx2

from resilient.engine import TRIP, Trip
from resilient_adapters.httpx2.library import again


@lru_cache(maxsize=1024)
def parsed(url: str) -> httpx2.URL:
    """The address; most are asked for again, and reading one costs more than all else that makes a request."""
    return httpx2.URL(url)


def carrying(request: httpx2.Request, trip: Trip) -> httpx2.Request:
    """The request on its trip: a copy, so that one request may be sent many times at once."""
    carried = again(request, {**request.extensions, TRIP: trip}, {})
    trip.request = carried
    return carried


def around(trip: Trip, auth: httpx2.Auth | None, options: Mapping[str, Any]) -> AbstractContextManager[object]:
    """The context of a call. Where no authentication makes requests in it, and nobody follows the call, it is none.

    Args:
        trip: the call.
        auth: the client's own authentication.
        options: what ``send`` was given.
    """
    given = options.get("auth", httpx2.USE_CLIENT_DEFAULT)
    if given is httpx2.USE_CLIENT_DEFAULT:
        given = auth
    return _NONE if given is None and trip.trace is None else trip


_NONE = nullcontext()


def give_back(request: httpx2.Request, carried: httpx2.Request) -> None:
    """Let the caller's request look as if it had travelled itself."""
    _at_home(carried)
    vars(request).update(vars(carried))


def handed_over(response: httpx2.Response, request: httpx2.Request, carried: httpx2.Request) -> httpx2.Response:
    """The answer, as if the caller's own request had asked for it."""
    give_back(request, carried)
    for one in (response, *response.history):
        if one.request is carried:
            one.request = request
        else:
            _at_home(one.request)
    if response.next_request is not None:
        _at_home(response.next_request)
    return response


def _at_home(request: httpx2.Request) -> None:
    """A request that httpx2 made on the way, for a redirect: whoever sends it again starts a call of its own."""
    request.extensions.pop(TRIP, None)


def named_in(error: BaseException, request: httpx2.Request, carried: httpx2.Request) -> None:
    """Let an error name the caller's request."""
    give_back(request, carried)
    named: httpx2.Request | None = getattr(error, "_request", None)
    if named is carried and isinstance(error, httpx2.HTTPError):
        error.request = request
    elif named is not None:
        _at_home(named)
