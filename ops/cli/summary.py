"""A run in print: each step's outcome, what was archived, why it failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import rich_click as click

from ops.cli import display
from ops.cli.view import fanned_out, newest

Run = Mapping[str, Any]


def show(run: Run) -> None:
    """The whole of a run on stdout."""
    display.show_facts(
        {
            "run": run["id"],
            "pipeline": f"{run['pipeline']} version {run['version']}",
            "state": display.state(run["state"]),
            "opened": display.ago(run["created_at"]),
            "took": display.lasted(run["created_at"], run.get("finished_at")) or None,
            "cost": f"{run['cost']:g}" if run.get("cost") else None,
            "erased": f"{display.ago(run['erased_at'])} by {run['erased_by']}" if run.get("erased_at") else None,
            "inputs": display.words({k: v for k, v in (run.get("inputs") or {}).items() if v is not None}),
            "labels": display.words(run.get("labels")),
            "error": cause(run),
        }
    )
    if run["tasks"]:
        click.echo()
        several = fanned_out(run)
        rows = [(display.step_name(task, several), *_row(task)) for task in newest(run)]
        display.show_table(
            ("STEP", "ACTION", "ACCOUNT", "STATE", "TOOK", "OUTCOME"), rows, flexible=("OUTCOME",), wrapped=True
        )
    if run.get("archive"):
        click.echo()
        for kept in run["archive"]:
            click.echo(f"archived  {display.location(kept['uri'])}  {_picture(kept)}")


def cause(run: Run) -> str | None:
    """Why the run has failed: its own error, else that of the first task that failed."""
    failed = next((one for one in newest(run) if one["state"] == "failed"), None)
    own = display.said(run.get("error"))
    if failed is None or run["state"] != "failed":
        return own
    reason = display.said(failed.get("error")) or "no reason was given"
    return f"step {display.step_name(failed, fanned_out(run))}: {reason}"


def _row(task: Mapping[str, Any]) -> tuple[display.Cell, ...]:
    took = display.lasted(task.get("submitted_at") or task.get("created_at"), task.get("finished_at"))
    return (
        task["action"],
        display.account_of(task),
        display.state(task["state"]),
        took,
        outcome(task),
    )


def outcome(task: Mapping[str, Any]) -> str:
    """What came of a task, in a few words."""
    if task["state"] == "failed":
        return display.said(task.get("error")) or ""
    if task["state"] != "succeeded":
        return task.get("waiting_for") or ""
    result = task.get("result") or {}
    return _choice(result) if "quadrant" in result or "quadrants" in result else _picture(result)


def _choice(result: Mapping[str, Any]) -> str:
    if "quadrants" in result:
        return f"quadrants {', '.join(map(str, result['quadrants']))}"
    text = f"quadrant {result['quadrant']} by {result.get('by', '?')}"
    if result.get("margin") is None:
        return text
    doubt = "" if result.get("clear", True) else ", not a clear lead"
    return f"{text}, margin {result['margin']:.3f}{doubt}"


def _picture(facts: Mapping[str, Any]) -> str:
    width, height = facts.get("raw_width") or facts.get("width"), facts.get("raw_height") or facts.get("height")
    size = f"{width} x {height}" if width and height else ""
    weight = f"{facts['bytes'] / 1e6:.1f} MB" if facts.get("bytes") else ""
    return ", ".join(part for part in (size, weight) if part)
