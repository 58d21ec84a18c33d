"""What the present request works with."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import cast

from flask import Flask, current_app

from orchestrator.limits import Meter
from orchestrator.services import Services
from orchestrator.store import Connection

_KEY, _METER = "orchestrator", "orchestrator.meter"


def install(app: Flask, given: Services) -> None:
    """The services that this application's requests work with, and the count of its tokens' requests."""
    app.extensions[_KEY] = given
    app.extensions[_METER] = Meter("api", given.config.api_rate)


def services() -> Services:
    return cast("Services", current_app.extensions[_KEY])


def meter() -> Meter:
    """Of the API's tokens, by name."""
    return cast("Meter", current_app.extensions[_METER])


def reading() -> AbstractContextManager[Connection]:
    """A connection for what is only read. A statement that takes too long is given up: whoever asks can ask again."""
    return services().db.reading(services().config.read_timeout)
