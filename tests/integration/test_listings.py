"""Every filter of a list has an index that serves it: the cost of a page does not grow with the table."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from orchestrator.store.queries import load

ID = UUID(int=1)
PLACE = {"after_at": "2026-01-01", "after_id": ID}
LISTS: dict[str, tuple[str, dict[str, Any]]] = {
    "runs": ("list_runs", {"state": "running", "pipeline": "a", "labels": Jsonb({"a": "b"}), "words": "fox"}),
    "tasks": (
        "list_tasks", {"run_id": ID, "state": "waiting", "account": "a", "step": "grid", "external_id": "x"}
    ),
    "callbacks": (
        "list_callbacks", {"verdict": "parked", "account": "a", "external_id": "x", "task_id": ID}
    ),
}  # fmt: skip
CASES = [(table, name) for table, (_, filters) in LISTS.items() for name in (None, *filters)]


@pytest.mark.parametrize("place", [{}, PLACE], ids=["first page", "next page"])
@pytest.mark.parametrize(("table", "name"), CASES)
def test_an_index_serves_each_filter(database_url: str, table: str, name: str | None, place: dict[str, Any]) -> None:
    query, filters = LISTS[table]
    values = dict.fromkeys([*filters, "after_at", "after_id"]) | {"limit": 51} | place
    if name:
        values[name] = filters[name]
    with psycopg.connect(database_url) as connection:
        connection.execute("SET enable_seqscan = off")
        found = connection.execute("EXPLAIN " + load(table)[query], values, prepare=False).fetchall()
    plan = "\n".join(line for (line,) in found)
    assert "Index" in plan
    assert "Seq Scan" not in plan
    assert name is None or "Index Cond" in plan, plan


def test_any_length_of_input_can_be_searched(database_url: str) -> None:
    """A tsvector has a limit of a megabyte; a mask as an input is longer."""
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO pipelines VALUES ('a', 1, '{}', now())")
        inputs = {"mask": " ".join(map(str, range(300_000))), "prompt": "a red fox"}
        connection.execute(
            "INSERT INTO runs (id, pipeline, version, inputs, created_at) VALUES (%s, 'a', 1, %s, now())",
            (ID, Jsonb(inputs)),
        )
        values = dict.fromkeys(["state", "pipeline", "labels", "after_at", "after_id"]) | {"limit": 2, "words": "fox"}
        assert connection.execute(load("runs")["list_runs"], values).fetchone()
