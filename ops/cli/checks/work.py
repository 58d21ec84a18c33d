"""The work itself: what is stuck, at risk, or wants a person."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from ops.cli.checks.finding import Finding, Level
from orchestrator.attention import Item, wanting
from orchestrator.config import Config
from orchestrator.errors import DatabaseUnavailable
from orchestrator.store import Connection
from orchestrator.store.processes import alone, list_processes

FEW = 100  # looked at of each kind
NAMED = 3  # of which are named
# What a defect or a mistake has led to; the rest is a day's work.
LEVELS: Mapping[str, Level] = dict.fromkeys(("risky", "stray", "unwatched", "stranded", "leaked"), "fail")
EASY = frozenset({"choice"})  # no trouble at all


def check(config: Config) -> Iterator[Finding]:
    if not config.database_url:
        return
    try:
        with alone(config.database_url) as connection:
            items, more = wanting(connection, _accounts(connection, config), limit=FEW, now=datetime.now(UTC))
    except DatabaseUnavailable:
        return  # it is said elsewhere
    kinds: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        kinds[item.kind].append(item)
    for kind, some in kinds.items():
        if kind not in EASY:
            yield _finding(kind, some, kind in more)


def _accounts(connection: Connection, config: Config) -> set[str]:
    """Those configured here, and those that the processes at work know: this shell may have none of them."""
    alive = (row["about"].get("accounts", ()) for row in list_processes(connection) if row["lives"])
    return set(config.accounts).union(*alive)


def _finding(kind: str, some: list[Item], more: bool) -> Finding:
    told = "; ".join(f"{item.id}: {item.detail}" for item in some[:NAMED])
    count = f"{len(some)}{' or more' if more else ''}"
    actions = "  or  ".join(some[0].actions)
    advice = actions if len(some) == 1 else f"`orchestrator attention` has a command for each, such as: {actions}"
    return Finding(kind, LEVELS.get(kind, "warn"), f"{count}: {told}", advice)
