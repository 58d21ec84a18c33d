"""The status page: how many runs and tasks are in which state. Counts only, nothing private."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import UTC, datetime

from flask import Flask, Response, jsonify, render_template

from orchestrator import config, logs
from orchestrator.errors import ConfigError, DatabaseUnavailable
from orchestrator.store import Database, health

MEANING = {
    "ready": "may be taken by a worker",
    "submitting": "a worker talks to the provider",
    "uncertain": "sent, but nobody knows whether it arrived; being looked up",
    "working": "a local act is being done",
    "waiting": "the provider, or a person, has it",
    "running": "some step is not finished",
    "paused": "held by a person",
    "late": "contradicted an end that is final",
    "parked": "belongs to no task we know; can be adopted",
    "rejected": "could not be read",
    "risky": "images to be archived whose address dies within the hour",
    "stray": "jobs of accounts that are not configured any more",
}
# The same word is a state of runs and a standing of accounts.
ATTENTION = {"paused": "accounts to which nothing is submitted"}


def create() -> Flask:
    """The page's application for this environment. Raises ConfigError."""
    logs.configure()
    settings = config.load()
    if not settings.database_url:
        raise ConfigError("DATABASE_URL: needed by the dashboard; `orchestrator up` starts a database of its own")
    database = Database(settings.database_url, size=2, timeout=2.0, name="dashboard")
    return create_app(database, settings.accounts or None)


def create_app(database: Database, accounts: Collection[str] | None = None) -> Flask:
    """The page over this database; the caller closes it. accounts: those that are configured, if that is known."""
    app = Flask(__name__)

    @app.get("/healthz")
    def healthz() -> Response:
        return jsonify({"status": "ok"})

    @app.get("/")
    def page() -> tuple[str, int]:
        try:
            with database.connection() as connection:
                figures = health.figures(connection, accounts, now=datetime.now(UTC))
        except DatabaseUnavailable as error:
            return render_template(
                "status.html", problem=error.message, tables={}, meaning=MEANING, attention=ATTENTION
            ), 503
        tables: dict[str, dict[str, int]] = defaultdict(dict)
        for figure in figures:
            tables[figure["what"]][figure["label"]] = figure["number"]
        return render_template(
            "status.html", problem=None, tables=tables, meaning=MEANING, attention=ATTENTION, most=health.MOST
        ), 200

    @app.after_request
    def secure(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Frame-Options"] = "DENY"
        response.headers["Cache-Control"] = "no-store"
        return response

    return app
