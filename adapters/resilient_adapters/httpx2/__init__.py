"""The door to httpx2: clients and transports that are httpx2's own, errors in its tree, and the library as a value.

The only rooms that name httpx2. Everything that a client does is done in the engine; here requests get in and
answers get out.
"""

from resilient_adapters.httpx2.clients import AsyncResilientClient, ResilientClient
from resilient_adapters.httpx2.errors import (
    AttemptTimeoutError,
    CallError,
    CircuitOpenError,
    DeadlineExceededError,
    RateLimitedError,
)
from resilient_adapters.httpx2.library import LIBRARY
from resilient_adapters.httpx2.transports import AsyncResilientTransport, ResilientTransport

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
