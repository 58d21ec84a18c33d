"""Which process suffers what, and when: decided by the seed alone."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

VICTIMS = ("postgres", "broker", "web", "worker", "beat")
STOPPED = 0.3  # share of the faults that stop a process for a while instead of killing it


@dataclass(frozen=True, slots=True)
class Fault:
    """``at``: seconds after the beginning. A stop (SIGSTOP) lasts ``seconds``, a kill (SIGKILL) none."""

    at: float
    kind: Literal["kill", "stop"]
    victim: str
    seconds: float = 0.0


def faults(seed: int, every: float, victims: Sequence[str] = VICTIMS) -> Iterator[Fault]:
    """Faults without end, ``every`` so many seconds on average, give or take a half; the same seed, the same faults."""
    dice = random.Random(f"faults {seed}")
    at = 0.0
    for victim in _rounds(dice, victims):
        at += every * dice.uniform(0.5, 1.5)
        # All dice are cast for each fault, so that no fault depends on the kind of the one before it.
        stops, seconds = dice.random() < STOPPED, dice.uniform(0.5, 4.0)
        yield Fault(round(at, 2), "stop", victim, round(seconds, 2)) if stops else Fault(round(at, 2), "kill", victim)


def _rounds(dice: random.Random, victims: Sequence[str]) -> Iterator[str]:
    """Everybody once, in any order, again and again: so a short trial spares nobody."""
    while True:
        yield from dice.sample(victims, len(victims))
