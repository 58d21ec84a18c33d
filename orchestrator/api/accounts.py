"""/v1/accounts: what the dialects' limits leave, for people and the command line."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema

from orchestrator import intervene
from orchestrator.api import schemas
from orchestrator.api.fields import Text, limit, said
from orchestrator.api.here import reading, services
from orchestrator.api.section import Section
from orchestrator.store import accounts
from orchestrator.store.pool import Row

section = Section("accounts", "Providers with their credentials and limits; set in the configuration.")


class AccountsQuery(Schema):
    limit = limit()
    cursor = Text(load_default="", metadata=said("The `next` of a former page."))


@section.route("GET", "/accounts", role="viewer", query=AccountsQuery(), answer=schemas.page_of(schemas.Account()))
def list_accounts(query: dict[str, Any]) -> Any:
    """Every account, its slots and whether it is paused, by name."""
    with reading() as connection:
        found = [row for row in accounts.list_accounts(connection) if row["name"] > query["cursor"]]
    shown = found[: query["limit"]]
    return {"items": list(map(_shown, shown)), "next": shown[-1]["name"] if len(found) > len(shown) else None}


@section.route("POST", "/accounts/<name>/resume", role="operator", answer=schemas.Account(), refuses=[404])
def resume(name: str) -> Any:
    """End a pause, forget the refusals that led to it, and give back slots that finished tasks hold."""
    return _shown(intervene.resume_account(services(), name))


def _shown(row: Row) -> Row:
    here = services()
    paused = bool(row["paused_until"] and row["paused_until"] > here.now())
    return row | {"configured": row["name"] in here.config.accounts, "paused": paused}
