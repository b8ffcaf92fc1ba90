"""Every error of the library, in one tree. It knows no HTTP library.

::

    ResilientError
    ├── ConfigurationError (ValueError)     an option is wrong; raised at construction
    ├── CallError                           a call ended without an answer
    │   ├── CircuitOpenError                the circuit refused it; nothing was sent
    │   ├── DeadlineExceededError           the time for the whole call ran out
    │   ├── AttemptTimeoutError             one attempt took too long
    │   └── RateLimitedError                a quota is used up; nothing was sent
    ├── StoreError                          a cache store failed
    │   ├── StoreUnavailableError           it did not answer, or not in time
    │   ├── CorruptEntryError               it answered something that cannot be an entry
    │   ├── LeaseLostError                  a lock was lost while it was held
    │   └── TransactionError                a transaction could not be committed
    │       └── ScatteredError              it is about keys that one server of a cluster does not have together
    ├── LockedError                         a call waits for a key that it holds itself
    └── SuspendedError (RuntimeError)       a blocking client met an await that needs an event loop

At the door of an HTTP library a ``CallError`` is dressed as one of that library's own errors too, so that
``except httpx.HTTPError`` and ``except resilient.CallError`` both catch it. Errors carry data and pickle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from resilient.journey import Journey


def _revive(kind: type[ResilientError], args: tuple[object, ...], state: dict[str, Any]) -> ResilientError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ResilientError(Exception):
    """The base of every error that this library raises itself.

    Attributes:
        code: a word for it in telemetry, one of a small fixed set; empty where its class says enough.
    """

    code: ClassVar[str] = ""

    def __reduce__(self) -> tuple[Callable[..., ResilientError], tuple[object, ...]]:
        return _revive, (type(self), self.args, self.__dict__.copy())


class ConfigurationError(ResilientError, ValueError):
    """An option is wrong: the message names the option, the value, and what would be right."""


class CallError(ResilientError):
    """A call ended without an answer.

    Attributes:
        journey: what happened during the call, or None before it started.
    """

    journey: Journey | None = None

    def dressed(self, native: type[Self]) -> Self:
        """The same error as an instance of ``native``, one of its subclasses that an HTTP library knows."""
        error = native.__new__(native, *self.args)
        error.args = self.args
        error.__dict__.update(self.__dict__)
        error.__cause__, error.__traceback__ = self.__cause__, self.__traceback__
        error.__suppress_context__ = True
        return error


class CircuitOpenError(CallError):
    """The circuit refused the call: nothing was sent, or called.

    Attributes:
        circuit: the name of the circuit: an origin, or a function.
        retry_in: seconds until the next probe; infinite while the circuit is isolated by hand.
    """

    code = "circuit_open"

    def __init__(self, circuit: str, retry_in: float) -> None:
        when = "isolated by hand" if retry_in == float("inf") else f"open; next probe in {retry_in:.1f} s"
        super().__init__(f"circuit {circuit!r} is {when}")
        self.circuit, self.retry_in = circuit, retry_in


class DeadlineExceededError(CallError):
    """The time for the whole call, its waits and retries included, ran out.

    Attributes:
        timeout: seconds that the call had.
        asked: whether the origin kept the call waiting; False if the time ran out before the origin was asked.
    """

    code = "deadline_exceeded"

    def __init__(self, timeout: float, *, asked: bool = True) -> None:
        super().__init__(f"the call did not end within its deadline of {timeout:.3g} s")
        self.timeout, self.asked = timeout, asked


class AttemptTimeoutError(CallError):
    """One attempt took longer than its timeout.

    Attributes:
        timeout: seconds that the attempt had.
    """

    code = "attempt_timeout"

    def __init__(self, timeout: float) -> None:
        super().__init__(f"the attempt did not end within {timeout:.3g} s")
        self.timeout = timeout


class RateLimitedError(CallError):
    """A quota is used up, and there is no time to wait for more of it; nothing was sent, or called.

    Attributes:
        origin: whose quota it is: scheme, host and port, or the name of a function.
        retry_in: seconds until it may be tried again.
    """

    code = "rate_limited"

    def __init__(self, origin: str, retry_in: float) -> None:
        super().__init__(f"the quota of {origin!r} is used up; try again in {retry_in:.1f} s")
        self.origin, self.retry_in = origin, retry_in


StoreTrouble: TypeAlias = Literal["timeout", "corrupt", "full", "busy", "readonly", "auth", "degraded", "other"]
"""What can be the matter with a store; a fixed set, fit for labels."""
Rejection: TypeAlias = Literal["damaged", "version", "signature", "value"]
"""Why what a store gave is no entry; a fixed set too."""


class StoreError(ResilientError):
    """A cache store failed.

    Attributes:
        kind: what was the matter.
        told: whether those who listen to the cache have heard of it.
    """

    told = False

    def __init__(self, *args: object, kind: StoreTrouble = "other") -> None:
        super().__init__(*args)
        self.kind: StoreTrouble = kind


class StoreUnavailableError(StoreError):
    """The store did not answer, or not in time."""

    code = "store_unavailable"


class CorruptEntryError(StoreError):
    """The store answered something that cannot be an entry.

    Attributes:
        rejected: why it cannot: it is ``damaged``, another ``version`` wrote it, its ``signature`` is wrong, or it
            holds no ``value``.
    """

    def __init__(self, *args: object, kind: StoreTrouble = "corrupt", rejected: Rejection = "damaged") -> None:
        super().__init__(*args, kind=kind)
        self.rejected: Rejection = rejected


class LeaseLostError(StoreError):
    """A lock was lost while it was held: its holder could not renew it in time, and another one may have it.

    Attributes:
        key: what was locked.
    """

    def __init__(self, key: str) -> None:
        super().__init__(f"the lock of {key!r} was lost while it was held; somebody else may hold it now")
        self.key = key


class TransactionError(StoreError):
    """A transaction could not be committed, and nothing of it was: what it had read has changed meanwhile."""


class ScatteredError(TransactionError):
    """What was to be changed at once lies in different places of a cluster; nothing was changed.

    Attributes:
        groups: the keys that lie together, and can be changed at once.
    """

    def __init__(self, groups: Sequence[Sequence[str]]) -> None:
        super().__init__(
            "a Redis Cluster changes at once only what lies in one slot, and this does not; give the keys, and the "
            "tags that are forgotten with them, one part in braces in common, as in '{user:1}:name' and '{user:1}:age'"
        )
        self.groups = groups


class LockedError(ResilientError):
    """A call waits for a key that it holds itself, which would never end.

    Attributes:
        key: the key.
    """

    code = "lock_timeout"

    def __init__(self, key: str) -> None:
        super().__init__(f"this call already fills {key!r}; a fill must not ask for its own key")
        self.key = key


class SuspendedError(ResilientError, RuntimeError):
    """A blocking client met an ``await`` that needs an event loop."""

    def __init__(self) -> None:
        super().__init__(
            "a blocking client cannot await: a middleware, callback or store given to it awaits real I/O; "
            "use its blocking form, or the async client"
        )
