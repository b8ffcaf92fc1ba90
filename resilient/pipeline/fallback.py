"""What to answer when there is no answer."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import field
from typing import Any, TypeAlias

from resilient.call import Call, Handler
from resilient.errors import ConfigurationError
from resilient.events import FellBack
from resilient.exchange import exchange
from resilient.messages import Request, Response
from resilient.outcome import Failure, is_failed_status, is_throttled_status
from resilient.settings import settings

_CODED = (b"content-encoding", b"content-length", b"transfer-encoding")
Answerer: TypeAlias = Callable[[Request, Exception | Response], Response | Awaitable[Response]]


@settings
class Fallback:
    """Answer in place of the origin, once everything else has failed.

    It sees the final failure once: an error of the call, or an answer of 429 or 500 and above. An error that no
    HTTP library or policy raised is a bug and is never covered.

    Args:
        to: one of: a response, answered as it is; a callable of the request and the failure (the error or the
            response), answering a response, in the async client also ``async``; or a URL as text, which is
            asked once in what time is left, without a body and without credentials for another origin.

    Raises:
        ConfigurationError: ``to`` is none of these.
    """

    to: Response | Answerer | str = field(kw_only=False)

    def __post_init__(self) -> None:
        if isinstance(self.to, str):
            if not self.to.startswith(("http://", "https://")):
                raise ConfigurationError(f"fallback={self.to!r} is not right; give an absolute http or https URL")
        elif not callable(self.to) and not hasattr(self.to, "status_code"):
            raise ConfigurationError(f"fallback={self.to!r} is not right; give a response, a callable or a URL")

    async def __call__(self, call: Call, proceed: Handler) -> Response:
        """Answer by what ``proceed`` answers, or fall back."""
        try:
            response = await proceed(call)
        except Exception as error:
            meaning = call.failure_of(error)
            if meaning in (Failure.OTHER, Failure.CANCELLED, Failure.INVALID):
                raise
            return await self._instead(call, error, meaning.value)
        if is_failed_status(response.status_code) or is_throttled_status(response.status_code):
            return await self._instead(call, response, str(response.status_code))
        return response

    async def _instead(self, call: Call, failure: Any, reason: str) -> Response:
        """The fallback's answer; the failure itself if the fallback has no time left."""
        if isinstance(self.to, str):
            kind, answer = "url", self._ask(call, self.to)
        elif callable(self.to):
            kind, answer = "callable", _answered(call, self.to, failure)
        else:
            kind, answer = "response", _replayed(call, self.to)
        if kind != "response" and call.time_left <= 0:
            answer.close()
            return _given_up(failure)
        response = await answer
        if not isinstance(failure, Exception) and response is not failure:
            await call.discard(failure)
        call.record(FellBack(to=kind, reason=reason))  # type: ignore[arg-type] # one of the three above
        return response

    async def _ask(self, call: Call, url: str) -> Response:
        return await exchange(call.asking(call.library.elsewhere(call.request, url)))


async def _answered(call: Call, answerer: Answerer, failure: Exception | Response) -> Response:
    answer = answerer(call.request, failure)
    return await answer if inspect.isawaitable(answer) else answer


async def _replayed(call: Call, given: Response) -> Response:
    """A new answer like ``given``, which may belong to another call too; its content is decoded already."""
    headers = [(name, value) for name, value in given.headers.raw if name.lower() not in _CODED]
    return call.library.response(given.status_code, headers, getattr(given, "content", b""))


def _given_up(failure: Any) -> Response:
    if isinstance(failure, Exception):
        raise failure
    answered: Response = failure
    return answered
