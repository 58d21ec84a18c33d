"""Deliveries that want a person, and those that are dismissed: each found without passing over the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest
from factories import NOW, later
from psycopg.rows import dict_row

from orchestrator.core.states import Verdict
from orchestrator.store import Connection, attention, callbacks
from orchestrator.store.migrate import files
from orchestrator.store.queries import load

MOST = 100  # rows that are looked at for ten, of the thousands that there are
MANY = """
    INSERT INTO callbacks (id, account, scope, source, verdict, digest, size, body, received_at)
    SELECT md5(%(verdict)s || n)::uuid, 'acedata', md5('task' || n)::uuid, 'callback', %(verdict)s::verdict,
           decode(md5(%(verdict)s || n), 'hex'), 9, 'nine bytes', %(at)s::timestamptz + n * interval '1 second'
    FROM generate_series(1, %(count)s) n"""
DISMISS = "INSERT INTO dismissals SELECT id, %(now)s FROM callbacks WHERE verdict = %(verdict)s"
TABLE = """SELECT callback_id, verdict::text, received_at FROM unheeded
           UNION ALL SELECT callback_id, 'dismissed', received_at FROM heeded ORDER BY callback_id"""
FIGURES = {"limit": 10_000, "now": NOW, "soon": NOW, "configured": ["acedata"]}


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url, autocommit=True, row_factory=dict_row) as connection:
        yield connection


def fill(connection: Connection, verdict: str, count: int, *, at: float = 0, dismissed: bool = False) -> None:
    values = {"verdict": verdict, "count": count, "at": later(at), "now": NOW}
    connection.execute(MANY, values)
    if dismissed:
        connection.execute(DISMISS, values)


@pytest.fixture
def many(connection: Connection) -> Connection:
    """A flood that was dismissed, late ones that were not, and all that came before and since."""
    fill(connection, "rejected", 10, at=-50_000, dismissed=True)
    fill(connection, "accepted", 3_000, at=-20_000)
    fill(connection, "late", 5)
    fill(connection, "parked", 3_000, at=20_000, dismissed=True)
    connection.execute("VACUUM ANALYZE")
    return connection


def rows_read(connection: Connection, statement: LiteralString, **values: Any) -> int:
    """How many rows of tables and indexes the statement looks at."""
    found = connection.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + statement, values, prepare=False)
    return _rows_read(next(iter(found.fetchall()[0].values()))[0]["Plan"])


def _rows_read(plan: dict[str, Any]) -> int:
    own = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) if "Scan" in plan["Node Type"] else 0
    return int(own * plan["Actual Loops"]) + sum(map(_rows_read, plan.get("Plans", [])))


def place(seconds: float) -> dict[str, Any]:
    return {"after_at": later(seconds), "after_id": UUID(int=1)}


@pytest.mark.parametrize("verdict", ["parked", "late", "rejected"])
def test_what_wants_a_person_is_listed_without_what_is_dismissed(many: Connection, verdict: str) -> None:
    values: dict[str, Any] = {"verdict": verdict, "limit": 10}
    assert rows_read(many, load("attention")["kept_callbacks"], **values) < MOST
    found = attention.kept_callbacks(many, Verdict(verdict), limit=10)
    assert len(found) == (5 if verdict == "late" else 0)


def test_a_scrape_counts_without_what_is_dismissed(many: Connection) -> None:
    assert rows_read(many, load("health")["figures"], **FIGURES) < MOST
    rows = many.execute(load("health")["figures"], FIGURES).fetchall()
    assert {row["label"]: row["number"] for row in rows if row["what"] == "callbacks"} == {
        "late": 5,
        "parked": 0,
        "rejected": 0,
    }


@pytest.mark.parametrize("after", [place(99_999), place(21_500), place(20_000)], ids=["first", "within", "after"])
@pytest.mark.parametrize("asked", [{"dismissed": True}, {"dismissed": False, "verdict": "late"}], ids=str)
def test_a_page_of_either_costs_the_same_wherever_it_is(
    many: Connection, asked: dict[str, Any], after: dict[str, Any]
) -> None:
    values = dict.fromkeys(["verdict", "account", "external_id", "task_id"]) | {"limit": 10}
    assert (
        rows_read(
            many,
            load("callbacks")["list_dismissed" if asked["dismissed"] else "list_unheeded"],
            **values | asked | after,
        )
        < MOST
    )


def test_dismissing_passes_over_nothing_that_is_dismissed(many: Connection) -> None:
    values = {"verdict": "parked", "account": None, "before": later(99_999), "limit": 10, "now": NOW}
    assert rows_read(many, load("callbacks")["dismiss_many"], **values) < MOST


def test_each_of_the_lists_has_its_own(many: Connection) -> None:
    def listed(**asked: Any) -> dict[str, int]:
        found = callbacks.list_callbacks(many, **asked, limit=30_000)
        assert [row["received_at"] for row in found] == sorted((row["received_at"] for row in found), reverse=True)
        assert all((row["dismissed_at"] is not None) == asked["dismissed"] for row in found)
        words = [row["verdict"] for row in found]
        return {word: words.count(word) for word in words}

    assert listed(dismissed=True) == {"parked": 3_000, "rejected": 10}
    assert listed(dismissed=True, verdict=Verdict.REJECTED) == {"rejected": 10}
    assert listed(dismissed=False) == {"accepted": 3_000, "late": 5}
    assert listed(dismissed=False, verdict=Verdict.LATE) == {"late": 5}
    assert listed(dismissed=False, verdict=Verdict.PARKED) == {}
    assert listed(dismissed=False, verdict=Verdict.ACCEPTED) == {"accepted": 3_000}


def test_what_is_noteworthy_follows_the_verdict_and_the_dismissal(connection: Connection) -> None:
    fill(connection, "parked", 3)
    one, two, three = (row["callback_id"] for row in connection.execute(TABLE).fetchall())

    callbacks.dismiss(connection, one, now=NOW)
    callbacks.judge(connection, one, Verdict.LATE, reason=None, task_id=None)
    callbacks.judge(connection, two, Verdict.ACCEPTED, reason=None, task_id=None)
    callbacks.judge(connection, three, Verdict.LATE, reason=None, task_id=None)

    rows = connection.execute(TABLE).fetchall()
    assert [(row["callback_id"], row["verdict"]) for row in rows] == [(one, "dismissed"), (three, "late")]
    connection.execute("DELETE FROM callbacks")
    assert connection.execute(TABLE).fetchall() == []


def test_what_was_there_before_is_taken_over(many: Connection) -> None:
    kept = many.execute(TABLE).fetchall()
    many.execute("DELETE FROM unheeded")
    many.execute("DELETE FROM heeded WHERE received_at > %s", [later(0)])

    many.execute(files()["0020_unheeded_so_far"].encode())

    assert many.execute(TABLE).fetchall() == kept
