"""ONE CALLBACK'S WHOLE STORY: token, parse, one round trip, nudge; or, without a database, the spool.

Polls, stream lines and synchronous answers become the same events and pass through the same function (`take_events`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from orchestrator.config import Account
from orchestrator.core.events import Event, EventKind, Source, TaskError
from orchestrator.core.expiry import expires_at
from orchestrator.core.states import Verdict
from orchestrator.core.tokens import read_token
from orchestrator.errors import BadToken, DatabaseUnavailable, MalformedDelivery, SpoolUnavailable, TooLarge
from orchestrator.logs import masked
from orchestrator.metrics import CALLBACKS
from orchestrator.services import Services
from orchestrator.spool import Delivery
from orchestrator.store import callbacks, tasks
from orchestrator.store.callbacks import Taken

log = structlog.get_logger(__name__)
FIRST_TRY, SECOND_TRY = 2.0, 2.0  # seconds for a connection, and for a new one
PATIENCE = 3.0  # seconds for the answer to a delivery; then it goes to the spool
T = TypeVar("T")
EVIDENCE = 16 * 1024  # bytes kept of a body that cannot be read


@dataclass(frozen=True, slots=True)
class Spooled:
    """A delivery that is on this machine's disk, and will be taken when the database is back."""

    delivery_id: UUID


def take_callback(
    services: Services, account_name: str, token: str, read: Callable[[], bytes], content_type: str | None
) -> Taken | Spooled:
    """Take one delivery. Raises BadToken, TooLarge, MalformedDelivery (kept as evidence) or SpoolUnavailable.

    read: gives the body. It is asked only when the token is ours: a stranger's body may never end.
    """
    if account_name not in services.config.accounts:
        raise BadToken
    task_id = read_token(services.config.secrets, account_name, token)
    body = read()
    if len(body) > services.config.max_body:
        raise TooLarge(f"the body has {len(body)} bytes; allowed: {services.config.max_body}")
    delivery = Delivery(
        id=uuid7(),
        account=account_name,
        task_id=task_id,
        content_type=content_type,
        received_at=services.now(),
        body=body,
    )
    try:
        events = services.dialect(account_name).read(body)
    except MalformedDelivery as error:
        _keep_evidence_somewhere(services, delivery, error)
        raise
    return _or_spool(services, delivery, lambda: _take(services, delivery, events, PATIENCE))


def take_spooled(services: Services, delivery: Delivery) -> Taken:
    """Take a delivery out of the spool, as it was received: twice changes nothing.

    Raises MalformedDelivery (kept as evidence), DatabaseUnavailable, or ConfigError when there is no such account.
    """
    try:
        events = services.dialect(delivery.account).read(delivery.body)
    except MalformedDelivery as error:
        _keep_evidence(services, delivery, error)
        raise
    return _take(services, delivery, events, None)


def _take(services: Services, delivery: Delivery, events: Sequence[Event], patience: float | None) -> Taken:
    return take_events(
        services,
        services.config.account(delivery.account),
        delivery.task_id,
        events,
        body=delivery.body,
        source=Source.CALLBACK,
        content_type=delivery.content_type,
        callback_id=delivery.id,
        received_at=delivery.received_at,
        patience=patience,
    )


def _or_spool(services: Services, delivery: Delivery, act: Callable[[], T]) -> T | Spooled:
    """Do it, or keep the delivery on this machine's disk until it can be done. Raises SpoolUnavailable."""
    if services.db.circuit.open:
        return _spool(services, delivery, "the database is away")
    try:
        return act()
    except DatabaseUnavailable as error:
        services.db.circuit.failed()
        return _spool(services, delivery, error.message)
    except Exception:  # our mistake; but a delivery is sent to us once
        log.exception("a delivery could not be taken", account=delivery.account, delivery=str(delivery.id))
        return _spool(services, delivery, "it could not be taken")


def _spool(services: Services, delivery: Delivery, reason: str) -> Spooled:
    services.spool.append(delivery)
    CALLBACKS.labels(delivery.account, "spooled").inc()
    task = str(delivery.task_id) if delivery.task_id else None
    log.info("callback", account=delivery.account, verdict="spooled", task=task, reason=reason)
    return Spooled(delivery.id)


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


def take_parked(services: Services, account: Account, external_id: str) -> None:
    """Take up the deliveries to the account's hook that came before anybody knew the job."""
    with services.db.connection() as connection:
        waiting = callbacks.parked_for(connection, account.name, external_id)
    for kept in waiting:
        body = bytes(kept["body"])
        events = services.dialect(account.name).read(body)
        take_events(services, account, None, events, body=body, source=Source.CALLBACK, callback_id=kept["id"])


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
        tasks.lock_jobs(connection, account, jobs)  # before the task, as everybody does
        if tasks.return_to(connection, task_id, account, now=delivery["now"]):
            return callbacks.receive(connection, **delivery)
        reason = f"the task is not at the account {account}: it has moved on to another one, or is gone"
        callbacks.judge(connection, delivery["callback_id"], parked.verdict, reason=reason, task_id=None)
        return replace(parked, reason=reason)


def _enriched(event: Event, now: datetime) -> Event:
    """The event, its result saying when the image's address dies, its error without our own secrets."""
    if event.error:
        return replace(event, error=TaskError(event.error.code, masked(event.error.message)))
    if event.kind is not EventKind.SUCCEEDED or not event.result:
        return event
    url = event.result.get("raw_image_url") or event.result.get("image_url")
    dies = expires_at(url, now) if url else None
    return replace(event, result={**event.result, "expires_at": dies.isoformat()}) if dies else event


def _keep_evidence_somewhere(services: Services, delivery: Delivery, error: MalformedDelivery) -> None:
    """What cannot be read is refused all the same: its evidence is worth no other answer."""
    try:
        _or_spool(services, delivery, lambda: _keep_evidence(services, delivery, error))
    except SpoolUnavailable as full:
        log.warning("evidence dropped", account=delivery.account, reason=full.message)


def _keep_evidence(services: Services, delivery: Delivery, error: MalformedDelivery) -> None:
    with services.db.connection(timeout=FIRST_TRY, patience=PATIENCE) as connection:
        callbacks.insert_rejected(
            connection,
            callback_id=delivery.id,
            account=delivery.account,
            task_id=delivery.task_id,
            reason=error.message[:500],
            content_type=delivery.content_type,
            digest=hashlib.sha256(delivery.body).digest(),
            size=len(delivery.body),
            body=delivery.body[:EVIDENCE],
            now=delivery.received_at,
        )
    CALLBACKS.labels(delivery.account, Verdict.REJECTED.value).inc()
    task, reason = str(delivery.task_id), error.message[:500]
    log.info("callback", account=delivery.account, verdict="rejected", task=task, reason=reason)
