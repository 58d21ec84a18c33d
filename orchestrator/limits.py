"""What one process lets in: how often by key (Meter), and how many at a time (Gate). Both keep memory flat."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue

from orchestrator.core.rate import Rate, Standing
from orchestrator.errors import Overloaded, TooManyRequests
from orchestrator.metrics import PLACES, SHED

FEW_KEYS = 4096  # that are kept without a look at whether they still matter


class Meter:
    """Counts by key. A key whose bucket is full again is forgotten, so only those of the last seconds are kept."""

    def __init__(self, kind: str, rate: Rate | None, clock: Callable[[], float] = time.monotonic) -> None:
        """kind: what is counted, for the figures. rate: None lets everything pass."""
        self._kind = kind
        self._rate = rate
        self._clock = clock
        self._full_at: dict[object, float] = {}
        self._lock = threading.Lock()
        self._most = FEW_KEYS

    def take(self, key: object) -> Standing | None:
        """One more of this key; how it stands, None without a rate. Raises TooManyRequests."""
        if self._rate is None:
            return None
        now = self._clock()
        with self._lock:
            standing = self._rate.take(self._full_at.get(key, now), now)
            self._full_at[key] = standing.full_at
            if len(self._full_at) > self._most:
                self._forget(now)
        if not standing.allowed:
            SHED.labels(self._kind, "rate").inc()
            allowed = f"allowed are {self._rate.per_second:g} a second, and {self._rate.burst} at once"
            raise TooManyRequests(allowed, retry_after=math.ceil(standing.wait), headers=self.headers(standing))
        return standing

    def headers(self, standing: Standing) -> dict[str, str]:
        """What is said of it to the client (draft-ietf-httpapi-ratelimit-headers)."""
        rate = standing.rate
        return {
            "RateLimit-Policy": f'"{self._kind}";q={rate.burst};w={math.ceil(rate.window)}',
            "RateLimit": f'"{self._kind}";r={standing.remaining};t={math.ceil(standing.reset)}',
        }

    def _forget(self, now: float) -> None:
        self._full_at = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
        self._most = max(FEW_KEYS, 2 * len(self._full_at))

    def __len__(self) -> int:
        return len(self._full_at)


class Gate:
    """So many at a time; so many more wait, so long; the rest is refused at once."""

    def __init__(self, kind: str, places: int, *, waiting: int, patience: float) -> None:
        """kind: who passes, for the figures. patience: seconds."""
        self._kind = kind
        self._patience = patience
        self._room = waiting
        self._lock = threading.Lock()
        self._free: SimpleQueue[None] = SimpleQueue()  # one entry per free place: to wait for one costs no CPU
        self._taken = PLACES.labels(kind)
        for _ in range(places):
            self._free.put(None)

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for the length of a block. Raises Overloaded."""
        try:
            self._free.get_nowait()
        except Empty:
            self._wait()
        self._taken.inc()
        try:
            yield
        finally:
            self._taken.dec()
            self._free.put(None)

    def _wait(self) -> None:
        with self._lock:
            if self._room == 0:
                raise self._shed()
            self._room -= 1
        try:
            self._free.get(timeout=self._patience)
        except Empty:
            raise self._shed() from None
        finally:
            with self._lock:
                self._room += 1

    def _shed(self) -> Overloaded:
        SHED.labels(self._kind, "places").inc()
        return Overloaded(f"too many {self._kind} at a time")
