"""``orchestrator callbacks``."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import rich_click as click

from ops.cli import display
from ops.cli.client import Client
from ops.cli.ids import an_id, some_ids
from ops.cli.listing import Item, json_option, list_options, show_list
from ops.cli.server import with_server
from ops.cli.settings import settings
from orchestrator.spool import Depth, Spool

VERDICTS = ("accepted", "duplicate", "stale", "late", "parked", "rejected")


@click.group()
def callbacks() -> None:
    """Callbacks: raw deliveries of the providers, and what became of them."""


@callbacks.command("list")
@click.option("--verdict", type=click.Choice(VERDICTS), help="Only deliveries with this verdict.")
@click.option("--account", help="Only deliveries for this account.")
@click.option("--task", "task_id", callback=an_id, metavar="ID", help="Only deliveries for this task.")
@click.option("--external-id", metavar="ID", help="Only deliveries about this job of the provider.")
@click.option("--dismissed/--not-dismissed", default=None, help="Only those that a person has, or has not, dismissed.")
@list_options
@with_server
def list_callbacks(client: Client, **options: Any) -> None:
    """List deliveries, newest first."""
    columns = ("ID", "VERDICT", "ACCOUNT", "EXTERNAL ID", "AGE", "REASON")
    show_list(client, ("v1", "callbacks"), columns, line, flexible=("EXTERNAL ID", "REASON"), **options)


def line(callback: Item) -> tuple[display.Cell, ...]:
    """A delivery in a list."""
    return (
        callback["id"],
        display.state(callback["verdict"]),
        callback["account"],
        callback.get("external_id") or "",
        display.age(callback["received_at"]),
        callback.get("reason") or "",
    )


@callbacks.command()
@click.argument("callback_id", callback=an_id, metavar="ID")
@json_option
@with_server
def show(client: Client, callback_id: str, as_json: bool) -> None:
    """Show a delivery as it came, and what became of it."""
    _show(client.get("v1", "callbacks", callback_id), as_json)


@callbacks.command()
@click.argument("callback_id", callback=an_id, metavar="ID")
@json_option
@with_server
def replay(client: Client, callback_id: str, as_json: bool) -> None:
    """Take a kept delivery again, as if it had just come."""
    _verdict(client.post("v1", "callbacks", callback_id, "replay"), as_json)


@callbacks.command()
@click.argument("callback_id", callback=an_id, metavar="ID")
@click.argument("task_id", callback=an_id, metavar="TASK")
@json_option
@with_server
def adopt(client: Client, callback_id: str, task_id: str, as_json: bool) -> None:
    """Give a kept delivery to a task, whatever job it names."""
    _verdict(client.post("v1", "callbacks", callback_id, "adopt", body={"task_id": task_id}), as_json)


@callbacks.command()
@click.argument("callback_ids", callback=some_ids, metavar="[ID]...", nargs=-1)
@click.option("--verdict", type=click.Choice(("parked", "rejected", "late")), help="All that have this verdict now.")
@click.option("--account", help="With --verdict: only deliveries for this account.")
@json_option
@with_server
def dismiss(
    client: Client, callback_ids: tuple[str, ...], verdict: str | None, account: str | None, as_json: bool
) -> None:
    """Say that deliveries have been looked at: they are kept, and counted no more."""
    if bool(callback_ids) == bool(verdict) or (account and not verdict):
        raise click.UsageError("give either ids, or --verdict (and --account)")
    for callback_id in callback_ids:
        client.post("v1", "callbacks", callback_id, "dismiss")
    number = len(callback_ids) if callback_ids else _dismiss_all(client, {"verdict": verdict, "account": account})
    if as_json:
        display.show_json({"dismissed": number})
    else:
        click.echo(f"{number} {'delivery' if number == 1 else 'deliveries'} dismissed")


def _dismiss_all(client: Client, which: Item) -> int:
    """All that are there now; how many."""
    body = {**which, "before": datetime.now(UTC).isoformat()}
    number, more = 0, True
    while more:
        answer = client.post("v1", "callbacks:dismiss", body=body)
        number, more = number + answer["dismissed"], answer["more"]
    return number


@callbacks.command()
@click.option("--retry", is_flag=True, help="Let what was set aside be tried once more.")
@json_option
def spool(retry: bool, as_json: bool) -> None:
    """Show what waits on this machine's disk for the database."""
    config = settings()
    spooled = Spool(config.home / "spool", config.spool_size)
    if retry:
        number = spooled.try_again()
        click.echo(f"{number} {'file' if number == 1 else 'files'} to be tried again", err=True)
    _show_depth(spooled, spooled.depth(), as_json)


def _show_depth(spooled: Spool, depth: Depth, as_json: bool) -> None:
    since = depth.since.isoformat() if depth.since else None
    if as_json:
        display.show_json(asdict(depth) | {"since": since, "folder": str(spooled.folder)})
        return
    display.show_facts(
        {
            "folder": str(spooled.folder),
            "deliveries": str(depth.deliveries),
            "since": f"{since}  ({display.ago(since)})" if since else None,
            "bytes": f"{depth.bytes} of {spooled.size}",
            "set aside": str(depth.aside),
        }
    )


def _verdict(answer: Item, as_json: bool) -> None:
    if as_json:
        display.show_json(answer)
        return
    reason = f": {answer['reason']}" if answer.get("reason") else ""
    click.echo(display.visible(f"{answer['verdict']}{reason}"))


def _show(callback: Item, as_json: bool) -> None:
    if as_json:
        display.show_json(callback)
        return
    display.show_facts(facts(callback))


def facts(callback: Item) -> dict[str, display.Cell | None]:
    """A delivery on its own, what is known of it by name."""
    received = callback.get("received_at")
    return {
        "callback": callback["id"],
        "verdict": display.state(callback["verdict"]),
        "reason": callback.get("reason"),
        "account": callback["account"],
        "external id": callback.get("external_id"),
        "task": callback.get("task_id"),
        "came by": callback.get("source"),
        "received": f"{received}  ({display.ago(received)})" if received else None,
        "dismissed": display.ago(callback.get("dismissed_at")) or None,
        "copies": str(callback["copies"]) if callback.get("copies") else None,
        "type": callback.get("content_type"),
        "masked": "our tokens are *** below; operators see the body as it came" if callback.get("masked") else None,
        "body": _body(callback),
    }


def _body(callback: Item) -> str | None:
    """What was delivered, JSON made readable; else the text, or the base64, as it is."""
    if callback.get("stripped"):
        return "(no longer kept)"
    body, encoding = callback.get("body"), callback.get("encoding", "utf-8")
    if body is None or encoding != "utf-8":
        return f"({encoding}) {body}" if body else None
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):  # no JSON, or nested without end: shown as it came
        return str(body)
