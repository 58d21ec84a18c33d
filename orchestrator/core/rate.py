"""How often something may happen: so many a second, and so many at once after a pause.

A bucket that fills steadily, as arithmetic (GCRA): all that is kept of a key is the moment at which its bucket is full.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """per_second: in the long run. burst: at once, when nothing came for ``burst / per_second`` seconds."""

    per_second: float
    burst: int

    @property
    def window(self) -> float:
        """Seconds in which an empty bucket fills."""
        return self.burst / self.per_second

    def take(self, full_at: float, now: float) -> Standing:
        """One more, of a bucket that is full at ``full_at`` (any moment gone by is as good as another)."""
        after = max(full_at, now) + 1 / self.per_second
        over = after - now - self.window
        if over > 1e-9:  # what rounding makes of nothing
            return Standing(self, allowed=False, full_at=full_at, remaining=0, reset=full_at - now, wait=over)
        remaining = int((self.window - (after - now)) * self.per_second + 1e-6)
        return Standing(self, allowed=True, full_at=after, remaining=remaining, reset=after - now, wait=0.0)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a key stands after one more. remaining: at once from now. Seconds: reset, until the whole burst is there
    again; wait, until one is."""

    rate: Rate
    allowed: bool
    full_at: float
    remaining: int
    reset: float
    wait: float
