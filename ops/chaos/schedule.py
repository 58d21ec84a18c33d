"""Which process suffers what, and when: decided by the seed alone."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

VICTIMS = ("postgres", "broker", "web", "worker", "beat")
STOPPED = 0.3  # share of the faults that stop a process for a while instead of killing it
EMPTIED, WIPED = 0.2, 0.2  # shares of the broker's other faults: emptied while it runs; killed, and its folder removed

Kind = Literal["kill", "stop", "empty", "wipe"]


@dataclass(frozen=True, slots=True)
class Fault:
    """``at``: seconds after the beginning. A stop (SIGSTOP) lasts ``seconds``; kill is SIGKILL; empty and wipe take
    the broker's whole content away, from under its clients or together with its life."""

    at: float
    kind: Kind
    victim: str
    seconds: float = 0.0


def faults(seed: int, every: float, victims: Sequence[str] = VICTIMS) -> Iterator[Fault]:
    """Faults without end, ``every`` so many seconds on average, give or take a half; the same seed, the same faults."""
    dice = random.Random(f"faults {seed}")
    at = 0.0
    for victim in _rounds(dice, victims):
        at += every * dice.uniform(0.5, 1.5)
        # All dice are cast for each fault, so that no fault depends on the kind of the one before it.
        stops, seconds, way = dice.random() < STOPPED, dice.uniform(0.5, 4.0), dice.random()
        if stops:
            yield Fault(round(at, 2), "stop", victim, round(seconds, 2))
        else:
            yield Fault(round(at, 2), _way(victim, way), victim)


def _way(victim: str, share: float) -> Kind:
    if victim != "broker" or share >= EMPTIED + WIPED:
        return "kill"
    return "empty" if share < EMPTIED else "wipe"


def _rounds(dice: random.Random, victims: Sequence[str]) -> Iterator[str]:
    """Everybody once, in any order, again and again: so a short trial spares nobody."""
    while True:
        yield from dice.sample(victims, len(victims))
