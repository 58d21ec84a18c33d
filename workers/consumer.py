"""Celery's consumer without what we have no use for."""

from __future__ import annotations

from typing import ClassVar

from celery.worker.consumer import consumer

DELAYS = "celery.worker.consumer.delayed_delivery:DelayedDelivery"


class Consumer(consumer.Consumer):
    """Quorum queues make Celery declare 28 more of them, in which messages wait for their time. Ours never do."""

    class Blueprint(consumer.Consumer.Blueprint):  # type: ignore[valid-type, misc]  # celery-types has it as a value
        default_steps: ClassVar[list[str]] = [
            step for step in consumer.Consumer.Blueprint.default_steps if step != DELAYS
        ]
