"""What time it is, for all processes the same: this machine's clock, set right by the database's where it is wrong.

What one process writes (a pause, the next submission, a lease) others compare with their own time: one clock has to be
believed, and all of them know the database's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

log = structlog.get_logger(__name__)
EVERY = 60.0  # seconds between two comparisons
LEAP = 1.0  # seconds by which this machine's clock may go otherwise than time does, until it is compared at once
CLOSE = timedelta(seconds=2)  # is near enough: what synchronised clocks may differ by


def utc_now() -> datetime:
    """This machine's clock."""
    return datetime.now(UTC)


class Clock:
    """own: this machine's clock. steady: seconds that nobody sets."""

    def __init__(self, own: Callable[[], datetime] = utc_now, steady: Callable[[], float] = time.monotonic) -> None:
        self._own, self._steady = own, steady
        self._off = timedelta(0)
        self._compared: tuple[datetime, float] | None = None
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self._own() + self._off

    def compare(self, ask: Callable[[], datetime]) -> None:
        """Ask the database for its time, if that is due; by one thread at a time, for which nobody waits."""
        if self._due() and self._lock.acquire(blocking=False):
            try:
                self._compare(ask)
            finally:
                self._lock.release()

    def _due(self) -> bool:
        if self._compared is None:
            return True
        then, at = self._compared
        passed = self._steady() - at
        return passed >= EVERY or abs((self._own() - then).total_seconds() - passed) > LEAP

    def _compare(self, ask: Callable[[], datetime]) -> None:
        before, began = self._own(), self._steady()
        told = ask()
        after, ended = self._own(), self._steady()
        if abs((after - before).total_seconds() - (ended - began)) > LEAP:
            return  # it was set while we asked: the next one asks again
        self._compared = after, ended
        # The answer was made at some moment in between. What may come of that alone is no difference.
        least, most = told - after, told - before
        near = least - CLOSE <= timedelta(0) <= most + CLOSE
        off = timedelta(0) if near else least + (most - least) / 2
        if abs(off - self._off) > CLOSE:
            log.warning("this machine's clock is wrong; the database's is taken", seconds=off.total_seconds())
        self._off = off
