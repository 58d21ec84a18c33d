"""Submissions whose answer was lost: found, or known never to have arrived, or a person's; never paid for twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from stage import ACCOUNT, GRID, IMAGINE, TASKS, Stage

from orchestrator.core.events import Accepted, Sighting
from orchestrator.core.run import Task
from orchestrator.core.states import RunState, TaskState
from orchestrator.errors import ProviderError
from orchestrator.intervene import resolve
from orchestrator.providers.acedata import AceData
from orchestrator.providers.base import Order
from orchestrator.store import submissions
from workers.look import look
from workers.submit import order_of, settle
from workers.sweep import sweep

MakeStage = Callable[..., Stage]
CUT = {"chaos": "submit_timeout=1", "seed": 4}  # the emulator takes the first job and cuts the answer off
WAYS = [{}, {"callback": "poll"}]


def claimed(stage: Stage) -> Task:
    """The worker that has claimed the next task, and dies."""
    with stage.services.db.connection() as connection:
        task = submissions.claim_submission(connection, ACCOUNT, lease=60, now=stage.clock())
    assert task is not None
    stage.nudges.jobs.get()
    return task


def sent(stage: Stage, task: Task) -> None:
    """The worker that has sent the claimed task, and dies before it has recorded the answer."""
    account = stage.services.config.account(ACCOUNT)
    order = order_of(stage.services, account, task)
    stage.services.dialect(ACCOUNT).submit(account, order, lambda events, line: None)


def test_a_callback_resolves_an_uncertain_submission(make_stage: MakeStage) -> None:
    stage = make_stage(CUT)
    stage.emulator.state.courier.hold()
    run_id = stage.open()
    stage.work()
    assert stage.state(run_id) is TaskState.UNCERTAIN
    assert stage.slots_in_use() == 1
    stage.emulator.state.courier.release()
    assert stage.end(run_id).state is RunState.SUCCEEDED
    assert (stage.paid, stage.asked(TASKS)) == (1, 0)
    assert stage.slots_in_use() == 0


@pytest.mark.parametrize("way", WAYS)
def test_a_lost_answer_is_looked_up_and_found(make_stage: MakeStage, way: dict[str, Any]) -> None:
    stage = make_stage(**way)
    stage.emulator.state.courier.hold()
    run_id = stage.open()
    sent(stage, claimed(stage))
    stage.pass_time(58)
    assert stage.state(run_id) is TaskState.SUBMITTING  # the worker may still come back
    stage.pass_time(4)
    assert stage.past(stage.task(run_id))[:3] == ["ready", "submitting", "uncertain"]
    assert stage.task(run_id).external_id
    stage.emulator.state.courier.release()
    stage.pass_time(30)
    assert stage.end(run_id).state is RunState.SUCCEEDED
    assert (stage.paid, stage.asked(IMAGINE)) == (1, 1)


def reconfigured(stage: Stage, change: str) -> None:
    """The services of a worker that was started with other settings."""
    config, account = stage.services.config, stage.services.config.accounts[ACCOUNT]
    changes: dict[str, Any] = {
        "secret": {"secrets": (b"the new secret of the service", *config.secrets)},
        "address": {"public_url": "https://elsewhere.example"},
        "push": {"accounts": {ACCOUNT: replace(account, callback="push")}},
        "poll": {"accounts": {ACCOUNT: replace(account, callback="poll")}},
    }
    stage.services.config = replace(config, **changes[change])


@pytest.mark.parametrize("change", ["secret", "address", "poll"])
def test_a_job_is_found_whatever_has_been_configured_since(make_stage: MakeStage, change: str) -> None:
    stage = make_stage(CUT)
    stage.emulator.state.courier.hold()
    run_id = stage.open()
    stage.work()
    reconfigured(stage, change)
    stage.pass_time(120)
    assert stage.end(run_id).state is RunState.SUCCEEDED, stage.story()
    assert (stage.paid, stage.asked(IMAGINE)) == (1, 1)


def test_a_job_that_was_to_be_polled_is_not_sent_again_when_jobs_are_pushed_since(make_stage: MakeStage) -> None:
    stage = make_stage(CUT, callback="poll")
    run_id = stage.open({"grid": GRID["grid"] | {"timeout": 300}})
    stage.work()
    reconfigured(stage, "push")
    stage.pass_time(290, every=5)
    assert stage.state(run_id) is TaskState.UNCERTAIN, stage.story()
    stage.pass_time(60, every=5)
    assert (stage.state(run_id), stage.code(run_id)) == (TaskState.FAILED, "submission_uncertain")
    assert (stage.paid, stage.asked(IMAGINE)) == (1, 1)


def test_a_job_that_is_too_old_by_the_providers_clock_is_not_sent_again(make_stage: MakeStage) -> None:
    """Ours is minutes ahead of it, so that the job seems to have been there before it was submitted."""
    stage = make_stage(CUT, callback="poll")
    stage.clock.ahead += timedelta(seconds=240)
    run_id = stage.open({"grid": GRID["grid"] | {"timeout": 300}})
    stage.work()
    stage.pass_time(290, every=5)
    assert stage.state(run_id) is TaskState.UNCERTAIN, stage.story()
    assert (stage.paid, stage.asked(IMAGINE)) == (1, 1)


@pytest.mark.parametrize("way", WAYS)
def test_a_worker_that_died_before_sending_is_replaced_once(make_stage: MakeStage, way: dict[str, Any]) -> None:
    stage = make_stage(**way)
    run_id = stage.open()
    claimed(stage)
    stage.pass_time(90)
    assert stage.asked(IMAGINE) == 1
    stage.pass_time(20)
    assert stage.end(run_id).state is RunState.SUCCEEDED
    assert (stage.paid, stage.asked(IMAGINE)) == (1, 1)
    assert stage.task(run_id).submissions == 2
    assert stage.slots_in_use() == 0


def test_a_request_that_was_cut_off_is_sent_again_only_when_it_is_known_not_to_have_arrived(stage: Stage) -> None:
    stage.spoil(cut=True)
    run_id = stage.open()
    stage.work()
    assert stage.state(run_id) is TaskState.UNCERTAIN
    stage.pass_time(44)
    assert stage.state(run_id) is TaskState.UNCERTAIN  # two look-ups and more, but too early
    assert stage.asked(TASKS) >= 2
    stage.pass_time(30)
    assert stage.end(run_id).state is RunState.SUCCEEDED
    assert (stage.paid, stage.asked(IMAGINE)) == (1, 2)


def test_a_look_up_that_failed_says_nothing(stage: Stage) -> None:
    stage.spoil(cut=True)
    stage.spoil(TASKS, status=500, count=1000)
    run_id = stage.open()
    stage.pass_time(90)
    assert stage.state(run_id) is TaskState.UNCERTAIN
    stage.emulator.state.faults.clear()
    before = stage.asked(TASKS)
    while stage.asked(TASKS) == before:
        stage.pass_time(2)
    assert stage.state(run_id) is TaskState.UNCERTAIN  # one look-up has shown its absence
    stage.pass_time(60)
    assert stage.end(run_id).state is RunState.SUCCEEDED
    assert stage.paid == 1


def test_without_a_callback_url_the_job_of_another_task_is_not_taken_for_ours(make_stage: MakeStage) -> None:
    stage = make_stage(callback="poll")
    died, lives = stage.open(), stage.open()
    claimed(stage)
    stage.work()
    stage.pass_time(120)
    assert stage.end(lives).state is RunState.SUCCEEDED
    assert stage.end(died).state is RunState.SUCCEEDED, stage.story()
    assert stage.paid == 2
    assert stage.task(died).external_id != stage.task(lives).external_id


def test_without_a_callback_url_ours_is_found_among_jobs_of_the_same_prompt(make_stage: MakeStage) -> None:
    stage = make_stage(callback="poll")
    died, lives = stage.open(), stage.open()
    sent(stage, claimed(stage))
    stage.work()
    stage.pass_time(120)
    assert {stage.end(one).state for one in (died, lives)} == {RunState.SUCCEEDED}, stage.story()
    assert (stage.paid, stage.asked(IMAGINE)) == (2, 2)


def test_a_worker_that_waits_for_the_first_line_of_a_stream_is_not_overtaken(make_stage: MakeStage) -> None:
    stage = make_stage(callback="poll", stream=True)
    run_id = stage.open()
    claimed(stage)
    stage.pass_time(500, every=10)
    assert stage.asked(IMAGINE) == 0
    stage.pass_time(300, every=10)
    assert stage.end(run_id).state is RunState.SUCCEEDED
    assert stage.asked(IMAGINE) == 1


def test_an_order_that_cannot_be_looked_up_keeps_no_other_from_it(stage: Stage) -> None:
    stage.spoil(cut=True, count=2)
    odd = stage.open({"grid": {"action": "imagine", "with": {"prompt": "x", "mode": "turbo"}}})
    stage.work()
    other = stage.open()
    stage.work()
    (account,) = stage.services.config.accounts.values()
    stage.services.config = replace(stage.services.config, accounts={ACCOUNT: replace(account, modes=("fast",))})
    stage.pass_time(90)
    assert stage.end(other).state is RunState.SUCCEEDED
    assert stage.state(odd) is TaskState.UNCERTAIN
    stage.pass_time(2200, every=20)
    assert stage.end(odd).state is RunState.FAILED
    assert stage.code(odd) == "submission_uncertain"


def test_what_stays_uncertain_is_given_up_at_its_deadline(stage: Stage) -> None:
    stage.spoil(cut=True)
    stage.spoil(TASKS, status=500, count=1000)
    run_id = stage.open({"grid": GRID["grid"] | {"timeout": 100}})
    stage.pass_time(98)
    assert stage.state(run_id) is TaskState.UNCERTAIN
    stage.pass_time(6)
    assert stage.end(run_id).state is RunState.FAILED
    assert stage.code(run_id) == "submission_uncertain"
    assert stage.slots_in_use() == 0


def test_a_person_says_that_it_arrived(make_stage: MakeStage) -> None:
    stage = make_stage(CUT)
    stage.emulator.state.courier.hold()
    run_id = stage.open()
    stage.work()
    (job,) = stage.emulator.state.book.oldest_first()
    assert resolve(stage.services, stage.task(run_id).id, "submitted", job.task_id).state is TaskState.WAITING
    stage.emulator.state.courier.release()
    assert stage.end(run_id).state is RunState.SUCCEEDED
    assert stage.paid == 1


def test_a_person_says_that_it_never_arrived(stage: Stage) -> None:
    stage.spoil(cut=True)
    run_id = stage.open()
    stage.work()
    resolve(stage.services, stage.task(run_id).id, "not_submitted")
    assert stage.end(run_id).state is RunState.SUCCEEDED
    assert (stage.paid, stage.asked(IMAGINE)) == (1, 2)


def test_a_person_gives_it_up(stage: Stage) -> None:
    stage.spoil(cut=True)
    run_id = stage.open()
    stage.work()
    resolve(stage.services, stage.task(run_id).id, "failed")
    assert stage.end(run_id).state is RunState.FAILED
    assert stage.code(run_id) == "submission_uncertain"
    assert stage.slots_in_use() == 0


def test_a_worker_that_stood_still_before_sending_does_not_send_any_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialect = stage.services.dialect(ACCOUNT)
    check = type(dialect).check

    def stand_still(*arguments: Any) -> None:
        monkeypatch.undo()
        check(*arguments)
        stage.forward(stage.services.config.submit_timeout + 1)  # the machine was suspended, say

    monkeypatch.setattr(type(dialect), "check", stand_still)
    run_id = stage.open()
    stage.work()
    assert stage.end(run_id).state is RunState.SUCCEEDED
    assert "refused: stood_still" in [line["cause"] for line in stage.rows("SELECT cause FROM transitions")]
    assert (stage.paid, stage.asked(IMAGINE), stage.task(run_id).submissions) == (1, 1, 2)


def test_a_list_that_took_long_to_read_shows_what_was_there_when_it_was_asked_for(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second look-up is asked for too early, and its answer comes late: it proves nothing."""
    stage.spoil(cut=True)
    run_id = stage.open()
    stage.work()
    stage.pass_time(8)  # the first look-up has shown its absence
    dialect = stage.services.dialect(ACCOUNT)
    find = type(dialect).find

    def slow(*arguments: Any) -> Any:
        found = find(*arguments)
        stage.clock.ahead += timedelta(seconds=60)
        return found

    monkeypatch.setattr(type(dialect), "find", slow)
    look(stage.services, ACCOUNT, [stage.task(run_id).id])
    assert stage.state(run_id) is TaskState.UNCERTAIN
    monkeypatch.undo()
    stage.pass_time(30)
    assert stage.end(run_id).state is RunState.SUCCEEDED
    assert stage.paid == 1


def test_a_job_in_doubt_has_its_whole_time_from_its_sending(stage: Stage) -> None:
    stage.spoil(status=429, retry_after=1)
    run_id = stage.open({"grid": GRID["grid"] | {"timeout": 300}})
    stage.work()
    stage.forward(400)  # nobody worked in the meantime
    stage.nudges.submit(ACCOUNT)
    task = claimed(stage)
    with stage.services.db.connection() as connection:
        assert submissions.doubt_submission(connection, task.id, "a look", wake_at=stage.clock(), now=stage.clock())
    task = stage.task(run_id)
    assert task.deadline_at is not None
    assert task.submitted_at is not None
    assert task.deadline_at - task.submitted_at >= timedelta(seconds=300)


def test_submissions_that_never_arrive_come_to_an_end(stage: Stage) -> None:
    stage.spoil(cut=True, count=1000)
    run_id = stage.open()
    while not stage.task(run_id).final:
        stage.pass_time(10)
    assert stage.code(run_id) == "never_arrived"
    assert (stage.task(run_id).submissions, stage.paid, stage.slots_in_use()) == (5, 0, 0)


def test_an_answer_that_names_another_tasks_job_is_doubted(stage: Stage) -> None:
    one = stage.open()
    stage.end(one)
    known = stage.task(one).external_id
    assert known is not None
    two = stage.open()
    account = stage.services.config.account(ACCOUNT)
    settle(stage.services, account, claimed(stage), Accepted(known))
    assert stage.state(two) is TaskState.UNCERTAIN
    assert known in str(stage.task(two).waiting_for)
    stage.pass_time(100)
    assert stage.end(two).state is RunState.SUCCEEDED
    assert stage.task(one).external_id == known
    assert (stage.paid, stage.slots_in_use()) == (2, 0)


def in_doubt(stage: Stage, count: int) -> list[UUID]:
    """So many tasks whose answers were lost."""
    runs = [stage.open(prompt=f"fox {number}") for number in range(count)]
    found = [claimed(stage).id for _ in runs]
    for task_id in found:
        with stage.services.db.connection() as connection:
            submissions.doubt_submission(connection, task_id, "a look", wake_at=stage.clock(), now=stage.clock())
    return found


def test_a_provider_that_hangs_is_waited_for_once(make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = make_stage(slots=5)
    doubted, asked = in_doubt(stage, 5), list[UUID]()

    def hang(_: object, __: object, order: Order) -> Sighting:
        asked.append(order.task_id)
        stage.forward(20)
        raise ProviderError("no answer within 20 s")

    monkeypatch.setattr(AceData, "find", hang)
    look(stage.services, ACCOUNT, doubted)
    assert asked == doubted[:1]
    stage.pass_time(60)
    assert set(asked) == set(doubted)  # it may be slow for one of them alone
    assert stage.rows("SELECT DISTINCT state::text, looks FROM tasks") == [{"state": "uncertain", "looks": 0}]


def test_what_a_slow_look_has_not_come_to_is_looked_for_by_one_other(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = make_stage(slots=5)
    doubted, asked = in_doubt(stage, 5), list[UUID]()

    def take_long(_: object, __: object, order: Order) -> Sighting:
        asked.append(order.task_id)
        if len(asked) == 1:
            stage.forward(30)
            sweep(stage.services)
            stage.work()  # what it says is done while the first look still waits
        return Sighting()

    monkeypatch.setattr(AceData, "find", take_long)
    sweep(stage.services)
    stage.work()
    assert sorted(asked) == sorted(doubted)
