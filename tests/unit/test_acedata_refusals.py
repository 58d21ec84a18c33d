"""AceData's error table, and what is made of Retry-After."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.core.events import Ambiguous, Refused, TaskError
from orchestrator.providers.acedata.refusals import refusal, refusal_in
from orchestrator.providers.http import Answer
from orchestrator.providers.outcomes import retry_after

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def judged(status: int, code: str | None, **headers: str) -> Refused | Ambiguous:
    body = (
        b"<html>" if code is None else json.dumps({"error": {"code": code, "message": "m"}, "trace_id": "x"}).encode()
    )
    return refusal(Answer(status, headers, body), NOW)


@pytest.mark.parametrize(
    ("status", "code", "retry", "account"),
    [
        (400, "bad_request", False, False),
        (400, "no_token", False, True),
        (400, "token_mismatched", False, True),
        (401, "token_mismatched", False, True),
        (400, "api_not_implemented", False, False),
        (401, "invalid_token", False, True),
        (401, "token_expired", False, True),
        (402, "payment_required", False, True),
        (403, "forbidden", False, False),
        (403, "used_up", False, True),
        (403, "disabled", False, True),
        (404, "no_api", False, False),
        (429, "too_many_requests", True, True),
        (429, "rate_limited", True, True),
        (500, "api_error", True, False),
        (502, "api_error", True, False),
        (503, "unavailable", True, False),
    ],
)
def test_the_error_table(status: int, code: str, retry: bool, account: bool) -> None:
    outcome = judged(status, code)
    assert isinstance(outcome, Refused)
    assert outcome.error == TaskError(code, "m (trace x)")
    assert (outcome.retry, outcome.account) == (retry, account)


@pytest.mark.parametrize(
    ("status", "retry"), [(400, False), (401, False), (403, False), (404, False), (429, True), (503, True)]
)
def test_a_refusal_without_the_providers_words(status: int, retry: bool) -> None:
    outcome = judged(status, None)
    assert isinstance(outcome, Refused)
    assert (outcome.error.code, outcome.retry) == (f"http_{status}", retry)


@pytest.mark.parametrize(
    ("status", "code"), [(500, None), (502, None), (504, None), (504, "timeout"), (520, None), (524, None)]
)
def test_what_a_gateway_says_is_no_knowledge(status: int, code: str | None) -> None:
    assert isinstance(judged(status, code), Ambiguous)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_refusal(status: int) -> None:
    outcome = judged(status, None)
    assert isinstance(outcome, Refused)
    assert (outcome.error.code, outcome.retry) == ("unexpected_redirect", False)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"success": False, "error": "no funds"}, "failed", "no funds"),
        ({"detail": "not today"}, "failed", "not today"),
        ({"detail": [{"msg": "x"}]}, "failed", "[{'msg': 'x'}]"),
        ({}, "http_400", "the provider answered 400 without a reason"),
    ],
)
def test_other_forms_of_error_bodies(body: dict[str, Any], code: str, message: str) -> None:
    outcome = refusal(Answer(400, {}, json.dumps(body).encode()), NOW)
    assert isinstance(outcome, Refused)
    assert (outcome.error.code, outcome.error.message) == (code, message)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("7", 7),
        (" 1.5 ", 1.5),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0),
        ("Sat, 21 Nov 2026 13:00:00 +0100", 0),
        ("Sat, 21 Nov 2026 12:00:30 -0000", 30),
        ("999999999", 86400),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("\u0663", None),
        ("Sat, 99 Nov 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


def test_a_429_hands_on_how_long_to_wait() -> None:
    outcome = judged(429, "rate_limited", **{"retry-after": "12"})
    assert isinstance(outcome, Refused)
    assert outcome.after == 12


def test_a_refusal_in_a_2xx_answer() -> None:
    limited = refusal_in({"success": False, "error": {"code": "rate_limited", "message": "m"}})
    assert limited
    assert (limited.retry, limited.account) == (True, True)
    assert refusal_in({"success": True}) is None
