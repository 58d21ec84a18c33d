"""What a scorer answers: four scores, the best of them and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class QuadrantScore:
    """One picture: `index` 1..4, `score` (higher is better, comparable within one grid only), the score's `parts` by
    name, and why it was `vetoed`, if it was."""

    index: int
    score: float
    parts: dict[str, float]
    vetoed: str | None = None


@dataclass(frozen=True, slots=True)
class Ranking:
    """Who ranked (`scorer`, `version`), the `best` picture 1..4, its lead over the runner-up (`margin`), whether that
    lead is worth the name (`clear`), all four pictures in their order, and, when the wanted scorer gave no answer and
    `scorer` stepped in, why (`fallback`)."""

    scorer: str
    version: str
    best: int
    margin: float
    clear: bool
    quadrants: tuple[QuadrantScore, ...]
    fallback: str | None = None

    @property
    def survivors(self) -> tuple[int, ...]:
        """The pictures without a veto, 1..4, in their order."""
        return tuple(quadrant.index for quadrant in self.quadrants if quadrant.vetoed is None)

    def to_json(self) -> dict[str, Any]:
        """Plain lists, dicts, strings and numbers, as stored on the task and shown in the API."""
        return {**asdict(self), "quadrants": [asdict(quadrant) for quadrant in self.quadrants]}


def winner(scores: Mapping[int, float], survivors: Sequence[int]) -> int:
    """The survivor with the highest score; of equals the lowest index."""
    return min(survivors, key=lambda index: (-scores[index], index))


def lead(scores: Mapping[int, float], best: int) -> float:
    """How far `best` is ahead of the highest other score, to 3 decimals; 0 when there is no other or it is higher."""
    others = [score for index, score in scores.items() if index != best]
    return round(max(0.0, scores[best] - max(others)), 3) if others else 0.0
