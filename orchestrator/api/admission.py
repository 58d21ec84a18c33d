"""Who is let in, before anything costs anything: so many reads and so many writes at a time; callbacks keep the rest.

The server gives each request a thread, in the order of their coming. What may not hold one has to be refused quickly,
or a flood of slow reads would leave none for the callbacks, which come once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from orchestrator.api import problems
from orchestrator.config import Config
from orchestrator.errors import OrchestratorError, Overloaded, UrlTooLong
from orchestrator.limits import Gate

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LONGEST_URL = 8192  # characters of path and query
OTHERS = 2  # of what monitors ask, and the documentation, at a time
WAITING = 4  # of each kind: a few that come together are no flood
PATIENCE = 2.0  # seconds that one of them waits for its turn
CALLBACKS = 8  # connections to the database that nobody else can take


class Admission:
    """A WSGI application in front of ours."""

    def __init__(self, app: WSGIApplication, config: Config, headers: Mapping[str, str]) -> None:
        """headers: of every answer."""
        self._app = app
        self._headers = headers
        self._reads = Gate("reads", config.reads_at_once, waiting=WAITING, patience=PATIENCE)
        self._writes = Gate("writes", config.writes_at_once, waiting=WAITING, patience=PATIENCE)
        self._others = Gate("others", OTHERS, waiting=WAITING, patience=PATIENCE)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if len(environ["PATH_INFO"]) + len(environ.get("QUERY_STRING", "")) > LONGEST_URL:
            long = UrlTooLong(f"allowed are {LONGEST_URL} characters of path and query")
            return self._refuse(long, environ, start_response)
        gate = self._gate(environ["PATH_INFO"], environ["REQUEST_METHOD"])
        if gate is None:
            return self._app(environ, start_response)
        try:
            with gate.place():
                return self._app(environ, start_response)
        except Overloaded as error:
            return self._refuse(error, environ, start_response)

    def _refuse(
        self, error: OrchestratorError, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        answer = problems.refusal(error)
        answer.headers.update(self._headers)
        return answer(environ, start_response)

    def _gate(self, path: str, method: str) -> Gate | None:
        """None lets it pass: callbacks, and the sign of life that a proxy asks for."""
        if path.startswith("/v1/"):
            return self._reads if method in {"GET", "HEAD", "OPTIONS"} else self._writes
        return None if path.startswith("/callbacks/") or path == "/healthz" else self._others


def connections(config: Config) -> int:
    """Connections to the database that all together need: callbacks, reads, writes, others, and the spool's drainer."""
    return CALLBACKS + config.reads_at_once + config.writes_at_once + OTHERS + 1
