"""What a provider's refusals lead to: wait, try again, or fail with the provider's own words."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from typing import Any

import pytest
from stage import GRID, IMAGINE, TOKEN, Stage

from orchestrator.core.states import RunState, TaskState
from orchestrator.intervene import cancel_run

MakeStage = Callable[..., Stage]


def words(message: str) -> str:
    """The provider's own words, without the trace that is kept behind them for its support."""
    return message.partition(" (trace ")[0]


def test_retry_after_is_honoured_by_the_whole_account(stage: Stage) -> None:
    stage.spoil(status=429, retry_after=50)
    refused, other = stage.open(), stage.open()
    stage.pass_time(48)
    assert stage.asked(IMAGINE) == 1
    assert {stage.state(refused), stage.state(other)} == {TaskState.READY}
    stage.pass_time(4)
    assert [stage.end(one).state for one in (refused, other)] == [RunState.SUCCEEDED] * 2
    assert stage.paid == 2


def test_a_pause_says_why(stage: Stage) -> None:
    stage.spoil(status=429, retry_after=50, message="slow down")
    run_id = stage.open()
    stage.work()
    (account,) = stage.rows("SELECT paused_until > now() AS paused, paused_reason FROM accounts")
    assert (account["paused"], words(account["paused_reason"])) == (True, "slow down")
    assert "slow down" in (stage.task(run_id).waiting_for or "")


def test_a_provider_that_says_retry_at_once_is_not_hammered(stage: Stage) -> None:
    stage.spoil(status=429, retry_after=0, count=20)
    run_id = stage.open()
    stage.work()
    assert stage.asked(IMAGINE) == 1
    stage.pass_time(60)
    assert stage.end(run_id).state is RunState.SUCCEEDED


def test_server_errors_are_tried_again_less_and_less_often(stage: Stage) -> None:
    stage.spoil(status=500, count=4)
    run_id = stage.open()
    stage.work()
    waits = []
    while stage.state(run_id) is TaskState.READY:
        task = stage.task(run_id)
        assert task.wake_at is not None
        waits.append((task.wake_at - stage.clock()).total_seconds())
        assert stage.slots_in_use() == 0
        stage.forward(waits[-1] + 0.1)
        stage.sweep()
    assert len(waits) == 4
    assert waits == sorted(waits)
    assert waits[-1] < 17  # 1, 2, 4, 8 seconds and as much again at most
    assert stage.end(run_id).state is RunState.SUCCEEDED
    assert stage.paid == 1


def test_a_refused_connection_is_tried_again(make_stage: MakeStage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    stage = make_stage(base_url=nobody)
    run_id = stage.open()
    stage.work()
    task = stage.task(run_id)
    assert task.state is TaskState.READY
    assert "refused" in (task.waiting_for or "")
    assert stage.slots_in_use() == 0


def test_back_off_ends_at_the_deadline_with_the_providers_words(stage: Stage) -> None:
    stage.spoil(status=500, message="the kitchen is closed", count=1000)
    run_id = stage.open({"grid": GRID["grid"] | {"timeout": 60}})
    for _ in range(100):
        stage.pass_time(2)
    task = stage.task(run_id)
    assert task.state is TaskState.FAILED
    assert task.error is not None
    assert (task.error["code"], words(task.error["message"])) == ("api_error", "the kitchen is closed")
    assert stage.run(run_id).state is RunState.FAILED
    assert stage.slots_in_use() == 0


FATAL: dict[str, tuple[dict[str, Any], str, str]] = {
    "bad request": ({"status": 400, "message": "no such mode"}, "bad_request", "no such mode"),
    "moderation": ({"status": 403, "code": "forbidden", "message": "not nice"}, "forbidden", "not nice"),
    "used up": ({"status": 403, "code": "used_up", "message": "no balance"}, "used_up", "no balance"),
    "bad token": ({"status": 401, "message": "who are you"}, "invalid_token", "who are you"),
}


@pytest.mark.parametrize("case", FATAL)
def test_a_refusal_for_good_fails_the_task_in_the_providers_words(stage: Stage, case: str) -> None:
    fault, code, message = FATAL[case]
    stage.spoil(**fault)
    run = stage.end(stage.open())
    assert run.state is RunState.FAILED
    assert run.error is not None
    assert (run.error["code"], words(run.error["message"]), run.error["step"]) == (code, message, "grid")
    assert stage.paid == 0
    assert stage.slots_in_use() == 0


def test_a_moderated_prompt_is_not_paid_for(stage: Stage) -> None:
    run_id = stage.open(prompt="a forbidden-word")
    assert stage.end(run_id).state is RunState.FAILED
    assert (stage.code(run_id), stage.paid) == ("forbidden", 0)


@pytest.mark.parametrize("way", [{}, {"stream": True}, {"callback": "poll", "stream": True}, {"callback": "poll"}])
def test_an_unknown_flag_fails_later_with_the_providers_words(make_stage: MakeStage, way: dict[str, Any]) -> None:
    stage = make_stage(**way)
    run_id = stage.open(prompt="a fox --frobnicate 3")
    stage.pass_time(20)
    assert stage.end(run_id).state is RunState.FAILED
    assert stage.code(run_id) == "bad_request"
    assert "--frobnicate" in str(stage.task(run_id).error)
    assert stage.slots_in_use() == 0


@pytest.mark.parametrize(("on", "attempts"), [("any", 2), ("task_failed", 2), (["timeout", "api_error"], 1)])
def test_a_step_is_attempted_again_for_the_codes_it_names(stage: Stage, on: Any, attempts: int) -> None:
    grid = GRID["grid"] | {"retry": {"attempts": 2, "backoff": "3s", "on": on}}
    run_id = stage.open({"grid": grid}, prompt="a broken-job")
    stage.quiet()
    stage.pass_time(8)
    assert stage.end(run_id).state is RunState.FAILED
    assert [task.attempt for task in stage.tasks(run_id)] == list(range(1, attempts + 1))
    assert {task.state for task in stage.tasks(run_id)} == {TaskState.FAILED}
    assert stage.paid == attempts
    assert stage.slots_in_use() == 0


def test_an_action_that_the_image_does_not_offer_is_not_paid_for(stage: Stage) -> None:
    steps = GRID | {
        "single": {"action": "upscale", "of": "grid", "with": {"quadrant": 1}},
        "finer": {"action": "upscale_subtle", "of": "single"},
    }
    run_id = stage.open(steps)  # without --v 6 there is no upscale_subtle
    assert stage.end(run_id).state is RunState.FAILED
    assert stage.code(run_id, "finer") == "invalid_order"
    assert "upscale_subtle" in str(stage.task(run_id, "finer").error)
    assert stage.paid == 2
    assert stage.asked(IMAGINE) == 2
    assert stage.slots_in_use() == 0


def test_a_cancelled_run_is_not_submitted_after_a_back_off(stage: Stage) -> None:
    """The refusal may come after the cancellation: then there is nothing to try again for."""
    stage.spoil(status=503, code="api_error")
    run_id = stage.open()
    stage.emulator.state.courier.hold()
    refuse = stage.services.dialect("acedata").submit

    def cancelled_meanwhile(*order: Any) -> Any:
        outcome = refuse(*order)
        cancel_run(stage.services, run_id)
        return outcome

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage.services.dialect("acedata"), "submit", cancelled_meanwhile, raising=False)
        stage.work()
    stage.pass_time(10)
    assert stage.paid == 0
    assert stage.task(run_id).final
    assert stage.slots_in_use() == 0


def test_a_task_that_waited_beyond_its_deadline_for_the_account_gets_its_time_once_it_is_sent(stage: Stage) -> None:
    stage.emulator.state.courier.hold()
    stage.spoil(status=503, code="api_error")
    run_id = stage.open({"grid": GRID["grid"] | {"timeout": 60}})
    stage.work()
    stage.forward(100)  # nobody worked in the meantime
    stage.sweep()
    assert stage.state(run_id) is TaskState.WAITING
    deadline = stage.task(run_id).deadline_at
    assert deadline is not None
    assert 59 < (deadline - stage.clock()).total_seconds() < 61


def test_the_providers_words_may_hold_no_secret_of_ours(stage: Stage) -> None:
    run_id = stage.open()
    token = stage.callback_token(stage.task(run_id))
    stage.spoil(status=400, message=f"cannot call http://127.0.0.1/callbacks/acedata/{token} (Bearer {TOKEN})")
    stage.end(run_id)
    said = str(stage.task(run_id)) + str(stage.run(run_id))
    assert token not in said
    assert TOKEN not in said


def test_a_task_that_waited_long_for_its_turn_may_be_refused_once_more(stage: Stage) -> None:
    stage.spoil(status=429, retry_after=1, count=2)
    run_id = stage.open({"grid": GRID["grid"] | {"timeout": 60}})
    stage.work()
    stage.forward(100)  # nobody worked in the meantime
    stage.sweep()
    assert (stage.state(run_id), stage.task(run_id).submissions) == (TaskState.READY, 2)
    stage.pass_time(4)
    assert stage.end(run_id).state is RunState.SUCCEEDED


def test_a_mode_of_any_length_is_refused_like_any_other(stage: Stage) -> None:
    again = {"action": "reroll", "of": "grid", "with": {"mode": "${inputs.mode}"}}
    run_id = stage.open({**GRID, "again": again}, mode=secrets.token_hex(4000))
    assert stage.end(run_id).state is RunState.FAILED
    assert [task.error["code"] for task in stage.tasks(run_id) if task.error] == ["invalid_order"]
    assert stage.paid == 1
