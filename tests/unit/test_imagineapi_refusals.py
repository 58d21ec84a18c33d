"""ImagineAPI's error table."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.core.events import Ambiguous, Refused, TaskError
from orchestrator.providers.http import Answer
from orchestrator.providers.imagineapi.refusals import error_in, refusal, refusal_in

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def errors(code: str, message: str = "m") -> dict[str, Any]:
    return {"errors": [{"message": message, "extensions": {"code": code}}]}


def judged(status: int, body: Any, **headers: str) -> Refused | Ambiguous:
    return refusal(Answer(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode()), NOW)


@pytest.mark.parametrize(
    ("status", "code", "retry", "account"),
    [
        (400, "FAILED_VALIDATION", False, False),
        (400, "INVALID_PAYLOAD", False, False),
        (400, "INVALID_QUERY", False, False),
        (401, "INVALID_CREDENTIALS", False, True),
        (401, "TOKEN_EXPIRED", False, True),
        (403, "FORBIDDEN", False, True),
        (403, "INVALID_TOKEN", False, True),
        (404, "ROUTE_NOT_FOUND", False, False),
        (413, "PAYLOAD_TOO_LARGE", False, False),
        (429, "REQUESTS_EXCEEDED", True, True),
        (429, "SOMETHING_NEW", True, True),
        (429, "IMAGE_ERROR", False, True),
        (503, "SERVICE_UNAVAILABLE", True, False),
        (503, "UNDER_PRESSURE", True, False),
    ],
)
def test_the_error_table(status: int, code: str, retry: bool, account: bool) -> None:
    outcome = judged(status, errors(code))
    assert outcome == Refused(TaskError(code.lower(), "m"), retry=retry, account=account)


@pytest.mark.parametrize(("status", "retry"), [(400, False), (401, False), (403, False), (429, True), (503, True)])
def test_a_refusal_without_the_providers_words(status: int, retry: bool) -> None:
    outcome = judged(status, b"<html>")
    assert isinstance(outcome, Refused)
    assert (outcome.error.code, outcome.retry) == (f"http_{status}", retry)


@pytest.mark.parametrize("status", [500, 502, 504, 520])
@pytest.mark.parametrize("body", [b"<html>", errors("INTERNAL_SERVER_ERROR")])
def test_a_server_error_is_no_knowledge(status: int, body: Any) -> None:
    assert isinstance(judged(status, body), Ambiguous)


def test_retry_after_is_handed_on() -> None:
    outcome = judged(429, errors("REQUESTS_EXCEEDED"), **{"retry-after": "12"})
    assert isinstance(outcome, Refused)
    assert outcome.after == 12


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"errors": ["no"]}, TaskError("failed", "no")),
        ({"errors": [{"message": "no"}]}, TaskError("failed", "no")),
        ({"errors": [{"extensions": {"code": "FORBIDDEN"}}]}, TaskError("forbidden", "forbidden")),
        ({"errors": []}, None),
        ({"errors": "no"}, None),
        ({"data": None}, None),
    ],
)
def test_forms_of_errors(body: Any, error: TaskError | None) -> None:
    assert error_in(json.dumps(body).encode()) == error


def test_a_refusal_in_a_2xx_answer() -> None:
    assert refusal_in(errors("IMAGE_ERROR")) == Refused(TaskError("image_error", "m"), account=True)
    assert refusal_in({"data": {}}) is None
