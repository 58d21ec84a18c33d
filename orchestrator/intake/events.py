"""What events do: one round trip and one transaction that record, correlate and merge them; then the nudge.

Callbacks, polls, stream lines and synchronous answers all pass through `take_events`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from orchestrator.config import Account
from orchestrator.core.events import Event, EventKind, Source, TaskError
from orchestrator.core.expiry import expires_at
from orchestrator.core.states import Verdict
from orchestrator.errors import DatabaseUnavailable
from orchestrator.logs import masked, without_tokens
from orchestrator.metrics import CALLBACKS
from orchestrator.services import Services
from orchestrator.store import callbacks, submissions
from orchestrator.store.callbacks import Taken

log = structlog.get_logger(__name__)
FIRST_TRY, SECOND_TRY = 2.0, 2.0  # seconds for a connection, and for a new one


def take_events(
    services: Services,
    account: Account,
    task_id: UUID | None,
    events: Sequence[Event],
    *,
    body: bytes,
    source: Source,
    content_type: str | None = None,
    callback_id: UUID | None = None,
    received_at: datetime | None = None,
    patience: float | None = None,
) -> Taken:
    """Correlate, merge and record evidence in one round trip; nudge every run that a task of it has ended.

    received_at: if not now. patience: seconds for the database, if less than it has otherwise.
    """
    now = received_at or services.now()
    delivery: dict[str, Any] = {
        "callback_id": callback_id or uuid7(),
        "account": account.name,
        "task_id": task_id,
        "source": source.value,
        "content_type": content_type,
        "digest": hashlib.sha256(body).digest(),
        "body": body,
        "events": [_enriched(event, now).as_json() for event in events],
        "keep": source is Source.CALLBACK,
        "now": now,
    }
    taken = _receive(services, patience, **delivery)
    if taken.verdict is Verdict.PARKED and task_id and taken.task_id is None and events:
        taken = _moved_on(services, patience, taken, delivery)
    if source is Source.CALLBACK:
        CALLBACKS.labels(account.name, taken.verdict.value).inc()
    for run_id in taken.ended_runs:
        services.nudge.advance(run_id)
    _log(account, source, events, taken)
    return taken


def take_parked(services: Services, account: Account, external_id: str) -> None:
    """Take up the deliveries to the account's hook that came before anybody knew the job."""
    with services.db.connection() as connection:
        waiting = callbacks.parked_for(connection, account.name, external_id)
    for kept in waiting:
        body = bytes(kept["body"])
        events = services.dialect(account.name).read(body)
        take_events(services, account, None, events, body=body, source=Source.CALLBACK, callback_id=kept["id"])


def _log(account: Account, source: Source, events: Sequence[Event], taken: Taken) -> None:
    log.info(
        source.value,
        account=account.name,
        verdict=taken.verdict.value,
        task=str(taken.task_id) if taken.task_id else None,
        external_id=next((event.external_id for event in events if event.external_id), None),
        ended=[str(run_id) for run_id in taken.ended_runs],
        reason=taken.reason,
    )


def _receive(services: Services, patience: float | None, **delivery: Any) -> Taken:
    """Take a delivery, a second time when the connection was cut: it is sent to us once, and twice changes nothing."""
    try:
        with services.db.connection(timeout=patience and FIRST_TRY, patience=patience) as connection:
            return callbacks.receive(connection, **delivery)
    except DatabaseUnavailable as error:
        if not error.cut:
            raise
        services.db.renew()
        with services.db.connection(timeout=SECOND_TRY, patience=patience) as connection:
            return callbacks.receive(connection, **delivery)


def _moved_on(services: Services, patience: float | None, parked: Taken, delivery: dict[str, Any]) -> Taken:
    """A delivery to a task's own URL at an account that it is not at: it went to another one when this one refused.

    While it is not sent there, it comes back: the job is there, and paid for. Else a person decides.
    """
    task_id, account = delivery["task_id"], delivery["account"]
    jobs = [event["external_id"] for event in delivery["events"]]
    # In one transaction: a worker that took the task in between would send it, and pay for it again.
    with (
        services.db.connection(timeout=patience and FIRST_TRY, patience=patience) as connection,
        connection.transaction(),
    ):
        submissions.lock_jobs(connection, account, jobs)  # before the task, as everybody does
        if submissions.return_to(connection, task_id, account, now=delivery["now"]):
            return callbacks.receive(connection, **delivery)
        reason = f"the task is not at the account {account}: it has moved on to another one, or is gone"
        callbacks.judge(connection, delivery["callback_id"], parked.verdict, reason=reason, task_id=None)
        return replace(parked, reason=reason)


def _enriched(event: Event, now: datetime) -> Event:
    """The event without our own secrets in its error or in what else was said; a result says when its image dies."""
    error = event.error and TaskError(event.error.code, masked(event.error.message))
    result = event.result
    if result and "extra" in result:
        result = {**result, "extra": without_tokens(result["extra"])}
    url = result and (result.get("raw_image_url") or result.get("image_url"))
    dies = expires_at(url, now) if url and event.kind is EventKind.SUCCEEDED else None
    return replace(event, error=error, result={**(result or {}), "expires_at": dies.isoformat()} if dies else result)
