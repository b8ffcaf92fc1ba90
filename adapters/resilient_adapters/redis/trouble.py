"""What the errors of Redis and of its client mean to a store."""

from __future__ import annotations

from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TimeoutError,
    TryAgainError,
)

from resilient.errors import CorruptEntryError, StoreError, StoreTrouble, StoreUnavailableError

_KINDS: dict[type[RedisError], StoreTrouble] = {
    TimeoutError: "timeout",
    OutOfMemoryError: "full",
    ReadOnlyError: "readonly",
    BusyLoadingError: "busy",
    ClusterDownError: "busy",
    TryAgainError: "busy",
}
_CODES: dict[str, StoreTrouble] = {
    "OOM": "full",
    "READONLY": "readonly",
    "LOADING": "busy",
    "BUSY": "busy",
    "MASTERDOWN": "busy",
    "MISCONF": "full",
    "WRONGTYPE": "corrupt",
}


def kind_of(error: BaseException) -> StoreTrouble:
    """Which of the few kinds of trouble ``error`` is."""
    for kind, trouble in _KINDS.items():
        if isinstance(error, kind):
            return trouble
    words = str(error).split()
    # A script's errors have the code of what failed in it: at the beginning, or before Redis 7 somewhere after a dash.
    codes = {word.lstrip("-") for word in words if word.startswith("-")} | set(words[:1])
    for code, trouble in _CODES.items():
        if code in codes:
            return trouble
    return "other"


def failure(error: BaseException) -> StoreError:
    """An error of ours for ``error``. It is to be raised without its cause, whose text may repeat a password."""
    kind = kind_of(error)
    # A server that does not know a command repeats what it was given, be it a password.
    said = str(error).partition(", with args beginning with")[0] or type(error).__name__
    if kind == "corrupt":
        return CorruptEntryError(f"Redis keeps something else under that key: {said}")
    return StoreUnavailableError(f"Redis failed: {said}", kind=kind)
