"""One callback's story, from the door: token, parse, its events taken; or, without a database, the spool."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from orchestrator.core.events import Event, Source
from orchestrator.core.states import Verdict
from orchestrator.core.tokens import read_token
from orchestrator.errors import BadToken, DatabaseUnavailable, MalformedDelivery, SpoolUnavailable, TooLarge
from orchestrator.intake.events import FIRST_TRY, take_events
from orchestrator.logs import masked
from orchestrator.metrics import CALLBACKS
from orchestrator.services import Services
from orchestrator.spool import Delivery
from orchestrator.store import callbacks
from orchestrator.store.callbacks import Taken

log = structlog.get_logger(__name__)
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
            reason=masked(error.message)[:500],
            content_type=delivery.content_type,
            digest=hashlib.sha256(delivery.body).digest(),
            size=len(delivery.body),
            body=delivery.body[:EVIDENCE],
            now=delivery.received_at,
        )
    CALLBACKS.labels(delivery.account, Verdict.REJECTED.value).inc()
    task, reason = str(delivery.task_id), masked(error.message)[:500]
    log.info("callback", account=delivery.account, verdict="rejected", task=task, reason=reason)
