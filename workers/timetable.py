"""What beat has done again and again."""

from __future__ import annotations

from typing import Any

from orchestrator.broker.application import CONFIRM
from workers import prune

# Beat keeps one connection for as long as it lives. Told not to try again it would go on with one that broke, and on
# RabbitMQ, which confirms, fail for ever: one more try makes a new one.
_ONCE_MORE = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
_SENT: dict[str, Any] = {"retry": True, "retry_policy": _ONCE_MORE, "confirm_timeout": CONFIRM}
# What the clocks of beat and of a worker may differ by; beyond that the worker would throw every sweep away unread.
_SKEW = 120.0


def timetable(sweep_every: float) -> dict[str, dict[str, Any]]:
    """Celery's ``beat_schedule``. sweep_every: seconds.

    What nobody had time for expires and is not made up for: the next one does its work.
    """
    return {
        "sweep": _job("sweep", every=sweep_every, expires=_SKEW + sweep_every * 5),
        "prune": _job("prune", every=prune.EVERY, expires=prune.EVERY),
    }


def _job(name: str, every: float, expires: float) -> dict[str, Any]:
    return {"task": name, "schedule": every, "options": _SENT | {"expires": expires}}
