"""/v1/attention: what wants a person, and what to do about it."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from orchestrator import attention
from orchestrator.api.fields import Time, limit, said
from orchestrator.api.here import reading, services
from orchestrator.api.section import Section

section = Section("attention", "Everything that wants a person.")
KINDS = "; ".join(f"`{kind}`: {meaning}" for kind, meaning in attention.MEANING.items())


class AttentionQuery(Schema):
    limit = limit()


class Item(Schema):
    kind = fields.String(metadata=said(KINDS + "."))
    meaning = fields.String()
    id = fields.String(metadata=said("Of the task, run, callback or account."))
    run_id = fields.UUID(allow_none=True)
    account = fields.String(allow_none=True)
    since = Time(allow_none=True, metadata=said("Since when; for a risky image when its address dies."))
    detail = fields.String()
    actions = fields.List(fields.String(), metadata=said("Commands that mend it; each is also a route."))


class Attention(Schema):
    items = fields.List(fields.Nested(Item), metadata=said("The most urgent kind first."))
    more = fields.List(fields.String(), metadata=said("The kinds of which there are more than `limit`."))


@section.route("GET", "/attention", role="viewer", query=AttentionQuery(), answer=Attention())
def list_attention(query: dict[str, Any]) -> Any:
    """What wants a person: uncertain tasks, open choices, kept deliveries, paused accounts and whatever is stuck.

    At most `limit` of each kind.
    """
    here = services()
    with reading() as connection:
        items, more = attention.wanting(connection, here.config.accounts, limit=query["limit"], now=here.now())
    return {"items": items, "more": more}
