"""The Celery application of a worker or beat process: ``celery -A workers.app worker``."""

from __future__ import annotations

from typing import Any

from celery.signals import setup_logging, worker_shutdown

from orchestrator import config, logs
from orchestrator.broker import make_app
from orchestrator.errors import ConfigError
from orchestrator.services import Services
from workers import jobs

settings = config.load()
for _variable, _value in (
    ("BROKER_URL", settings.broker_url),
    ("DATABASE_URL", settings.database_url),
    ("ORCHESTRATOR_SECRET", settings.secrets),
):
    if not _value:
        raise ConfigError(f"{_variable}: needed by a worker; `orchestrator up` sees to it by itself")
app = make_app(str(settings.broker_url))
# A sweep that nobody had time for is not made up for: the next one does its work.
_sweep = {"task": "sweep", "schedule": settings.sweep_every, "options": {"expires": settings.sweep_every * 5}}
app.conf.beat_schedule = {"sweep": _sweep}
services = jobs.Lazily(lambda: Services(settings, pool=24))
jobs.register(app, services)


@setup_logging.connect
def _logging(**_: Any) -> None:
    logs.configure()


@worker_shutdown.connect
def _close(**_: Any) -> None:
    services.close()
