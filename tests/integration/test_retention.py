"""What has ended goes when its time is over, and not before; what comes afterwards still gets its right answer."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from caller import Caller
from factories import wipe

from orchestrator.config import Keep
from orchestrator.core.states import TaskState, Verdict
from orchestrator.retention import Pruned, prune
from orchestrator.store import objects, retention, runs, tasks

DAY = timedelta(days=1)
NOTHING = Keep(bodies=None, callbacks=None, strays=None, history=None, keys=None, runs=None)
ALL = Keep(**dict.fromkeys(Keep.__dataclass_fields__, DAY))
TABLES = ("runs", "tasks", "transitions", "callbacks")
ONE_STEP = {"steps": {"grid": {"action": "imagine", "with": {"prompt": "${inputs.prompt}"}}}}


class Desk:
    """A service whose clock stands days ahead of its rows, when it prunes."""

    def __init__(self, web: Caller) -> None:
        self.web = web
        self.db = web.services.db

    def open(self, **order: Any) -> Any:
        self.web.put_pipeline(**ONE_STEP)
        return self.web.post("/v1/runs", {"pipeline": "tested", "inputs": {"prompt": "a red fox"}, **order})

    def ended(self, job: str = "job-1") -> tuple[Any, UUID]:
        """A run that has succeeded, by one delivery; and its task."""
        run = self.open()
        task = self.web.submit(job)
        assert self.web.deliver(task, job=job).json == {"verdict": "accepted"}
        self.web.advance(run)
        assert self.web.get(f"/v1/runs/{run['id']}")["state"] == "succeeded"
        return run, task

    def prune(self, keep: Keep = ALL, days: float = 2, **options: Any) -> dict[str, int]:
        """What went, of what went at all."""
        now: datetime = self.web.services.now() + timedelta(days=days)
        done: Pruned = prune(self.db, keep, now=now, within=None, **options)
        return {what: number for what, number in done.removed.items() if number}

    def rows(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        with self.db.connection() as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def count(self, table: str) -> int:
        return int(self.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"])

    def everything(self) -> list[list[dict[str, Any]]]:
        return [self.rows(f"SELECT * FROM {table} ORDER BY id") for table in TABLES]

    def nothing_left(self) -> bool:
        return not any(map(self.count, TABLES))


@pytest.fixture
def desk(shared_web: Caller) -> Desk:
    with shared_web.services.db.connection() as connection:
        wipe(connection)
        connection.execute("DELETE FROM removals")
    return Desk(shared_web)


# What goes -----------------------------------------------------------------------------------------------


def test_a_body_goes_before_its_verdict_and_a_duplicate_is_still_known(desk: Desk) -> None:
    _, task = desk.ended()

    assert desk.prune(Keep(bodies=DAY)) == {"bodies": 1}

    (kept,) = desk.web.get("/v1/callbacks")["items"]
    assert (kept["verdict"], kept["kept"], kept["stripped"]) == ("accepted", 0, True)
    assert desk.web.get(f"/v1/callbacks/{kept['id']}")["events"] == []
    assert desk.web.deliver(task).json == {"verdict": "duplicate"}
    problem = desk.web.refused(409, "POST", f"/v1/callbacks/{kept['id']}/replay")
    assert "no longer kept" in problem["detail"]


def test_a_duplicate_and_a_contradiction_after_their_original_went_change_nothing(desk: Desk) -> None:
    run, task = desk.ended()
    before = desk.web.get(f"/v1/tasks/{task}")

    assert desk.prune(Keep(bodies=None, callbacks=DAY)) == {"callbacks": 1}

    assert desk.count("callbacks") == 0
    assert desk.web.deliver(task).json["verdict"] == "duplicate"
    assert desk.web.deliver(task, "callback_failure").json["verdict"] == "late"
    assert desk.web.get(f"/v1/tasks/{task}") == before
    assert desk.web.get(f"/v1/runs/{run['id']}")["state"] == "succeeded"
    assert desk.count("callbacks") == 2


def test_a_run_goes_whole_and_a_late_callback_is_parked_then(desk: Desk) -> None:
    run, task = desk.ended()

    assert desk.prune(Keep(runs=DAY)) == {"runs": 1}

    assert desk.nothing_left()
    desk.web.refused(404, "GET", f"/v1/runs/{run['id']}")
    for to in (task, None):
        answer = desk.web.deliver(to)
        assert (answer.status_code, answer.json["verdict"]) == (202, "parked")
    assert desk.prune(Keep(strays=DAY)) == {"parked": 2}
    assert desk.count("callbacks") == 0


def test_the_index_of_the_archive_outlives_the_run(desk: Desk) -> None:
    run, task = desk.ended()
    with desk.db.connection() as connection:
        facts = {"bytes": 9, "width": 3, "height": 3, "content_type": "image/png", "source_url": "http://x/y.png"}
        objects.insert_object(
            connection,
            task_id=task,
            run_id=UUID(run["id"]),
            source_task_id=task,
            uri="file:///a",
            sha256="ab",
            now=desk.web.services.now(),
            **facts,
        )
    archived = desk.web.get(f"/v1/runs/{run['id']}")["archive"]

    assert desk.prune() == {"bodies": 1, "callbacks": 1, "history": 4, "runs": 1}

    (kept,) = desk.rows("SELECT run_id, task_id, sha256 FROM objects")
    assert (str(kept["run_id"]), kept["task_id"], kept["sha256"]) == (run["id"], task, "ab")
    assert len(archived) == 1


def test_history_goes_and_the_task_stays(desk: Desk) -> None:
    _, task = desk.ended()
    assert desk.prune(Keep(history=DAY)) == {"history": 4}
    assert desk.web.get(f"/v1/tasks/{task}/history")["transitions"] == []
    assert desk.web.get(f"/v1/tasks/{task}")["state"] == "succeeded"


def test_a_key_is_good_for_its_time_and_opens_another_run_then(desk: Desk) -> None:
    desk.web.put_pipeline(**ONE_STEP)
    order = {
        "json": {"pipeline": "tested", "inputs": {"prompt": "x"}},
        "headers": {"Idempotency-Key": "k"},
        "role": "operator",
    }
    first = desk.web.ask("POST", "/v1/runs", **order).json
    assert desk.prune(Keep(keys=DAY)) == {}, "the run has not ended"
    desk.web.post(f"/v1/runs/{first['id']}/cancel")

    assert desk.prune(Keep(keys=3 * DAY)) == {}
    assert desk.web.ask("POST", "/v1/runs", **order).json["id"] == first["id"]
    assert desk.prune(Keep(keys=DAY)) == {"keys": 1}
    assert desk.web.ask("POST", "/v1/runs", **order).json["id"] != first["id"]


def test_what_cannot_be_read_goes_with_the_strays(desk: Desk) -> None:
    _, task = desk.ended()
    for to in (task, None):
        assert desk.web.http.post(desk.web.hook(to), data=b"no json").status_code == 400

    assert desk.prune(Keep(strays=3 * DAY)) == {}
    assert desk.prune(Keep(strays=DAY)) == {"rejected": 2}
    assert desk.count("callbacks") == 1


# What stays ----------------------------------------------------------------------------------------------


def test_for_ever_is_for_ever(desk: Desk) -> None:
    desk.ended()
    desk.web.deliver(None, job="nobody's")
    assert desk.prune(NOTHING, days=36500) == {}


def test_what_is_young_stays(desk: Desk) -> None:
    desk.ended()
    desk.web.deliver(None, job="nobody's")
    assert desk.prune(days=0.5) == {}


def test_nothing_of_a_run_that_has_not_ended_goes_whatever_its_age(desk: Desk) -> None:
    desk.open()
    task = desk.web.submit("job-1")
    assert desk.web.deliver(task, job="another").json["verdict"] == "parked"  # it names another job
    desk.web.http.post(desk.web.hook(task), data=b"no json")
    desk.web.deliver(task, "accepted")
    before = desk.everything()

    assert desk.prune(days=36500) == {}

    assert desk.everything() == before


def test_a_cancelled_run_stays_until_the_provider_is_done_with_it(desk: Desk) -> None:
    run = desk.open()
    task = desk.web.submit("job-1")
    desk.web.post(f"/v1/runs/{run['id']}/cancel")
    assert desk.web.get(f"/v1/tasks/{task}")["state"] == "waiting"
    assert desk.prune(days=100) == {}

    assert desk.web.deliver(task).json["verdict"] == "accepted"
    assert desk.prune(Keep(runs=DAY)) == {"runs": 1}
    assert desk.rows("SELECT FROM slots WHERE task_id IS NOT NULL") == []


def test_a_parked_callback_waits_for_the_submission_it_may_belong_to(desk: Desk) -> None:
    """By the account's hook it came before anybody knew the job's id, and nobody does yet."""
    desk.open()
    task = desk.web.doubt()
    assert desk.web.deliver(None, job="job-1").json["verdict"] == "parked"
    assert desk.web.http.post(desk.web.hook(None), data=b"no json").status_code == 400
    assert desk.prune(days=100) == {"rejected": 1}  # what cannot be read is nobody's

    desk.web.post(f"/v1/tasks/{task}/resolve", {"outcome": "submitted", "external_id": "job-1"})

    assert desk.web.get(f"/v1/tasks/{task}")["state"] == "succeeded"


def test_a_run_that_goes_on_again_is_not_removed(desk: Desk) -> None:
    run = desk.open()
    desk.web.post(f"/v1/runs/{run['id']}/cancel")
    desk.web.post(f"/v1/runs/{run['id']}/retry", {"from": "grid"})
    assert desk.prune(days=100) == {}


# How it goes ---------------------------------------------------------------------------------------------


def test_a_rehearsal_counts_what_would_go_and_removes_nothing(desk: Desk) -> None:
    desk.ended()
    desk.web.deliver(None, job="nobody's")
    counted = desk.prune(remove=False)
    assert counted == {"bodies": 1, "callbacks": 1, "parked": 1, "history": 4, "runs": 1}
    assert desk.count("callbacks") == 2
    assert desk.prune() == counted


def test_windows_that_are_smaller_than_what_there_is_lead_to_the_same_end(desk: Desk) -> None:
    for number in range(5):
        desk.ended(f"job-{number}")
        desk.web.deliver(None, job=f"nobody's {number}")
    desk.open()
    desk.web.submit("job-of-today")
    done = desk.prune(window=2)
    assert (done["parked"], done["runs"]) == (5, 5)  # some of the rest goes with its run
    assert (desk.count("runs"), desk.count("callbacks"), desk.count("transitions")) == (1, 0, 3)


def test_a_run_with_much_evidence_goes_in_parts_and_its_tasks_at_once(desk: Desk) -> None:
    _, task = desk.ended()
    for number in range(5):
        desk.web.http.post(desk.web.hook(task), data=f"no json {number}")
    assert desk.prune(Keep(strays=None, runs=DAY), window=2) == {"runs": 1}
    assert desk.nothing_left()


def test_a_pass_ends_when_its_time_is_over_and_the_next_one_goes_on(desk: Desk) -> None:
    for number in range(3):
        desk.ended(f"job-{number}")
    now = desk.web.services.now() + 2 * DAY

    done = prune(desk.db, Keep(bodies=DAY, callbacks=None, history=None), now=now, within=0.0, window=1)

    assert (done.removed["bodies"], done.whole) == (1, False)
    assert desk.prune(Keep(bodies=DAY, callbacks=None)) == {"bodies": 2}


def test_what_somebody_has_locked_is_left_for_the_next_time(desk: Desk) -> None:
    desk.ended("job-1")
    desk.ended("job-2")
    with desk.db.transaction() as other:
        other.execute("SELECT FROM callbacks WHERE external_id = 'job-1' FOR NO KEY UPDATE")
        other.execute("SELECT FROM runs ORDER BY id LIMIT 1 FOR NO KEY UPDATE")
        assert desk.prune(Keep(bodies=DAY, callbacks=None, history=None, runs=DAY)) == {"bodies": 1, "runs": 1}
    assert desk.prune(Keep(runs=DAY)) == {"runs": 1}


def test_while_rows_are_being_removed_deliveries_are_taken(desk: Desk) -> None:
    """Every statement of a pass, held open: a delivery of another task waits for none of them."""
    desk.ended("old")
    desk.web.deliver(None, job="nobody's")
    desk.open()
    task = desk.web.submit("new")
    before, place = desk.web.services.now() + DAY, retention.START
    window: dict[str, Any] = {"before": before, "after": place, "limit": 100, "remove": True}
    with desk.db.transaction() as pruner:
        assert retention.strip_bodies(pruner, **window).removed == 1
        assert retention.remove_callbacks(pruner, **window).removed == 1
        assert retention.remove_history(pruner, before=before, after=0, limit=100, remove=True)["removed"] == 4
        _, free = retention.ended_runs(pruner, **window)
        assert retention.delete_runs(pruner, free) == 1
        answers = [
            desk.web.deliver(to, name, job="new")
            for to, name in (
                (None, "accepted"),
                (task, "accepted"),
                (None, "callback_success"),
                (task, "callback_success"),
            )
        ]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert desk.web.get(f"/v1/tasks/{task}")["state"] == "succeeded"


def test_several_passes_at_once_remove_each_row_once(desk: Desk) -> None:
    for number in range(12):
        desk.ended(f"job-{number}")
    now = desk.web.services.now() + 2 * DAY
    start = threading.Barrier(4)

    def one(_: int) -> dict[str, int]:
        start.wait()
        return prune(desk.db, ALL, now=now, within=None, window=3).removed

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(one, range(4)))

    rest = desk.prune()
    total = {what: sum(each[what] for each in done) + rest.get(what, 0) for what in done[0]}
    assert total["runs"] == 12
    assert desk.nothing_left()


def test_what_was_removed_is_counted(desk: Desk) -> None:
    desk.ended()
    for _ in range(2):
        desk.prune(Keep(bodies=DAY))
    desk.prune(remove=False)
    figures = desk.web.ask("GET", "/metrics", role=None).text
    assert 'orchestrator_removed_total{what="bodies"} 1.0' in figures
    assert 'orchestrator_removed_total{what="runs"} 0.0' in figures
    assert 'orchestrator_removed_last_seconds{what="runs"}' in figures


def test_a_window_reads_no_more_than_its_rows(desk: Desk) -> None:
    """Of deliveries that came long ago, and of others of the same age that have to stay."""
    desk.ended()
    fill = """
        INSERT INTO callbacks (id, account, scope, source, verdict, digest, size, body, received_at)
        SELECT gen_random_uuid(), 'acedata', gen_random_uuid(), 'callback', verdict, '', 1, 'x',
               now() - n * interval '1 s'
        FROM generate_series(1, 3000) n, unnest('{accepted,parked}'::verdict[]) verdict"""
    with desk.db.connection() as connection:
        connection.execute(fill)
        connection.execute("VACUUM ANALYZE callbacks")
    window: dict[str, Any] = {"before": desk.web.services.now(), "after": retention.START, "limit": 50, "remove": True}
    reads = "SELECT seq_scan, idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'callbacks'"
    with desk.db.transaction() as connection:
        ((before,), _, _, _, (after,)) = (
            connection.execute(reads.encode()).fetchall(),
            retention.strip_bodies(connection, **window),
            retention.remove_callbacks(connection, **window),
            retention.remove_strays(connection, verdict=Verdict.PARKED, **window),
            connection.execute(reads.encode()).fetchall(),
        )
    assert after["seq_scan"] == before["seq_scan"]
    assert after["idx_tup_fetch"] - before["idx_tup_fetch"] < 900
    assert desk.count("callbacks") == 6001 - 75


def test_the_database_forgets_nothing_that_the_engine_reads(desk: Desk) -> None:
    """A run whose evidence has gone is retried as before: what its tasks know is enough."""
    run = desk.open()
    task = desk.web.submit("job-1")
    desk.web.deliver(task, "callback_failure", job="job-1")
    desk.web.advance(run)
    assert desk.prune(Keep(callbacks=DAY, history=DAY, keys=DAY)) == {"callbacks": 1, "history": 4}

    desk.web.post(f"/v1/runs/{run['id']}/retry")

    with desk.db.connection() as connection:
        again = tasks.load_tasks(connection, UUID(run["id"]))
        assert runs.get_run(connection, UUID(run["id"])).state == "running"
    assert [one.state for one in again] == [TaskState.FAILED, TaskState.READY]
