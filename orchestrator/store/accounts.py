"""The accounts table and its slots."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from orchestrator.config import Account
from orchestrator.store.pool import Connection, Row, execute, rows
from orchestrator.store.queries import load

_SQL = load("accounts")


def put_accounts(connection: Connection, accounts: Iterable[Account]) -> None:
    """Make the rows agree with the configuration."""
    for account in accounts:
        execute(
            connection,
            _SQL["put_account"],
            name=account.name,
            provider=account.provider,
            slots=account.slots,
            submits_per_second=account.submits_per_second,
        )
        execute(connection, _SQL["drop_free_slots"], name=account.name, slots=account.slots)


def pause_account(connection: Connection, name: str, *, until: datetime, reason: str) -> None:
    execute(connection, _SQL["pause_account"], name=name, until=until, reason=reason)


def list_accounts(connection: Connection) -> list[Row]:
    return rows(connection, _SQL["list_accounts"])


def leaked_slots(connection: Connection) -> list[Row]:
    return rows(connection, _SQL["leaked_slots"])
