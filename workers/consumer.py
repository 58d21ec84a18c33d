"""Celery's consumer without what we have no use for, and with patience where RabbitMQ needs it."""

from __future__ import annotations

import time
from typing import ClassVar

from amqp import ConsumerCancelled
from celery.worker.consumer import consumer

DELAYS = "celery.worker.consumer.delayed_delivery:DelayedDelivery"
PATIENCE = 3.0  # seconds


class Consumer(consumer.Consumer):
    """Quorum queues make Celery declare 28 more of them, in which messages wait for their time. Ours never do."""

    class Blueprint(consumer.Consumer.Blueprint):  # type: ignore[valid-type, misc]  # celery-types has it as a value
        default_steps: ClassVar[list[str]] = [
            step for step in consumer.Consumer.Blueprint.default_steps if step != DELAYS
        ]

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Somebody has deleted a queue of ours, perhaps all of them one after the other: let him come to an end.

        A quorum queue that is declared while it is being deleted cannot be had again (541, cluster_not_formed; RabbitMQ
        3.10) until the node is restarted, and without one of its queues a worker does nothing.
        """
        if isinstance(exc, ConsumerCancelled):
            time.sleep(PATIENCE)
        super().on_connection_error_after_connected(exc)
