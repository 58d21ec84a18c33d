"""The Celery application of a worker or beat process: ``celery -A workers.app worker``."""

from __future__ import annotations

import atexit
import os
import signal
import threading
import time
import warnings
from collections.abc import Iterable
from typing import Any

import structlog
from celery.exceptions import SecurityWarning
from celery.signals import beat_init, setup_logging, worker_ready, worker_shutdown, worker_shutting_down

from orchestrator import config, logs
from orchestrator.broker.application import make_app
from orchestrator.errors import ConfigError, Unavailable
from orchestrator.presence import Presence
from orchestrator.services import Services
from workers import jobs
from workers.consumer import Consumer
from workers.ending import Ending
from workers.timetable import timetable

log = structlog.get_logger(__name__)
PATIENCE = 1.0  # seconds between tries to reach a database that is away
settings = config.load()
for _variable, _value in (
    ("BROKER_URL", settings.broker_url),
    ("DATABASE_URL", settings.database_url),
    ("ORCHESTRATOR_SECRET", settings.secrets),
):
    if not _value:
        raise ConfigError(f"{_variable}: needed by a worker; `orchestrator up` sees to it by itself")
# Celery warns of root because of pickled messages; ours are JSON with ids.
warnings.filterwarnings("ignore", category=SecurityWarning)
app = make_app(str(settings.broker_url))
app.conf.worker_consumer = f"{Consumer.__module__}:{Consumer.__qualname__}"
app.conf.beat_schedule = timetable(settings.sweep_every)
services = jobs.Lazily(lambda: Services(settings, pool=24))
jobs.register(app, services)
ending = Ending(services, settings.drain, leave=lambda: os._exit(0))


@setup_logging.connect
def _logging(**_: Any) -> None:
    logs.configure()


@worker_ready.connect
def _ready(sender: Any, **_: Any) -> None:
    # Celery takes a second Ctrl-C for an order to drop the jobs in hand; how long they may take is bounded anyway.
    signal.signal(signal.SIGINT, signal.getsignal(signal.SIGTERM))
    _be_seen("worker", [queue.alias or queue.name for queue in sender.task_consumer.queues])
    threading.Thread(target=_announce, name="ready", daemon=True).start()


def _announce() -> None:
    """Say that the worker is ready once the database is there and migrated; the broker is, or we were not called."""
    trouble = ""
    while not ending.begun:
        try:
            services()
        except Unavailable as error:
            if error.message != trouble:
                trouble = error.message
                log.warning("the worker waits", error=trouble)
            time.sleep(PATIENCE)
        else:
            log.info("worker ready")
            return


@beat_init.connect
def _beating(**_: Any) -> None:
    _be_seen("beat")
    log.info("beat ready", every=settings.sweep_every)


def _be_seen(kind: str, queues: Iterable[str] = ()) -> None:
    """In the process itself, not in those that it forks."""
    presence = Presence(settings, kind, queues=queues)
    presence.start()
    atexit.register(presence.stop)


@worker_shutting_down.connect
def _end(**_: Any) -> None:
    ending.begin()


@worker_shutdown.connect
def _close(**_: Any) -> None:
    ending.over()
