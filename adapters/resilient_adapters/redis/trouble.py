"""What the errors of Redis and of its client mean to a store."""

from __future__ import annotations

import builtins
import ssl

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    TimeoutError,
    TryAgainError,
)

from resilient.errors import CorruptEntryError, StoreError, StoreTrouble, StoreUnavailableError

_KINDS: dict[type[Exception], StoreTrouble] = {
    TimeoutError: "timeout",
    builtins.TimeoutError: "timeout",
    AuthenticationError: "auth",
    AuthorizationError: "auth",
    NoPermissionError: "auth",
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
    "NOAUTH": "auth",
    "WRONGPASS": "auth",
    "NOPERM": "auth",
    "DENIED": "auth",
}
_NOT_ALLOWED = "The user executing the script can't"
"""How Redis 7.0 and older begin, without a code, where a script does what its user may not do."""
_CERTIFICATES = ("CERTIFICATE", "UNKNOWN_CA")
"""What is in the names of OpenSSL's reasons where one end does not accept the certificate of the other."""


def kind_of(error: BaseException) -> StoreTrouble:
    """Which of the few kinds of trouble ``error`` is."""
    for kind, trouble in _KINDS.items():
        if isinstance(error, kind):
            return trouble
    if _NOT_ALLOWED in str(error) or _is_about_certificates(error):
        return "auth"
    words = str(error).split()
    # A script's errors have the code of what failed in it: at the beginning, or before Redis 7 somewhere after a dash.
    codes = {word.lstrip("-") for word in words if word.startswith("-")} | set(words[:1])
    for code, trouble in _CODES.items():
        if code in codes:
            return trouble
    return "other"


def _is_about_certificates(error: BaseException | None) -> bool:
    """Whether TLS failed for one; the error of TLS is the reason of the client's."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return any(word in (error.reason or "") for word in _CERTIFICATES)
        error = error.__cause__ or error.__context__
    return False


def failure(error: BaseException) -> StoreError:
    """An error of ours for ``error``; itself, if it is one.

    It is to be raised without its cause, whose text may repeat a password.
    """
    if isinstance(error, StoreError):
        return error
    kind = kind_of(error)
    # A server that does not know a command repeats what it was given, be it a password.
    said = str(error).partition(", with args beginning with")[0] or type(error).__name__
    if kind == "corrupt":
        return CorruptEntryError(f"Redis keeps something else under that key: {said}")
    return StoreUnavailableError(f"Redis failed: {said}", kind=kind)
