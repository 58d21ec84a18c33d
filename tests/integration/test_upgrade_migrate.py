"""``orchestrator migrate`` while others hold locks, fail, or are of another version."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from psycopg.rows import dict_row

from ops.cli.checks import check_all
from ops.cli.main import root
from orchestrator.errors import DatabaseBusy, MigrationFailed
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

    with pytest.raises(MigrationFailed):
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
    with pytest.raises(MigrationFailed):
        migrate(database_url)

    release({"9000_index": INDEX})

    assert migrate(database_url) == ["9000_index"]
    assert names(database_url, "tasks_later") == ["tasks_later"]


# What a person is told --------------------------------------------------------------------------------


@pytest.fixture
def told(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], tuple[int, list[str]]]:
    """``orchestrator migrate``: its status, and the lines it wrote."""
    monkeypatch.setenv("DATABASE_URL", database_url)

    def run() -> tuple[int, list[str]]:
        done = CliRunner().invoke(root, ["migrate"])
        assert done.exception is None or isinstance(done.exception, SystemExit), "a traceback"
        return done.exit_code, done.output.splitlines()

    return run


BROKEN = {
    "CREATE TABLE half ();\nCREATE TABEL lost ();": 'syntax error at or near "TABEL", at CREATE TABEL lost ();',
    "CREATE TABLE half (); SELECT 1 / 0;": "division by zero",
    "CREATE TABLE half (); DO $$ BEGIN RAISE disk_full USING MESSAGE = 'no space'; END $$;": "no space",
    "CREATE TABLE half ();\nALTER TABLE runs ADD COLUMN labels text;": (
        'column "labels" of relation "runs" already exists'
    ),
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_migration_that_fails_is_named_with_what_postgres_says(
    told: Any, release: Any, text: str, database_url: str
) -> None:
    release({"9000_broken": text})

    status, (said, *hints) = told()

    assert (status, said) == (1, f"error: migration 9000_broken.sql failed: {BROKEN[text]}")
    assert "Nothing of it is applied" in hints[0]
    assert names(database_url) == []


def test_a_schema_that_was_changed_by_hand_is_mended_by_hand(told: Any, release: Any, database_url: str) -> None:
    release(NEXT)
    with connected(database_url) as connection:
        connection.execute("CREATE TABLE half ()")

    refused = told()[1]
    with connected(database_url) as connection:
        connection.execute("DROP TABLE half")

    assert refused[0] == 'error: migration 9000_next.sql failed: relation "half" already exists'
    assert told() == (0, ["applied 9000_next"])


def test_of_one_that_fails_outside_a_transaction_it_is_said_what_to_do(told: Any, release: Any) -> None:
    release({"9000_index": INDEX.replace("(looks)", "(nothing)")})

    status, (said, hint) = told()

    assert (status, said) == (1, 'error: migration 9000_index.sql failed: column "nothing" does not exist')
    assert hint.strip().startswith("It is no transaction: some of it may be done.")
    assert hint.endswith("run `orchestrator migrate` again: it does the whole file anew.")


def test_a_list_of_migrations_that_cannot_be_read_is_no_wrong_address(told: Any, database_url: str) -> None:
    with connected(database_url) as connection:
        connection.execute("ALTER TABLE migrations RENAME COLUMN name TO title")

    assert told() == (3, ['error: the applied migrations cannot be read: column "name" does not exist'])


def test_a_file_that_is_no_text_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_latin.sql").write_bytes("-- für alle".encode("latin-1"))
    monkeypatch.setattr("orchestrator.store.migrate.resources.files", lambda _: tmp_path)

    with pytest.raises(MigrationFailed, match=r"0001_latin.sql is not UTF-8 text"):
        files()


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
