"""``orchestrator tasks``."""

from __future__ import annotations

import json
from typing import Any

import rich_click as click

from ops.cli import display
from ops.cli.client import Client
from ops.cli.ids import an_id
from ops.cli.listing import Item, json_option, list_options, show_list
from ops.cli.server import with_server

STATES = ("ready", "submitting", "uncertain", "working", "waiting", "succeeded", "failed", "cancelled")
OUTCOMES = ("submitted", "not_submitted", "failed")


@click.group()
def tasks() -> None:
    """Tasks: one execution of one step of a run each."""


@tasks.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only tasks in this state.")
@click.option("--run", "run_id", callback=an_id, metavar="ID", help="Only tasks of this run.")
@click.option("--step", help="Only tasks of this step.")
@click.option("--account", help="Only tasks of this account.")
@click.option("--external-id", metavar="ID", help="Only the task of this job of the provider.")
@list_options
@with_server
def list_tasks(client: Client, **options: Any) -> None:
    """List tasks, newest first."""
    show_list(
        client,
        ("v1", "tasks"),
        ("ID", "STATE", "STEP", "ACTION", "DETAIL"),
        _row,
        flexible=("DETAIL",),
        **options,
    )


def _row(task: Item) -> tuple[display.Cell, ...]:
    return (
        task["id"],
        display.state(task["state"]),
        display.step_name(task),
        task["action"],
        display.said(task.get("error")) or task.get("waiting_for") or "",
    )


@tasks.command()
@click.argument("task_id", callback=an_id, metavar="ID")
@json_option
@with_server
def show(client: Client, task_id: str, as_json: bool) -> None:
    """Show a task: what it waits for, what came of it."""
    _show(client.get("v1", "tasks", task_id), as_json)


@tasks.command()
@click.argument("task_id", callback=an_id, metavar="ID")
@json_option
@with_server
def history(client: Client, task_id: str, as_json: bool) -> None:
    """List the states that a task went through, and the deliveries that were for it."""
    found = client.get("v1", "tasks", task_id, "history")
    if as_json:
        display.show_json(found)
        return
    show_history(found)


def show_history(found: Item) -> None:
    """A task's transitions and deliveries on stdout."""
    display.show_table(
        ("AT", "FROM", "TO", "CAUSE"), [_arrow(one) for one in found["transitions"]], flexible=("CAUSE",)
    )
    if found["callbacks"]:
        click.echo()
        rows = [_delivery(one) for one in found["callbacks"]]
        display.show_table(("AT", "ID", "VERDICT", "CAME BY", "REASON"), rows, flexible=("REASON",))


def _arrow(entry: Item) -> tuple[display.Cell, ...]:
    return entry["at"], display.state(entry["from"]), display.state(entry["to"]), entry["cause"]


def _delivery(callback: Item) -> tuple[display.Cell, ...]:
    verdict = display.state(callback["verdict"])
    return callback["received_at"], callback["id"], verdict, callback["source"], callback["reason"] or ""


@tasks.command()
@click.argument("task_id", callback=an_id, metavar="ID")
@json_option
@with_server
def retry(client: Client, task_id: str, as_json: bool) -> None:
    """Make another attempt of a failed task."""
    answer = client.post("v1", "tasks", task_id, "retry")
    if as_json:
        display.show_json(answer)
        return
    click.echo(f"Attempt {answer['attempt']} is task {answer['id']}.")
    display.hint(f"Follow it: orchestrator runs watch {answer['run_id']}")


@tasks.command()
@click.argument("task_id", callback=an_id, metavar="ID")
@click.argument("quadrant", type=click.IntRange(1, 4))
@json_option
@with_server
def choose(client: Client, task_id: str, quadrant: int, as_json: bool) -> None:
    """Choose a quadrant for a task that waits for a person's choice: 1 2 above, 3 4 below."""
    _show(client.post("v1", "tasks", task_id, "choose", body={"quadrant": quadrant}), as_json)


@tasks.command()
@click.argument("task_id", callback=an_id, metavar="ID")
@click.argument("outcome", type=click.Choice(OUTCOMES))
@click.option("--external-id", metavar="ID", help="The provider's id of the job; needed with 'submitted'.")
@json_option
@with_server
def resolve(client: Client, task_id: str, outcome: str, external_id: str | None, as_json: bool) -> None:
    """Say what became of an uncertain submission.

    submitted: the provider has it. not_submitted: it never arrived, and is sent again. failed: give it up.
    """
    if (outcome == "submitted") != bool(external_id):
        raise click.UsageError("--external-id belongs to the outcome 'submitted', which needs it")
    body = {"outcome": outcome} | ({"external_id": external_id} if external_id else {})
    _show(client.post("v1", "tasks", task_id, "resolve", body=body), as_json)


def _show(task: Item, as_json: bool) -> None:
    if as_json:
        display.show_json(task)
        return
    display.show_facts(facts(task))


def facts(task: Item) -> dict[str, display.Cell | None]:
    """A task on its own, what is known of it by name."""
    result = task.get("result")
    return {
        "task": task["id"],
        "run": task["run_id"],
        "step": f"{display.step_name(task)}  {task['action']}",
        "attempt": str(task["attempt"]),
        "state": display.state(task["state"]),
        "waits for": task.get("waiting_for"),
        "looked at": display.ago(task.get("wake_at")) or None,
        "progress": f"{task['progress']} %" if task.get("progress") is not None else None,
        "account": display.account_of(task) or None,
        "provider": task.get("provider"),
        "external id": task.get("external_id"),
        "submitted": _when(task.get("submitted_at")),
        "finished": _when(task.get("finished_at")),
        "error": display.said(task.get("error")),
        "result": json.dumps(result, indent=2, ensure_ascii=False) if result else None,
    }


def _when(text: str | None) -> str | None:
    return f"{text}  ({display.ago(text)})" if text else None
