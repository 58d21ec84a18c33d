"""``orchestrator attention``."""

from __future__ import annotations

import rich_click as click

from ops.cli import display
from ops.cli.client import Client
from ops.cli.listing import Item, json_option
from ops.cli.server import with_server

FEW = 20


@click.command()
@click.option("--limit", type=click.IntRange(1, 200), default=FEW, show_default=True, help="Entries of each kind.")
@json_option
@with_server
def attention(client: Client, limit: int, as_json: bool) -> None:
    """List everything that wants a person, with the commands that mend it."""
    found = client.get("v1", "attention", limit=limit)
    if as_json:
        display.show_json(found)
        return
    if not found["items"]:
        click.echo("Nothing wants a person.", err=True)
    kind = None
    for item in found["items"]:
        if item["kind"] != kind:
            click.echo("" if kind is None else "\n", nl=False)
            kind = item["kind"]
            more = f" (the first {limit})" if kind in found["more"] else ""
            click.echo(display.visible(f"{kind}: {item['meaning']}{more}"))
        _show(item)
    if found["more"]:
        display.hint(f"There are more of: {', '.join(found['more'])}; --limit 200 shows more of each")


def _show(item: Item) -> None:
    when = f"  {display.ago(item['since'])}" if item["since"] else ""
    click.echo(display.visible(f"  {item['id']}  {item['account'] or '-'}{when}  {item['detail']}"))
    for action in item["actions"]:
        click.echo(display.visible(f"      {action}"))
