"""How ImagineAPI, which is a Directus, reads requests and words answers and refusals."""

from __future__ import annotations

import json
from typing import Any

from flask import Response, request

from ops.emulator.faults import Fault
from ops.emulator.refusals import Refusal

MAX_BODY = 2**20  # bytes
PREFIXES = ("/items", "/assets")

_CODES = {
    400: ("INVALID_PAYLOAD", "Invalid payload."),
    401: ("INVALID_CREDENTIALS", "Invalid user credentials."),
    403: ("FORBIDDEN", "You don't have permission to access this."),
    404: ("ROUTE_NOT_FOUND", "Route doesn't exist."),
    429: ("REQUESTS_EXCEEDED", "Too many requests, retry after 1s."),
    503: ("SERVICE_UNAVAILABLE", "Service is unavailable."),
}
# Reason of a Refusal -> (HTTP status, code, message).
_REASONS = {
    "no_token": (403, "FORBIDDEN", "You don't have permission to access this."),
    "invalid_token": (401, "INVALID_CREDENTIALS", "Invalid user credentials."),
    "disabled": (401, "INVALID_CREDENTIALS", "Invalid user credentials."),
    "expired": (401, "TOKEN_EXPIRED", "Token expired."),
    "mismatched": (403, "INVALID_TOKEN", "Invalid token."),
    "used_up": (429, "IMAGE_ERROR", "Cannot create more images"),
}


class Rejection(Exception):
    """A refused request: HTTP status, Directus' code, a message, and more `extensions` if there are any."""

    def __init__(self, status: int, code: str, message: str, **extensions: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.extensions = extensions


def forbidden() -> Rejection:
    """Not there, not yours, or not allowed: Directus doesn't tell which."""
    return Rejection(403, "FORBIDDEN", "You don't have permission to access this.")


def invalid_payload(message: str) -> Rejection:
    return Rejection(400, "INVALID_PAYLOAD", message)


def invalid_query(message: str) -> Rejection:
    return Rejection(400, "INVALID_QUERY", message)


def missing(field: str) -> Rejection:
    """A field that must have a value has none."""
    return Rejection(400, "FAILED_VALIDATION", f'"{field}" is required', field=field, type="required")


def refused(error: Rejection) -> Response:
    """The error body every refusal has."""
    extensions = {"code": error.code, **error.extensions}
    return reply({"errors": [{"message": error.message, "extensions": extensions}]}, error.status)


def turned_away(error: Refusal) -> Response:
    """A Refusal in Directus' words."""
    return refused(Rejection(*_REASONS[error.reason]))


def spoilt(fault: Fault) -> Response:
    """A fault ordered through the control API."""
    code, message = _CODES.get(fault.status, ("INTERNAL_SERVER_ERROR", "An unexpected error occurred."))
    return refused(Rejection(fault.status, str(fault.code or code), fault.message or message))


def unknown_path() -> Response:
    return refused(Rejection(404, "ROUTE_NOT_FOUND", f"Route {request.path} doesn't exist."))


def spoken(path: str) -> bool:
    """Whether requests to this path are ImagineAPI's."""
    return path.startswith(PREFIXES)


def reply(body: dict[str, Any], status: int = 200) -> Response:
    """A JSON answer."""
    return Response(json.dumps(body, ensure_ascii=False), status=status, content_type="application/json; charset=utf-8")


def json_body() -> Any:
    """The object or array sent; an empty object when what was sent isn't said to be JSON."""
    data = request.get_data()
    if len(data) > MAX_BODY:
        raise invalid_payload("request entity too large")
    if not request.is_json or not data.strip():
        return {}
    try:
        body = json.loads(data)
    except ValueError as error:
        raise invalid_payload("Unexpected token in JSON") from error
    if not isinstance(body, dict | list):
        raise invalid_payload("Unexpected token in JSON")
    return body
