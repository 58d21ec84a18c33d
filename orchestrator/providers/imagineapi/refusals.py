"""HTTP status and body of an answer to a creation -> what it means for the job. docs/providers.md has the table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from orchestrator.core.events import Ambiguous, Refused, TaskError
from orchestrator.errors import MalformedDelivery
from orchestrator.providers.http import Answer
from orchestrator.providers.outcomes import retry_after
from orchestrator.providers.payload import objects

FORBIDDEN = "forbidden"
_NO_MORE = "image_error"  # a 429 that does not pass: the account may make no more images
_RETRY = frozenset({"requests_exceeded", "service_unavailable", "under_pressure"})
_ACCOUNT = frozenset(
    {FORBIDDEN, "invalid_credentials", "invalid_token", "token_expired", "user_suspended", _NO_MORE}
    | {"requests_exceeded"}
)
_ACCOUNT_STATUSES = frozenset({401, 402, 403, 429})


def refusal(answer: Answer, now: datetime) -> Refused | Ambiguous:
    """The meaning of an answer that is not 2xx. ``now`` is for a Retry-After that names a date."""
    if 300 <= answer.status < 400:
        return Refused(TaskError("unexpected_redirect", f"the provider answered with a redirect ({answer.status})"))
    if answer.status >= 500 and answer.status != 503:
        # Directus reads the row back after it has made it, so even its own 500 may come after the deed.
        return Ambiguous(f"the provider answered {answer.status}, which does not say whether it took the job")
    error = error_in(answer.body)
    error = error or TaskError(f"http_{answer.status}", f"the provider answered {answer.status} without a reason")
    return Refused(
        error,
        retry=error.code in _RETRY or answer.status == 503 or (answer.status == 429 and error.code != _NO_MORE),
        after=retry_after(answer.headers.get("retry-after"), now),
        account=answer.status in _ACCOUNT_STATUSES or error.code in _ACCOUNT,
    )


def refusal_in(item: Mapping[str, Any]) -> Refused | None:
    """The refusal in a 2xx answer that has errors and no row."""
    error = _error_of(item)
    return Refused(error, retry=error.code in _RETRY, account=error.code in _ACCOUNT) if error else None


def error_in(body: bytes) -> TaskError | None:
    """Directus' own error in a body; None when the body is not Directus' (a proxy's page, say)."""
    try:
        return _error_of(objects(body)[0])
    except MalformedDelivery:
        return None


def _error_of(item: Mapping[str, Any]) -> TaskError | None:
    """The first of ``errors``, its code in lower case as all failure codes are."""
    errors = item.get("errors")
    if not isinstance(errors, list) or not errors:
        return None
    first = errors[0] if isinstance(errors[0], Mapping) else {"message": errors[0]}
    extensions = first.get("extensions")
    code = extensions.get("code") if isinstance(extensions, Mapping) else None
    code = code.lower() if isinstance(code, str) and code else "failed"
    return TaskError(code, str(first.get("message") or code))
