"""The connections to each node of a cluster, of one colour."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Generic, TypeVar

from resilient.locks import fork_safe_lock
from resilient_adapters.redis.cluster.hosts import Node
from resilient_adapters.redis.pool import closed

B = TypeVar("B")


class Books(Generic[B]):
    """One book of connections a node.

    Args:
        make: makes one.
    """

    def __init__(self, make: Callable[[Node], B]) -> None:
        self._make = make
        self._lock = fork_safe_lock()
        self._books: dict[Node, B] = {}
        self._closed = False

    def of(self, node: Node) -> B:
        """The node's.

        Raises:
            StoreUnavailableError: all are closed.
        """
        book = self._books.get(node)
        if book is None:
            made = self._make(node)
            with self._lock:
                if self._closed:
                    raise closed()
                book = self._books.setdefault(node, made)
        return book

    def without(self, nodes: Collection[Node]) -> list[B]:
        """Keep those of ``nodes`` only; the others are to be closed."""
        with self._lock:
            gone = [book for node, book in self._books.items() if node not in nodes]
            self._books = {node: book for node, book in self._books.items() if node in nodes}
        return gone

    def close(self) -> list[B]:
        """Keep none, and make none any more; they are to be closed."""
        with self._lock:
            self._closed = True
        return self.without(())
