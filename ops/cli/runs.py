"""``orchestrator runs``."""

from __future__ import annotations

from typing import Any

import rich_click as click

from ops.cli import display, summary
from ops.cli.client import Client
from ops.cli.evidence import write_evidence
from ops.cli.following import attend
from ops.cli.ids import an_id
from ops.cli.listing import Item, json_option, list_options, pairs, show_list
from ops.cli.server import with_server

STATES = ("running", "paused", "succeeded", "failed", "cancelled")


@click.group()
def runs() -> None:
    """Runs: one execution of a pipeline each."""


@runs.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only runs in this state.")
@click.option("--pipeline", help="Only runs of this pipeline.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", callback=pairs, help="Only runs so labelled.")
@click.option("-q", "--search", metavar="WORDS", help="Only runs with these words in their inputs.")
@list_options
@with_server
def list_runs(client: Client, labels: dict[str, str], search: str | None, **options: Any) -> None:
    """List runs, newest first."""
    label = tuple(f"{name}={value}" for name, value in labels.items())
    brief = None if options["as_json"] else "true"  # a line needs no tasks
    show_list(
        client,
        ("v1", "runs"),
        ("ID", "STATE", "PIPELINE", "AGE", "TOOK"),
        _row,
        label=label,
        q=search,
        brief=brief,
        flexible=("PIPELINE",),
        **options,
    )


def _row(run: Item) -> tuple[display.Cell, ...]:
    name = f"{run['pipeline']} v{run['version']}"
    took = display.lasted(run["created_at"], run.get("finished_at"))
    return run["id"], display.state(run["state"]), name, display.age(run["created_at"]), took


@runs.command()
@click.argument("run_id", callback=an_id, metavar="ID")
@json_option
@with_server
def show(client: Client, run_id: str, as_json: bool) -> None:
    """Show a run with its tasks and what it has archived."""
    run = client.get("v1", "runs", run_id)
    if as_json:
        display.show_json(run)
    else:
        summary.show(run)


@runs.command()
@click.argument("run_id", callback=an_id, metavar="ID")
@click.option(
    "--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Give up after so long; default: never."
)
@json_option
@with_server
def watch(client: Client, run_id: str, timeout: float | None, as_json: bool) -> None:
    """Follow a run to its end."""
    attend(client, run_id, timeout=timeout, as_json=as_json)


@runs.command()
@click.argument("run_id", callback=an_id, metavar="ID")
@json_option
@with_server
def cancel(client: Client, run_id: str, as_json: bool) -> None:
    """End a run. What the provider has already is followed to its end and recorded."""
    _done(client.post("v1", "runs", run_id, "cancel"), as_json)


@runs.command()
@click.argument("run_id", callback=an_id, metavar="ID")
@click.option("--from", "step", metavar="STEP", help="Also do this step and what follows from it again.")
@click.option("--wait/--no-wait", default=False, help="Follow it to its end.  [default: no-wait]")
@json_option
@with_server
def retry(client: Client, run_id: str, step: str | None, wait: bool, as_json: bool) -> None:
    """Run again from the step that failed."""
    run = client.post("v1", "runs", run_id, "retry", body={"from": step} if step else {})
    if wait:
        attend(client, run["id"], timeout=None, as_json=as_json)
    else:
        _done(run, as_json)


@runs.command()
@click.argument("run_id", callback=an_id, metavar="ID")
@click.option("--output", "-o", default="-", metavar="FILE", help="Where to write it; - is stdout.  [default: -]")
@with_server
def export(client: Client, run_id: str, output: str) -> None:
    """Take out a run's whole evidence, raw deliveries and all: a line of JSON per thing."""
    write_evidence(client.lines("v1", "runs", run_id, "export"), output)


@runs.command()
@click.argument("run_id", callback=an_id, metavar="ID")
@click.option("--images", is_flag=True, help="Also remove its archived images, where no other run has the same.")
@click.confirmation_option(prompt="This cannot be undone. Erase?", help="Do not ask.")
@json_option
@with_server
def erase(client: Client, run_id: str, images: bool, as_json: bool) -> None:
    """Erase prompts, image addresses and raw bytes of a run that is over; states, ids, times and costs stay."""
    done = client.post("v1", "runs", run_id, "erase", body={"images": images})
    if as_json:
        display.show_json(done)
        return
    click.echo(f"Run {run_id} is erased: {done['deliveries']} deliveries, {done['records']} records of the archive.")
    if images:
        click.echo(
            f"{done['images_removed']} images are removed; {done['images_shared']} are other runs' too, and stay."
        )
    if done["missing"]:
        display.hint(f"{done['missing']} records were not found: does the service see the whole archive?")


def _done(run: Item, as_json: bool) -> None:
    if as_json:
        display.show_json(run)
    else:
        click.echo(f"Run {run['id']} is {run['state']}.")
        if run["state"] == "running":
            display.hint(f"Follow it: orchestrator runs watch {run['id']}")
