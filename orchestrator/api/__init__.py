"""The REST API under /v1, its OpenAPI document and a page that shows it."""

from __future__ import annotations

from flask import Flask

from orchestrator.api import (
    access,
    accounts,
    attention,
    callbacks,
    docs,
    evidence,
    health,
    here,
    pipelines,
    problems,
    runs,
    tasks,
)
from orchestrator.api.specification import specify
from orchestrator.services import Services

__all__ = ["install"]

SECTIONS = (
    attention.section,
    runs.section,
    evidence.section,
    tasks.section,
    callbacks.section,
    pipelines.section,
    accounts.section,
)


def install(app: Flask, services: Services) -> None:
    """Give an application our API, working with these services, and our way to answer errors."""
    here.install(app, services)
    problems.install(app)
    app.after_request(access.tell_standing)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(docs.blueprint(specify(app, SECTIONS)))
