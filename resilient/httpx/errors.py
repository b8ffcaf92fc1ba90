"""Our call errors as httpx's own, so that ``except httpx.HTTPError`` catches them too."""

from __future__ import annotations

import httpx

from resilient import errors


class CallError(errors.CallError, httpx.TransportError):
    """A call ended without an answer; an httpx error too."""

    _request: httpx.Request | None = None


class CircuitOpenError(errors.CircuitOpenError, CallError):
    """As :class:`resilient.errors.CircuitOpenError`."""


class DeadlineExceededError(errors.DeadlineExceededError, CallError, httpx.TimeoutException):
    """As :class:`resilient.errors.DeadlineExceededError`."""


class AttemptTimeoutError(errors.AttemptTimeoutError, CallError, httpx.TimeoutException):
    """As :class:`resilient.errors.AttemptTimeoutError`."""


class RateLimitedError(errors.RateLimitedError, CallError):
    """As :class:`resilient.errors.RateLimitedError`."""
