"""How many requests a second are allowed: ``100:1000`` is 100 a second and 1000 at once; ``off`` is any number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orchestrator.core.rate import Rate
from orchestrator.errors import ConfigError

CALLBACK_RATE: Rate | None = Rate(100, 1000)  # of one task's token: no provider says so much of one job
HOOK_RATE: Rate | None = None  # of an account's own hook: what all its jobs may say together is not for us to guess
API_RATE: Rate | None = Rate(200, 2000)
MOST = 1_000_000

_RATES: dict[str, tuple[str, Rate | None]] = {
    "callback_rate": ("ORCHESTRATOR_CALLBACK_RATE", CALLBACK_RATE),
    "hook_rate": ("ORCHESTRATOR_HOOK_RATE", HOOK_RATE),
    "api_rate": ("ORCHESTRATOR_API_RATE", API_RATE),
}


def rates(values: Mapping[str, str]) -> dict[str, Any]:
    """The rates of an environment, by the names of Config. Raises ConfigError."""
    return {
        name: _rate(variable, values[variable]) if values.get(variable) else default
        for name, (variable, default) in _RATES.items()
    }


def shown(rate: Rate | None) -> str:
    """As it is written in the environment."""
    return f"{rate.per_second:g}:{rate.burst}" if rate else "off"


def _rate(variable: str, text: str) -> Rate | None:
    if text.strip().lower() == "off":
        return None
    found = re.fullmatch(r"\s*(\d{1,7}(?:\.\d{1,3})?)(?:\s*:\s*(\d{1,7}))?\s*", text)
    per_second = float(found[1]) if found else 0.0
    burst = int(found[2]) if found and found[2] else max(1, round(10 * per_second))
    if not (0 < per_second <= MOST and 1 <= burst <= MOST):
        raise ConfigError(
            f"{variable}: {text!r} is no rate; allowed: off, or how many a second and, after a colon, at once, "
            f"both up to {MOST} (100:1000)"
        )
    return Rate(per_second, burst)
