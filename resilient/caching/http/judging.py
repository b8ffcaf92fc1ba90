"""What may be done with one kept answer for one request: the rules of HTTP, and beyond them the strategy's word."""

from __future__ import annotations

from typing import NamedTuple

from resilient.caching.http.asked import Asked
from resilient.caching.http.kept import Kept
from resilient.caching.http.serving import is_servable
from resilient.caching.http.terms import Terms
from resilient.caching.strategies.failover import Failover
from resilient.events import Forwarded
from resilient.http.reuse import Use, must_be_validated, stands_in, verdict
from resilient.outcome import is_failed_status


class Look(NamedTuple):
    """What was seen of a kept answer at one moment.

    Attributes:
        kept: the answer.
        elapsed: seconds since its receipt.
        use: what may be done with it.
        fwd: why the origin has to be asked, None if it has not.
    """

    kept: Kept
    elapsed: float
    use: Use
    fwd: Forwarded | None

    @property
    def is_good(self) -> bool:
        """Whether it may be served as it is."""
        return self.use in ("fresh", "stale")

    @property
    def is_new(self) -> bool:
        """Whether it is as good as new, or the request takes it as it is."""
        return self.use == "stale" or (self.use == "fresh" and self.elapsed < self.kept.times.fresh_for)


def look_at(kept: Kept, elapsed: float, asked: Asked, terms: Terms) -> Look:
    """What may be done with a kept answer, ``elapsed`` seconds after its receipt."""
    if asked.has_range and not is_servable(kept, asked):
        return Look(kept, elapsed, "validate", "partial")
    control = asked.control
    found = verdict(kept.answer, control, elapsed, terms.max_stale)
    if found.why is None:
        return Look(kept, elapsed, found.use, None)
    picky = found.why == "request" or control.max_age is not None or control.min_fresh is not None
    waits = picky or terms.strategy.name == Failover.name or must_be_validated(kept.answer)
    # Past its freshness the strategy serves it, while it is asked for anew.
    behind = not waits and elapsed < kept.times.served_for
    return Look(kept, elapsed, "behind" if behind else found.use, found.why)


def may_stand_in(look: Look, asked: Asked, terms: Terms, *, configured: bool) -> bool:
    """Whether it may be served because the origin failed.

    Args:
        look: the kept answer.
        asked: the request.
        terms: how answers are cached.
        configured: whether the strategy's word counts, else that of the origin and the request.
    """
    kept, answer = look.kept, look.kept.answer
    if is_failed_status(answer.status) or not is_servable(kept, asked):
        return False
    if not configured:
        return stands_in(answer, asked.control, look.elapsed, cap=terms.max_stale)
    return look.elapsed < kept.times.served_for and not (must_be_validated(answer) or asked.control.no_cache)


def why_stale(look: Look, asked: Asked, terms: Terms, *, failed: bool) -> str:
    """The word for who allowed that a stale answer is served; ``failed`` says that the origin was asked in vain."""
    if asked.control.max_stale is not None:
        return "max-stale"
    if look.elapsed < look.kept.times.served_for:
        return terms.strategy.name
    return "stale-if-error" if failed else "stale-while-revalidate"
