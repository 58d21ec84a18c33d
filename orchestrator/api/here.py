"""What the present request works with."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from typing import cast

from flask import Flask, current_app

from orchestrator.api.latest import Latest
from orchestrator.api.readiness import Readiness, readiness
from orchestrator.limits import Meter
from orchestrator.services import Services
from orchestrator.store import Connection

_KEY, _METER, _READY = "orchestrator", "orchestrator.meter", "orchestrator.ready"
PATIENCE = 1  # seconds for each part of the readiness; whoever asks after it asks again soon


def install(app: Flask, given: Services) -> None:
    """The services that this application's requests work with, the count of its tokens' requests, and its readiness."""
    app.extensions[_KEY] = given
    app.extensions[_METER] = Meter("api", given.config.api_rate)
    app.extensions[_READY] = Latest(partial(readiness, given, PATIENCE))


def services() -> Services:
    return cast("Services", current_app.extensions[_KEY])


def meter() -> Meter:
    """Of the API's tokens, by name."""
    return cast("Meter", current_app.extensions[_METER])


def ready() -> Latest[Readiness]:
    return cast("Latest[Readiness]", current_app.extensions[_READY])


def reading() -> AbstractContextManager[Connection]:
    """A connection for what is only read. A statement that takes too long is given up: whoever asks can ask again."""
    return services().db.reading(services().config.read_timeout)
