"""The life of a job, from its acceptance to its end, for every dialect alike."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from ops.emulator.chaos import Chaos, parse
from ops.emulator.clock import Clock, Scheduler
from ops.emulator.courier import Courier
from ops.emulator.faults import Faults
from ops.emulator.ids import number, place_of
from ops.emulator.jobs import Job, JobBook, Order
from ops.emulator.journal import Journal
from ops.emulator.letters import letters
from ops.emulator.options import Options
from ops.emulator.refusals import Refusal
from ops.emulator.waiting import WaitingLine

Listener = queue.SimpleQueue[dict[str, Any] | None]


class Engine:
    """Everything one emulator knows and does; the HTTP side only translates."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.chaos = Chaos(options.seed, parse(options.chaos))
        self.clock = Clock()
        self.scheduler = Scheduler(self.clock)
        self.courier = Courier(self.clock, self.scheduler, options.senders, lambda: self.options.chaos_delay)
        self.book = JobBook(options.keep_jobs)
        self.line = WaitingLine()
        self.journal = Journal(self.clock)
        self.faults = Faults()
        self._lock = threading.RLock()
        self._listeners: set[Listener] = set()
        self._stopped = False
        self._forgetters: list[Callable[[], None]] = []
        self._watchers: list[Callable[[Job, bool], None]] = []

    def configure(self, wishes: dict[str, Any]) -> None:
        """Change settings; ValueError or TypeError when a wish is wrong, and then nothing is changed."""
        options = self.options.changed(wishes)
        self.chaos, self.options = Chaos(options.seed, parse(options.chaos)), options

    def reset(self) -> None:
        """Forget every job, request, callback and fault, and count from one again; settings stay."""
        with self._lock:
            self.scheduler.clear()
            self.courier.clear()
            self.faults.clear()
            self.journal.clear()
            self.book = JobBook(self.options.keep_jobs)
            self.line = WaitingLine()
            for forget in self._forgetters:
                forget()

    def on_reset(self, forget: Callable[[], None]) -> None:
        """Have this called at each reset: a dialect may remember things of its own."""
        self._forgetters.append(forget)

    def on_change(self, watch: Callable[[Job, bool], None]) -> None:
        """Have this called when a job has changed; the flag says that what is to be posted is to be posted at once."""
        self._watchers.append(watch)

    def stop(self) -> None:
        """End every thread; those who still wait for an answer are told that there is none."""
        self.scheduler.stop()
        with self._lock:
            self._stopped = True
            for listener in self._listeners:
                listener.put(None)
        self.courier.stop()

    def accept(self, order: Order) -> Job:
        """Make a job of an order; Refusal when the token has no quota, or no slot or place in line left."""
        with self._lock:
            waits = self._place(order)
            if not order.unpaid:
                self._afford()
            ordinal = self.book.accepted + 1
            seed = number(self.options.seed, "picture", ordinal)
            picture = replace(order.picture, seed=seed)
            job = Job(self.options.seed, ordinal, order, picture, submitted_at=self.clock.now())
            self.book.add(job)
            job.ahead = self.line.length(order.token)
            if waits:
                self.line.add(job)
            self._note(job)
        return job

    def _place(self, order: Order) -> bool:
        """Whether the order has to wait in line; Refusal when there is room for it nowhere."""
        if self._has_slot(order.token):
            return False
        if not order.queues:
            raise Refusal("concurrency", "Concurrency limit exceeded for this token.")
        if not order.endless and self.line.length(order.token) >= self.options.mj.queue:
            raise Refusal("queue_full", "The queue is full.")
        return True

    def _has_slot(self, token: str) -> bool:
        limit = self.options.in_flight_limit
        return limit is None or self.book.in_flight[token] - self.line.length(token) < limit

    def _afford(self) -> None:
        quota = self.options.quota
        if quota is not None and quota <= 0:
            raise Refusal("used_up", "The balance of this application is used up.")
        if quota is not None:
            self.options = replace(self.options, quota=quota - 1)

    def launch(self, job: Job) -> None:
        """Set the job going, once, and not while it waits in line."""
        with self._lock:
            if job.launched or job.state == "queued" or job.done:
                return
            job.launched = True
        if self.options.instant:
            self.rush(job, at_once=False)
            return
        self._start(job, at_once=False)
        shown = len(job.order.frames)
        for frame in range(1, shown + 1):
            share = frame / (shown + 1)
            self.scheduler.after(job.order.seconds * share, partial(self._show, job, frame))
        self.scheduler.after(job.order.seconds, lambda: self._end(job))
        if job.order.overdue is not None and job.order.overdue < job.order.seconds:
            self.scheduler.after(job.order.overdue, lambda: self._give_up(job))

    def rush(self, job: Job, *, at_once: bool) -> None:
        """Take the job to its end now; `at_once` posts its callbacks before this returns."""
        job.launched = True
        self._start(job, at_once=at_once)
        for frame in range(1, len(job.order.frames) + 1):
            self._show(job, frame, at_once=at_once)
        self._end(job, at_once=at_once)

    def _start(self, job: Job, *, at_once: bool) -> None:
        if job.order.traced:
            with self._lock:
                job.state, job.started_at = "started", self.clock.now()
                self._note(job)
            self._post(job, at_once=at_once)

    def _show(self, job: Job, frame: int, *, at_once: bool = False) -> None:
        with self._lock:
            if job.done:
                return
            job.state, job.frame = "generating", frame
            job.started_at = job.started_at or self.clock.now()
            self._note(job)
        self._publish(job)
        self._post(job, at_once=at_once)

    def _end(self, job: Job, *, at_once: bool = False) -> None:
        self._close(job, "failed" if job.order.error else "finished", job.order.error, at_once=at_once)

    def _give_up(self, job: Job) -> None:
        self._close(job, "failed", ("timeout", "The job took too long."), late=True)

    def cancel(self, job: Job, *, fails: bool) -> bool:
        """End the job by its client's wish, as cancelled or as `failed`; False when it has ended already."""
        return self._close(job, "failed" if fails else "cancelled", ("cancelled", "Cancelled.") if fails else None)

    def _close(
        self, job: Job, state: str, error: tuple[str, str] | None, *, at_once: bool = False, late: bool = False
    ) -> bool:
        """End the job, unless it has ended; one that was only given up ends a second time."""
        with self._lock:
            if job.done and not job.late:
                return False
            self.line.remove(job)
            job.started_at = job.started_at or job.submitted_at
            job.finished_at = self.clock.now()
            job.state, job.error, job.late = state, error, late
            self.book.closed(job)
            self._note(job)
            following = self.line.next(job.order.token) if self._has_slot(job.order.token) else None
        self._publish(job)
        self._post(job, at_once=at_once)
        if following is not None:
            self.launch(following)
        return True

    def _note(self, job: Job) -> None:
        if job.order.traced:
            job.trace = [*(job.trace or ()), (self.clock.now(), job.state, job.frame)]

    def _post(self, job: Job, *, at_once: bool) -> None:
        for watch in self._watchers:
            watch(job, at_once)
        if job.order.callback_url is None or not job.order.dialect.announces(job):
            return
        post = letters(job, self.chaos, self.options.chaos_delay)
        (self.courier.send_now if at_once else self.courier.send)(post)

    def _publish(self, job: Job) -> None:
        with self._lock:
            for listener in job.listeners or ():
                listener.put(job.order.dialect.body(job))

    @contextmanager
    def listening(self, job: Job, patience: float) -> Iterator[Listener]:
        """A queue with the body of each event of the job, and None when patience (seconds) is at its end."""
        listener: Listener = queue.SimpleQueue()
        with self._lock:
            self._enlist(listener)
            job.listeners = [*(job.listeners or ()), listener]
            if job.done:
                listener.put(job.order.dialect.body(job))
        if not job.done:
            self.scheduler.after(patience, lambda: listener.put(None))
        try:
            yield listener
        finally:
            with self._lock:
                self._listeners.discard(listener)
                job.listeners = [other for other in job.listeners or () if other is not listener] or None

    def _enlist(self, listener: Listener) -> None:
        self._listeners.add(listener)
        if self._stopped:
            listener.put(None)

    def pause(self, seconds: float) -> None:
        """Hold the calling request for so long on the emulator's clock."""
        listener: Listener = queue.SimpleQueue()
        with self._lock:
            self._enlist(listener)
        self.scheduler.after(seconds, lambda: listener.put(None))
        listener.get()
        with self._lock:
            self._listeners.discard(listener)

    def job_of_image(self, image_id: str) -> tuple[Job, int] | None:
        """The job whose picture (and which frame, 0 the result) has this id."""
        place = place_of(self.options.seed, image_id)
        job = self.book.by_ordinal(place[0]) if place else None
        return (job, place[1]) if job is not None and place else None
