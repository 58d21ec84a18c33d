"""The REST API over HTTP, in a command's terms: JSON in and out, and failures that say what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)
from urllib3.util import Retry, parse_url

from ops.cli.failures import Absent, Refused, Unreachable, by_field

LARGEST_PAGE = 200  # entries that the API gives at once
# A question that came too soon, or to a busy server, is asked again when the server says so; nothing else is.
_AGAIN = Retry(
    total=2, connect=0, read=0, redirect=0, other=0, allowed_methods={"GET"}, raise_on_status=False, retry_after_max=3
)
_LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    data: Any


class Client:
    """One server. Refused: a 4xx answer (2); Unreachable: no answer, or a 5xx one (3)."""

    def __init__(self, url: str, token: str | None, *, timeout: float = 30.0) -> None:
        self.url = url
        self._headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=5.0, read=timeout), retries=_AGAIN)

    def get(self, *path: str, **query: Any) -> Any:
        """The JSON at a path whose parts are escaped; parameters that are None are left out."""
        return self.ask("GET", *path, query=query).data

    def post(self, *path: str, body: Any = None) -> Any:
        return self.ask("POST", *path, body={} if body is None else body).data

    def put(self, *path: str, body: Any) -> Any:
        return self.ask("PUT", *path, body=body).data

    def pages(self, *path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Page after page of a list: ``{"items": [...], "next": cursor or None}``."""
        while True:
            page = self.get(*path, **query)
            if not isinstance(page, dict) or "items" not in page:
                raise self._strange()
            yield page
            if not page.get("next"):
                return
            query["cursor"] = page["next"]

    def ask(
        self,
        method: str,
        *path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request. Raises Refused, Unreachable."""
        url = f"{self.url}/{'/'.join(quote(part, safe=':') for part in path)}{_query(query or {})}"
        fields = {**self._headers, **(headers or {})}
        data = None if body is None else json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        if data is not None:
            fields["Content-Type"] = "application/json"
        try:
            response = self._pool.request(method, url, body=data, headers=fields, redirect=False)
        except HTTPError as error:
            raise self._silent(error) from error
        return self._answer(response)

    def lines(self, *path: str) -> Iterator[bytes]:
        """The lines of an answer that may be too large to hold. Raises Refused, Unreachable."""
        url = f"{self.url}/{'/'.join(quote(part, safe=':') for part in path)}"
        try:
            response = self._pool.request("GET", url, headers=self._headers, redirect=False, preload_content=False)
            if response.status != HTTPStatus.OK:
                self._answer(response)
                raise self._strange()
            with response:
                yield from response
        except HTTPError as error:
            raise self._silent(error) from error

    def _answer(self, response: urllib3.BaseHTTPResponse) -> Answer:
        if response.status >= 400:
            raise self._refused(response)
        place = response.headers.get("Location")
        if response.status >= 300 and place:
            raise Refused(f"{self.url} redirects to {place}", hint="Use that address with --url or ORCHESTRATOR_URL.")
        try:
            return Answer(response.status, json.loads(response.data) if response.data else None)
        except ValueError:
            raise self._strange() from None

    def _strange(self) -> Unreachable:
        return Unreachable(
            f"{self.url} answers, but not as this service does",
            hint="Is that the right address? Set it with --url or ORCHESTRATOR_URL.",
        )

    def _refused(self, response: urllib3.BaseHTTPResponse) -> Refused | Unreachable:
        problem = _problem(response)
        title = problem.get("title") or response.reason or "error"
        detail = problem.get("detail")
        said = f"{str(title).rstrip('.')}: {detail}" if detail and detail != title else str(title)
        if response.status >= 500 or response.status in _LATER:
            return Unreachable(
                f"{self.url} answered {response.status}: {said}",
                hint="Try again; `orchestrator doctor` looks at what the service depends on.",
            )
        errors = problem.get("errors")
        lines = by_field(errors) if isinstance(errors, Mapping) else []
        kind = Absent if response.status == HTTPStatus.NOT_FOUND else Refused
        return kind(said, lines=[line for line in lines if line not in said], hint=_advice(response.status))

    def _silent(self, error: HTTPError) -> Unreachable:
        cause = error.reason if isinstance(error, MaxRetryError) else error
        return Unreachable(
            f"no answer from {self.url}: {_reason(cause or error)}",
            hint="Start the service with `orchestrator up`, or say where it is with --url or ORCHESTRATOR_URL.",
        )


def address(text: str) -> str:
    """The base of a server's URLs. Raises Refused for what is none."""
    try:
        parts = urlsplit(text)
        if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0:
            return parse_url(text.rstrip("/")).url
    except (ValueError, LocationParseError):  # brackets that do not match, a port that is no number
        pass
    raise Refused(f"{text!r} is not an http or https address", hint="Set it with --url or ORCHESTRATOR_URL.")


def _query(query: Mapping[str, Any]) -> str:
    given = [(key, value) for key, value in query.items() if value is not None and value != ()]
    return f"?{urlencode(given, doseq=True)}" if given else ""


def _problem(response: urllib3.BaseHTTPResponse) -> dict[str, Any]:
    try:
        problem = json.loads(response.data)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _advice(status: int) -> str | tuple[()]:
    if status == HTTPStatus.UNAUTHORIZED:
        return "Give a token with --token or ORCHESTRATOR_TOKEN (`up` keeps its own in the home's file api-token)."
    if status == HTTPStatus.FORBIDDEN:
        return "Use the token of a higher role (viewer, operator, admin)."
    return ()


def _reason(error: Exception) -> str:
    if isinstance(error, NameResolutionError):
        return "the host name cannot be resolved"
    # A refused connection is a kind of ConnectTimeoutError to urllib3.
    if isinstance(error, NewConnectionError) and isinstance(error.__cause__, OSError):
        return (error.__cause__.strerror or str(error.__cause__)).lower()
    if isinstance(error, ReadTimeoutError | ConnectTimeoutError):
        return "no answer in time"
    if isinstance(error, ProtocolError):
        return "the connection was lost"
    return str(error).partition("\n")[0]
