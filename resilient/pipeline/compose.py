"""Putting middlewares around an origin.

The order is part of the meaning. From the outermost:

observe(call) > deadline > fallback > response cache > retry > per attempt: breaker > rate limit >
attempt timeout > observe(attempt) > send

The swap that breaks it: with the breaker outside of retry, the attempts of one call count as one, an open
circuit no longer ends the retry loop, and an origin that fails is hammered three times as hard. With the rate limit
outside of it, retries are not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from resilient.call import Handler, Middleware


def compose(middlewares: Sequence[Middleware], origin: Handler) -> Handler:
    """``middlewares`` around ``origin``; the first is the outermost."""
    for middleware in reversed(middlewares):
        origin = partial(middleware, proceed=origin)
    return origin
