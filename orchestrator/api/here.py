"""What the present request works with."""

from __future__ import annotations

from typing import cast

from flask import Flask, current_app

from orchestrator.services import Services

_KEY = "orchestrator"


def install(app: Flask, given: Services) -> None:
    """The services that this application's requests work with."""
    app.extensions[_KEY] = given


def services() -> Services:
    return cast("Services", current_app.extensions[_KEY])
