"""How AceData reads requests and words answers and refusals."""

from __future__ import annotations

import json
from typing import Any

from flask import Response, g, request

from ops.emulator.acedata_bodies import FAILURES
from ops.emulator.engine import Engine
from ops.emulator.refusals import Refusal

# Reason -> (HTTP status, code).
STATUSES = FAILURES | {
    "no_token": (400, "no_token"),
    "mismatched": (400, "token_mismatched"),
    "invalid_token": (401, "invalid_token"),
    "expired": (401, "token_expired"),
    "used_up": (403, "used_up"),
    "disabled": (403, "disabled"),
    "no_api": (404, "no_api"),
    "concurrency": (429, "too_many_requests"),
    "rate": (429, "too_many_requests"),
    "api_error": (500, "api_error"),
    "timeout": (504, "timeout"),
}


def refusal(status: int, code: str, message: str) -> Response:
    """The error body every refusal has."""
    return reply({"error": {"code": code, "message": message}, "trace_id": g.trace_id}, status)


def reply(body: dict[str, Any], status: int = 200) -> Response:
    """A JSON answer."""
    return Response(text_of(body), status=status, mimetype="application/json")


def text_of(body: dict[str, Any]) -> str:
    """Compact JSON, other alphabets as they are."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


def json_body() -> dict[str, Any]:
    """The request's JSON object, or a Refusal."""
    try:
        body = json.loads(request.get_data())
    except ValueError as error:
        raise Refusal("bad_request", "The request body is not valid JSON.") from error
    if not isinstance(body, dict):
        raise Refusal("bad_request", "The request body must be a JSON object.")
    return body


def refused(engine: Engine, error: Refusal) -> Response:
    """A Refusal in AceData's words."""
    status, code = STATUSES[error.reason]
    if error.reason == "concurrency":
        code = engine.options.concurrency_code
    return refusal(status, code, error.message)
