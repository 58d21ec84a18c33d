"""HTTP status and body of an answer to a submission -> what it means for the job. docs/providers.md has the table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from orchestrator.core.events import Ambiguous, Refused, TaskError
from orchestrator.errors import MalformedDelivery
from orchestrator.providers.acedata.reading import error_of
from orchestrator.providers.http import Answer
from orchestrator.providers.outcomes import retry_after
from orchestrator.providers.payload import objects

ACCOUNT_CODES = frozenset(
    {"no_token", "invalid_token", "token_expired", "token_mismatched", "used_up", "disabled"}
    | {"too_many_requests", "rate_limited"}
)
RETRY_CODES = frozenset({"too_many_requests", "rate_limited", "api_error"})
_TRACE = 100  # characters
_ACCOUNT_STATUSES = frozenset({401, 402, 429})


def refusal(answer: Answer, now: datetime) -> Refused | Ambiguous:
    """The meaning of an answer that is not 2xx. ``now`` is for a Retry-After that names a date."""
    error = error_in(answer.body)
    if 300 <= answer.status < 400:
        return Refused(TaskError("unexpected_redirect", f"the provider answered with a redirect ({answer.status})"))
    if answer.status >= 500 and (answer.status == 504 or (error is None and answer.status != 503)):
        return Ambiguous(f"the provider answered {answer.status}, which does not say whether it took the job")
    error = error or TaskError(f"http_{answer.status}", f"the provider answered {answer.status} without a reason")
    return Refused(
        error,
        retry=answer.status == 429 or answer.status >= 500,
        after=retry_after(answer.headers.get("retry-after"), now),
        account=answer.status in _ACCOUNT_STATUSES or error.code in ACCOUNT_CODES,
    )


def refusal_in(item: Mapping[str, Any]) -> Refused | None:
    """The refusal in a 2xx answer that names an error and no job."""
    if item.get("success") is not False and not item.get("error"):
        return None
    error = _traced(error_of(item.get("error")), item)
    return Refused(error, retry=error.code in RETRY_CODES, account=error.code in ACCOUNT_CODES)


def error_in(body: bytes) -> TaskError | None:
    """The provider's own error in a body; None when the body is not the provider's (a proxy's page, say)."""
    try:
        item = objects(body)[0]
    except MalformedDelivery:
        return None
    if error := item.get("error"):
        return _traced(error_of(error), item)
    return _traced(error_of({"message": item["detail"]}), item) if item.get("detail") else None


def _traced(error: TaskError, item: Mapping[str, Any]) -> TaskError:
    """The error with what the provider's support asks for; a refusal has no other place for it."""
    trace = item.get("trace_id")
    return TaskError(error.code, f"{error.message} (trace {trace[:_TRACE]})") if isinstance(trace, str) else error
