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
# What is found by these is few, and is sorted afterwards; here with the word that its index' condition has.
FEW = {"labels": "labels @>", "words": "words_of", "run_id": "run_id =", "external_id": "external_id ="}
BESIDE = ["dismissed"]  # what is asked for with it has an index of its own, see test_unheeded.py
CASES = [(table, name) for table, (_, filters) in LISTS.items() for name in (None, *filters)]


@pytest.mark.parametrize("place", [{}, PLACE], ids=["first page", "next page"])
@pytest.mark.parametrize(("table", "name"), CASES)
def test_an_index_serves_each_filter(database_url: str, table: str, name: str | None, place: dict[str, Any]) -> None:
    query, filters = LISTS[table]
    values = dict.fromkeys([*filters, *BESIDE, "after_at", "after_id"]) | {"limit": 51} | place
    if name:
        values[name] = filters[name]
    with psycopg.connect(database_url) as connection:
        # The tables are empty, so the planner is told what it would see itself in full ones.
        connection.execute("SET enable_seqscan = off")
        if name in FEW:
            connection.execute(f"DROP INDEX {table}_newest")
        else:
            connection.execute("SET enable_sort = off")
            connection.execute("SET enable_bitmapscan = off")
        found = connection.execute("EXPLAIN " + load(table)[query], values, prepare=False).fetchall()
    plan = [line.strip() for (line,) in found]
    if name in FEW:
        assert any("Index Cond" in line and FEW[name] in line for line in plan), plan
    else:
        assert any("Index Scan" in line for line in plan), plan
        assert not [line for line in plan if line.startswith(("Filter", "Sort Key"))], plan


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
