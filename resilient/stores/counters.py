"""How a counter goes on; the same in every store that adds by itself."""

from __future__ import annotations

from dataclasses import replace

from resilient.entry import COUNTER, Entry, counted
from resilient.errors import StoreError

_LEAST, _MOST = -(2**63), 2**63 - 1


def incremented(counter: Entry | None, by: int, wall: float, expires_at: float) -> Entry:
    """The counter with ``by`` added.

    Args:
        counter: what is there, None if nothing is.
        by: what to add.
        wall: now; when a counter that is new is written.
        expires_at: the end of a counter that is new.

    Raises:
        StoreError: what is there is no counter, or would leave the range of 64 bits.
    """
    if counter is None:
        counter = Entry(body=b"0", meta=COUNTER, stored_at=wall, fresh_until=expires_at, expires_at=expires_at)
    number = counted(counter)
    if number is None:
        raise StoreError("what is kept under this key is no counter, so nothing can be added to it")
    number += by
    if not _LEAST <= number <= _MOST:
        raise StoreError(f"the counter would become {number}, more than 64 bits can say")
    return replace(counter, body=b"%d" % number)
