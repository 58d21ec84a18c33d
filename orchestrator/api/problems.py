"""Errors as RFC 9457 problem documents: one table from our errors to HTTP, the same shape for Flask's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

import structlog
from flask import Flask, Response, json, request
from werkzeug.exceptions import HTTPException

from orchestrator import errors
from orchestrator.core.states import Verdict
from orchestrator.errors import OrchestratorError

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
STATUS: Mapping[type[OrchestratorError], int] = {
    errors.InvalidInput: 422,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.IdempotencyMismatch: 422,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.BadToken: 404,
    errors.TooLarge: 413,
    errors.UrlTooLong: 414,
    errors.TooManyRequests: 429,
    errors.MalformedDelivery: 400,
    errors.Incomplete: 400,
    errors.ConfigError: 409,  # the request names an account or a provider that is not configured (any more)
    errors.ProviderError: 502,
    errors.Unavailable: 503,
    OrchestratorError: 500,
}
LONGEST_DETAIL, LONGEST_NAME, MOST_FIELDS = 2000, 200, 50


def install(app: Flask) -> None:
    """Answer every error of this application with a problem document."""
    app.register_error_handler(OrchestratorError, refusal)
    app.register_error_handler(HTTPException, _flasks)
    app.register_error_handler(Exception, _unexpected)


def problem(
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    fields: Mapping[str, list[str]] | None = None,
    **extensions: Any,
) -> Response:
    """A problem document; ``fields`` become its ``errors``. What is wrong in a thousand places is told of the first."""
    shown = detail if len(detail) <= LONGEST_DETAIL else f"{detail[:LONGEST_DETAIL]}..."
    document = {"type": f"/problems/{code}", "title": title, "status": status, "detail": shown}
    if fields:
        document["errors"] = {name[:LONGEST_NAME]: said for name, said in islice(fields.items(), MOST_FIELDS)}
    return Response(json.dumps(document | extensions), status, content_type=MEDIA_TYPE)


def status_of(kind: type[OrchestratorError]) -> int:
    """The HTTP status of a class of errors: its own or that of the nearest class above it."""
    return next(STATUS[one] for one in kind.__mro__ if one in STATUS)


def title_of(kind: type[OrchestratorError]) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]


def known() -> dict[str, tuple[int, str]]:
    """code -> (status, title) of the errors that the API answers with, for its documentation."""
    found: dict[str, tuple[int, str]] = {}
    waiting = [kind for kind in STATUS if kind is not OrchestratorError]
    while waiting:
        kind = waiting.pop()
        found[kind.code] = (status_of(kind), title_of(kind))
        waiting += kind.__subclasses__()
    return dict(sorted(found.items()))


def refusal(error: OrchestratorError) -> Response:
    """The answer to one of our errors."""
    status = status_of(type(error))
    if status == 500:
        return _unexpected(error)
    extensions = {"verdict": Verdict.REJECTED.value} if isinstance(error, errors.MalformedDelivery) else {}
    answer = problem(status, error.code, title_of(type(error)), error.message, fields=error.fields, **extensions)
    if isinstance(error, errors.Unavailable | errors.TooManyRequests):
        answer.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, errors.TooManyRequests):
        answer.headers.update(error.headers)
    if status == 401:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="orchestrator"'
    return answer


def _flasks(error: HTTPException) -> Response:
    """Flask's own: 404, 405 (with its Allow header), 413, 415 and the like."""
    status = error.code or 500
    code = re.sub(r"\W+", "_", error.name.lower())
    answer = problem(status, code, error.name, error.description or error.name)
    for name, value in error.get_headers():
        if name.lower() != "content-type":
            answer.headers[name] = value
    return answer


def _unexpected(error: Exception) -> Response:
    """Our fault: the log has all of it, the client nothing."""
    rule = request.url_rule.rule if request.url_rule else None
    log.error("request failed", method=request.method, route=rule, exc_info=error)
    return problem(500, "internal", "Something went wrong here.", "The server's log has the details.")
