"""What the former release says to its database, written down to be said again to later schemas.

Made with: check out the release, then ``python -m pytest tests/integration/former/record.py``; it copies the release's
statements into this folder and writes path.jsonl. (pytest does not collect it by itself: its name is no test's.)
"""

from __future__ import annotations

import json
import shutil
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb
from stage import GRID, IMAGINE, Stage

import orchestrator.store
from orchestrator.core.tokens import account_token
from orchestrator.errors import MalformedDelivery
from orchestrator.intake.deliveries import take_callback
from orchestrator.intervene import cancel_run, choose, retry_run
from orchestrator.store import accounts, callbacks, queries, runs, tasks
from orchestrator.store.jsonb import dumps
from orchestrator.store.pool import PatientConnection

HERE = Path(__file__).parent
PATH = HERE / "path.jsonl"
LEFT_OUT = {"migrations", "health", "checkup"}  # they say nothing of what is stored
STORE = Path(orchestrator.store.__file__).parent


def plain(value: Any) -> Any:
    """A parameter or a column as JSON; a word of an enum is a word."""
    for kinds, way in WAYS.items():
        if isinstance(value, kinds):
            return way(value)
    raise TypeError(f"{value!r} is new here")


WAYS: dict[Any, Callable[[Any], Any]] = {
    Jsonb: lambda value: {"jsonb": json.loads(dumps(value.obj))},
    UUID: lambda value: {"uuid": str(value)},
    datetime: lambda value: {"time": value.isoformat()},
    (bytes, bytearray, memoryview): lambda value: {"bytes": b64encode(bytes(value)).decode()},
    dict: lambda value: {"object": {key: plain(one) for key, one in value.items()}},
    (list, tuple, set, frozenset): lambda value: [plain(one) for one in value],
    str: str,
    (type(None), bool, int, float): lambda value: value,
}


def live(value: Any) -> Any:
    """The same, the other way round."""
    if isinstance(value, list):
        return [live(one) for one in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    ways: dict[str, Callable[[Any], Any]] = {
        "jsonb": Jsonb,
        "uuid": UUID,
        "time": datetime.fromisoformat,
        "bytes": b64decode,
        "object": lambda fields: {key: live(one) for key, one in fields.items()},
    }
    return ways[kind](content)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """Every named statement, with its values and the rows that came back."""
    names = {
        text: [path.stem, name]
        for path in sorted((STORE / "sql").glob("*.sql"))
        if path.stem not in LEFT_OUT
        for name, text in queries.load(path.stem).items()
    }
    lines: list[dict[str, Any]] = []
    execute = PatientConnection.execute

    def listen(self: Any, query: Any, params: Any = None, **options: Any) -> Any:
        cursor = execute(self, query, params, **options)
        if name := names.get(query):
            rows = cursor.fetchall() if cursor.description else []
            values = {key: plain(value) for key, value in (params or {}).items()}
            lines.append({"statement": name, "values": values, "rows": [plain(row)["object"] for row in rows]})
            if rows:
                cursor.scroll(0, mode="absolute")
        return cursor

    monkeypatch.setattr(PatientConnection, "execute", listen)
    yield lines
    shutil.rmtree(HERE / "sql", ignore_errors=True)
    shutil.copytree(STORE / "sql", HERE / "sql", ignore=shutil.ignore_patterns(*(f"{one}.sql" for one in LEFT_OUT)))
    PATH.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def test_write_it_down(make_stage: Callable[..., Stage], said: list[dict[str, Any]]) -> None:
    stage = make_stage({}, callback="poll", poll=1, archive_url="memory://")

    a_run_to_its_end(stage)
    callbacks_of_every_kind(stage)
    a_person_and_a_refusal(stage)
    what_the_api_lists(stage)

    assert len({tuple(line["statement"]) for line in said}) > 30


def a_run_to_its_end(stage: Stage) -> None:
    run_id = stage.open("hero-image")
    stage.work()
    for _ in range(40):
        if stage.run(run_id).finished_at:
            return
        stage.pass_time(4, every=2)
    raise AssertionError(stage.story())


def callbacks_of_every_kind(stage: Stage) -> None:
    run_id = stage.open()
    stage.work()
    task = stage.task(run_id)
    end = {"task_id": task.external_id, "success": True, "image_url": "https://example.org/a.png", "actions": []}
    hook = account_token(stage.services.config.secrets, "acedata")
    stage.deliver(task, {"task_id": task.external_id, "progress": 40})
    for body in (end, end, end | {"success": False, "error": {"code": "odd", "message": "no"}}):
        stage.deliver(task, body)
    take_callback(stage.services, "acedata", hook, lambda: json.dumps(end | {"task_id": "early"}).encode(), None)
    with pytest.raises(MalformedDelivery):
        take_callback(stage.services, "acedata", hook, lambda: b"{", None)
    stage.work()
    stage.sweep()


def a_person_and_a_refusal(stage: Stage) -> None:
    stage.spoil(IMAGINE, status=500)
    run_id = stage.open(GRID | {"best": {"choose": "quadrant", "of": "grid", "by": "person"}})
    stage.work()
    stage.pass_time(90, every=15)
    choose(stage.services, stage.task(run_id, "best").id, 3)
    retry_run(stage.services, run_id, "grid")
    stage.work()
    cancel_run(stage.services, run_id)
    stage.work()
    stage.sweep()


def what_the_api_lists(stage: Stage) -> None:
    with stage.services.db.connection() as connection:
        accounts.list_accounts(connection)
        for run in runs.list_runs(connection, limit=2):
            runs.get_run(connection, run.id)
        for task in tasks.list_tasks(connection, limit=3):
            tasks.history(connection, task.id)
        for kept in callbacks.list_callbacks(connection, limit=3):
            callbacks.get_callback(connection, kept["id"])
