"""What was counted and what was wrong, in one place, so that parts of it can be added up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

KEPT = 20  # of what is wrong, word for word


@dataclass
class Findings:
    """One part's figures. counts: by what is counted, then by its value. seconds: of work, of all processes."""

    bodies: int = 0
    bytes: int = 0
    seconds: float = 0.0
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    wrongs: int = 0
    wrong: list[str] = field(default_factory=list)

    def count(self, what: str, value: str, number: int = 1) -> None:
        self.counts.setdefault(what, Counter())[value] += number

    def blame(self, sentence: str) -> None:
        """Something that must not be."""
        self.wrongs += 1
        if len(self.wrong) < KEPT:
            self.wrong.append(sentence[:2000])

    def add(self, other: Findings) -> None:
        self.bodies += other.bodies
        self.bytes += other.bytes
        self.seconds += other.seconds
        self.wrongs += other.wrongs
        self.wrong += other.wrong[: KEPT - len(self.wrong)]
        for what, values in other.counts.items():
            self.counts.setdefault(what, Counter()).update(values)

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        counts = {what: dict(values.most_common()) for what, values in self.counts.items()}
        return {
            "bodies": self.bodies,
            "bytes": self.bytes,
            "seconds": round(self.seconds, 1),
            "counts": counts,
            "wrong": self.wrongs,
            "examples": self.wrong,
        }

    def lines(self, name: str, took: float) -> list[str]:
        """To be read. took: seconds by the clock."""
        rate = f"{self.bodies / took:,.0f}/s" if took else ""
        head = f"{name}: {self.bodies:,} bodies, {self.bytes / 1e6:,.0f} MB, {took:,.0f} s, {rate}"
        counts = [f"  {what}: {_listed(values)}" for what, values in self.counts.items()]
        end = [f"  WRONG: {self.wrongs:,}", *(f"    {one}" for one in self.wrong)] if self.wrongs else ["  wrong: 0"]
        return [head, *counts, *end]


def _listed(values: Counter[str]) -> str:
    return ", ".join(f"{value} {number:,}" for value, number in values.most_common())
