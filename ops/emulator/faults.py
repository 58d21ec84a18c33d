"""Faults ordered through the control API: the next so many answers on a path are errors."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Fault:
    """One spoilt answer. `cut` ends the connection without any."""

    path: str
    status: int = 500
    code: str | int | None = None
    message: str | None = None
    retry_after: float | None = None
    cut: bool = False


class Faults:
    """Faults waiting for their requests, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def order(self, wish: dict[str, Any]) -> None:
        """Add `count` faults (default 1); TypeError names an unknown key."""
        count = int(wish.get("count", 1))
        fault = Fault(**{key: value for key, value in wish.items() if key != "count"})
        with self._lock:
            self._waiting += [fault] * count

    def take(self, path: str) -> Fault | None:
        """The next fault for a request to this path, if one waits."""
        if not self._waiting:
            return None
        with self._lock:
            for fault in self._waiting:
                if fault.path == path:
                    self._waiting.remove(fault)
                    return fault
        return None

    def waiting(self) -> int:
        return len(self._waiting)

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()
