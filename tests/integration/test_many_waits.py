"""Tens of thousands of tasks that wait: a pass of the sweep reads, writes and says what is due, in bounded portions."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from factories import NOW, insert_run, later

from orchestrator.broker.nudges import Silence
from orchestrator.services import Services
from workers.sweep import BATCH, LOOK_BATCH, sweep

WAITING = 30_000
TASKS = """
    INSERT INTO tasks (id, run_id, step, item, attempt, kind, action, state, params, account, provider, external_id,
                       waiting_for, wake_at, deadline_at, timeout, submissions, created_at, submitted_at)
    SELECT gen_random_uuid(), %(run)s, %(step)s, n, 1, 'provider', 'imagine', 'waiting', '{}', 'acedata', 'acedata',
           %(step)s || n, 'provider', %(wake_at)s, %(deadline)s, 3600, 1, %(now)s, %(now)s
    FROM generate_series(1, %(count)s) n"""
READS = """
    SELECT (SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'tasks') AS whole,
           (SELECT max(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'tasks') AS index,
           (SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'tasks') AS written,
           (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()) AS statements"""


class Said(Silence):
    """The looks that were asked for."""

    def __init__(self) -> None:
        self.looks: list[list[UUID]] = []

    def look(self, account: str, task_ids: list[UUID]) -> None:
        self.looks.append(task_ids)

    def take(self) -> list[list[UUID]]:
        self.looks, taken = [], self.looks
        return taken


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def services(make_services: Callable[..., Services], said: Said) -> Services:
    """One connection, so that what it has counted can be asked for; a clock that stands still."""
    services = make_services(nudge=said, pool=1, clock=lambda: NOW)
    fill(services, "later", WAITING, wake_at=later(3600))
    with services.db.connection() as connection:
        connection.execute("VACUUM ANALYZE tasks")
    return services


def fill(services: Services, step: str, count: int, *, wake_at: Any) -> None:
    with services.db.connection() as connection:
        run = insert_run(connection)
        values = {"run": run, "step": step, "count": count, "now": NOW, "wake_at": wake_at, "deadline": later(7200)}
        connection.execute(TASKS, values)


def counted(services: Services) -> dict[str, int]:
    """What the database has read and written since its beginning."""
    with services.db.connection() as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        return dict(connection.execute(READS).fetchall()[0])


def test_a_pass_takes_a_bounded_portion_of_what_is_due(services: Services, said: Said) -> None:
    fill(services, "due", BATCH + 70, wake_at=later(-1))

    sweep(services)
    first = said.take()
    sweep(services)
    second = said.take()
    sweep(services)

    assert [sum(map(len, first)), sum(map(len, second)), said.looks] == [BATCH, 70, []]
    assert max(map(len, first)) == LOOK_BATCH
    assert len({task for looks in (*first, *second) for task in looks}) == BATCH + 70, "none twice, none left out"


def test_a_pass_reads_no_more_than_it_takes(services: Services) -> None:
    sweep(services)
    fill(services, "due", 10 * BATCH, wake_at=later(-1))
    before = counted(services)

    sweep(services)

    spent = {name: number - before[name] for name, number in counted(services).items()}
    assert spent["whole"] == 0, "the table was read from end to end"
    assert spent["index"] <= 3 * BATCH
    assert spent["written"] == BATCH
    assert spent["statements"] < 30  # some are the counting's own, and autovacuum's


def test_when_nothing_is_due_nothing_is_read_or_said(services: Services, said: Said) -> None:
    sweep(services)
    before = counted(services)

    sweep(services)

    spent = {name: number - before[name] for name, number in counted(services).items()}
    assert (spent["whole"], spent["written"], said.looks) == (0, 0, [])
    assert spent["index"] < 50


def test_a_pass_needs_the_same_memory_however_much_is_due(services: Services) -> None:
    def peak() -> int:
        tracemalloc.start()
        sweep(services)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    fill(services, "few", 3 * BATCH, wake_at=later(-1))
    sweep(services)  # what is made once
    few = peak()
    with services.db.connection() as connection:
        connection.execute("UPDATE tasks SET wake_at = %s", [later(-1)])

    assert peak() < 1.3 * few
