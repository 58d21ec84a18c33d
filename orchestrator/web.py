"""The WSGI application: the receiver and the API in one process.

``python -m ops.serve --interface wsgi --factory orchestrator.web:create`` serves it (see the Procfile).
"""

from __future__ import annotations

import threading
import time
from http import HTTPMethod
from multiprocessing.util import Finalize

import structlog
from flask import Flask, Response, g, request

from orchestrator import api, catalog, config, logs, receiver
from orchestrator.api import admission
from orchestrator.errors import DatabaseUnavailable
from orchestrator.metrics import REQUESTS
from orchestrator.presence import Presence
from orchestrator.services import Services

log = structlog.get_logger(__name__)
# Of every answer: it is data, for its own site alone, and nobody keeps it or shows it in a frame.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
METHODS = frozenset(HTTPMethod)  # every other word that a stranger sends would be a series of its own, for good
PATIENCE = 5.0  # seconds between tries to reach a database that was away at the start


def create() -> Flask:
    """The application of this environment. Starts although the database is away. Raises ConfigError."""
    logs.configure()
    settings = config.load()
    services = Services(settings, pool=admission.connections(settings))
    _introduce(services)
    drainer = receiver.Drainer(services)
    drainer.start()
    services.bodies.watch()
    presence = Presence(services.config, "web", id=services.id)
    presence.start()
    # The server's processes end after their last answer, without atexit, but with what multiprocessing has for it.
    Finalize(None, _leave, (services, drainer, presence), exitpriority=10)
    return create_app(services)


def _leave(services: Services, drainer: receiver.Drainer, presence: Presence) -> None:
    """Leave nothing unsaid: the nudges of the last answers are sent, what is spooled stays for the next process."""
    drainer.stop()
    presence.stop()
    services.close()


def create_app(services: Services) -> Flask:
    """The application on these services; the caller closes them."""
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False  # its redirect would lead to whatever host the request has named
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of Flask's default provider
    app.before_request(_begin)
    app.after_request(_end)
    app.register_blueprint(receiver.blueprint(services))
    api.install(app, services)
    admit = admission.Admission(app.wsgi_app, services.config, HEADERS)
    app.wsgi_app = admit  # type: ignore[method-assign]  # Flask's documented way
    return app


def _begin() -> None:
    g.began = time.perf_counter()


def _end(response: Response) -> Response:
    request.environ[admission.STREAMED] = response.is_streamed
    rule = request.url_rule.rule if request.url_rule else "none"
    method = request.method if request.method in METHODS else "other"
    REQUESTS.labels(method, rule, response.status_code).observe(time.perf_counter() - g.began)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)  # the documentation's pages say more
    return response


def _introduce(services: Services) -> None:
    """Tell the database which accounts there are; one that is away is told when it is back."""
    try:
        services.check_schema()
        services.put_accounts()
        catalog.push_shipped(services)
    except DatabaseUnavailable as error:
        log.warning("the accounts and the shipped pipelines are not stored yet", error=error.message)
        again = threading.Timer(PATIENCE, _introduce, [services])
        again.daemon = True
        again.start()
