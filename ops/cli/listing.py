"""What every list command has: --limit, --cursor, --all, --json."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import rich_click as click

from ops.cli.client import LARGEST_PAGE, Client
from ops.cli.display import Cell, hint, show_json, show_table

Item = Mapping[str, Any]
json_option = click.option("--json", "as_json", is_flag=True, help="Print the API's own JSON.")


def list_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds ``limit``, ``cursor``, ``everything`` and ``as_json``."""
    for option in (
        json_option,
        click.option("--all", "everything", is_flag=True, help="Every page, not only the first."),
        click.option("--cursor", help="Go on where a former page ended."),
        click.option("--limit", type=click.IntRange(1, LARGEST_PAGE), help="Entries a page."),
    ):
        command = option(command)
    return command


def show_list(
    client: Client,
    path: Sequence[str],
    columns: Sequence[str],
    row: Callable[[Item], Sequence[Cell]],
    *,
    limit: int | None,
    cursor: str | None,
    everything: bool,
    as_json: bool,
    flexible: Sequence[str],
    **query: Any,
) -> None:
    """Fetch one page or all, and print it."""
    pages = client.pages(*path, limit=limit or (LARGEST_PAGE if everything else None), cursor=cursor, **query)
    items, following = [], None
    for page in pages:
        items += page["items"]
        following = page.get("next")
        if not everything:
            break
    if as_json:
        show_json({"items": items, "next": following})
        return
    if items:
        show_table(columns, [row(item) for item in items], flexible=flexible)
    else:
        click.echo("There are none.", err=True)
    if following:
        hint(f"There are more: --cursor {following}, or --all")


def pairs(_context: click.Context, parameter: click.Parameter, values: Sequence[str]) -> dict[str, str]:
    """Option callback: repeated ``name=value`` as a mapping."""
    found = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{text!r} is not of the form name=value", param=parameter)
        found[name] = value
    return found
