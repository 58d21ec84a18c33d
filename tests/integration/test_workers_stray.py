"""What nobody used to look at: forgotten jobs, accounts that are configured no more, evidence from a former account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from contracts.scripted_server import answer, scripted
from stage import ACCOUNT, GRID, IMAGINE, Stage

from orchestrator import catalog
from orchestrator.core.run import Task
from orchestrator.core.states import RunState, TaskState
from orchestrator.core.tokens import task_token
from orchestrator.errors import Conflict
from orchestrator.intake.deliveries import take_callback
from orchestrator.intervene import adopt, resolve
from orchestrator.launch import Request, launch
from orchestrator.store import callbacks
from orchestrator.store.callbacks import Taken
from workers.submit import submit_ready

MakeStage = Callable[..., Stage]
SLOW = {"instant": False, "latency": 7200.0}
TOKENS = {"tokens": (("first", "secret-token"), ("second", "token-of-second"))}
SUCCESS = b'{"success": true, "task_id": "job-at-the-first", "image_url": "https://images.test/a.png", "image_id": "1"}'


def forget(stage: Stage) -> dict[str, Any]:
    """The provider loses its memory; what it knew."""
    book = stage.emulator.state.book
    known = {job.task_id: job for job in book.oldest_first()}
    book.by_task = lambda task_id: None  # type: ignore[method-assign,assignment]
    book.newest_first = lambda: iter(())  # type: ignore[method-assign]
    return known


def remember(stage: Stage) -> None:
    book = stage.emulator.state.book
    del book.by_task, book.newest_first


@pytest.mark.parametrize("way", [{"quiet": 30.0}, {"callback": "poll"}])
def test_a_job_that_the_provider_has_forgotten_is_given_up_long_before_its_deadline(
    make_stage: MakeStage, way: dict[str, Any]
) -> None:
    stage = make_stage(SLOW, **way)
    run_id = stage.open({"grid": GRID["grid"] | {"timeout": 7200}})
    stage.work()
    forget(stage)

    stage.pass_time(560, every=20)
    assert stage.state(run_id) is TaskState.WAITING  # it may be listed again
    stage.pass_time(900, every=20)

    assert (stage.state(run_id), stage.code(run_id)) == (TaskState.FAILED, "forgotten")
    assert stage.run(run_id).state is RunState.FAILED
    assert stage.slots_in_use() == 0


@pytest.mark.parametrize(
    ("provider", "taken", "shown"),
    [
        ("acedata", {"task_id": "17"}, {"id": "17", "finished_at": 2.5, "response": {"image_url": 5}}),
        ("mjproxy", {"code": 1, "result": "17"}, {"id": "17", "status": ["SUCCESS"]}),
        ("mjproxy", {"code": 1, "result": "17"}, {"id": "17", "status": "MODAL", "progress": "0%"}),
        ("imagineapi", {"data": {"id": "17", "status": "pending"}}, {"data": {"id": "17", "url": 5}}),
    ],
)
def test_a_job_that_is_known_and_cannot_be_read_is_not_forgotten(
    make_stage: MakeStage, provider: str, taken: dict[str, Any], shown: dict[str, Any]
) -> None:
    with scripted(answer(200, taken), answer(200, shown)) as server:
        stage = make_stage({}, provider=provider, base_url=server.url, callback="poll")
        run_id = stage.open({"grid": GRID["grid"] | {"timeout": 1500}})
        stage.work()
        stage.pass_time(1480, every=20)
        assert stage.state(run_id) is TaskState.WAITING, stage.story()
        stage.pass_time(60, every=20)
        assert (stage.state(run_id), stage.code(run_id)) == (TaskState.FAILED, "timed_out")


def test_a_size_that_is_none_does_not_cost_the_image(make_stage: MakeStage) -> None:
    response = {"success": True, "image_url": "http://127.0.0.1:9/a.png", "image_width": "", "actions": []}
    job = {"id": "17", "finished_at": 2.5, "response": response}
    with scripted(answer(200, {"task_id": "17"}), answer(200, job)) as server:
        stage = make_stage({}, base_url=server.url, callback="poll")
        run_id = stage.open()
        stage.pass_time(60)
        assert stage.end(run_id).state is RunState.SUCCEEDED
    assert (stage.task(run_id).result or {})["image_url"] == "http://127.0.0.1:9/a.png"


def test_a_job_that_is_missing_for_a_while_only_is_waited_for(make_stage: MakeStage) -> None:
    stage = make_stage(SLOW, callback="poll")
    run_id = stage.open({"grid": GRID["grid"] | {"timeout": 7200}})
    stage.work()
    for _ in range(3):
        forget(stage)
        stage.pass_time(540, every=20)
        remember(stage)
        stage.pass_time(400, every=20)
    assert stage.state(run_id) is TaskState.WAITING, stage.story()


def without(stage: Stage, *names: str) -> None:
    """These accounts are not configured any more."""
    left = {name: one for name, one in stage.services.config.accounts.items() if name not in names}
    stage.services.config = replace(stage.services.config, accounts=left)


def test_the_time_of_a_task_runs_out_although_its_account_is_configured_no_more(make_stage: MakeStage) -> None:
    stage = make_stage(SLOW)
    run_id = stage.open({"grid": GRID["grid"] | {"timeout": 300}})
    stage.work()
    without(stage, ACCOUNT)

    stage.pass_time(280, every=20)
    assert stage.state(run_id) is TaskState.WAITING
    stage.pass_time(340, every=20)

    assert stage.code(run_id) == "timed_out"
    assert "not configured" in stage.task(run_id).error["message"]  # type: ignore[index]
    assert stage.run(run_id).state is RunState.FAILED
    assert stage.slots_in_use() == 0


@pytest.mark.parametrize("sent", [False, True])
def test_a_person_gives_up_a_task_without_an_account(make_stage: MakeStage, sent: bool) -> None:
    stage = make_stage(SLOW)
    run_id = stage.open()
    if sent:
        stage.work()
    with pytest.raises(Conflict):
        resolve(stage.services, stage.task(run_id).id, "failed")  # its account is there
    without(stage, ACCOUNT)

    resolve(stage.services, stage.task(run_id).id, "failed")

    assert stage.end(run_id).state is RunState.FAILED
    assert stage.code(run_id) == "given_up"
    assert stage.slots_in_use() == 0


def test_tasks_go_only_to_accounts_that_are_configured(make_stage: MakeStage) -> None:
    stage = make_stage(TOKENS | {"token_states": (("first", "used_up"),)}, others=["second", "third"])
    run_id = open_run(stage, ACCOUNT, "second", "third")
    without(stage, "second")
    stage.work()
    assert stage.task(run_id).account == "third"


def test_the_job_of_another_task_is_refused_as_ours(make_stage: MakeStage) -> None:
    stage = make_stage(SLOW)
    known, lost = stage.open(), stage.open()
    stage.nudges.jobs.get()(stage.services)
    stage.rows("UPDATE tasks SET state = 'uncertain', external_id = NULL WHERE run_id = %(run)s RETURNING id", run=lost)
    job = stage.task(known).external_id

    with pytest.raises(Conflict, match="another task"):
        resolve(stage.services, stage.task(lost).id, "submitted", job)

    assert (stage.state(lost), stage.task(lost).external_id) == (TaskState.UNCERTAIN, None)
    assert stage.task(known).external_id == job


def open_run(stage: Stage, *accounts: str) -> Any:
    catalog.push_shipped(stage.services)
    request = Request(pipeline="best-single", inputs={"prompt": "x"}, labels={}, accounts=accounts)
    return launch(stage.services, request).run.id


def deliver_to(stage: Stage, account: str, task: Task) -> Taken:
    """The job's success, to the task's URL at this account."""
    token = task_token(stage.services.config.secrets, account, task.id)
    return take_callback(stage.services, account, token, lambda: SUCCESS, None)  # type: ignore[return-value]


def test_a_task_that_has_moved_on_but_is_not_sent_takes_what_its_former_account_delivers(make_stage: MakeStage) -> None:
    stage = make_stage(TOKENS | {"token_states": (("first", "used_up"),)}, others=["second"])
    run_id = open_run(stage, ACCOUNT, "second")
    stage.nudges.lost = {"submit"}
    stage.nudges.jobs.get()(stage.services)  # refused, and moved on
    assert (stage.state(run_id), stage.task(run_id).account) == (TaskState.READY, "second")

    taken = deliver_to(stage, ACCOUNT, stage.task(run_id))

    task = stage.tasks(run_id)[0]
    assert taken.verdict == "accepted"
    assert (task.state, task.account, task.external_id) == (TaskState.SUCCEEDED, ACCOUNT, "job-at-the-first")
    assert stage.slots_in_use() == 0


def test_a_task_that_comes_back_for_its_delivery_is_not_sent_before_that_is_taken(
    make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = make_stage(TOKENS | {"token_states": (("first", "used_up"),)}, others=["second"])
    run_id = open_run(stage, ACCOUNT, "second")
    stage.nudges.lost = {"submit"}
    stage.nudges.jobs.get()(stage.services)  # refused, and moved on
    receive, sent = callbacks.receive, list[int]()

    def after_others(*arguments: Any, **values: Any) -> Taken:
        if stage.rows("SELECT FROM callbacks"):  # the second time: the task has come back
            sent.extend(submit_ready(stage.services, name) for name in (ACCOUNT, "second"))
        return receive(*arguments, **values)

    monkeypatch.setattr(callbacks, "receive", after_others)
    taken = deliver_to(stage, ACCOUNT, stage.task(run_id))

    assert (sent, stage.asked(IMAGINE), taken.verdict) == ([0, 0], 1, "accepted")
    assert stage.tasks(run_id)[0].state is TaskState.SUCCEEDED
    assert stage.slots_in_use() == 0


def test_what_a_former_account_delivers_after_the_task_was_sent_elsewhere_is_a_persons(make_stage: MakeStage) -> None:
    options = TOKENS | {"token_states": (("first", "used_up"),), "instant": False, "latency": 7200.0}
    stage = make_stage(options, others=["second"])
    run_id = open_run(stage, ACCOUNT, "second")
    stage.work()
    assert (stage.state(run_id), stage.task(run_id).account) == (TaskState.WAITING, "second")

    taken = deliver_to(stage, ACCOUNT, stage.task(run_id))

    assert (taken.verdict, stage.state(run_id)) == ("parked", TaskState.WAITING)
    (kept,) = stage.rows("SELECT id, reason FROM callbacks WHERE verdict = 'parked'")
    assert "moved on" in kept["reason"]
    assert adopt(stage.services, kept["id"], stage.task(run_id).id).verdict == "accepted"
    assert stage.tasks(run_id)[0].state is TaskState.SUCCEEDED
    assert stage.slots_in_use() == 0
    assert stage.asked(IMAGINE) == 2
