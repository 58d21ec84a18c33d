"""How long what has ended is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from orchestrator.core.durations import seconds
from orchestrator.errors import ConfigError

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FOREVER = "forever"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """None: for ever. Whatever the times, nothing goes that belongs to a run which has not ended so long ago.

    bodies: raw bodies, and what was read in them. callbacks: the rest of a delivery, its verdict above all.
    strays: deliveries that are parked or rejected, body and all. history: the tasks' transitions.
    keys: idempotency keys. runs: ended runs with their tasks, and whatever is left of the above.
    """

    bodies: timedelta | None = 30 * DAY
    callbacks: timedelta | None = 90 * DAY
    strays: timedelta | None = 30 * DAY
    history: timedelta | None = 90 * DAY
    keys: timedelta | None = 30 * DAY
    runs: timedelta | None = 365 * DAY


# A job that a provider lists is told from those of other tasks by their rows, so these stay as long as anybody looks.
_LEAST = {"runs": DAY}


def variable(name: str) -> str:
    """The environment variable of one of the times."""
    return f"ORCHESTRATOR_KEEP_{name.upper()}"


def keep(values: Mapping[str, str]) -> Keep:
    """Read and check the times. Raises ConfigError."""
    return Keep(**{name: _time(name, values[variable(name)]) for name in _NAMES if values.get(variable(name))})


def written(time: timedelta | None) -> str:
    """A time as the variables have it: ``30d``, ``36h``, ``forever``."""
    if time is None:
        return FOREVER
    total = time.total_seconds()
    unit, size = next((u, s) for u, s in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)) if not total % s or s == 1)
    return f"{total / size:g}{unit}"


def _time(name: str, text: str) -> timedelta | None:
    if text == FOREVER:
        return None
    least = _LEAST.get(name, HOUR)
    try:
        time = timedelta(seconds=seconds(text))
    except ValueError:
        raise ConfigError(f"{variable(name)}: {text!r} is no time; allowed: 90d, 36h and the like, {FOREVER}") from None
    if time < least:
        raise ConfigError(f"{variable(name)}: {text} is too short; allowed: {written(least)} or longer, {FOREVER}")
    return time


_NAMES = tuple(Keep.__dataclass_fields__)
