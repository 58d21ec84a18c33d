"""Sends nudges, as Celery messages.

A thread of its own does it, so that nobody who answers a provider waits for the broker. What comes together while a
message is on its way goes with the next one: under load a message brings several runs forward.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Iterator
from functools import cached_property
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any
from uuid import UUID

import structlog
from celery import Celery
from kombu import Queue
from kombu.exceptions import KombuError, OperationalError

from orchestrator.broker.application import CONFIRM, MOST_WAITING, ROUTES, is_redis
from orchestrator.broker.nudges import Message, together
from orchestrator.errors import BrokerUnavailable
from orchestrator.metrics import SHED

log = structlog.get_logger(__name__)

MOST = 10_000  # nudges that wait to be sent; while a broker hangs, more would only fill the memory
_LOOK = 2.0  # seconds between two looks at a queue's length
_PAUSE = 0.01  # seconds after sending, in which what is to go together may come together
_SILENCE = 1.0  # seconds without a try after a failed one, so that a broker's absence slows nobody down


class Broker:
    """Sends nudges. Never raises for a broker that is away: the sweep finds the rows."""

    def __init__(self, app: Celery) -> None:
        self.app = app
        self._outbox: SimpleQueue[Message | None] = SimpleQueue()
        self._sender: threading.Thread | None = None
        self._lock = threading.Lock()
        self._silent_until = 0.0
        self._bounded = is_redis(str(app.conf.broker_url))  # by us: these have no bound of their own
        self._lengths: dict[str, tuple[float, int]] = {}  # queue -> when it was asked, messages in it

    def advance(self, run_id: UUID) -> None:
        self._put("advance", str(run_id))

    def submit(self, account: str, ready: int = 1, after: float = 0.0) -> None:
        self._put("submit", account, ready, after=after)

    def look(self, account: str, task_ids: list[UUID]) -> None:
        self._put("look", account, [str(task_id) for task_id in task_ids])

    def act(self) -> None:
        self._put("act")

    def ping(self, timeout: int) -> None:
        """Connect, once; raises BrokerUnavailable."""
        try:
            with self.app.connection_for_write(connect_timeout=timeout) as connection:
                connection.ensure_connection(max_retries=1, interval_start=0, interval_max=0, timeout=timeout)
        except self._absence as error:
            raise BrokerUnavailable(f"the broker is not reachable: {type(error).__name__}") from error

    def _put(self, job: str, *arguments: Any, after: float = 0.0) -> None:
        if self._outbox.qsize() >= MOST:
            SHED.labels("nudges", "unsent").inc()
            return
        self._outbox.put(Message(job, arguments, after))
        if self._sender is None:
            with self._lock:
                if self._sender is None:
                    self._sender = threading.Thread(target=self._work, name="nudges", daemon=True)
                    self._sender.start()

    def close(self) -> None:
        """Send what is still to be sent, and end; what was for later is left to the sweep."""
        with self._lock:
            if self._sender is not None:
                self._outbox.put(None)
                self._sender.join()
                self._sender = None
        self.app.close()

    def _work(self) -> None:
        """Messages for later wait here, not in the broker: there each would keep a worker's hand from another one."""
        over, later, serial = False, list[tuple[float, int, Message]](), count()
        while not over:
            taken = [*_waiting(self._outbox, until=later[0][0] if later else None)]
            over = None in taken
            now, due = time.monotonic(), list[Message]()
            for message in filter(None, taken):
                if message.after:
                    heapq.heappush(later, (now + message.after, next(serial), message._replace(after=0.0)))
                else:
                    due.append(message)
            while later and later[0][0] <= now:
                due.append(heapq.heappop(later)[2])
            for message in together(due):
                self._send(message)
            time.sleep(_PAUSE)

    def _send(self, message: Message) -> None:
        if time.monotonic() < self._silent_until:
            return
        job, arguments, _ = message
        try:
            if self._bounded and self._length(ROUTES[job]) >= MOST_WAITING:
                SHED.labels("nudges", "waiting").inc()
                return
            self.app.send_task(job, args=arguments, queue=ROUTES[job], ignore_result=True, confirm_timeout=CONFIRM)
        except self._absence as error:
            self._silent_until = time.monotonic() + _SILENCE
            log.warning("nudge lost", job=job, error=f"{type(error).__name__}: {error}")
        except Exception:  # the thread has to live: without it every nudge is lost
            log.exception("nudge lost", job=job)

    def _length(self, queue: str) -> int:
        """How many messages wait in the broker, as of a moment ago."""
        asked_at, length = self._lengths.get(queue, (-_LOOK, 0))
        if time.monotonic() - asked_at >= _LOOK:
            with self.app.producer_pool.acquire(block=True) as producer:
                length = _messages(producer.connection, queue)
            self._lengths[queue] = time.monotonic(), length
        return length

    @cached_property
    def _absence(self) -> tuple[type[BaseException], ...]:
        """What is raised when the broker is away, or full: each transport has errors of its own."""
        connection = self.app.connection_for_write()
        return (OperationalError, KombuError, OSError, *connection.connection_errors, *connection.channel_errors)


def _messages(connection: Any, queue: str) -> int:
    _ = connection.default_channel  # connects as a sender does: once, without a pause for another try
    try:
        with connection.channel() as channel:
            declared: Any = Queue(queue, channel=channel).queue_declare(passive=True)
            return int(declared.message_count)
    except connection.channel_errors:  # nobody has said anything yet
        return 0


def _waiting(outbox: SimpleQueue[Message | None], until: float | None) -> Iterator[Message | None]:
    """What is there, or comes first; nothing when nothing comes before that (monotonic) time."""
    try:
        yield outbox.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
        while True:
            yield outbox.get_nowait()
    except Empty:
        return
