"""Whether it is worth asking a database: after a failure nobody asks for a while, so that nobody waits in vain."""

from __future__ import annotations

import time

REST = 30.0  # seconds; more than whoever drains the spool takes to try again


class Circuit:
    """Opened by a failure, closed by a success, and by itself after ``REST`` without news."""

    def __init__(self) -> None:
        self._until = 0.0

    @property
    def open(self) -> bool:
        """Known to be away."""
        return self._until > 0.0 and time.monotonic() < self._until

    def failed(self) -> None:
        self._until = time.monotonic() + REST

    def worked(self) -> None:
        self._until = 0.0
