"""The accounts table and its slots."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from orchestrator.config import Account, Limits
from orchestrator.store.pool import Connection, Row, execute, json, row, rows
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
            modes=json({mode: _known(limits) for mode, limits in account.mode_limits.items()}),
            default_mode=account.default_mode,
        )
        execute(connection, _SQL["drop_free_slots"], name=account.name, slots=account.slots)


def _known(limits: Limits) -> dict[str, Any]:
    return {name: value for name, value in asdict(limits).items() if value is not None}


def pause_account(connection: Connection, name: str, *, until: datetime, reason: str) -> None:
    execute(connection, _SQL["pause_account"], name=name, until=until, reason=reason)


def strike_account(
    connection: Connection, name: str, *, most: int, first: float, longest: float, reason: str, now: datetime
) -> tuple[int, bool]:
    """How many refusals in a row it is now, and whether the account is paused.

    most: refusals that make a pause. first, longest: seconds of the first pause and of the longest.
    """
    found = row(
        connection,
        _SQL["strike_account"],
        name=name,
        most=most,
        first=first,
        longest=longest,
        reason=reason,
        now=now,
    )
    return (found["strikes"], bool(found["paused"])) if found else (0, False)


def move_on(connection: Connection, *, configured: Iterable[str], limit: int, now: datetime) -> list[str]:
    """The accounts that tasks have moved to, one entry for each task."""
    found = rows(connection, _SQL["move_on"], configured=list(configured), limit=limit, now=now)
    return [one["account"] for one in found]


def list_accounts(connection: Connection) -> list[Row]:
    return rows(connection, _SQL["list_accounts"])


def leaked_slots(connection: Connection) -> list[Row]:
    return rows(connection, _SQL["leaked_slots"])


def resume_account(connection: Connection, name: str) -> bool:
    """Whether there is such an account."""
    return execute(connection, _SQL["resume_account"], name=name) > 0


def release_leaked(connection: Connection, name: str) -> int:
    """How many slots."""
    return execute(connection, _SQL["release_leaked"], name=name)
