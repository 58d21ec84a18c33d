"""The schema: what the migrations make, what schema.sql shows, what the Python side calls it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from enum import StrEnum
from importlib import resources
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from catalogue import schema
from psycopg.rows import dict_row

import orchestrator.store
from orchestrator.core.run import Run, Task
from orchestrator.core.states import RunState, TaskKind, TaskState, Verdict
from orchestrator.errors import DatabaseUnavailable, MigrationFailed
from orchestrator.store import queries
from orchestrator.store.migrate import files, migrate

STORE = resources.files(orchestrator.store)
TABLES = sorted(one.name.removesuffix(".sql") for one in STORE.joinpath("sql").iterdir())
# What psycopg says of the values' types; the others' are left to Postgres.
TYPES = dict.fromkeys(("now", "until", "before", "wake_at", "retry_at"), "::timestamptz")
TYPES |= dict.fromkeys(("document", "inputs", "labels", "params", "result", "error", "events", "rows"), "::jsonb")
QUERIES = [(table, name) for table in TABLES for name in queries.load(table)]


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    with psycopg.Connection[dict[str, Any]].connect(url, autocommit=True, row_factory=dict_row) as connection:
        yield connection


def test_schema_sql_is_what_the_migrations_make(database_url: str) -> None:
    """Delete the file, and this test writes it anew (and fails once, so that somebody looks at it)."""
    kept = Path(str(STORE.joinpath("schema.sql")))
    with connected(database_url) as connection:
        made = schema(connection)
    if not kept.exists():
        kept.write_text(made, encoding="utf-8")
        pytest.fail(f"{kept.name} was written anew: look at it, and keep it")
    assert made == kept.read_text(encoding="utf-8"), f"the migrations make another schema now: delete {kept.name}"


def test_schema_sql_applied_to_an_empty_database_is_the_migrated_one(
    database_url: str, make_database: Callable[..., str]
) -> None:
    with connected(make_database(empty=True)) as applied, connected(database_url) as migrated:
        applied.execute(STORE.joinpath("schema.sql").read_bytes())
        assert schema(applied) == schema(migrated)


def test_migrations_are_numbered_and_applied_once_by_however_many(make_database: Callable[..., str]) -> None:
    url = make_database(empty=True)
    with ThreadPoolExecutor(4) as pool:
        applied = [name for done in pool.map(migrate, [url] * 4) for name in done]
    assert applied == list(files())
    assert migrate(url) == []
    assert all(re.fullmatch(r"\d{4}_[a-z_]+", name) for name in files())
    assert len({name[:4] for name in files()}) == len(files())


def test_a_migration_that_fails_leaves_nothing_behind(
    make_database: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_database(empty=True)
    broken = {**files(), "9999_broken": "CREATE TABLE half (); SELECT 1 / 0"}
    monkeypatch.setattr("orchestrator.store.migrate.files", lambda: broken)
    with pytest.raises(MigrationFailed):
        migrate(url)
    with connected(url) as connection:
        assert connection.execute("SELECT relname FROM pg_class WHERE relname = 'half'").fetchall() == []


def test_a_database_that_is_away_is_said_to_be_away() -> None:
    with pytest.raises(DatabaseUnavailable):
        migrate("postgresql://127.0.0.1:1/nothing?connect_timeout=1")


@pytest.mark.parametrize(
    ("name", "enum"),
    [("run_state", RunState), ("task_state", TaskState), ("task_kind", TaskKind), ("verdict", Verdict)],
)
def test_an_enum_has_the_same_words_here_and_there(database_url: str, name: str, enum: type[StrEnum]) -> None:
    with connected(database_url) as connection:
        found = connection.execute("SELECT enum_range(NULL::" + name + ")::text[] AS words").fetchone()
    assert found == {"words": [one.value for one in enum]}


@pytest.mark.parametrize(("table", "record"), [("runs", Run), ("tasks", Task)])
def test_a_record_has_a_column_for_each_of_its_fields(database_url: str, table: str, record: Any) -> None:
    with connected(database_url) as connection:
        found = connection.execute(
            "SELECT column_name AS name FROM information_schema.columns WHERE table_name = %s", (table,)
        )
        assert set(record.__dataclass_fields__) <= {one["name"] for one in found}


def test_every_query_can_be_prepared(database_url: str) -> None:
    with connected(database_url) as connection:
        for table, name in QUERIES:
            text = queries.load(table)[name].rstrip().rstrip(";")
            if table == "migrations":
                continue  # they are run before there is anything to prepare them against
            number = count(1)
            numbered = re.sub(r"%\((\w+)\)[sb]", lambda found: f"${next(number)}{TYPES.get(found[1], '')}", text)  # noqa: B023
            connection.execute(f"PREPARE {table}_{name} AS {numbered.replace('%%', '%')}".encode())


@pytest.mark.parametrize("table", TABLES)
def test_every_query_has_a_sentence_and_a_function_of_its_name(table: str) -> None:
    source = Path(str(STORE.joinpath("migrate.py" if table == "migrations" else f"{table}.py"))).read_text()
    for name, text in queries.load(table).items():
        comment = re.match(r"(?:-- .*\n)+", text)
        assert comment, f"{name} has no comment"
        assert re.search(r"[.)]$", comment[0].strip()), f"the comment of {name} is no sentence"
        assert f'_SQL["{name}"]' in source, f"{name} is not used"
        lines = text[comment.end() :].strip().splitlines()
        assert len(lines) <= 32, f"{name} has {len(lines)} lines"


@pytest.mark.parametrize("table", [table for table in TABLES if table not in ("migrations", "health", "checkup")])
def test_a_query_is_called_by_the_function_of_its_name(table: str) -> None:
    source = Path(str(STORE.joinpath(f"{table}.py"))).read_text()
    functions = set(re.findall(r"^def (\w+)\(", source, re.MULTILINE))
    helpers = {"put_account", "drop_free_slots", "count_open", "limit_statements"}  # called by another, or by a method
    assert set(queries.load(table)) - functions - helpers == set()


def test_the_invariants_are_also_constraints(database_url: str) -> None:
    """What a statement forgot, the database refuses."""
    with connected(database_url) as connection:
        connection.execute("INSERT INTO accounts (name, provider, slots) VALUES ('acedata', 'acedata', 1)")
        connection.execute("INSERT INTO pipelines VALUES ('p', 1, '{}', now())")
        connection.execute(
            "INSERT INTO runs (id, pipeline, version, inputs, created_at)"
            " VALUES ('00000000-0000-0000-0000-000000000001', 'p', 1, '{}', now())"
        )
        insert_task(connection, step="'good'")
        for broken in (
            {"wake_at": "NULL"},  # it would sleep for ever
            {"state": "'failed'", "finished_at": "now()"},  # failed without an error
            {"state": "'succeeded'"},  # over without an end
            {"finished_at": "now()"},  # ended without being over
            {"progress": "101"},
            {"account": "NULL"},  # a provider's task without an account
            {"account": "'nobody'"},
        ):
            with pytest.raises(psycopg.IntegrityError):
                insert_task(connection, **broken)
        with pytest.raises(psycopg.errors.UniqueViolation):
            insert_task(connection, step="'good'")


def insert_task(connection: psycopg.Connection[Any], **overrides: str) -> None:
    values = {
        "id": "gen_random_uuid()",
        "run_id": "'00000000-0000-0000-0000-000000000001'",
        "step": "'grid'",
        "item": "0",
        "attempt": "1",
        "kind": "'provider'",
        "action": "'imagine'",
        "params": "'{}'",
        "account": "'acedata'",
        "wake_at": "now()",
        "timeout": "60",
        "created_at": "now()",
    } | overrides
    connection.execute(f"INSERT INTO tasks ({', '.join(values)}) VALUES ({', '.join(values.values())})".encode())
