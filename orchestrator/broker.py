"""Nudges: Celery messages that carry ids only. A nudge is a hint; losing one costs seconds, never work.

They are sent by a thread of their own, so that nobody who answers a provider waits for the broker. What comes together
while a message is on its way goes with the next one: under load a message brings several runs forward.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import structlog
from celery import Celery
from kombu import Exchange, Queue
from kombu.exceptions import KombuError, OperationalError

from orchestrator import redis_transport
from orchestrator.errors import BrokerUnavailable
from orchestrator.metrics import SHED

log = structlog.get_logger(__name__)

# Jobs by queue: what only touches the database, what talks to providers, what chews on pictures, and the beat's own.
ROUTES = {
    "advance": "advance",
    "submit": "submit",
    "look": "submit",
    "act": "media",
    "sweep": "sweep",
    "prune": "sweep",
}
QUEUES = tuple(dict.fromkeys(ROUTES.values()))
TOGETHER = 16  # runs brought forward by one message at most, so that the workers share them
MOST = 10_000  # nudges that wait to be sent; while a broker hangs, more would only fill the memory
MOST_WAITING = 10_000  # messages in one of the broker's queues; the sweep finds what is not said, or dropped
_LOOK = 2.0  # seconds between two looks at a queue's length
_PAUSE = 0.01  # seconds after sending, in which what is to go together may come together
CONFIRM = 10.0  # seconds for a broker to say that it has a message; one that does not is as good as away
_SILENCE = 1.0  # seconds without a try after a failed one, so that a broker's absence slows nobody down


class Message(NamedTuple):
    """A job's name, its arguments, and the seconds until it is to be done."""

    job: str
    arguments: tuple[Any, ...]
    after: float = 0.0


class Nudge(Protocol):
    """What the rest of the program may say to the workers."""

    def advance(self, run_id: UUID) -> None: ...

    def submit(self, account: str, ready: int = 1, after: float = 0.0) -> None:
        """ready: how many tasks wait to be submitted, as far as the caller knows. after: in so many seconds."""

    def look(self, account: str, task_ids: list[UUID]) -> None: ...

    def act(self) -> None: ...

    def ping(self, timeout: int) -> None:
        """Raises BrokerUnavailable when nobody would hear."""


def make_app(url: str) -> Celery:
    """The Celery application: late acknowledgement, ids only, no results kept."""
    redis_transport.use()
    app = Celery("orchestrator", broker=url)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_serializer="json",
        accept_content=["json"],
        task_routes={name: {"queue": queue} for name, queue in ROUTES.items()},
        task_queues=queues(url),
        task_default_queue="advance",
        task_publish_retry=False,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=2,
        broker_connection_max_retries=None,
        broker_transport_options=_transport_options(url),
        timezone="UTC",
    )
    return app


def queues(url: str) -> list[Queue]:
    """On RabbitMQ quorum queues, which outlive the loss of a node, under names that say whose they are."""
    if not _is_amqp(url):
        return [Queue(name, Exchange(name), routing_key=name) for name in QUEUES]
    safe = {"x-queue-type": "quorum", "x-max-length": MOST_WAITING}  # the oldest are dropped
    return [Queue(f"orchestrator.{name}", Exchange(""), alias=name, queue_arguments=safe) for name in QUEUES]


def _is_amqp(url: str) -> bool:
    return url.startswith(("amqp", "pyamqp"))


def _is_redis(url: str) -> bool:
    return url.startswith(("redis", "rediss", "valkey"))


def _transport_options(url: str) -> dict[str, Any]:
    # One try to connect: who sends has no use for a later one, and a worker has a loop of its own.
    once = {"max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0}
    if _is_amqp(url):
        # Without confirmation a message that the broker drops, because its disk is full say, counts as sent.
        return once | {"confirm_publish": True}
    if not _is_redis(url):
        return once
    # Longer than any job: a message is given to a second worker only when the first one has died.
    waits = {"visibility_timeout": 1800, "socket_connect_timeout": 2, "socket_timeout": 10, "socket_keepalive": True}
    return once | waits


class Broker:
    """Sends nudges. Never raises for a broker that is away: the sweep finds the rows."""

    def __init__(self, app: Celery) -> None:
        self.app = app
        self._outbox: SimpleQueue[Message | None] = SimpleQueue()
        self._sender: threading.Thread | None = None
        self._lock = threading.Lock()
        self._silent_until = 0.0
        self._bounded = _is_redis(str(app.conf.broker_url))  # by us: these have no bound of their own
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


def together(messages: Iterable[Message]) -> Iterator[Message]:
    """The same messages in fewer: runs to advance share one, each named once; what is ready is added up by account."""
    run_ids: dict[Any, None] = {}
    ready: Counter[str] = Counter()
    for message in messages:
        if message.job == "advance":
            run_ids.update(dict.fromkeys(message.arguments))
        elif message.job == "submit" and not message.after:
            account, count = message.arguments
            ready[account] += count
        else:
            yield message
    names = tuple(run_ids)
    for start in range(0, len(names), TOGETHER):
        yield Message("advance", names[start : start + TOGETHER])
    for account, count in ready.items():
        yield Message("submit", (account, count))


def _waiting(outbox: SimpleQueue[Message | None], until: float | None) -> Iterator[Message | None]:
    """What is there, or comes first; nothing when nothing comes before that (monotonic) time."""
    try:
        yield outbox.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
        while True:
            yield outbox.get_nowait()
    except Empty:
        return


class Silence:
    """A broker that says nothing: every run must still end, by the sweep alone."""

    def advance(self, run_id: UUID) -> None:
        """Say nothing."""

    def submit(self, account: str, ready: int = 1, after: float = 0.0) -> None:
        """Say nothing."""

    def look(self, account: str, task_ids: list[UUID]) -> None:
        """Say nothing."""

    def act(self) -> None:
        """Say nothing."""

    def ping(self, timeout: int) -> None:
        """Nobody is needed."""
