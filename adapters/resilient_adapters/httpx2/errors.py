"""Our call errors as httpx2's own, so that ``except httpx2.HTTPError`` catches them too."""

from __future__ import annotations

import httpx2

from resilient import errors


class CallError(errors.CallError, httpx2.TransportError):
    """A call ended without an answer; an httpx2 error too."""

    _request: httpx2.Request | None = None


class CircuitOpenError(errors.CircuitOpenError, CallError):
    """As :class:`resilient.errors.CircuitOpenError`."""


class DeadlineExceededError(errors.DeadlineExceededError, CallError, httpx2.TimeoutException):
    """As :class:`resilient.errors.DeadlineExceededError`."""


class AttemptTimeoutError(errors.AttemptTimeoutError, CallError, httpx2.TimeoutException):
    """As :class:`resilient.errors.AttemptTimeoutError`."""


class RateLimitedError(errors.RateLimitedError, CallError):
    """As :class:`resilient.errors.RateLimitedError`."""
