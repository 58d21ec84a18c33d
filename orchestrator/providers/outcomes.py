"""What every dialect says alike about the answer to a submission."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from orchestrator.config import Account
from orchestrator.core.events import Ambiguous, Refused, TaskError
from orchestrator.providers.http import Lost, NotSent

_MOST = 86400.0


def unanswered(outcome: NotSent | Lost) -> Refused | Ambiguous:
    """The meaning of no answer: certain when nothing was sent, open when it was."""
    if isinstance(outcome, NotSent) and outcome.hopeless:
        return Refused(TaskError("bad_account", outcome.reason), account=True)
    if isinstance(outcome, NotSent):
        return Refused(TaskError("unreachable", outcome.reason), retry=True)
    return Ambiguous(outcome.reason)


def without_token(error: TaskError, account: Account) -> TaskError:
    """The same error, should the provider have quoted our token in it, whole or without its scheme (``Bearer``)."""
    code, message = error.code, error.message
    for secret in filter(None, (account.token, account.token.rpartition(" ")[2])):
        code, message = code.replace(secret, "***"), message.replace(secret, "***")
    return TaskError(code, message)


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds in a Retry-After header, which holds seconds or a date; None when there is none to be read."""
    if value is None:
        return None
    if re.fullmatch(r"\s*\d{1,9}(\.\d{1,9})?\s*", value, re.ASCII):
        return min(float(value), _MOST)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max((at - now).total_seconds(), 0.0), _MOST)
