"""What wants a person is looked for without reading what does not: the cost does not grow with the tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, LiteralString

import psycopg
import pytest
from factories import NOW, insert_run, later
from psycopg.rows import dict_row

from orchestrator.store import Connection, attention
from orchestrator.store.queries import load

SQL = load("attention")
MOST = 150  # pages read, of the thousands that there are
RUNS = """
    INSERT INTO runs (id, pipeline, version, state, inputs, created_at)
    SELECT md5('run' || n)::uuid, pipeline, version, 'running', '{}', %(now)s::timestamptz + n * interval '1 second'
    FROM runs, generate_series(1, 10000) n WHERE id = %(run)s"""
TASKS = """
    INSERT INTO tasks (id, run_id, step, item, attempt, kind, action, params, account, provider, external_id, wake_at,
                       deadline_at, timeout, created_at, state, finished_at, settled, error, urgent_at)
    SELECT md5('task' || n)::uuid, coalesce((SELECT id FROM runs WHERE id = md5('run' || n)::uuid), %(run)s), 'grid', n,
           1, %(kind)s::task_kind, 'x', '{}', 'acedata', 'acedata', 'job-' || n, %(later)s, %(later)s, 60, %(now)s,
           %(state)s::task_state, CASE WHEN %(state)s = 'failed' THEN %(now)s END, true, '{}',
           CASE WHEN %(kind)s = 'archive' THEN %(now)s - n * interval '1 minute' END
    FROM generate_series(1, 10000) n"""
HOOK = """
    INSERT INTO callbacks (id, account, scope, task_id, external_id, source, verdict, digest, size, body, events,
                           received_at)
    SELECT md5('callback' || n)::uuid, 'acedata', '00000000-0000-0000-0000-000000000000', md5(n::text)::uuid,
           'other-' || n, 'callback', 'accepted', decode(md5(n::text), 'hex'), 9, 'some bytes',
           jsonb_build_array(jsonb_build_object('external_id', 'other-' || n),
                             jsonb_build_object('external_id', CASE n WHEN 5000 THEN 'job-1' ELSE 'more-' || n END)),
           %(now)s::timestamptz + n * interval '1 second'
    FROM generate_series(1, 10000) n"""


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url, autocommit=True, row_factory=dict_row) as connection:
        connection.execute("INSERT INTO accounts (name, provider, slots) VALUES ('acedata', 'acedata', 9)")
        yield connection


def fill(connection: Connection, *statements: LiteralString, kind: str = "provider", state: str = "waiting") -> Any:
    """The id of a run. It has all the tasks for which ``RUNS`` makes none of their own."""
    run = insert_run(connection)
    values = {"run": run, "kind": kind, "state": state, "now": NOW, "later": later(3600)}
    for statement in statements:
        connection.execute(statement, values)
    connection.execute("VACUUM ANALYZE")
    return run


def pages(connection: Connection, statement: LiteralString, **values: Any) -> int:
    """How many pages of tables and indexes the statement reads."""
    found = connection.execute("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + statement, values, prepare=False)
    plan = next(iter(found.fetchall()[0].values()))[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def test_jobs_without_a_deadline_cost_nothing_where_there_are_none(connection: Connection) -> None:
    fill(connection, TASKS)
    assert pages(connection, SQL["unwatched_tasks"], before=NOW, limit=51) < MOST
    connection.execute("UPDATE tasks SET deadline_at = NULL WHERE item = 7")
    assert len(attention.unwatched_tasks(connection, before=NOW, limit=51)) == 1


def test_choices_cost_what_there_is_to_choose(connection: Connection) -> None:
    fill(connection, TASKS)
    assert pages(connection, SQL["open_choices"], limit=51) < MOST
    fill(connection, TASKS.replace("'job-'", "'choice-'").replace("'task'", "'choice'"), kind="choose")
    assert pages(connection, SQL["open_choices"], limit=51) < MOST
    assert len(attention.open_choices(connection, limit=51)) == 51


@pytest.mark.parametrize("kind", ["provider", "archive"])
def test_images_at_risk_cost_nothing_where_there_are_none(connection: Connection, kind: str) -> None:
    fill(connection, TASKS, kind=kind, state="failed")
    assert pages(connection, SQL["risky_archivings"], before=later(60), limit=51, now=NOW) < MOST
    connection.execute("UPDATE tasks SET kind = 'archive', urgent_at = %s WHERE item = 7", [later(30)])
    assert len(attention.risky_archivings(connection, before=later(60), limit=51, now=NOW)) == 1


def test_stranded_runs_are_looked_for_among_so_many(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "LOOKED", 20)
    fill(connection, RUNS, TASKS)
    connection.execute("DELETE FROM runs WHERE NOT EXISTS (SELECT FROM tasks WHERE run_id = runs.id)")
    connection.execute("VACUUM ANALYZE")
    values = {"before": later(60 * 60 * 24), "looked": 20, "limit": 51}
    assert pages(connection, SQL["stranded_runs"], **values) < MOST
    for item in (7, 9000):  # one of the oldest, and one that will be
        connection.execute("UPDATE tasks SET state = 'succeeded', finished_at = %s WHERE item = %s", [NOW, item])
    found = attention.stranded_runs(connection, before=values["before"], limit=51)
    assert [{"run_id": row["id"]} for row in found] == connection.execute(
        "SELECT run_id FROM tasks WHERE item = 7"
    ).fetchall()


def test_a_runs_deliveries_are_found_by_its_jobs(connection: Connection) -> None:
    fill(connection, RUNS, TASKS, HOOK)
    run = connection.execute("SELECT run_id FROM tasks WHERE external_id = 'job-1'").fetchall()[0]["run_id"]
    connection.execute("SELECT * FROM deliveries_of(%s)", [run])  # what a session reads of the catalogue once
    assert pages(connection, "SELECT * FROM deliveries_of(%(run_id)s)", run_id=run) < MOST
    found = connection.execute(load("evidence")["deliveries_of"], {"run_id": run}).fetchall()
    assert len(found) == 1
