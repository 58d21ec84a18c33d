"""Time that can be pushed forward, and one thread that does things when their time has come."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from typing import ClassVar

logger = logging.getLogger(__name__)

_PATIENCE = 30.0  # seconds for what is due to be done


class Clock:
    """Epoch seconds, plus what advance() has added: so that a test needs no sleep."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> float:
        return time.time() + self._ahead

    def push(self, seconds: float) -> None:
        self._ahead += seconds


class Scheduler:
    """A heap of (time, action) and the thread that works it off. Actions are short and never block."""

    _serial: ClassVar[itertools.count[int]] = itertools.count()

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._changed = threading.Condition()
        self._stopped = False
        self._busy = False
        self._thread = threading.Thread(target=self._work, name="emulator-scheduler", daemon=True)
        self._thread.start()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do `action` in so many seconds of the emulator's clock."""
        with self._changed:
            heapq.heappush(self._heap, (self._clock.now() + seconds, next(self._serial), action))
            if self._heap[0][2] is action:
                self._changed.notify_all()

    def advance(self, seconds: float) -> None:
        """Push the clock forward; what falls due is done, in its order, when this returns."""
        with self._changed:
            self._clock.push(seconds)
            self._changed.notify_all()
            self._changed.wait_for(self._idle, _PATIENCE)

    def _idle(self) -> bool:
        return self._stopped or not (self._busy or (self._heap and self._heap[0][0] <= self._clock.now()))

    def waiting(self) -> int:
        """How many actions wait for their time."""
        with self._changed:
            return len(self._heap)

    def clear(self) -> None:
        """Forget every action."""
        with self._changed:
            self._heap.clear()

    def stop(self) -> None:
        """End the thread; what waits is never done."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()

    def _work(self) -> None:
        while (action := self._next()) is not None:
            try:
                action()
            except Exception:
                logger.exception("a scheduled action failed")

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            self._busy = False
            while not self._stopped:
                self._changed.notify_all()  # those who wait until all that is due is done
                wait = self._heap[0][0] - self._clock.now() if self._heap else None
                if wait is not None and wait <= 0:
                    self._busy = True
                    return heapq.heappop(self._heap)[2]
                self._changed.wait(wait)
            return None
