"""Several accounts: which one takes a task, and what an account's refusals lead to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from caller import Caller
from stage import ACCOUNT, IMAGINE, Stage

from orchestrator import catalog
from orchestrator.config import Limits
from orchestrator.core.states import RunState, TaskState
from orchestrator.launch import Request, launch
from orchestrator.store import accounts

MakeStage = Callable[..., Stage]
# The emulator's tokens and what is wrong with the first of them.
TOKENS = {"tokens": (("first", "secret-token"), ("second", "token-of-second"))}
USED_UP = TOKENS | {"token_states": (("first", "used_up"),)}


def open_run(stage: Stage, *accounts: str) -> UUID:
    catalog.push_shipped(stage.services)
    request = Request(pipeline="hero-image", inputs={"prompt": "x"}, labels={}, accounts=accounts)
    return launch(stage.services, request).run.id


def test_a_task_goes_to_the_next_account_when_the_first_refuses(make_stage: MakeStage) -> None:
    stage = make_stage(USED_UP, others=["second"])

    run_id = open_run(stage, ACCOUNT, "second")

    assert stage.end(run_id).state is RunState.SUCCEEDED
    assert {task.account for task in stage.tasks(run_id) if task.kind == "provider"} == {"second"}
    assert stage.paid == 3


def test_without_another_account_it_fails_with_the_providers_words(make_stage: MakeStage) -> None:
    stage = make_stage(USED_UP, others=["second"])

    run_id = open_run(stage, ACCOUNT)

    assert stage.end(run_id).state is RunState.FAILED
    assert stage.code(run_id) == "used_up"


def test_repeated_refusals_pause_the_account_with_the_reason_and_a_probe_ends_the_pause(make_stage: MakeStage) -> None:
    stage = make_stage(USED_UP)
    refused = [open_run(stage) for _ in range(3)]
    stage.work()
    waiting = open_run(stage)
    stage.work()

    (account,) = stage.rows("SELECT strikes, paused_reason FROM accounts")
    assert account["strikes"] == 3
    assert account["paused_reason"]
    assert [stage.run(one).state for one in refused] == [RunState.FAILED] * 3
    assert stage.state(waiting) is TaskState.READY
    asked = stage.asked(IMAGINE)

    stage.tell(token_states={})
    stage.pass_time(300)

    assert stage.end(waiting).state is RunState.SUCCEEDED
    assert stage.asked(IMAGINE) == asked + 3
    (account,) = stage.rows("SELECT strikes, paused_until, paused_reason FROM accounts")
    assert account == {"strikes": 0, "paused_until": None, "paused_reason": None}


@pytest.mark.parametrize("limits", [{"slots": 1}, {"mode_limits": {"fast": Limits(slots=1)}}])
def test_a_full_account_passes_waiting_tasks_on(make_stage: MakeStage, limits: dict[str, Any]) -> None:
    stage = make_stage(TOKENS | {"instant": False, "latency": 3600}, others=["second"], **limits)

    runs = [open_run(stage, ACCOUNT, "second") for _ in range(2)]
    stage.work()
    stage.sweep()

    assert {stage.task(one).account for one in runs} == {ACCOUNT, "second"}
    assert {stage.state(one) for one in runs} == {TaskState.WAITING}


def test_an_outage_pauses_the_account_until_it_passes(stage: Stage) -> None:
    stage.spoil(status=500, count=6)
    run_id = open_run(stage)

    stage.pass_time(60)
    (account,) = stage.rows("SELECT strikes, paused_until > now() AS paused FROM accounts")
    assert account["strikes"] >= 5
    asked = stage.asked(IMAGINE)
    stage.pass_time(20)
    assert stage.asked(IMAGINE) <= asked + 1

    stage.pass_time(200)
    assert stage.end(run_id).state is RunState.SUCCEEDED
    assert stage.paid == 3


def test_the_list_of_accounts_has_pages(shared_web: Caller) -> None:
    first = shared_web.get("/v1/accounts", limit=1)
    second = shared_web.get("/v1/accounts", limit=1, cursor=first["next"])

    assert [one["name"] for one in first["items"] + second["items"]] == ["acedata", "second"]
    assert second["next"] is None


def test_one_blip_is_one_pause_however_many_submissions_were_under_way(stage: Stage) -> None:
    def strike(count: int) -> list[bool]:
        wishes = {"most": 5, "first": 30.0, "longest": 600.0, "reason": "no answer", "now": stage.clock()}
        with stage.services.db.connection() as connection:
            return [accounts.strike_account(connection, ACCOUNT, **wishes)[1] for _ in range(count)]

    def pause() -> float:
        (account,) = stage.rows("SELECT paused_until FROM accounts")
        return float((account["paused_until"] - stage.clock()).total_seconds())

    assert strike(16) == [False] * 4 + [True] + [False] * 11
    assert pause() == 30
    stage.forward(31)
    assert strike(1) == [True]  # the probe was refused too
    assert pause() == 60
