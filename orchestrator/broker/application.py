"""The Celery application of a broker's address, and its queues: which job goes where."""

from __future__ import annotations

from typing import Any

from celery import Celery
from kombu import Exchange, Queue

from orchestrator import redis_transport

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
MOST_WAITING = 10_000  # messages in one of the broker's queues; the sweep finds what is not said, or dropped
CONFIRM = 10.0  # seconds for a broker to say that it has a message; one that does not is as good as away


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


def is_redis(url: str) -> bool:
    """Redis, or what speaks as it does."""
    return url.startswith(("redis", "rediss", "valkey"))


def _transport_options(url: str) -> dict[str, Any]:
    # One try to connect: who sends has no use for a later one, and a worker has a loop of its own.
    once = {"max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0}
    if _is_amqp(url):
        # Without confirmation a message that the broker drops, because its disk is full say, counts as sent.
        return once | {"confirm_publish": True}
    if not is_redis(url):
        return once
    # Longer than any job: a message is given to a second worker only when the first one has died.
    waits = {"visibility_timeout": 1800, "socket_connect_timeout": 2, "socket_timeout": 10, "socket_keepalive": True}
    return once | waits
