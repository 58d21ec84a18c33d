"""The latest answer to a question that everybody may ask: one request finds it out, the others are told it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from orchestrator.errors import Overloaded

Found = TypeVar("Found")
FRESH = 1.0  # seconds that an answer is good for
STUCK = 60.0  # seconds after which a look has run into something without a time limit of its own: a dead disk
PATIENCE = 2.0  # seconds to wait for the first answer
WAITING = 1  # at a time, for that


class Latest(Generic[Found]):
    """Costs one thread and one look at a time, however many ask."""

    def __init__(self, look: Callable[[], Found], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._clock = clock
        self._looking = threading.Lock()
        self._since: float | None = None  # of the look that is under way
        self._known: tuple[Found, float] | None = None  # and when
        self._first = threading.Event()
        self._room = threading.Semaphore(WAITING)

    def get(self) -> Found:
        """The answer: at most a second old, or the last one while somebody looks. Raises Overloaded when that takes
        a minute, and before the first answer when too many ask; and whatever the look raises, to the one who looks."""
        if known := self._fresh():
            return known[0]
        if not self._looking.acquire(blocking=False):
            return self._meanwhile()
        try:
            # Who looked until now may have found it out meanwhile.
            return known[0] if (known := self._fresh()) else self._find_out()
        finally:
            self._since = None
            self._looking.release()

    def _fresh(self) -> tuple[Found, float] | None:
        known = self._known
        return known if known and self._clock() - known[1] <= FRESH else None

    def _find_out(self) -> Found:
        self._since = self._clock()
        found = self._look()
        self._known = found, self._clock()
        self._first.set()
        return found

    def _meanwhile(self) -> Found:
        if not self._known and self._room.acquire(blocking=False):
            try:
                self._first.wait(PATIENCE)
            finally:
                self._room.release()
        since = self._since
        if (known := self._known) and (since is None or self._clock() - since <= STUCK):
            return known[0]
        raise Overloaded("whoever looks for the answer is not back yet")
