"""Who is let in, before anything costs anything: so many reads and so many writes at a time; callbacks keep the rest.

The server gives each request a thread, in the order of their coming. What may not hold one has to be refused quickly,
or a flood of slow reads would leave none for the callbacks, which come once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from orchestrator.api import problems
from orchestrator.config import Config
from orchestrator.errors import OrchestratorError, Overloaded, UrlTooLong
from orchestrator.limits import Gate

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LONGEST_URL = 8192  # characters of path and query
OTHERS = 2  # of figures and documentation, at a time
READINESS = 1  # a look at a time, see api/latest.py
STREAMED = "orchestrator.streamed"  # in the environment of a request whose answer is made while it is sent
ASKED_BY_PROXIES = {"/healthz", "/readyz"}
WAITING = 4  # reads, and as many writes: a few that come together are no flood
OTHERS_WAITING = 2
PATIENCE = 2.0  # seconds that one of them waits for its turn
CALLBACKS = 8  # connections to the database that nobody else can take


class Admission:
    """A WSGI application in front of ours."""

    def __init__(self, app: WSGIApplication, config: Config, headers: Mapping[str, str]) -> None:
        """headers: of every answer."""
        self._app = app
        self._headers = headers
        self._reads = Gate("reads", config.reads_at_once, waiting=WAITING, patience=PATIENCE)
        # Who reads an export slowly keeps his place for long, so not all are for these.
        self._exports = Gate("exports", max(1, config.reads_at_once - 1), waiting=0, patience=PATIENCE)
        self._writes = Gate("writes", config.writes_at_once, waiting=WAITING, patience=PATIENCE)
        self._others = Gate("others", OTHERS, waiting=OTHERS_WAITING, patience=PATIENCE)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if len(environ["PATH_INFO"]) + len(environ.get("QUERY_STRING", "")) > LONGEST_URL:
            long = UrlTooLong(f"allowed are {LONGEST_URL} characters of path and query")
            return self._refuse(long, environ, start_response)
        with ExitStack() as places:
            try:
                for gate in self._gates(environ["PATH_INFO"], environ["REQUEST_METHOD"]):
                    places.enter_context(gate.place())
            except Overloaded as error:
                return self._refuse(error, environ, start_response)
            answer = self._app(environ, start_response)
            # An answer that is whole needs nothing of ours any more; of an export most is still to be read.
            return Passing(answer, places.pop_all()) if environ.get(STREAMED) else answer

    def _refuse(
        self, error: OrchestratorError, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        answer = problems.refusal(error)
        answer.headers.update(self._headers)
        return answer(environ, start_response)

    def _gates(self, path: str, method: str) -> list[Gate]:
        """None at all for callbacks, nor for what a proxy asks: else strangers could have us taken out of service."""
        if path.startswith("/v1/") and method in {"GET", "HEAD", "OPTIONS"}:
            return [self._exports, self._reads] if path.endswith("/export") else [self._reads]
        if path.startswith("/v1/"):
            return [self._writes]
        return [] if path.startswith("/callbacks/") or path in ASKED_BY_PROXIES else [self._others]


class Passing:
    """An answer that keeps its places until it is sent, or given up: of an export the client decides when."""

    def __init__(self, answer: Iterable[bytes], places: ExitStack) -> None:
        self._parts = iter(answer)
        self._places = places
        if hasattr(answer, "close"):
            places.callback(answer.close)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._parts)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._places.close()


def connections(config: Config) -> int:
    """Connections that all together need: callbacks, reads, writes, others, the readiness, and the spool's drainer."""
    return CALLBACKS + config.reads_at_once + config.writes_at_once + OTHERS + READINESS + 1
