"""Saying in the log that a store failed: at once, and then now and then."""

from __future__ import annotations

import logging

from resilient.locks import fork_safe_lock

logger = logging.getLogger("resilient.store")
PAUSE = 10.0
"""Seconds in which one trouble of one store is told once."""
MOST = 1000
"""Troubles that are remembered."""

_lock = fork_safe_lock()
_told: dict[tuple[str, str], tuple[float, int]] = {}
"""By store and trouble: when it was told, and how often it was kept back since."""


def complain(store: str, operation: str, trouble: str, now: float) -> None:
    """Warn that ``store`` failed, unless that was told a moment ago.

    Args:
        store: its name.
        operation: what was asked of it.
        trouble: what was the matter, in a word.
        now: the instant, on a clock that never jumps.
    """
    with _lock:
        at, kept_back = _told.get((store, trouble), (-PAUSE, 0))
        if 0 <= now - at < PAUSE:
            _told[store, trouble] = at, kept_back + 1
            return
        if len(_told) >= MOST:
            _told.clear()
        _told[store, trouble] = now, 0
    more = f" (and {kept_back} times since it was last told)" if kept_back else ""
    logger.warning("the store %r failed to %s: %s; calls go on without it%s", store, operation, trouble, more)
