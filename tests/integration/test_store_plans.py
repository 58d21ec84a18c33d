"""The hot statements read the index that was meant for them, whatever the statistics say of a quiet moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from factories import NOW, insert_run, later

from orchestrator.config import Account, Limits
from orchestrator.store import Connection, Database, accounts, submissions, tasks

ACCOUNT = Account(name="acedata", provider="acedata", base_url="http://127.0.0.1:9", slots=50)
TASKS = """
    INSERT INTO tasks (id, run_id, step, item, attempt, kind, action, params, account, provider, wake_at, timeout,
                       created_at, state, finished_at, settled)
    SELECT gen_random_uuid(), %(run)s, %(step)s, n, 1, %(kind)s::task_kind, 'x', '{}', 'acedata', 'acedata', %(now)s,
           60, %(now)s, %(state)s::task_state, CASE WHEN %(state)s = 'succeeded' THEN %(now)s END, true
    FROM generate_series(1, %(count)s) n"""


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A database whose statistics were made when nothing was to do, and then there is much."""
    database = Database(database_url, size=1)
    with database.connection() as found:
        accounts.put_accounts(found, [ACCOUNT])
        fill(found, 4000, kind="provider", state="succeeded")
        found.execute("VACUUM ANALYZE")
        yield found
    database.close()


def fill(connection: Connection, count: int, *, kind: str, state: str) -> None:
    run = insert_run(connection)
    values = {"run": run, "step": kind, "kind": kind, "state": state, "now": NOW, "count": count}
    connection.execute(TASKS, values)


def reads(connection: Connection) -> dict[str, int]:
    """How many entries were read of each index of the tasks."""
    connection.execute("SELECT pg_stat_force_next_flush()")
    found = connection.execute("SELECT indexrelname, idx_tup_read FROM pg_stat_user_indexes WHERE relname = 'tasks'")
    return {one["indexrelname"]: one["idx_tup_read"] for one in found}


def most_read(connection: Connection, before: dict[str, int]) -> int:
    return max(count - before[name] for name, count in reads(connection).items())


def test_a_claim_costs_the_same_however_much_is_ready(connection: Connection) -> None:
    for _ in range(7):  # until the plan is settled
        assert submissions.claim_submission(connection, "acedata", lease=60, now=NOW) is None
    fill(connection, 3000, kind="provider", state="ready")
    before = reads(connection)
    for _ in range(10):
        assert submissions.claim_submission(connection, "acedata", lease=60, now=later(1)) is not None
    assert tasks.accounts_with_ready_tasks(connection, ["acedata"], now=later(1)) == ["acedata"]
    assert most_read(connection, before) < 300


def test_a_claim_passes_over_a_full_mode_however_much_waits_for_it(connection: Connection) -> None:
    limits = {"fast": Limits(slots=1), "relax": Limits(slots=40)}
    accounts.put_accounts(connection, [replace(ACCOUNT, mode_limits=limits)])
    for _ in range(7):
        assert submissions.claim_submission(connection, "acedata", lease=60, now=NOW) is None
    fill(connection, 3000, kind="provider", state="ready")  # they name no mode, so they are fast
    assert submissions.claim_submission(connection, "acedata", lease=60, now=later(1)) is not None
    before = reads(connection)
    for _ in range(10):
        assert submissions.claim_submission(connection, "acedata", lease=60, now=later(1)) is None
    assert most_read(connection, before) < 300
    relaxed = '{"with": {"mode": "relax"}}'
    connection.execute("UPDATE tasks SET params = %s WHERE state = 'ready' AND item <= 20", (relaxed,))
    before = reads(connection)
    for _ in range(10):
        assert submissions.claim_submission(connection, "acedata", lease=60, now=later(1)) is not None
    assert most_read(connection, before) < 300


def test_an_act_costs_the_same_however_many_are_ready(connection: Connection) -> None:
    for _ in range(7):
        assert tasks.claim_act(connection, lease=60, now=NOW) is None
        assert tasks.count_ready_acts(connection, limit=8, now=NOW) == 0
    fill(connection, 3000, kind="archive", state="ready")
    before = reads(connection)
    for _ in range(10):
        assert tasks.claim_act(connection, lease=60, now=later(1)) is not None
    assert tasks.count_ready_acts(connection, limit=8, now=later(1)) == 8
    assert most_read(connection, before) < 300


def test_a_sweep_costs_what_it_takes(connection: Connection) -> None:
    for _ in range(7):
        assert tasks.claim_due(connection, lease=20, limit=5, now=NOW) == []
        assert tasks.unsettled_runs(connection, before=NOW, limit=5) == []
    fill(connection, 3000, kind="archive", state="waiting")
    before = reads(connection)
    assert len(tasks.claim_due(connection, lease=20, limit=5, now=later(1))) == 5
    assert tasks.unsettled_runs(connection, before=later(1), limit=5) == []
    assert most_read(connection, before) < 300


MOVABLE = """
    INSERT INTO tasks (id, run_id, step, item, attempt, kind, action, params, account, provider, wake_at, timeout,
                       created_at, state)
    SELECT gen_random_uuid(), %(run)s, 'movable', n, 1, 'provider', 'x',
           '{"parent": null, "accounts": ["acedata", "second"]}', 'acedata', 'acedata', %(now)s, 60, %(now)s, 'ready'
    FROM generate_series(1, 3000) n"""


@pytest.mark.parametrize("third", [False, True], ids=["nobody has room", "a third has room"])
def test_what_cannot_move_is_not_all_read(connection: Connection, third: bool) -> None:
    names = ["acedata", "second", "third"]
    accounts.put_accounts(connection, [replace(ACCOUNT, name=name, slots=1) for name in names])
    connection.execute(MOVABLE, {"run": insert_run(connection), "now": NOW})
    full = names[: 2 if third else 3]
    connection.execute(
        "UPDATE slots SET task_id = (SELECT id FROM tasks WHERE item = ascii(slots.account) AND step = 'movable')"
        " WHERE account = ANY(%s)",
        [full],
    )
    for _ in range(7):  # until the plan is settled
        assert accounts.move_on(connection, configured=names, limit=200, now=later(1)) == []
    before = reads(connection)
    assert accounts.move_on(connection, configured=names, limit=200, now=later(1)) == []
    assert most_read(connection, before) < 1200
