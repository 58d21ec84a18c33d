"""What all parts found, for people and for programs."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from typing import Any

from ops.fuzz.findings import Findings


@dataclass
class Report:
    """parts: name -> its findings and the seconds that it took by the clock."""

    seed: int
    parts: dict[str, tuple[Findings, float]] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether nothing is wrong, and something was tried."""
        return bool(self.parts) and all(found.bodies and not found.wrongs for found, _ in self.parts.values())

    def facts(self) -> dict[str, Any]:
        """The report as JSON."""
        parts = {name: found.facts() | {"took": round(took, 1)} for name, (found, took) in self.parts.items()}
        return {"seed": self.seed, "good": self.good, "python": platform.python_version(), "parts": parts}

    def text(self) -> str:
        """The report to be read."""
        lines = [line for name, (found, took) in self.parts.items() for line in found.lines(name, took)]
        end = "nothing is wrong" if self.good else "SOMETHING IS WRONG"
        return "\n".join([f"seed {self.seed}, Python {platform.python_version()}", *lines, end])
