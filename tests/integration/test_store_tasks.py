"""The guarded statements of a task's life: claims, slots, refusals, doubts, questions, leases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg
import pytest
from factories import NOW, insert_run, insert_task, later, wipe

from orchestrator.config import Account, Limits
from orchestrator.core.events import TaskError
from orchestrator.core.run import Task
from orchestrator.core.states import RunState, TaskState
from orchestrator.errors import NotFound
from orchestrator.store import Connection, accounts, callbacks, runs, submissions, tasks
from orchestrator.store.pool import json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caller import Caller

ACCOUNT = Account(name="acedata", provider="acedata", base_url="http://127.0.0.1:9", slots=2)
BUSY = TaskError("busy", "busy")


@pytest.fixture
def connection(shared_web: Caller) -> Iterator[Connection]:
    with shared_web.services.db.connection() as found:
        wipe(found)
        accounts.put_accounts(found, [ACCOUNT])
        found.execute("UPDATE accounts SET paused_until = NULL, next_submit_at = '-infinity', strikes = 0")
        yield found


@pytest.fixture
def run_id(connection: Connection) -> UUID:
    return insert_run(connection)


def claim(connection: Connection, seconds: float = 0) -> Task | None:
    return submissions.claim_submission(connection, "acedata", lease=60, now=later(seconds))


def insert_act(connection: Connection, run_id: UUID, *, urgent: float | None = None) -> UUID:
    """A ready local act."""
    task = insert_task(connection, run_id)
    urgent_at = None if urgent is None else later(urgent)
    connection.execute("UPDATE tasks SET kind = 'choose', urgent_at = %s WHERE id = %s", (urgent_at, task))
    return task


def arrows(connection: Connection, task: UUID) -> list[tuple[str | None, str]]:
    return [(one["from_state"], one["to_state"]) for one in tasks.history(connection, task)]


def held(connection: Connection) -> list[int]:
    found = connection.execute("SELECT number FROM slots WHERE task_id IS NOT NULL AND account = 'acedata' ORDER BY 1")
    return [one["number"] for one in found.fetchall()]


# Claiming --------------------------------------------------------------------------------------------------


def test_the_most_important_is_claimed_first_then_the_oldest(connection: Connection, run_id: UUID) -> None:
    old = insert_task(connection, run_id, now=later(-20))
    older = insert_task(connection, run_id, now=later(-30))
    important = insert_task(connection, run_id, now=later(-10))
    connection.execute("UPDATE tasks SET priority = 1 WHERE id = %s", (important,))
    accounts.put_accounts(connection, [replace(ACCOUNT, slots=9)])
    assert [task.id for task in iter(lambda: claim(connection), None)] == [important, older, old]


def test_nothing_is_claimed_before_its_time_or_while_the_account_pauses(connection: Connection, run_id: UUID) -> None:
    insert_task(connection, run_id, now=later(10))
    assert claim(connection, 9) is None
    accounts.pause_account(connection, "acedata", until=later(20), reason="quota")
    assert claim(connection, 15) is None
    assert claim(connection, 20) is not None


def test_a_rate_lets_one_through_at_a_time(connection: Connection, run_id: UUID) -> None:
    accounts.put_accounts(connection, [replace(ACCOUNT, submits_per_second=0.5)])
    insert_task(connection, run_id)
    assert claim(connection) is not None
    insert_task(connection, run_id)
    assert claim(connection, 1.9) is None
    assert claim(connection, 2) is not None


def insert_in_mode(connection: Connection, run_id: UUID, mode: str | None) -> UUID:
    task = insert_task(connection, run_id)
    given = json({"mode": mode} if mode else {})
    connection.execute("UPDATE tasks SET params = jsonb_set(params, '{with}', %s) WHERE id = %s", (given, task))
    return task


def test_the_slots_of_a_mode_are_a_share_of_the_accounts(connection: Connection, run_id: UUID) -> None:
    limits = {"relax": Limits(slots=1)}
    accounts.put_accounts(connection, [replace(ACCOUNT, slots=9, mode_limits=limits)])
    relaxed, later_one = insert_in_mode(connection, run_id, "relax"), insert_in_mode(connection, run_id, "relax")
    other = [insert_in_mode(connection, run_id, mode) for mode in ("fast", None)]
    assert {task.id for task in iter(lambda: claim(connection), None)} == {relaxed, *other}
    tasks.finish_task(
        connection, relaxed, TaskState.SUCCEEDED, from_states=[TaskState.SUBMITTING], cause="test", now=later(1)
    )
    assert [task.id for task in iter(lambda: claim(connection), None)] == [later_one]


def test_the_rate_of_a_mode_keeps_no_other_mode_back(connection: Connection, run_id: UUID) -> None:
    limits = {"fast": Limits(submits_per_second=0.5)}
    accounts.put_accounts(connection, [replace(ACCOUNT, slots=9, mode_limits=limits)])
    first, second = insert_in_mode(connection, run_id, "fast"), insert_in_mode(connection, run_id, None)
    relaxed = insert_in_mode(connection, run_id, "relax")
    assert [task.id for task in iter(lambda: claim(connection), None)] == [first, relaxed]
    assert claim(connection, 1.9) is None
    assert [task.id for task in iter(lambda: claim(connection, 2), None)] == [second]  # without a mode it is fast


def test_a_rate_is_not_used_up_by_nothing_to_do(connection: Connection, run_id: UUID) -> None:
    accounts.put_accounts(connection, [replace(ACCOUNT, submits_per_second=0.01)])
    assert claim(connection) is None
    insert_task(connection, run_id)
    assert claim(connection, 1) is not None


def test_a_lowered_limit_counts_at_once(connection: Connection, run_id: UUID) -> None:
    """Slots above it are not used again when their jobs end, nor are those below while too many jobs are in flight."""
    accounts.put_accounts(connection, [replace(ACCOUNT, slots=4)])
    made = [insert_task(connection, run_id, now=later(-9 + n)) for n in range(8)]
    assert [claim(connection) for _ in range(5)][4] is None
    accounts.put_accounts(connection, [replace(ACCOUNT, slots=2)])
    submissions.refuse_submission(connection, made[0], BUSY, retry_at=None, now=NOW)
    assert (held(connection), claim(connection)) == ([2, 3, 4], None)
    submissions.refuse_submission(connection, made[3], BUSY, retry_at=None, now=NOW)
    assert (held(connection), claim(connection)) == ([2, 3], None)
    submissions.refuse_submission(connection, made[2], BUSY, retry_at=None, now=NOW)
    assert claim(connection) is not None
    assert held(connection) == [1, 2]


def test_a_task_of_a_run_that_is_over_is_cancelled_instead_of_claimed(connection: Connection, run_id: UUID) -> None:
    insert_task(connection, run_id, now=later(-9))
    other = insert_task(connection, insert_run(connection))
    runs.finish_run(connection, run_id, RunState.CANCELLED, error=None, now=NOW)
    claimed = claim(connection)
    assert claimed is not None
    assert claimed.id == other
    assert [task.state for task in tasks.load_tasks(connection, run_id)] == [TaskState.CANCELLED]


# What becomes of a submission ------------------------------------------------------------------------------


def test_a_job_that_was_refused_and_arrived_after_all_has_a_slot_again(connection: Connection, run_id: UUID) -> None:
    """Even when all of them are taken by others: the provider has it."""
    first, second, third = (insert_task(connection, run_id, now=later(-9 + n)) for n in range(3))
    claim(connection)
    submissions.refuse_submission(connection, first, BUSY, retry_at=later(60), now=NOW)
    claim(connection)
    claim(connection)
    assert submissions.record_submitted(connection, first, "job", quiet=60, now=NOW) is False
    assert tasks.get_task(connection, first).state is TaskState.WAITING
    assert held(connection) == [1, 2, 3]
    assert arrows(connection, first)[-1] == ("ready", "waiting")
    for task in (first, second, third):
        tasks.finish_task(
            connection, task, TaskState.SUCCEEDED, from_states=list(TaskState), cause="test", now=NOW, result={}
        )
    insert_task(connection, run_id, now=later(-9))
    assert claim(connection) is not None
    assert len(held(connection)) == 1


def test_an_answer_to_a_former_submission_says_nothing_of_the_present_one(connection: Connection, run_id: UUID) -> None:
    task = insert_task(connection, run_id)
    claim(connection)
    submissions.refuse_submission(connection, task, BUSY, retry_at=NOW, now=NOW, submission=1)
    claim(connection)
    assert submissions.refuse_submission(connection, task, BUSY, retry_at=NOW, now=NOW, submission=1) is None
    assert not submissions.doubt_submission(connection, task, "lost", wake_at=NOW, now=NOW, submission=1)
    assert tasks.get_task(connection, task).state is TaskState.SUBMITTING
    assert submissions.doubt_submission(connection, task, "lost", wake_at=NOW, now=NOW, submission=2)
    assert submissions.refuse_submission(connection, task, BUSY, retry_at=NOW, now=NOW, submission=2) is TaskState.READY


def test_a_refusal_after_the_deadline_is_the_last(connection: Connection, run_id: UUID) -> None:
    task = insert_task(connection, run_id, timeout=100)
    claim(connection)
    assert submissions.refuse_submission(connection, task, BUSY, retry_at=later(101), now=later(50)) is TaskState.FAILED
    assert held(connection) == []


def test_the_accounts_silence_holds_even_if_a_callback_was_quicker(connection: Connection, run_id: UUID) -> None:
    task = insert_task(connection, run_id)
    claim(connection)
    receive_progress(connection, task)
    submissions.record_submitted(connection, task, "job", quiet=5, now=NOW)
    assert tasks.get_task(connection, task).wake_at == later(5)


def receive_progress(connection: Connection, task: UUID) -> None:
    callbacks.receive(
        connection,
        callback_id=task,
        account="acedata",
        task_id=task,
        source="callback",
        content_type=None,
        digest=b"d",
        body=b"b",
        events=[{"kind": "progressed", "external_id": None, "progress": 10, "result": None, "error": None}],
        keep=True,
        now=NOW,
    )


# Local acts ------------------------------------------------------------------------------------------------


def test_the_most_urgent_act_comes_first(connection: Connection, run_id: UUID) -> None:
    whenever, soon, later_on = (insert_act(connection, run_id, urgent=urgent) for urgent in (None, 60, 600))
    order = [task.id for task in iter(lambda: tasks.claim_act(connection, lease=60, now=NOW), None)]
    assert order == [soon, later_on, whenever]


def test_nobody_is_asked_for_a_run_that_is_over(connection: Connection, run_id: UUID) -> None:
    task = insert_act(connection, run_id)
    tasks.claim_act(connection, lease=60, now=NOW)
    runs.finish_run(connection, run_id, RunState.CANCELLED, error=None, now=NOW)
    assert not tasks.ask_person(connection, task, now=NOW)
    assert tasks.get_task(connection, task).state is TaskState.CANCELLED
    assert arrows(connection, task)[-1] == ("working", "cancelled")


def test_a_person_has_until_the_deadline_and_what_follows_has_a_time_of_its_own(
    connection: Connection, run_id: UUID
) -> None:
    task = insert_act(connection, run_id)
    tasks.claim_act(connection, lease=60, now=NOW)
    assert tasks.ask_person(connection, task, now=NOW)
    asked = tasks.get_task(connection, task)
    assert (asked.wake_at, asked.deadline_at) == (NOW + timedelta(seconds=1800), NOW + timedelta(seconds=1800))
    over = later(1800)
    assert tasks.hand_back(connection, task, cause="nobody chose", wake_at=over, now=over, params={"by": 2})
    again = tasks.claim_act(connection, lease=60, now=over)
    assert again is not None
    assert (again.params["by"], again.deadline_at) == (2, later(3600))
    states = [(None, "x"), ("ready", "working"), ("working", "waiting"), ("waiting", "ready"), ("ready", "working")]
    assert arrows(connection, task) == states[1:]


def test_a_task_whose_time_has_come_is_taken_by_one_sweep(connection: Connection, run_id: UUID) -> None:
    made = {insert_task(connection, run_id) for _ in range(2)}
    claim(connection)
    claim(connection)
    assert tasks.claim_due(connection, lease=20, limit=9, now=later(59)) == []
    first = tasks.claim_due(connection, lease=20, limit=1, now=later(60))
    rest = tasks.claim_due(connection, lease=20, limit=9, now=later(60))
    assert {task.id for task in (*first, *rest)} == made
    assert len(first) == 1
    assert tasks.claim_due(connection, lease=20, limit=9, now=later(60)) == []
    assert len(tasks.claim_due(connection, lease=20, limit=9, now=later(80))) == 2


def test_what_nobody_has_begun_is_cancelled_with_the_run_and_written_down(connection: Connection, run_id: UUID) -> None:
    submitting, ready, asked = insert_task(connection, run_id, now=later(-1)), insert_task(connection, run_id), None
    claim(connection)
    asked = insert_act(connection, run_id)
    tasks.claim_act(connection, lease=60, now=NOW)
    tasks.ask_person(connection, asked, now=NOW)
    tasks.cancel_unsent(connection, run_id, cause="test", now=NOW)
    states = {task.id: task.state.value for task in tasks.load_tasks(connection, run_id)}
    assert states == {submitting: "submitting", ready: "cancelled", asked: "cancelled"}
    assert arrows(connection, ready) == [("ready", "cancelled")]
    assert arrows(connection, asked)[-1] == ("waiting", "cancelled")


def test_an_end_that_nobody_has_noticed_is_found(connection: Connection, run_id: UUID) -> None:
    task = insert_task(connection, run_id)
    claim(connection)
    submissions.refuse_submission(connection, task, BUSY, retry_at=None, now=NOW)
    assert tasks.unsettled_runs(connection, before=later(-1), limit=9) == []
    assert tasks.unsettled_runs(connection, before=NOW, limit=9) == [run_id]
    tasks.settle_tasks(connection, [task])
    assert tasks.unsettled_runs(connection, before=NOW, limit=9) == []


def test_what_is_not_there_is_not_found(connection: Connection, run_id: UUID) -> None:
    with pytest.raises(NotFound):
        tasks.get_task(connection, run_id)
    with pytest.raises(NotFound):
        runs.get_run(connection, insert_task(connection, run_id))
    with pytest.raises(NotFound):
        callbacks.get_callback(connection, run_id)
    assert submissions.record_submitted(connection, run_id, "job", quiet=1, now=NOW) is False
    assert submissions.refuse_submission(connection, run_id, BUSY, retry_at=None, now=NOW) is None


def test_a_transition_without_its_task_is_refused(connection: Connection, run_id: UUID) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        connection.execute(
            "INSERT INTO transitions (task_id, to_state, cause, at) VALUES (%s, 'ready', 'x', now())", (run_id,)
        )
