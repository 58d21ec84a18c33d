"""An account's health: what its refusals say about it, and where its tasks go meanwhile."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import structlog

from orchestrator.core.events import Ambiguous, Refused
from orchestrator.core.run import Task
from orchestrator.logs import masked
from orchestrator.services import Services
from orchestrator.store import accounts

log = structlog.get_logger(__name__)
BATCH = 200


@dataclass(frozen=True, slots=True)
class Breaker:
    """most: refusals in a row until the account pauses. first, longest: seconds of a pause, doubling in between."""

    most: int
    first: float
    longest: float


CREDENTIALS = Breaker(most=3, first=300.0, longest=3600.0)  # 401, 402, 403: a person has to do something
OUTAGE = Breaker(most=5, first=30.0, longest=600.0)  # 5xx, unreachable, no answer: it may pass by itself


def note_refusal(services: Services, account: str, outcome: Refused | Ambiguous) -> None:
    """Count what concerns the account. A 429 is no illness, and a refused order is the order's fault."""
    breaker = _breaker(outcome)
    if breaker is None:
        return
    reason = masked(outcome.reason if isinstance(outcome, Ambiguous) else outcome.error.message)
    with services.db.connection() as connection:
        strikes, paused = accounts.strike_account(
            connection,
            account,
            most=breaker.most,
            first=breaker.first,
            longest=breaker.longest,
            reason=reason[:200],
            now=services.now(),
        )
    if paused:
        log.warning("account paused", account=account, strikes=strikes, reason=reason)


def _breaker(outcome: Refused | Ambiguous) -> Breaker | None:
    if isinstance(outcome, Ambiguous):
        return OUTAGE
    if outcome.account:
        return None if outcome.retry else CREDENTIALS
    return OUTAGE if outcome.retry else None


def may_go_elsewhere(task: Task) -> bool:
    """Whether another account may take it. A follow-up belongs where its parent is."""
    return len(task.params.get("accounts") or ()) > 1 and task.params.get("parent") is None


def move_on(services: Services) -> None:
    """Send waiting tasks to the next of their accounts, where theirs refuses, is paused or is full."""
    with services.db.connection() as connection:
        moved = accounts.move_on(connection, configured=services.config.accounts, limit=BATCH, now=services.now())
    counts = Counter(moved)
    for account, count in counts.items():
        services.nudge.submit(account, count)
    if moved:
        log.info("moved on", accounts=dict(counts))
