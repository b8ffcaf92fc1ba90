"""How a program says where a transaction begins and ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, TypeVar

from resilient.caching.core import Core
from resilient.caching.surrounding import surrounded
from resilient.caching.transactions import Isolation, Transaction
from resilient.ports import Job, Runtime
from resilient.runtime.drive import drive

F = TypeVar("F", bound=Callable[..., Any])


class Transacting:
    """A transaction, as ``async with``, as ``with``, and as a decorator of functions of either kind.

    Inside of another transaction it is a part of that one.

    Args:
        core: the cache.
        isolation: what it sees of others.
    """

    __slots__ = ("_core", "_isolation")

    def __init__(self, core: Core, isolation: Isolation) -> None:
        Transaction(isolation)  # a wrong isolation is refused here
        self._core = core
        self._isolation: Isolation = isolation

    async def __aenter__(self) -> AsyncHandle:
        return AsyncHandle(self._core, self._enter())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        transaction = self._leave()
        if error is None and transaction is not None:
            await transaction.commit(self._core.tasks)

    def __enter__(self) -> BlockingHandle:
        return BlockingHandle(self._core, self._enter())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        transaction = self._leave()
        if error is None and transaction is not None:
            drive(transaction.commit(self._core.threads))

    def __call__(self, function: F) -> F:
        """``function`` with each of its calls in a transaction.

        Raises:
            ConfigurationError: it is a generator, which goes on after its call.
        """

        async def around(runtime: Runtime, args: tuple[Any, ...], kwargs: Mapping[str, Any], job: Job[Any]) -> Any:
            anew = type(self)(self._core, self._isolation)
            if runtime is self._core.threads:
                with anew:
                    return await job()
            async with anew:
                return await job()

        return surrounded(self._core, function, around, option="transact")

    def _enter(self) -> Transaction:
        here = self._core.scopes.here()
        transaction = here.transaction
        if transaction is None or transaction.over:
            transaction = Transaction(self._isolation)
        self._core.scopes.enter(here._replace(transaction=transaction))
        return transaction

    def _leave(self) -> Transaction | None:
        """The transaction that ends here, None if it goes on outside."""
        transaction = self._core.scopes.leave().transaction
        if transaction is None or transaction is self._core.scopes.here().transaction:
            return None
        transaction.over = True
        return transaction


class AsyncHandle:
    """The transaction of an ``async with`` block."""

    __slots__ = ("_core", "_transaction")

    def __init__(self, core: Core, transaction: Transaction) -> None:
        self._core = core
        self._transaction = transaction

    async def commit(self) -> None:
        """Let what was changed so far take effect; what follows is another transaction.

        Raises:
            TransactionError: what it rests upon has changed meanwhile.
        """
        await self._transaction.commit(self._core.tasks)

    async def rollback(self) -> None:
        """Forget what was changed so far."""
        self._transaction.reset()


class BlockingHandle:
    """The transaction of a ``with`` block."""

    __slots__ = ("_core", "_transaction")

    def __init__(self, core: Core, transaction: Transaction) -> None:
        self._core = core
        self._transaction = transaction

    def commit(self) -> None:
        """Let what was changed so far take effect; what follows is another transaction.

        Raises:
            TransactionError: what it rests upon has changed meanwhile.
        """
        drive(self._transaction.commit(self._core.threads))

    def rollback(self) -> None:
        """Forget what was changed so far."""
        self._transaction.reset()
