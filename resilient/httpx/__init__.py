"""The door to httpx: clients and transports that are httpx's own, errors in its tree, and the library as a value.

The only rooms that name httpx. Everything that a client does is done in the engine; here requests get in and
answers get out.
"""

from resilient.httpx.clients import AsyncResilientClient, ResilientClient
from resilient.httpx.errors import (
    AttemptTimeoutError,
    CallError,
    CircuitOpenError,
    DeadlineExceededError,
    RateLimitedError,
)
from resilient.httpx.library import LIBRARY
from resilient.httpx.transports import AsyncResilientTransport, ResilientTransport

__all__ = [
    "LIBRARY",
    "AsyncResilientClient",
    "AsyncResilientTransport",
    "AttemptTimeoutError",
    "CallError",
    "CircuitOpenError",
    "DeadlineExceededError",
    "RateLimitedError",
    "ResilientClient",
    "ResilientTransport",
]
