"""/v1/callbacks."""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from uuid import UUID

from marshmallow import Schema, fields

from orchestrator import intervene
from orchestrator.api import cursors, schemas
from orchestrator.api.access import may
from orchestrator.api.fields import Cursor, Text, Time, limit, one_of, said
from orchestrator.api.here import reading, services
from orchestrator.api.section import Section
from orchestrator.core.states import Verdict
from orchestrator.evidence import encoded
from orchestrator.logs import without_tokens
from orchestrator.store import callbacks
from orchestrator.store.paging import Place

AT_ONCE = 1000  # deliveries dismissed in one request
section = Section("callbacks", "Raw deliveries, and what became of them.")


class CallbackQuery(Schema):
    verdict = one_of(Verdict)
    account = Text()
    external_id = Text()
    task_id = fields.UUID()
    dismissed = fields.Boolean(metadata=said("Whether a person has dismissed it."))
    limit = limit()
    cursor = Cursor()


class Adoption(Schema):
    task_id = fields.UUID(required=True)


class Noteworthy(StrEnum):
    """The verdicts that want a person."""

    PARKED = "parked"
    REJECTED = "rejected"
    LATE = "late"


class Dismissal(Schema):
    verdict = one_of(Noteworthy)
    verdict.required = True
    account = Text(load_default=None, allow_none=True)
    before = Time(load_default=None, allow_none=True, metadata=said("Received until then; until now if left out."))


class Dismissed(Schema):
    dismissed = fields.Integer()
    more = fields.Boolean(metadata=said("There are more: ask again."))


@section.route("GET", "/callbacks", role="viewer", query=CallbackQuery(), answer=schemas.page_of(schemas.Callback()))
def list_callbacks(query: dict[str, Any]) -> Any:
    """Deliveries without their bodies, newest first."""
    size, after = query.pop("limit"), query.pop("cursor", None)
    with reading() as connection:
        found = callbacks.list_callbacks(connection, **query, after=after, limit=size + 1)
    return cursors.page(found, size, lambda row: Place(row["received_at"], row["id"]))


@section.route("GET", "/callbacks/<uuid:callback_id>", role="viewer", answer=schemas.CallbackWithBody(), refuses=[404])
def get_callback(callback_id: UUID) -> Any:
    """One delivery with its body: byte for byte for an operator.

    A provider may repeat the address that it was given, and with it the token that lets its bearer speak for the task:
    a viewer sees body and events with `***` in the place of every token of ours.
    """
    with reading() as connection:
        found = callbacks.get_callback(connection, callback_id)
    body, events, masked = bytes(found["body"]), found["events"], not may("operator")
    if masked:
        # Every byte is a character of latin-1, and every token is ASCII.
        body, events = without_tokens(body.decode("latin-1")).encode("latin-1"), without_tokens(events)
    encoding, text = encoded(body)
    shown = {"kept": len(found["body"]), "encoding": encoding, "body": text, "events": events, "masked": masked}
    return found | shown


@section.route(
    "POST",
    "/callbacks/<uuid:callback_id>/replay",
    role="operator",
    answer=schemas.Taken(),
    refuses=[404, 409],
)
def replay(callback_id: UUID) -> Any:
    """Take a kept delivery again, as if it had just come."""
    return intervene.replay(services(), callback_id)


@section.route(
    "POST",
    "/callbacks/<uuid:callback_id>/adopt",
    role="operator",
    body=Adoption(),
    answer=schemas.Taken(),
    refuses=[404, 409],
)
def adopt(adoption: dict[str, Any], callback_id: UUID) -> Any:
    """Give a kept delivery to a task, whatever job it names."""
    return intervene.adopt(services(), callback_id, adoption["task_id"])


@section.route(
    "POST", "/callbacks/<uuid:callback_id>/dismiss", role="operator", answer=schemas.CallbackWithBody(), refuses=[404]
)
def dismiss(callback_id: UUID) -> Any:
    """It has been looked at: it is kept, and counted no more."""
    with services().db.connection() as connection:
        callbacks.get_callback(connection, callback_id)
        callbacks.dismiss(connection, callback_id, now=services().now())
    return get_callback(callback_id)


@section.route("POST", "/callbacks:dismiss", role="operator", body=Dismissal(), answer=Dismissed())
def dismiss_many(dismissal: dict[str, Any]) -> Any:
    """Dismiss all parked, rejected or late deliveries, at most 1,000 at once."""
    now = services().now()
    with services().db.connection() as connection:
        number = callbacks.dismiss_many(
            connection,
            Verdict(dismissal["verdict"]),
            account=dismissal["account"],
            before=dismissal["before"] or now,
            limit=AT_ONCE,
            now=now,
        )
    return {"dismissed": number, "more": number == AT_ONCE}
