"""Places that are taken for a while, and come free by themselves when their holder is lost."""

from __future__ import annotations


class Places:
    """Who holds a place, by a number that is given once.

    To :meth:`take` one needs the lock of the machine that this belongs to. To :meth:`leave` does not, so that
    the garbage collector may give up an abandoned call's place at any moment.
    """

    __slots__ = ("_given", "_holders")

    def __init__(self) -> None:
        self._given = 0
        self._holders: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._holders)

    def take(self, places: int, lease: float, now: float) -> int:
        """Take one of so many ``places``, for ``lease`` seconds at most; its number, or 0 if none is free."""
        # A copy, since a holder may leave meanwhile.
        for number, since in list(self._holders.items()):
            if now - since >= lease:
                self.leave(number)
        if len(self._holders) >= places:
            return 0
        self._given += 1
        self._holders[self._given] = now
        return self._given

    def leave(self, number: int) -> None:
        """Give up the place with this number; nothing happens if it was lost or given up before."""
        self._holders.pop(number, None)

    def clear(self) -> None:
        """Make everybody leave."""
        self._holders = {}

    def next_free(self, lease: float, now: float) -> float:
        """Seconds until the first holder is given up for lost."""
        return max(0.0, min(self._holders.copy().values(), default=now) + lease - now)
