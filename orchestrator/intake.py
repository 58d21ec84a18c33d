"""ONE CALLBACK'S WHOLE STORY: token, parse, one round trip, nudge.

Polls, stream lines and synchronous answers become the same events and pass through the same function (`take_events`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
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
from orchestrator.core.tokens import read_token
from orchestrator.errors import BadToken, DatabaseUnavailable, MalformedDelivery, TooLarge
from orchestrator.logs import masked
from orchestrator.metrics import CALLBACKS
from orchestrator.services import Services
from orchestrator.store import callbacks
from orchestrator.store.callbacks import Taken

log = structlog.get_logger(__name__)
SECOND_TRY = 2.0  # seconds for a new connection
EVIDENCE = 16 * 1024  # bytes kept of a body that cannot be read


def take_callback(
    services: Services, account_name: str, token: str, read: Callable[[], bytes], content_type: str | None
) -> Taken:
    """Take one delivery. Raises BadToken, TooLarge, MalformedDelivery (kept as evidence) or DatabaseUnavailable.

    read: gives the body. It is asked only when the token is ours: a stranger's body may never end.
    """
    account = services.config.accounts.get(account_name)
    if account is None:
        raise BadToken
    task_id = read_token(services.config.secrets, account_name, token)
    body = read()
    if len(body) > services.config.max_body:
        raise TooLarge(f"the body has {len(body)} bytes; allowed: {services.config.max_body}")
    try:
        events = services.dialect(account_name).read(body)
    except MalformedDelivery as error:
        _keep_evidence(services, account_name, task_id, body, content_type, error)
        raise
    return take_events(services, account, task_id, events, body=body, source=Source.CALLBACK, content_type=content_type)


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
) -> Taken:
    """Correlate, merge and record evidence in one round trip; nudge every run that a task of it has ended."""
    now = services.now()
    taken = _receive(
        services,
        callback_id=callback_id or uuid7(),
        account=account.name,
        task_id=task_id,
        source=source.value,
        content_type=content_type,
        digest=hashlib.sha256(body).digest(),
        body=body,
        events=[_enriched(event, now).as_json() for event in events],
        keep=source is Source.CALLBACK,
        now=now,
    )
    if source is Source.CALLBACK:
        CALLBACKS.labels(account.name, taken.verdict.value).inc()
    for run_id in taken.ended_runs:
        services.nudge.advance(run_id)
    log.info(
        source.value,
        account=account.name,
        verdict=taken.verdict.value,
        task=str(taken.task_id) if taken.task_id else None,
        external_id=next((event.external_id for event in events if event.external_id), None),
        ended=[str(run_id) for run_id in taken.ended_runs],
        reason=taken.reason,
    )
    return taken


def take_parked(services: Services, account: Account, external_id: str) -> None:
    """Take up the deliveries to the account's hook that came before anybody knew the job."""
    with services.db.connection() as connection:
        waiting = callbacks.parked_for(connection, account.name, external_id)
    for kept in waiting:
        body = bytes(kept["body"])
        events = services.dialect(account.name).read(body)
        take_events(services, account, None, events, body=body, source=Source.CALLBACK, callback_id=kept["id"])


def _receive(services: Services, **delivery: Any) -> Taken:
    """Take a delivery, a second time when the connection was cut: it is sent to us once, and twice changes nothing."""
    try:
        with services.db.connection() as connection:
            return callbacks.receive(connection, **delivery)
    except DatabaseUnavailable:
        services.db.renew()
        with services.db.connection(timeout=SECOND_TRY) as connection:
            return callbacks.receive(connection, **delivery)


def _enriched(event: Event, now: datetime) -> Event:
    """The event, its result saying when the image's address dies, its error without our own secrets."""
    if event.error:
        return replace(event, error=TaskError(event.error.code, masked(event.error.message)))
    if event.kind is not EventKind.SUCCEEDED or not event.result:
        return event
    url = event.result.get("raw_image_url") or event.result.get("image_url")
    dies = expires_at(url, now) if url else None
    return replace(event, result={**event.result, "expires_at": dies.isoformat()}) if dies else event


def _keep_evidence(
    services: Services,
    account: str,
    task_id: UUID | None,
    body: bytes,
    content_type: str | None,
    error: MalformedDelivery,
) -> None:
    with services.db.connection() as connection:
        callbacks.insert_rejected(
            connection,
            callback_id=uuid7(),
            account=account,
            task_id=task_id,
            reason=error.message[:500],
            content_type=content_type,
            digest=hashlib.sha256(body).digest(),
            size=len(body),
            body=body[:EVIDENCE],
            now=services.now(),
        )
    CALLBACKS.labels(account, Verdict.REJECTED.value).inc()
    log.info("callback", account=account, verdict="rejected", task=str(task_id), reason=error.message[:500])
