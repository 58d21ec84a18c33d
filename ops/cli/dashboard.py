"""``orchestrator dashboard``."""

from __future__ import annotations

import rich_click as click

from ops.cli.failures import Unreachable
from ops.cli.settings import here


@click.command()
def dashboard() -> None:
    """Print the dashboard's address: at present a page with the service's state."""
    place = here()
    url = place.service_url("dashboard")
    if not url:
        raise Unreachable(
            f"no dashboard runs for {place.home}",
            hint="Start it with `orchestrator up`; with another home, set ORCHESTRATOR_HOME.",
        )
    click.echo(url)
