"""HTTP clients that survive, and a cache for responses and functions."""

from resilient.caching.cache import Cache
from resilient.call import Call, Handler, Middleware
from resilient.errors import (
    AttemptTimeoutError,
    CallError,
    CircuitOpenError,
    ConfigurationError,
    CorruptEntryError,
    DeadlineExceededError,
    LockedError,
    RateLimitedError,
    ResilientError,
    StoreError,
    StoreUnavailableError,
    SuspendedError,
)
from resilient.httpx import AsyncResilientClient, AsyncResilientTransport, ResilientClient, ResilientTransport
from resilient.journey import Journey
from resilient.mechanics.budget import Budget
from resilient.options import options
from resilient.pipeline.attempt_timeout import AttemptTimeout
from resilient.pipeline.breaker import CircuitBreaker
from resilient.pipeline.deadline import Deadline
from resilient.pipeline.fallback import Fallback
from resilient.pipeline.response_cache import ResponseCache
from resilient.pipeline.retry import Retry
from resilient.policies import Policies
from resilient.policy import Policy
from resilient.runtime.ambient import deadline_scope

__all__ = [  # noqa: RUF022 - in the order in which a reader meets them
    "ResilientClient", "AsyncResilientClient", "ResilientTransport", "AsyncResilientTransport",
    "Policy", "Policies", "Retry", "Budget", "CircuitBreaker", "Fallback", "ResponseCache", "Deadline",
    "AttemptTimeout",
    "options", "deadline_scope", "Journey", "Cache", "Middleware", "Call", "Handler",
    "ResilientError", "ConfigurationError", "CallError", "CircuitOpenError", "DeadlineExceededError",
    "AttemptTimeoutError", "RateLimitedError", "StoreError", "StoreUnavailableError", "CorruptEntryError",
    "LockedError", "SuspendedError",
]  # fmt: skip
