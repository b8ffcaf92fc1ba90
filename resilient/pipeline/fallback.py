"""What to answer when there is no answer."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import field
from functools import partial
from typing import Any, Literal, TypeAlias

from resilient.call import Call, Handler
from resilient.errors import ConfigurationError
from resilient.events import FellBack, TimedOut
from resilient.exchange import exchange, may_start
from resilient.messages import Request, Response
from resilient.outcome import Failure, is_failed_status, is_throttled_status
from resilient.redaction import without_secrets
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
        ConfigurationError: ``to`` is none of these, or a callable answered what is no response of the client's own
            HTTP library.
    """

    to: Response | Answerer | str = field(kw_only=False, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.to, str):
            if not self.to.startswith(("http://", "https://")):
                given = without_secrets(self.to)
                raise ConfigurationError(f"fallback={given!r} is not right; give an absolute http or https URL")
        elif not callable(self.to) and not hasattr(self.to, "status_code"):
            raise ConfigurationError(f"fallback={self.to!r} is not right; give a response, a callable or a URL")

    def __str__(self) -> str:
        if isinstance(self.to, str):
            return f"to {without_secrets(self.to)}"
        if callable(self.to):
            return f"to what {_name_of(self.to)} answers"
        return f"to an answer of {self.to.status_code}"

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
        failed: Response | None = None if isinstance(failure, Exception) else failure
        try:
            response = await self._answer(call, failure)
        except BaseException:
            if failed is not None:
                await call.discard(failed)
            raise
        if response is None:
            if failed is None:
                raise failure
            return failed
        if failed is not None and response is not failed:
            await call.discard(failed)
        kind: Literal["response", "callable", "url"] = "callable" if callable(self.to) else "response"
        call.record(FellBack(to="url" if isinstance(self.to, str) else kind, reason=reason))
        return response

    async def _answer(self, call: Call, failure: Any) -> Response | None:
        """An answer in place of ``failure``; None if there is no time left to get one."""
        if isinstance(self.to, str):
            if not may_start(call):
                return None
            return await exchange(call.asking(call.library.elsewhere(call.request, self.to)))
        if not callable(self.to):
            return _replayed(call, self.to)
        if call.time_left <= 0:
            return None
        try:
            return await call.runtime.within(call.time_left, partial(_answered, call, self.to, failure))
        except TimeoutError:
            if call.time_left > 0:
                raise  # an error of its own
            call.record(TimedOut(what="deadline", timeout=call.deadline - call.journey.started))
            return None


async def _answered(call: Call, answerer: Answerer, failure: Exception | Response) -> Response:
    """What ``answerer`` answers.

    Raises:
        ConfigurationError: that is no response, or one of another HTTP library, which would fail much later.
    """
    answer = answerer(call.request, failure)
    response = await answer if inspect.isawaitable(answer) else answer
    own = call.library.name
    if own not in {kind.__module__.partition(".")[0] for kind in type(response).__mro__}:
        kind = f"{type(response).__module__}.{type(response).__qualname__}"
        raise ConfigurationError(
            f"the fallback {_name_of(answerer)} answered a {kind}; this client takes those of {own}"
        )
    return response


def _name_of(answerer: Answerer) -> str:
    return getattr(answerer, "__qualname__", type(answerer).__name__)


def _replayed(call: Call, given: Response) -> Response:
    """A new answer like ``given``, which may belong to another call too; its content is decoded already."""
    headers = [(name, value) for name, value in given.headers.raw if name.lower() not in _CODED]
    return call.library.response(given.status_code, headers, getattr(given, "content", b""))
