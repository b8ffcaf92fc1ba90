"""What counts as a failure, decided once for every middleware."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from enum import Enum

from resilient.errors import AttemptTimeoutError, CallError, DeadlineExceededError


class Failure(Enum):
    """What an exception of an attempt means, whatever library raised it."""

    UNSENT = "connect"
    """Provably nothing reached the origin: no connection, or a stream that the origin refused."""
    POOL = "pool"
    """No connection was free here; nothing was sent, and the origin is not to blame."""
    TIMEOUT = "timeout"
    """Sent, perhaps in part, and not answered in time."""
    BROKEN = "protocol"
    """Sent, perhaps in part; the connection or the protocol broke before the whole answer came."""
    UNTRUSTED = "untrusted"
    """The origin's certificate was refused; asking again changes nothing."""
    PROXY = "proxy"
    """A proxy refused the credentials that it was given, or none; nothing reached the origin, and asking again changes
    nothing."""
    INVALID = "invalid"
    """The request can never succeed: a bad address, an unsupported scheme, too many redirects."""
    REJECTED = "rejected"
    """Refused by a policy here; nothing was sent."""
    CANCELLED = "cancelled"
    """The caller gave up."""
    OTHER = "other"
    """An error that no HTTP library raised: a bug in a hook, a callback, a transport."""


class Outcome(Enum):
    """How a call ended, as its caller sees it."""

    OK = "ok"
    STALE = "stale"
    ERROR = "error"
    REJECTED = "rejected"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"


def failure_of(error: BaseException, known: Mapping[type[Exception], Failure]) -> Failure:
    """What ``error`` means, by the nearest of its classes in ``known``."""
    if isinstance(error, AttemptTimeoutError | DeadlineExceededError):
        return Failure.TIMEOUT
    if isinstance(error, CallError):
        return Failure.REJECTED
    if not isinstance(error, Exception):
        return Failure.CANCELLED
    for kind in type(error).__mro__:
        if (found := known.get(kind)) is not None:
            break
    else:
        return Failure.OTHER
    if found is Failure.PROXY and not str(error).startswith(_REFUSED_BY_PROXY):
        return Failure.UNSENT
    if found is Failure.UNSENT and _is_untrusted(error):
        return Failure.UNTRUSTED
    if found is Failure.BROKEN and _is_refused_stream(error):
        return Failure.UNSENT
    return found


def outcome_of(failure: Failure) -> Outcome:
    """How a call that ended with such a failure is counted."""
    if failure is Failure.CANCELLED:
        return Outcome.CANCELLED
    if failure is Failure.TIMEOUT:
        return Outcome.TIMEOUT
    return Outcome.REJECTED if failure is Failure.REJECTED else Outcome.ERROR


def is_failed_status(status: int) -> bool:
    """Whether an answer with ``status`` means that the origin did not do its work (RFC 9110 section 15.6)."""
    return status >= 500


def is_throttled_status(status: int) -> bool:
    """Whether the origin asks for fewer requests (RFC 6585 section 4)."""
    return status == 429


_REFUSED_BY_PROXY = ("407", "Invalid username/password", "Requested ")
"""How libraries tell what a proxy said: RFC 9110 section 15.5.8, RFC 1929 section 2, and RFC 1928 section 3, where it
wants another way of authentication than was offered. All else that goes wrong at a proxy may be better next time."""


def _is_untrusted(error: BaseException) -> bool:
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__
    return False


def _is_refused_stream(error: BaseException) -> bool:
    """HTTP/2's REFUSED_STREAM says that nothing was processed (RFC 9113 section 8.7); libraries show it as text."""
    return "error_code:7" in str(error) or "REFUSED_STREAM" in str(error)
