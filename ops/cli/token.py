"""``orchestrator token``: what a new user of the API needs."""

from __future__ import annotations

import secrets

import rich_click as click

from ops.cli import display
from ops.cli.listing import json_option
from orchestrator.config.api_tokens import ROLES, Entry, entries, hashed


@click.group()
def token() -> None:
    """Make tokens of the API."""


@token.command()
@click.argument("name")
@click.argument("role", type=click.Choice(ROLES))
@json_option
def new(name: str, role: str, as_json: bool) -> None:
    """Make a token, and the entry that makes the service know it.

    Nothing is stored: the token goes to who will use it, the entry, which opens nothing, into ORCHESTRATOR_API_TOKENS.
    """
    if not name.isprintable() or set(name) & set(":, "):
        raise click.BadParameter("a name is printable and has no colon, comma or space", param_hint="NAME")
    made = secrets.token_urlsafe(32)
    [entry] = entries(f"{name}:{role}:{hashed(made)}")
    _show(made, entry, as_json=as_json)


def _show(made: str, entry: Entry, *, as_json: bool) -> None:
    if as_json:
        display.show_json({"name": entry.name, "role": entry.role, "token": made, "entry": entry.as_hashed()})
        return
    click.echo(f"token  {made}")
    click.echo(f"entry  {entry.as_hashed()}")
    display.hint("The token is shown this once. Add the entry to ORCHESTRATOR_API_TOKENS, and start the service again.")
