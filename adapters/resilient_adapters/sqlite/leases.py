"""Leases in a database, as jobs for the writer.

They end by the machine's wall clock, which all processes share. One that ends further ahead than it was meant to was
taken before that clock was set back, and counts as ended. Fences rise for as long as the database lives.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from resilient.stores.keys import stored_key
from resilient_adapters.sqlite import schema
from resilient_adapters.sqlite.writer import Job


class Leases:
    """The jobs that take leases and give them back.

    Args:
        wall: tells the time.
    """

    __slots__ = ("_wall",)

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall

    def acquiring(self, name: str, owner: str, ttl: float) -> Job[int | None]:
        """Takes a lease and gives its fence, None if somebody else holds it."""
        name = stored_key(name)

        def work(connection: sqlite3.Connection) -> int | None:
            asked = {"name": name, "owner": owner, "wall": self._wall()}
            if connection.execute(schema.HELD_BY_ANOTHER, asked).fetchall():
                return None
            connection.execute(schema.NEXT_FENCE)
            fence: int = connection.execute(schema.FENCE).fetchall()[0][0]
            connection.execute(schema.TAKE, (name, owner, fence, ttl, self._wall() + ttl))
            return fence

        return Job(work, "take a lease")

    def renewing(self, name: str, owner: str, ttl: float) -> Job[bool]:
        """Holds a lease for longer and says whether it was still the owner's."""
        return self._changing(schema.RENEW, "renew a lease", name=stored_key(name), owner=owner, ttl=ttl)

    def releasing(self, name: str, owner: str) -> Job[bool]:
        """Gives a lease back and says whether it was still the owner's."""
        return self._changing(schema.RELEASE, "release a lease", name=stored_key(name), owner=owner)

    def _changing(self, statement: str, doing: str, **asked: object) -> Job[bool]:
        def work(connection: sqlite3.Connection) -> bool:
            return connection.execute(statement, {**asked, "wall": self._wall()}).rowcount > 0

        return Job(work, doing)
