"""Requests to the WSGI application itself, without a server between: as quick as a million of them needs."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content_type: str
    data: bytes

    @property
    def json(self) -> Any:
        """Raises ValueError for what is no JSON."""
        return json.loads(self.data)


class Wire:
    """One application. ``ask`` raises whatever leaves the application, which nothing should."""

    def __init__(self, application: WSGIApplication, token: str) -> None:
        self._application = application
        self._token = token

    def get(self, path: str, query: str = "") -> Any:
        """The JSON of a good answer. Raises AssertionError for another one."""
        answer = self.ask("GET", path, query=query, headers={"HTTP_AUTHORIZATION": f"Bearer {self._token}"})
        if answer.status != 200:
            raise AssertionError(f"GET {path} answers {answer.status}: {answer.data[:300]!r}")
        return answer.json

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        query: str = "",
        content_type: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            **(headers or {}),
        }
        if content_type is not None:
            environ["CONTENT_TYPE"] = content_type
        begun: list[tuple[str, list[tuple[str, str]]]] = []
        chunks = self._application(environ, _starter(begun))
        data = _all(chunks)
        status, fields = begun[-1]
        found = {name.lower(): value for name, value in fields}
        return Answer(int(status.split()[0]), found.get("content-type", ""), data)


def _starter(begun: list[tuple[str, list[tuple[str, str]]]]) -> StartResponse:
    def start(status: str, fields: list[tuple[str, str]], _trouble: Any = None, /) -> Any:
        begun.append((status, fields))

    return start


def _all(chunks: Iterable[bytes]) -> bytes:
    try:
        return b"".join(chunks)
    finally:
        close = getattr(chunks, "close", None)
        if close:
            close()
