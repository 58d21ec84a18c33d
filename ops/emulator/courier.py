"""Posts callbacks: once, unsigned, no retry, no redirect followed; a few threads, each with its own connections."""

from __future__ import annotations

import itertools
import queue
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Any

import requests

from ops.emulator.clock import Clock, Scheduler
from ops.emulator.letters import Letter

TIMEOUT = 10.0  # seconds for the receiver to answer
REMEMBERED = 20_000
_HEADERS = {"Content-Type": "application/json", "User-Agent": "midjourney-emulator", "Accept": "*/*"}


class Courier:
    """Letters in, POSTs out, and a record of every one."""

    def __init__(self, clock: Clock, scheduler: Scheduler, senders: int, patience: Callable[[], float]) -> None:
        self._clock = clock
        self._scheduler = scheduler
        self._patience = patience  # seconds a postponed letter waits when nothing overtakes it
        self._lock = threading.Lock()
        self._held: list[Letter] | None = None
        self._postponed: list[Letter] = []
        self._serial = itertools.count(1)
        self._busy = 0
        self.record: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)
        self.counts: Counter[str] = Counter()
        self._lanes: list[queue.SimpleQueue[Letter | None]] = [queue.SimpleQueue() for _ in range(senders)]
        self._local = threading.local()
        self._threads = [threading.Thread(target=self._work, args=(lane,), daemon=True) for lane in self._lanes]
        for thread in self._threads:
            thread.start()

    def send(self, letters: Iterable[Letter]) -> None:
        """Have these posted, each at its time."""
        for letter in letters:
            if letter.dropped:
                self._note(letter, state="dropped")
            elif letter.delay:
                self._scheduler.after(letter.delay, partial(self._route, replace(letter, delay=0.0)))
            else:
                self._route(letter)

    def send_now(self, letters: Iterable[Letter]) -> None:
        """Post the true ones in the calling thread and return when they are answered; while held, as send()."""
        for letter in letters:
            if letter.kind == "true" and not (letter.dropped or letter.delay or self.holding):
                self._deliver(replace(letter, early=True))
            else:
                self.send([letter])

    @property
    def holding(self) -> bool:
        return self._held is not None

    def hold(self) -> None:
        """Keep every letter from now on until release()."""
        with self._lock:
            self._held = self._held if self._held is not None else []

    def release(self, *, task_ids: set[str] | None = None, count: int | None = None, backwards: bool = False) -> int:
        """Send held letters: all of them (and stop holding), or those of some tasks, or so many. Returns how many."""
        with self._lock:
            held = self._held or []
            chosen = [letter for letter in held if task_ids is None or letter.task_id in task_ids][:count]
            left = [letter for letter in held if letter not in chosen]
            self._held = None if task_ids is None and count is None else left
        for letter in reversed(chosen) if backwards else chosen:
            self._enqueue(letter)
        return len(chosen)

    def waiting(self) -> int:
        """Letters accepted and not yet posted (held and postponed ones included, delayed ones not)."""
        with self._lock:
            return self._busy + len(self._held or ()) + len(self._postponed)

    def clear(self) -> None:
        """Forget what is held and what was recorded."""
        with self._lock:
            self._held, self._postponed = None, []
            self.record.clear()
            self.counts.clear()

    def stop(self) -> None:
        """End the threads after the letters they are at."""
        for lane in self._lanes:
            lane.put(None)
        for thread in self._threads:
            thread.join()

    def _route(self, letter: Letter) -> None:
        with self._lock:
            if self._held is not None:
                self._held.append(letter)
                return
            if letter.postponed:
                self._postponed.append(letter)
        if letter.postponed:
            self._scheduler.after(self._patience(), self._overtaken)
        else:
            self._enqueue(letter)

    def _overtaken(self) -> None:
        with self._lock:
            overtaken, self._postponed = self._postponed, []
        for letter in reversed(overtaken):  # the last shall be first, even when all were postponed
            self._enqueue(letter)

    def _enqueue(self, letter: Letter) -> None:
        with self._lock:
            self._busy += 1
        self._lanes[letter.lane % len(self._lanes)].put(letter)

    def _work(self, lane: queue.SimpleQueue[Letter | None]) -> None:
        while (letter := lane.get()) is not None:
            self._deliver(letter)
            with self._lock:
                self._busy -= 1
            if self._postponed:
                self._overtaken()

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.trust_env = False  # no proxy look-ups: they cost more than the POST
            session.headers.update(_HEADERS)
        return session

    def _deliver(self, letter: Letter) -> None:
        if letter.fresh is not None:
            letter = replace(letter, body=letter.fresh(), fresh=None)
        try:
            answer = self._session().post(letter.url, data=letter.body, timeout=TIMEOUT, allow_redirects=False)
        except requests.RequestException as error:
            self._note(letter, state="failed", error=type(error).__name__)
        else:
            self._note(letter, state="sent", status=answer.status_code)

    def _note(self, letter: Letter, *, state: str, status: int | None = None, error: str | None = None) -> None:
        entry = {
            "at": self._clock.now(),
            "url": letter.url,
            "task_id": letter.task_id,
            "ordinal": letter.ordinal,
            "kind": letter.kind,
            "progress": letter.progress,
            "early": letter.early,
            "digest": sha256(letter.body).hexdigest(),
            "state": state,
            "status": status,
            "error": error,
        }
        with self._lock:
            self.record.append({"n": next(self._serial), **entry})
            self.counts[f"{letter.kind}_{state}"] += 1
