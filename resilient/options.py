"""What a caller may ask for one request."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from resilient.checks import need
from resilient.durations import Duration, seconds_of
from resilient.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What :func:`options` was given; None means: as the policy says.

    Attributes:
        deadline: seconds for the whole call.
        attempt_timeout: seconds for each attempt.
        idempotent: whether sending it twice does no harm.
        idempotency_key: sent as the header field ``Idempotency-Key``.
        cache: False goes past the cache.
        route: a name for telemetry in place of the policy's pattern.
        partition: whose answers these are; callers of another partition never get them.
    """

    deadline: float | None = None
    attempt_timeout: float | None = None
    idempotent: bool | None = None
    idempotency_key: str | None = field(default=None, repr=False)
    cache: bool | None = None
    route: str | None = None
    partition: str | None = field(default=None, repr=False)


NO_OPTIONS = Options()
EXTENSION = "resilient"
"""The name of our place in the extensions of a request (options) and of a response (its journey)."""


def options(
    *,
    deadline: Duration | None = None,
    attempt_timeout: Duration | None = None,
    idempotent: bool | None = None,
    idempotency_key: str | bool | None = None,
    cache: bool | None = None,
    route: str | None = None,
    partition: str | None = None,
) -> dict[str, Options]:
    """Options for one request, to be given as its ``extensions``.

    Args:
        deadline: for the whole call: seconds, a ``timedelta``, or text such as ``"500ms"``.
        attempt_timeout: for each attempt, likewise.
        idempotent: True if sending the request twice does no harm, so that it may be retried whatever its
            method; False if it must never be sent twice.
        idempotency_key: sent as ``Idempotency-Key``, which makes any method safe to retry at an origin that
            knows it; True makes a random one.
        cache: False goes past the cache; nothing is read from it or written to it.
        route: a name for telemetry in place of the policy's pattern.
        partition: whose answers these are; overrides the partition by credentials.

    Raises:
        ConfigurationError: an option has a wrong value, or ``idempotent=False`` comes with a key.
    """
    for name, flag in {"idempotent": idempotent, "cache": cache}.items():
        need(flag is None or isinstance(flag, bool), name, flag, "True or False")
    for name, text in {"route": route, "partition": partition}.items():
        need(text is None or isinstance(text, str), name, text, "text")
    if idempotency_key is True:
        idempotency_key = str(uuid.uuid4())
    elif idempotency_key is False:
        idempotency_key = None
    right = "printable ASCII text, or True for a random key"
    need(idempotency_key is None or _is_printable(idempotency_key), "idempotency_key", idempotency_key, right)
    if idempotency_key is not None and idempotent is False:
        raise ConfigurationError("idempotent=False contradicts idempotency_key=...; give one of them")
    return {
        EXTENSION: Options(
            deadline=None if deadline is None else seconds_of(deadline, option="deadline"),
            attempt_timeout=None if attempt_timeout is None else seconds_of(attempt_timeout, option="attempt_timeout"),
            idempotent=idempotent,
            idempotency_key=idempotency_key,
            cache=cache,
            route=route,
            partition=partition,
        )
    }


def _is_printable(text: object) -> bool:
    return isinstance(text, str) and text.strip() == text != "" and text.isascii() and text.isprintable()
