"""The Celery application of a worker or beat process: ``celery -A workers.app worker``."""

from __future__ import annotations

import atexit
from collections.abc import Iterable
from typing import Any

from celery.signals import beat_init, setup_logging, worker_ready, worker_shutdown

from orchestrator import config, logs
from orchestrator.broker import make_app
from orchestrator.errors import ConfigError
from orchestrator.presence import Presence
from orchestrator.services import Services
from workers import jobs, prune
from workers.consumer import Consumer

settings = config.load()
for _variable, _value in (
    ("BROKER_URL", settings.broker_url),
    ("DATABASE_URL", settings.database_url),
    ("ORCHESTRATOR_SECRET", settings.secrets),
):
    if not _value:
        raise ConfigError(f"{_variable}: needed by a worker; `orchestrator up` sees to it by itself")
app = make_app(str(settings.broker_url))
app.conf.worker_consumer = f"{Consumer.__module__}:{Consumer.__qualname__}"
# A sweep that nobody had time for is not made up for: the next one does its work.
_sweep = {"task": "sweep", "schedule": settings.sweep_every, "options": {"expires": settings.sweep_every * 5}}
_prune = {"task": "prune", "schedule": prune.EVERY, "options": {"expires": prune.EVERY}}
app.conf.beat_schedule = {"sweep": _sweep, "prune": _prune}
services = jobs.Lazily(lambda: Services(settings, pool=24))
jobs.register(app, services)


@setup_logging.connect
def _logging(**_: Any) -> None:
    logs.configure()


@worker_ready.connect
def _tell(sender: Any, **_: Any) -> None:
    _be_seen("worker", [queue.alias or queue.name for queue in sender.task_consumer.queues])


@beat_init.connect
def _tell_of_beat(**_: Any) -> None:
    _be_seen("beat")


def _be_seen(kind: str, queues: Iterable[str] = ()) -> None:
    """In the process itself, not in those that it forks."""
    presence = Presence(settings, kind, queues=queues)
    presence.start()
    atexit.register(presence.stop)


@worker_shutdown.connect
def _close(**_: Any) -> None:
    services.close()
