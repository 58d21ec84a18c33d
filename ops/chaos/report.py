"""What a trial found, for people and for programs."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from ops.chaos.checker import Check
from ops.chaos.striker import Struck

SHOWN = 10  # of what is wrong, for each question


@dataclass(frozen=True, slots=True)
class Report:
    """Times in seconds. repeated: requests of the client that had to be sent again. provider: the emulator's counts."""

    seed: int
    broker: str
    wanted: int
    opened: int
    kill_every: float
    struck_for: float
    lasted: float
    repeated: int
    struck: tuple[Struck, ...]
    provider: dict[str, Any]
    checks: tuple[Check, ...]

    @property
    def good(self) -> bool:
        """Whether nothing is wrong, and something was tried."""
        return self.opened > 0 and not any(one.wrong for one in self.checks)

    def facts(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "seed": self.seed,
            "broker": self.broker,
            "good": self.good,
            "runs": {"wanted": self.wanted, "opened": self.opened},
            "seconds": {"kill_every": self.kill_every, "faults": self.struck_for, "all": self.lasted},
            "requests_repeated": self.repeated,
            "faults": [one.facts() for one in self.struck],
            "schedule": self.schedule(),
            "provider": self.provider,
            "checks": [{"name": c.name, "looked_at": c.looked_at, "wrong": list(c.wrong)} for c in self.checks],
        }

    def schedule(self) -> str:
        """A digest of the faults that were due: two trials of one seed begin alike, whatever came of them."""
        due = [(one.fault.at, one.fault.kind, one.fault.victim, one.fault.seconds) for one in self.struck]
        return hashlib.sha256(json.dumps(due).encode()).hexdigest()[:16]

    def text(self) -> str:
        """The report to be read."""
        fewer = f" of {self.wanted} (the time was over)" if self.opened < self.wanted else ""
        lines = [
            f"seed {self.seed}, broker {self.broker}: {self.opened} runs{fewer} in {self.lasted:.0f} s",
            f"faults: {len(self.struck)} in {self.struck_for:.0f} s: {self._strokes()}",
            f"provider: {self._provider()}",
            f"client: {self.repeated} requests repeated",
            "",
            *(line for one in self.checks for line in _lines(one)),
            "",
            "nothing is wrong" if self.good else "SOMETHING IS WRONG",
        ]
        return "\n".join(lines)

    def _strokes(self) -> str:
        done = Counter(f"{one.fault.kind} {one.fault.victim}" for one in self.struck if one.done)
        missed = sum(not one.done for one in self.struck)
        said = ", ".join(f"{what} {count}" for what, count in sorted(done.items()))
        return f"{said}; {missed} met a process that was down" if missed else said

    def _provider(self) -> str:
        callbacks = ", ".join(f"{kind} {count}" for kind, count in sorted(self.provider["callbacks"].items()))
        return f"{self.provider['paid_jobs']} jobs paid; callbacks {callbacks}"


def _lines(check: Check) -> list[str]:
    head = f"{len(check.wrong):7d}  {check.name} (looked at {check.looked_at})"
    more = [f"         ... and {len(check.wrong) - SHOWN} more"] if len(check.wrong) > SHOWN else []
    return [head, *(f"         {one}" for one in check.wrong[:SHOWN]), *more]
