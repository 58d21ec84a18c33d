"""``orchestrator chaos``: a whole system, a hostile provider, killed processes, and what is left of it."""

from __future__ import annotations

import json
import secrets
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import rich_click as click

from ops.chaos.brokers import KINDS
from ops.chaos.schedule import VICTIMS
from ops.chaos.system import Servers
from ops.chaos.trial import Failed, Trial
from ops.cli.listing import json_option
from ops.embedded.postgres import EmbeddedError
from ops.supervisor import SupervisorError


@click.command()
@click.option("--runs", type=click.IntRange(1), default=100, show_default=True, help="How many runs to open.")
@click.option("--seed", type=int, help="Decides the faults and the provider's; default: a new one each time.")
@click.option(
    "--minutes",
    type=click.FloatRange(0.1),
    default=10.0,
    show_default=True,
    help="How long runs are opened and processes killed at most.",
)
@click.option(
    "--kill-every", type=click.FloatRange(0.5), default=4.0, show_default=True, help="Seconds between faults, about."
)
@click.option(
    "--victim", "victims", type=click.Choice(VICTIMS), multiple=True, help="Strike only these; default: everything."
)
@click.option("--database-url", help="An empty database to use; default: a Postgres of its own, killed too.")
@click.option("--broker-url", help="A broker that nobody else uses; default: one of its own, killed too.")
@click.option(
    "--broker",
    type=click.Choice(list(KINDS)),
    default="embedded",
    show_default=True,
    help="Which broker to start; redis and rabbitmq have to be installed.",
)
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="New folder for data and logs, kept.")
@json_option
def chaos(
    runs: int,
    seed: int | None,
    minutes: float,
    kill_every: float,
    victims: tuple[str, ...],
    database_url: str | None,
    broker_url: str | None,
    broker: str,
    keep: Path | None,
    as_json: bool,
) -> None:
    """Open runs at a hostile emulator, kill processes, check what is left. Ends with 1 when something is wrong."""
    seed = secrets.randbelow(10**6) if seed is None else seed
    servers = Servers(database_url, broker_url, broker, victims or VICTIMS)
    if not servers.victims:
        raise click.UsageError("--victim: a server that is given is used and not struck, so nothing would happen")
    click.echo(f"seed {seed}", err=True)
    with ExitStack() as stack:
        home = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=keep is None)
            trial = Trial(home, runs, seed, minutes, kill_every, servers, _say)
            report = trial.carry_out()
        except (Failed, SupervisorError, EmbeddedError, OSError) as error:
            raise click.ClickException(str(error)) from error
    click.echo(json.dumps(report.facts(), indent=1) if as_json else report.text())
    sys.exit(0 if report.good else 1)


def _say(line: str) -> None:
    click.echo(line, err=True)
