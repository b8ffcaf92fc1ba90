"""Requests that change something: they always go to the origin, and what they make untrue is forgotten."""

from __future__ import annotations

from resilient.caching.guard import Guard
from resilient.caching.http.asked import resource_of
from resilient.caching.http.forgetting import Began, Resources, group_tag, mark_of_origin
from resilient.call import Call
from resilient.http.fields import Fields
from resilient.http.groups import invalidated_groups
from resilient.http.invalidation import invalidated, invalidates
from resilient.messages import Response


async def written(call: Call, response: Response, guard: Guard, secret: bytes, began: Began | None = None) -> bool:
    """Forget what the answer to an unsafe request shows to be untrue (RFC 9111 section 4.4, RFC 9875 section 3).

    Args:
        call: the request's call.
        response: its answer.
        guard: the store.
        secret: the store's.
        began: when it was asked for, and what had been forgotten by then; that is brought up to date.

    Returns:
        Whether nobody else forgot something of it since it began, as far as ``began`` tells.
    """
    request, origin = call.request, call.host.origin
    if not invalidates(request.method, response.status_code):
        return False
    fields = Fields(response.headers.raw)
    host = request.headers.get("host", "").encode("latin-1", "replace")
    paths = invalidated(origin, request.url.raw_path, fields)
    groups = invalidated_groups(request.method, response.status_code, fields)
    resources = Resources(
        [resource_of(host, origin, path, secret) for path in paths],
        [group_tag(origin, group, secret) for group in groups],
        [mark_of_origin(origin, secret)] if groups else (),
    )
    clock = call.runtime.clock
    if began is not None and began.marks is not None:
        done = await resources.forget(guard, clock, began.marks)
        if done is not None:
            began.bring_up_to_date(done[1])
            return True
    await resources.forget(guard, clock)
    return False
