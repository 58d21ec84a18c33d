"""What was asked: a bounded record of requests, numbered in the order they came."""

from __future__ import annotations

import threading
from collections import Counter, deque
from typing import Any

from ops.emulator.clock import Clock

REMEMBERED = 10_000
_LONG = 4096  # characters of a value that are kept


class Journal:
    """The newest requests, and counts of all."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._count = 0
        self.entries: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)
        self.counts: Counter[str] = Counter()

    def opened(self, method: str, path: str) -> dict[str, Any]:
        """A new entry with the next number; its keys are filled in while the request is worked on."""
        entry: dict[str, Any] = {"at": self._clock.now(), "method": method, "path": path, "status": None}
        with self._lock:
            self._count += 1
            entry["n"] = self._count
            self.entries.append(entry)
        return entry

    def closed(self, entry: dict[str, Any], status: int, route: str) -> None:
        """The request was answered with this status; `route` is its path's pattern."""
        entry["status"] = status
        with self._lock:
            self.counts[f"{route} {status}"] += 1

    def clear(self) -> None:
        with self._lock:
            self._count = 0
            self.entries.clear()
            self.counts.clear()


def shortened(body: dict[str, Any]) -> dict[str, Any]:
    """The body with long texts (masks, pictures) replaced by their length."""
    return {key: _short(value) for key, value in body.items()}


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [_short(item) for item in value]
    return f"<{len(value)} characters>" if isinstance(value, str) and len(value) > _LONG and " " not in value else value
