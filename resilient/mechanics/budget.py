"""What extra attempts may cost: tokens earned by success and spent on retries and hedges."""

from __future__ import annotations

from resilient.checks import is_number, need
from resilient.locks import fork_safe_lock
from resilient.settings import settings


@settings
class Budget:
    """How many extra attempts one host may be sent; retries and hedges share it.

    While an origin is down nothing earns tokens but time, so that retries die out instead of multiplying the
    load. With the defaults an outage costs ten retries and then one in twenty seconds.

    Attributes:
        tokens: the most that can be saved up, and what a new host starts with.
        retry_cost: tokens for an extra attempt; given back if it succeeds.
        throttled_cost: the same after an answer that asked for fewer requests.
        refill: tokens earned each second whatever happens; a success earns one.
    """

    tokens: float = 100
    retry_cost: float = 10
    throttled_cost: float = 5
    refill: float = 0.5

    def __post_init__(self) -> None:
        need(is_number(self.tokens) and self.tokens > 0, "tokens", self.tokens, "a number above zero")
        for option in ("retry_cost", "throttled_cost"):
            cost = getattr(self, option)
            right = f"a number above zero and at most tokens={self.tokens!r}"
            need(is_number(cost) and 0 < cost <= self.tokens, option, cost, right)
        right = "tokens a second, zero or more"
        need(is_number(self.refill) and self.refill >= 0, "refill", self.refill, right)

    def __str__(self) -> str:
        costs = f"a retry costs {self.retry_cost:g}, a throttled one {self.throttled_cost:g}"
        return f"{self.tokens:g} tokens; {costs}, a success earns 1, a second {self.refill:g}"


class Tokens:
    """What is left of a budget.

    Args:
        budget: how much it starts with.
        now: the clock's reading, as in every method; seconds.
    """

    __slots__ = ("_at", "_level", "_lock")

    def __init__(self, budget: Budget, now: float) -> None:
        self._level: float = budget.tokens
        self._at = now
        self._lock = fork_safe_lock()

    def withdraw(self, budget: Budget, cost: float, now: float) -> bool:
        """Pay ``cost`` tokens; False, and nothing paid, if there are not so many."""
        with self._lock:
            self._catch_up(budget, now)
            if self._level < cost:
                return False
            self._level -= cost
            return True

    def refund(self, budget: Budget, cost: float, now: float) -> None:
        """Give back ``cost`` tokens, paid for an attempt that was never sent."""
        with self._lock:
            self._catch_up(budget, now)
            self._level = min(budget.tokens, self._level + cost)

    def succeed(self, budget: Budget, now: float, refund: float = 0.0) -> None:
        """Earn a token for a call that went well, and get back ``refund``: what its winning retry cost."""
        # Every good call passes here, and as a rule nothing was spent: a full budget takes no lock. A
        # withdrawal in this very moment may cost the token of one call, which only makes for fewer retries.
        if self._level >= budget.tokens:
            return
        with self._lock:
            self._catch_up(budget, now)
            self._level = min(budget.tokens, self._level + 1 + refund)

    def level(self, budget: Budget, now: float) -> float:
        """Tokens that are left."""
        with self._lock:
            self._catch_up(budget, now)
            return self._level

    def snapshot(self, budget: Budget, now: float) -> dict[str, object]:
        """For pages and tests: the ``level``, and the ``tokens`` there can be."""
        return {"level": self.level(budget, now), "tokens": budget.tokens}

    def _catch_up(self, budget: Budget, now: float) -> None:
        # Threads read the clock before they queue here, so an instant may come after a later one.
        if now > self._at:
            self._level += budget.refill * (now - self._at)
            self._at = now
        self._level = min(budget.tokens, self._level)
