"""Durations as people write them: ``90``, ``"90s"``, ``"10m"``, ``"1h30m"``, ``"2d"``."""

from __future__ import annotations

import re

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 100 * 365 * 86400.0
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def seconds(text: str | float) -> float:
    """Seconds in a duration; raises ValueError with the allowed forms."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        return _bounded(text, text)
    compact = str(text).replace(" ", "")
    if re.fullmatch(r"\d+(\.\d+)?", compact):
        return _bounded(float(compact), text)
    parts = _PART.findall(compact)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise ValueError(f"{text!r} is not a duration; write seconds, or 90s, 10m, 1h30m, 2d")
    return _bounded(sum(float(number) * _UNITS[unit] for number, unit in parts), text)


def _bounded(value: float, text: object) -> float:
    if not 0 <= value <= _LONGEST:
        raise ValueError(f"{text!r} is not a duration; it must not be negative, nor longer than a hundred years")
    return float(value)
