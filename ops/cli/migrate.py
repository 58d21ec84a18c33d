"""``orchestrator migrate``."""

from __future__ import annotations

import rich_click as click

from ops.cli import display
from ops.cli.failures import Failure, Refused
from ops.cli.listing import json_option
from ops.cli.settings import settings
from orchestrator.errors import MigrationFailed
from orchestrator.store import migrate as migrations
from orchestrator.store.checkup import check_up

WHOLE = (
    "Nothing of it is applied; what came before it is. If the schema was changed by hand, undo that (`orchestrator "
    "doctor` says what is missing); then run `orchestrator migrate` again."
)
OUTSIDE = (
    "It is no transaction: some of it may be done. Mend the cause, then run `orchestrator migrate` again: it does the "
    "whole file anew."
)


@click.command()
@json_option
def migrate(as_json: bool) -> None:
    """Apply the migrations that the database lacks. Safe at any time, and by several at once."""
    url = settings().database_url
    if not url:
        raise Refused(
            "there is no database to migrate: DATABASE_URL is not set, and no `orchestrator up` runs here",
            hint="Set DATABASE_URL, or start the embedded one with `orchestrator up` (which migrates it).",
        )
    applied = _apply(url)
    if as_json:
        display.show_json({"applied": applied})
        return
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("The schema is up to date.")


def _apply(url: str) -> list[str]:
    try:
        check_up(url)  # says what is wrong with the URL or the server, if anything is
        return migrations.migrate(url)
    except MigrationFailed as error:
        raise Failure(error.message, hint=WHOLE if error.whole else OUTSIDE) from error
