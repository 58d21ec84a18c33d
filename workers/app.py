"""The Celery application of a worker or beat process: ``celery -A workers.app worker``."""

from __future__ import annotations

from typing import Any

from celery.signals import setup_logging

from orchestrator import config, logs
from orchestrator.broker import make_app
from orchestrator.errors import ConfigError
from orchestrator.services import Services
from workers import jobs

settings = config.load()
if not settings.broker_url:
    raise ConfigError("BROKER_URL: needed by a worker; `orchestrator up` starts a broker of its own")
app = make_app(settings.broker_url)
app.conf.beat_schedule = {"sweep": {"task": "sweep", "schedule": settings.sweep_every}}
jobs.register(app, jobs.Lazily(lambda: Services(settings, pool=24)))


@setup_logging.connect
def _logging(**_: Any) -> None:
    logs.configure()
