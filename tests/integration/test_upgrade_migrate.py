"""``orchestrator migrate`` while others hold locks, fail, or are of another version."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from psycopg.rows import dict_row

from ops.cli.checks import check_all
from ops.cli.main import root
from orchestrator.errors import DatabaseBusy
from orchestrator.store.migrate import OUTSIDE, files, migrate

PATIENCE = 60.0  # seconds for what is waited for
NEXT = {"9000_next": "ALTER TABLE tasks ADD COLUMN later integer; CREATE TABLE half ();"}
INDEX = f"""{OUTSIDE}
DROP INDEX CONCURRENTLY IF EXISTS tasks_later;
CREATE INDEX CONCURRENTLY tasks_later ON tasks (looks);
"""


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    with psycopg.Connection[dict[str, Any]].connect(url, row_factory=dict_row) as connection:
        yield connection


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """``release({"9000_next": "..."})`` makes this program one with these migrations besides its own."""
    own = files()

    def make(more: dict[str, str]) -> None:
        for module in ("migrate", "health"):
            monkeypatch.setattr(f"orchestrator.store.{module}.files", lambda: own | more)

    return make


def until(seen: Callable[[], object], what: str) -> None:
    over = time.monotonic() + PATIENCE
    while not seen():
        assert time.monotonic() < over, f"waited in vain for {what}"
        time.sleep(0.02)  # between two looks


def somebody_waits(connection: psycopg.Connection[dict[str, Any]]) -> bool:
    waits = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'tasks'::regclass"
    found = connection.execute(waits).fetchall()
    connection.rollback()
    return bool(found)


def names(url: str, relation: str = "half") -> list[str]:
    """Of the relations of that name."""
    with connected(url) as connection:
        found = connection.execute("SELECT relname FROM pg_class WHERE relname = %s", (relation,))
        return [row["relname"] for row in found]


def test_a_migration_waits_its_turn_and_lets_others_pass(database_url: str, release: Any) -> None:
    release(NEXT)

    with ThreadPoolExecutor(1) as pool, connected(database_url) as reader, connected(database_url) as other:
        reader.execute("SELECT FROM tasks")  # a long transaction
        job = pool.submit(migrate, database_url)
        until(lambda: somebody_waits(other), "the migration to wait for its lock")
        assert other.execute("SELECT count(*) AS n FROM tasks").fetchone() == {"n": 0}, "queued up behind it"
        other.rollback()
        reader.rollback()
        assert job.result(PATIENCE) == ["9000_next"]


def test_a_lock_that_is_never_given_up_leaves_nothing_half_done(database_url: str, release: Any) -> None:
    release({"9000_next": "CREATE TABLE half (); ALTER TABLE tasks ADD COLUMN later integer;"})

    with connected(database_url) as reader:
        reader.execute("SELECT FROM tasks")
        with pytest.raises(DatabaseBusy, match=r"9000_next is not applied: .*lock timeout"):
            migrate(database_url, patience=0)

    assert names(database_url) == []
    assert migrate(database_url) == ["9000_next"]


def test_what_was_applied_before_the_one_that_fails_stays(database_url: str, release: Any) -> None:
    release({"9000_next": "CREATE TABLE half ();", "9001_broken": "CREATE TABLE lost (); SELECT 1 / 0;"})

    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(database_url)

    assert (names(database_url), names(database_url, "lost")) == (["half"], [])


def test_several_migrators_apply_an_index_once_while_somebody_writes(database_url: str, release: Any) -> None:
    release({"9000_index": INDEX})

    with ThreadPoolExecutor(3) as pool, connected(database_url) as writer:
        writer.execute("INSERT INTO accounts (name, provider, slots) VALUES ('a', 'acedata', 1)")
        applied = [name for done in pool.map(migrate, [database_url] * 3) for name in done]

    assert applied == ["9000_index"]


def test_an_index_that_failed_is_made_again(database_url: str, release: Any) -> None:
    release({"9000_index": f"{OUTSIDE}\nCREATE TABLE half ();\nSELECT 1 / 0;\n"})
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(database_url)

    release({"9000_index": INDEX})

    assert migrate(database_url) == ["9000_index"]
    assert names(database_url, "tasks_later") == ["tasks_later"]


# Versions that do not match ---------------------------------------------------------------------------


def test_a_schema_of_a_later_version_is_served_and_told(web: Any, database_url: str, make_config: Any) -> None:
    with connected(database_url) as connection:
        connection.execute("INSERT INTO migrations (name) VALUES ('9000_next')")

    answer = web.ask("GET", "/readyz")
    ready = answer.json
    findings = [found for found in check_all(make_config()) if found.subject == "schema"]

    assert answer.status_code == 200
    assert ready["version_skew"] == ["9000_next"]
    assert [(found.level, found.detail) for found in findings] == [
        ("warn", "version skew: 9000_next is of a later version than this program")
    ]


def test_on_a_schema_of_a_former_version_it_says_what_that_lacks(web: Any, release: Any) -> None:
    release(NEXT)

    ready = web.ask("GET", "/readyz")

    assert (ready.json["status"], ready.json["parts"]["migrations"]) == ("degraded", "missing: 9000_next")


def test_migrate_says_what_it_applied(database_url: str, release: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    release(NEXT)
    monkeypatch.setenv("DATABASE_URL", database_url)

    said = [CliRunner().invoke(root, ["migrate"]).output for _ in range(2)]

    assert said == ["applied 9000_next\n", "The schema is up to date.\n"]
