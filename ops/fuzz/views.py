"""Everything that came of a batch, looked at by the API, and as the command line shows it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any
from uuid import UUID

from ops.cli import callbacks, display, summary, tasks
from ops.fuzz.findings import Findings
from ops.fuzz.wire import Wire

_PAGE = 200
_PRINTED = 50  # of so many details one is also printed


def look(wire: Wire, found: Findings) -> dict[str, Any]:
    """Look at every delivery by itself, at the history of every task that one was for, at all tasks and whole runs in
    their lists; the deliveries' digests -> a row of theirs."""
    seen: dict[str, Any] = {}
    with redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")):
        for row in _pages(wire, "/v1/callbacks"):
            seen[row["sha256"]] = row
            _try(found, f"delivery {row['id']}", lambda row=row: _delivery(wire, row, found))
        for task_id in {row["task_id"] for row in seen.values() if row["task_id"]}:
            _try(found, f"task {task_id}", lambda task_id=task_id: _task(wire, task_id, found))
        for name in ("tasks", "runs"):
            _try(found, f"the list of {name}", lambda name=name: _list(wire, name, found))
    return seen


def _delivery(wire: Wire, row: Any, found: Findings) -> None:
    found.count("looked at", "deliveries")
    callbacks.line(row)
    shown = wire.get(f"/v1/callbacks/{row['id']}")
    if {name: shown[name] for name in row} != row:
        raise AssertionError("the list and the single view differ")
    facts = callbacks.facts(shown)
    display.visible("".join(map(str, facts.values()))).encode()  # as a terminal would
    if _chosen(row["id"]):
        display.show_facts(facts)
        display.show_json(shown)


def _task(wire: Wire, task_id: str, found: Findings) -> None:
    found.count("looked at", "histories")
    history = wire.get(f"/v1/tasks/{task_id}/history")
    if _chosen(task_id):
        task = wire.get(f"/v1/tasks/{task_id}")
        display.show_facts(tasks.facts(task))
        tasks.show_history(history)
        summary.show(wire.get(f"/v1/runs/{task['run_id']}"))


def _list(wire: Wire, name: str, found: Findings) -> None:
    """Runs are listed with all of their tasks, as they are shown."""
    for row in _pages(wire, f"/v1/{name}"):
        found.count("looked at", name)
        display.state(row["state"])
        display.said(row["error"])


def _pages(wire: Wire, path: str) -> Iterator[Any]:
    cursor = ""
    while True:
        page = wire.get(path, f"limit={_PAGE}&cursor={cursor}" if cursor else f"limit={_PAGE}")
        yield from page["items"]
        if not page["next"]:
            return
        cursor = page["next"]


def _chosen(row: str) -> bool:
    return UUID(row).int % _PRINTED == 0


def _try(found: Findings, what: str, act: Any) -> None:
    try:
        act()
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        found.blame(f"{what} cannot be shown: {type(error).__name__}: {json.dumps(str(error))[:500]}")
