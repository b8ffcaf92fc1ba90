"""Where work runs, and whether it still does."""

from __future__ import annotations

from typing import Protocol


class Home(Protocol):
    """An event loop."""

    def is_running(self) -> bool: ...


def is_lost(home: Home | None, here: Home | None) -> bool:
    """Whether work has come to a halt, seen from ``here``: its loop was closed, or left and may never run again.

    Threads have no home (None), and are never lost.
    """
    return home is not None and home is not here and not home.is_running()
