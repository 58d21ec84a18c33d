"""How long to wait before the next try."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off in seconds: first, first*factor, ... never above most; ``jitter`` is a share of the wait."""

    first: float = 1.0
    factor: float = 2.0
    most: float = 300.0
    jitter: float = 0.25

    def wait(self, tries: int, chance: float) -> float:
        """Seconds before try number ``tries`` + 1, with ``chance`` (0..1) deciding the jitter."""
        exponent = min(max(tries - 1, 0), 63)
        return min(self.most, self.first * self.factor**exponent) * (1 + self.jitter * chance)
