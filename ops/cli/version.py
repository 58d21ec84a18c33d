"""``orchestrator version``."""

from __future__ import annotations

from importlib.metadata import version as installed

import rich_click as click

from ops.cli import display
from ops.cli.listing import json_option


@click.command()
@json_option
def version(as_json: bool) -> None:
    """Print the version."""
    number = installed("midjourney-orchestrator")
    if as_json:
        display.show_json({"version": number})
    else:
        click.echo(number)
