"""``orchestrator prune``."""

from __future__ import annotations

from datetime import UTC, datetime

import rich_click as click

from ops.cli import display
from ops.cli.failures import Refused
from ops.cli.listing import json_option
from ops.cli.settings import settings
from orchestrator.config import Config
from orchestrator.config.keep import variable, written
from orchestrator.retention import Pruned, earlier
from orchestrator.retention import prune as prune_now
from orchestrator.store import Database
from orchestrator.store.checkup import check_up

OF = {"parked": "strays", "rejected": "strays"}  # the setting of a kind, where it is not its own name


@click.command()
@click.option("--dry-run", is_flag=True, help="Only count what would go.")
@json_option
def prune(dry_run: bool, as_json: bool) -> None:
    """Remove what has been kept long enough, all of it; the service does so by itself, a little each minute."""
    config = settings()
    if not config.database_url:
        raise Refused("DATABASE_URL is not set, and no `orchestrator up` runs here")
    check_up(config.database_url)  # says what is wrong with the URL or the server, if anything is
    db = Database(config.database_url, size=1, name="prune")
    try:
        now = earlier(db, datetime.now(UTC))
        done = prune_now(db, config.keep, now=now, within=None, remove=not dry_run)
    finally:
        db.close()
    if as_json:
        display.show_json({"dry_run": dry_run, "removed": done.removed})
    else:
        _show(config, done, dry_run=dry_run)


def _show(config: Config, done: Pruned, *, dry_run: bool) -> None:
    rows = [(what, str(number), _setting(config, what)) for what, number in done.removed.items()]
    display.show_table(("WHAT", "WOULD GO" if dry_run else "REMOVED", "KEPT FOR"), rows, flexible=())
    if not done.total:
        display.hint("Nothing is old enough.")


def _setting(config: Config, what: str) -> str:
    name = OF.get(what, what)
    return f"{written(getattr(config.keep, name))} ({variable(name)})"
