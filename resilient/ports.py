"""What the core asks of the world: time, waiting, stores, and an HTTP library."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias, TypeVar

from resilient.entry import Entry
from resilient.errors import CallError
from resilient.messages import Body, Request, Response
from resilient.outcome import Failure

T = TypeVar("T")
Job: TypeAlias = Callable[[], Coroutine[Any, Any, T]]
"""Makes the coroutine that does the work; a factory, so that work that never starts warns of nothing."""
NO_ENTRIES: Mapping[str, Entry | None] = MappingProxyType({})


class Clock(Protocol):
    """Time, and the two ways in which a thread waits for it."""

    def now(self) -> float:
        """Seconds on a clock that never jumps; its zero means nothing."""
        ...

    def wall(self) -> float:
        """Seconds since the epoch."""
        ...

    def sleep(self, seconds: float) -> None:
        """Block this thread for ``seconds``."""
        ...

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Block this thread until ``event`` is set, at most ``timeout`` seconds; whether it was set."""
        ...

    async def asleep(self, seconds: float) -> None:
        """Suspend this task for ``seconds``."""
        ...


class Signal(Protocol):
    """The one waiting primitive: a bell that rings once."""

    def set(self) -> None:
        """Ring it; from any thread."""
        ...

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait for the ring, at most ``timeout`` seconds; whether it rang."""
        ...


class Runtime(Protocol):
    """How a colour waits. The blocking one never suspends, so that a coroutine runs to its end in one step."""

    @property
    def clock(self) -> Clock: ...

    def signal(self) -> Signal:
        """A bell that the caller waits for."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait ``seconds``."""
        ...

    async def within(self, seconds: float, job: Job[T]) -> T:
        """Run ``job``; after ``seconds`` cancel it, where the colour can.

        Raises:
            TimeoutError: the time ran out first.
        """
        ...

    async def read(self, body: Body, ends: float) -> bytes:
        """Read all of ``body`` and close it.

        Raises:
            TimeoutError: the instant ``ends`` came first.
        """
        ...

    async def drain(self, body: Body, most: int, ends: float) -> None:
        """Read what is left of ``body``, so that its connection can be used again, and close it.

        After ``most`` bytes, or at the instant ``ends``, it is closed all the same.
        """
        ...

    async def close(self, body: Body) -> None:
        """Close ``body``, read or not."""
        ...

    def choose(self, blocking: T, tasks: T) -> T:
        """The one of two values that belongs to this colour."""
        ...

    def spawn(self, key: str, job: Job[object]) -> bool:
        """Run ``job`` in the background, where nobody waits for it; its runtime owns it until its end.

        The job handles its own failures; one that it lets out is logged and goes no further.

        Returns:
            False if it was not started: there is background work for ``key``, or too much of it, or the runtime
            is closed.
        """
        ...

    def repeat(self, seconds: float, job: Job[float | None]) -> Callable[[], None]:
        """Run ``job`` in the background after ``seconds``, and again after as many as it returns, until it says None.

        It is for what other work cannot do without while it is under way. So it is done however much background work
        there is, also once the runtime is closed, and nobody waits for it then. Until it is due it takes neither a
        thread nor a task of its own.

        Returns:
            What calls it off for good; what has begun by then goes on to its end.
        """
        ...

    async def settle(self, drain: float = 2.0) -> None:
        """Refuse new background work from now on, and wait ``drain`` seconds at most for what is under way.

        What takes longer is cancelled where the colour can, and left behind where it cannot.
        """
        ...

    async def share(self, key: str, job: Job[T], timeout: float | None = None) -> tuple[T, bool]:
        """Run ``job`` once for everybody who asks for ``key`` while it runs.

        Args:
            key: what the work is for.
            job: the work; only the first asker's is run.
            timeout: seconds that this asker waits at most; the work goes on while anybody waits.

        Returns:
            What the job returned, and whether it was this asker's.

        Raises:
            TimeoutError: the time ran out first.
            LockedError: the job asks for its own key.
        """
        ...


class Store(Protocol):
    """Entries under keys, for a while. Safe to call from many threads.

    Every method raises only :class:`resilient.errors.StoreError`. A change that fails with the kind ``timeout`` may
    still be done later, and whole.
    """

    @property
    def name(self) -> str:
        """A short name for events and metrics."""
        ...

    def secret(self) -> bytes:
        """A random secret of 32 bytes kept beside the entries, for digests of credentials in keys."""
        ...

    def get(self, key: str) -> Entry | None:
        """The entry, unless there is none or it has expired."""
        ...

    def get_many(self, keys: Sequence[str]) -> list[Entry | None]:
        """The entries of several keys, in their order; one that is damaged counts as none."""
        ...

    def set(self, key: str, entry: Entry) -> bool:
        """Write the entry; it is there for every later ``get``, of other processes too where they share.

        One that is too large to be kept leaves nothing under its key.

        Returns:
            False if nothing was written: the entry is too large; or ``entry.fence`` is above 0 and a lease of that
            key, or the entry that is there, has a higher fence, since somebody else has taken over.
        """
        ...

    def delete(self, *keys: str) -> int:
        """Remove the entries, all of them at once; how many there were."""
        ...

    def commit(
        self,
        changes: Mapping[str, Entry | None],
        *,
        expected: Mapping[str, Entry | None] = NO_ENTRIES,
        tags: Collection[str] = (),
    ) -> int:
        """Change several entries at once, all or none of them, whatever happens in between.

        Args:
            changes: the new entry of each key, None to remove it; applied last.
            expected: what must still be there under these keys, None for nothing.
            tags: the entries that have one of these are removed first; no tagged entry that is being written at
                the same time is missed.

        Returns:
            How many entries were removed.

        Raises:
            TransactionError: what was expected is not there, or somebody else has taken over a key as :meth:`set`
                tells; nothing was done.
            ScatteredError: this store cannot change all of that at once; nothing was done.
        """
        ...

    def incr(self, key: str, by: int, expires_at: float) -> int:
        """Add ``by`` to a counter (:data:`resilient.entry.COUNTER`), atomically; its new value.

        Args:
            key: the counter's key.
            by: what to add, negative to subtract.
            expires_at: the end of a counter that is new; one that is there keeps its own.

        Raises:
            StoreError: what is there is no counter, or would leave the range of 64 bits.
        """
        ...

    def acquire(self, name: str, owner: str, ttl: float) -> int | None:
        """Take the lease of that name for ``ttl`` seconds, unless somebody else holds it.

        Its own owner may take it anew. No ordinary entry ever evicts a lease.

        Returns:
            Its fence, higher than that of any lease given out before by this store; None if it is held.
        """
        ...

    def renew(self, name: str, owner: str, ttl: float) -> bool:
        """Hold the lease for ``ttl`` seconds from now; False if it is no longer the owner's."""
        ...

    def release(self, name: str, owner: str) -> bool:
        """Give the lease back; False if it was no longer the owner's."""
        ...

    def scan(self, prefix: str = "") -> Iterator[str]:
        """The keys that start with ``prefix`` and have not expired."""
        ...

    def usage(self) -> Usage:
        """How much it keeps."""
        ...

    def clear(self) -> None:
        """Remove everything but the secret and the leases."""
        ...

    def close(self) -> None:
        """Write what is waiting and let go of files and connections; a second close does nothing."""
        ...


class LeaseStore(Protocol):
    """What of a store leases need; the methods do as those of :class:`Store`."""

    async def acquire(self, name: str, owner: str, ttl: float) -> int | None: ...
    async def renew(self, name: str, owner: str, ttl: float) -> bool: ...
    async def release(self, name: str, owner: str) -> bool: ...


class EntryStore(LeaseStore, Protocol):
    """What of a store a call needs, in the call's colour; the methods do as those of :class:`Store`."""

    @property
    def name(self) -> str: ...
    async def secret(self) -> bytes: ...
    async def get(self, key: str) -> Entry | None: ...
    async def get_many(self, keys: Sequence[str]) -> list[Entry | None]: ...
    async def set(self, key: str, entry: Entry) -> bool: ...
    async def delete(self, *keys: str) -> int: ...
    async def commit(
        self,
        changes: Mapping[str, Entry | None],
        *,
        expected: Mapping[str, Entry | None] = NO_ENTRIES,
        tags: Collection[str] = (),
    ) -> int: ...
    async def incr(self, key: str, by: int, expires_at: float) -> int: ...
    def scan(self, prefix: str = "") -> AsyncIterator[str]: ...


class AsyncStore(EntryStore, Protocol):
    """The same as :class:`Store` for tasks. Safe to call from many event loops."""

    async def usage(self) -> Usage: ...
    async def clear(self) -> None: ...
    async def close(self) -> None: ...


class AtHand(Protocol):
    """What of a store lies in this process's memory; to look there neither waits nor fails.

    A store of either colour that has such a thing offers it as a property ``at_hand``, and calls look there first.
    """

    @property
    def known_secret(self) -> bytes | None:
        """The secret, if it lies there."""
        ...

    def get(self, key: str) -> Entry | None:
        """The entry, if it lies there and has not expired; None says nothing of the store."""
        ...

    def empty(self) -> int:
        """Let go of all of it, so that whoever asks next asks the store; how many entries there were."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a store keeps, and what it did not keep.

    Attributes:
        entries: how many it keeps.
        size: bytes that they take.
        evicted: how many entries that had not expired it dropped to make room, in this process.
        refused: how many were too large to be kept, in this process.
        copies: how many of them this process has in its memory as well.
    """

    entries: int
    size: int
    evicted: int = 0
    refused: int = 0
    copies: int = 0


@dataclass(frozen=True, slots=True)
class StorePair:
    """One store as both colours see it.

    Attributes:
        blocking: for threads.
        tasks: for event loops.
    """

    blocking: Store
    tasks: AsyncStore


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLibrary:
    """An HTTP library as a value: its errors by meaning, and how its messages are made.

    Attributes:
        name: its import name.
        failures: what its exceptions mean.
        natives: our call errors as its own kind of errors.
        response: makes an answer of a status, header fields and a raw body.
        again: the same request with other extensions, and with these header fields in place of its own.
        with_fields: the same request with exactly these header fields.
        elsewhere: a GET of the request for another address, without its body and, at another origin, without
            its credentials.
        rewind: makes a request's body ready to be sent again; False if that cannot be.
        body: the body of an answer; makes the answer's stream one where it is none yet.
        decodes: whether a raw body with these header fields can be decoded.
    """

    name: str
    failures: Mapping[type[Exception], Failure]
    natives: Mapping[type[CallError], type[CallError]]
    response: Callable[[int, Sequence[tuple[bytes, bytes]], bytes], Response]
    again: Callable[[Any, Mapping[str, Any], Mapping[str, str]], Request]
    with_fields: Callable[[Any, Sequence[tuple[bytes, bytes]]], Request]
    elsewhere: Callable[[Any, str], Request]
    rewind: Callable[[Any], bool]
    body: Callable[[Any], Body]
    decodes: Callable[[list[tuple[bytes, bytes]], bytes], bool]
