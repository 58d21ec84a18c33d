"""/v1/accounts: what the dialects' limits leave, for people and the command line."""

from __future__ import annotations

from typing import Any

from orchestrator.api import schemas
from orchestrator.api.here import services
from orchestrator.api.section import Section
from orchestrator.store import accounts

section = Section("accounts", "Providers with their credentials and limits; set in the configuration.")


@section.route("GET", "/accounts", role="viewer", answer=schemas.page_of(schemas.Account()))
def list_accounts() -> Any:
    """Every account, its slots and whether it is paused."""
    here, now = services(), services().now()
    with here.db.connection() as connection:
        found = accounts.list_accounts(connection)
    items = [
        row
        | {"configured": row["name"] in here.config.accounts}
        | {"paused": bool(row["paused_until"] and row["paused_until"] > now)}
        for row in found
    ]
    return {"items": items, "next": None}
