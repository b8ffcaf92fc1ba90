"""HTTP clients that survive, and a cache for responses and functions."""

from resilient.caching.cache import Cache
from resilient.caching.codec import register_type
from resilient.caching.control import Command
from resilient.call import Call, Handler, Middleware
from resilient.errors import (
    AttemptTimeoutError,
    CallError,
    CircuitOpenError,
    ConfigurationError,
    CorruptEntryError,
    DeadlineExceededError,
    LeaseLostError,
    LockedError,
    RateLimitedError,
    ResilientError,
    ScatteredError,
    StoreError,
    StoreUnavailableError,
    SuspendedError,
    TransactionError,
)
from resilient.httpx import AsyncResilientClient, AsyncResilientTransport, ResilientClient, ResilientTransport
from resilient.journey import Journey
from resilient.mechanics.budget import Budget
from resilient.options import options
from resilient.pipeline.attempt_timeout import AttemptTimeout
from resilient.pipeline.breaker import CircuitBreaker
from resilient.pipeline.deadline import Deadline
from resilient.pipeline.fallback import Fallback
from resilient.pipeline.rate_limit import RateLimit
from resilient.pipeline.response_cache import ResponseCache
from resilient.pipeline.retry import Retry
from resilient.policies import Policies
from resilient.policy import Policy
from resilient.runtime.ambient import deadline_scope

__all__ = [  # noqa: RUF022 - in the order in which a reader meets them
    "ResilientClient", "AsyncResilientClient", "ResilientTransport", "AsyncResilientTransport",
    "Policy", "Policies", "Retry", "Budget", "CircuitBreaker", "RateLimit", "Fallback", "ResponseCache", "Deadline",
    "AttemptTimeout",
    "options", "deadline_scope", "Journey", "cache", "Cache", "Command", "register_type",
    "Middleware", "Call", "Handler",
    "ResilientError", "ConfigurationError", "CallError", "CircuitOpenError", "DeadlineExceededError",
    "AttemptTimeoutError", "RateLimitedError", "StoreError", "StoreUnavailableError", "CorruptEntryError",
    "LeaseLostError", "TransactionError", "ScatteredError", "LockedError", "SuspendedError",
]  # fmt: skip

cache = Cache()
"""A cache that is ready: on the disk, until ``cache.setup`` says otherwise."""
