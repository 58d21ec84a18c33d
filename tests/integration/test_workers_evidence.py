"""Callbacks that come early, twice, in the wrong order, late, never, or from a stranger."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from stage import GRID, TASKS, Stage

from ops.emulator.ids import uuid_of
from orchestrator.core.states import RunState, TaskState

MakeStage = Callable[..., Stage]
SLOW = {"instant": False, "latency": 60.0}


def test_a_callback_before_the_answer_to_the_submission_ends_the_task(make_stage: MakeStage) -> None:
    stage = make_stage({"chaos": "early=1"})
    run_id = stage.open("hero-image")
    assert stage.end(run_id).state is RunState.SUCCEEDED
    grid = stage.task(run_id)
    assert grid.external_id
    assert stage.past(grid) == ["ready", "submitting", "succeeded"]
    assert stage.slots_in_use() == 0


def test_frames_that_overtake_the_answer_do_not_hold_the_slot_for_ever(make_stage: MakeStage) -> None:
    stage = make_stage({"chaos": "early=1"}, stream=True)
    assert stage.end(stage.open("hero-image")).state is RunState.SUCCEEDED
    assert stage.slots_in_use() == 0


def test_copies_of_a_callback_change_nothing(make_stage: MakeStage) -> None:
    stage = make_stage({"chaos": "duplicate=1"})
    run_id = stage.open("hero-image")
    assert stage.end(run_id).state is RunState.SUCCEEDED
    stage.quiet()
    copies = stage.rows("SELECT verdict, copies FROM callbacks")
    assert [row["verdict"] for row in copies] == ["accepted"] * 3
    assert all(row["copies"] > 1 for row in copies)
    assert stage.paid == 3
    assert stage.nudges.said.count("advance") == 3  # one for each end, none for a copy


def test_frames_in_the_wrong_order_never_lower_the_progress(make_stage: MakeStage) -> None:
    stage = make_stage(SLOW, stream=True)
    stage.emulator.state.courier.hold()
    run_id = stage.open()
    stage.work()
    stage.forward(100)
    stage.until(lambda: stage.stats()["states"] == {"finished": 1})
    stage.emulator.state.courier.release(backwards=True)
    assert stage.end(run_id).state is RunState.SUCCEEDED
    stage.quiet()
    assert stage.verdicts().count("accepted") == 1  # the end came first
    assert set(stage.verdicts()) == {"accepted", "stale"}
    assert stage.task(run_id).progress == 100


def test_a_contradiction_after_the_end_is_late_and_changes_nothing(make_stage: MakeStage) -> None:
    stage = make_stage({"chaos": "contradict=1"})
    run_id = stage.open("hero-image")
    assert stage.end(run_id).state is RunState.SUCCEEDED
    stage.forward(10)
    stage.until(lambda: "late" in stage.verdicts())
    assert stage.state(run_id) is TaskState.SUCCEEDED
    assert stage.run(run_id).state is RunState.SUCCEEDED


def test_a_dropped_callback_is_found_by_a_poll_after_a_while(make_stage: MakeStage) -> None:
    stage = make_stage({"chaos": "drop=1"}, quiet=30.0)
    run_id = stage.open()
    stage.work()
    stage.pass_time(28)
    assert stage.state(run_id) is TaskState.WAITING
    assert stage.asked(TASKS) == 0  # not before it has been silent long enough
    stage.pass_time(4)
    assert stage.run(run_id).state is RunState.SUCCEEDED
    assert stage.verdicts("poll") == ["accepted"]
    assert stage.paid == 1


@pytest.mark.parametrize("seed", range(3))
def test_forged_callbacks_change_nothing(make_stage: MakeStage, seed: int) -> None:
    stage = make_stage({"chaos": "forge=1", "seed": seed})
    run_id = stage.open("four-singles")
    assert stage.end(run_id).state is RunState.SUCCEEDED
    stage.quiet()
    assert set(stage.verdicts()) <= {"accepted", "parked", "rejected"}
    assert stage.verdicts().count("accepted") == 5
    assert stage.paid == 5


def test_a_success_of_a_task_that_was_never_submitted_is_parked(make_stage: MakeStage) -> None:
    stage = make_stage(slots=1)
    stage.emulator.state.courier.hold()
    first, second = stage.open(), stage.open()
    stage.work()
    taken = stage.deliver(stage.task(second), {"success": True, "task_id": "1", "image_url": "http://x/1.png"})
    assert (taken.verdict, stage.state(second)) == ("parked", TaskState.READY)
    stage.emulator.state.courier.release()
    assert stage.end(first).state is RunState.SUCCEEDED


def test_a_callback_with_the_token_of_one_task_and_the_job_of_another_stays_parked(make_stage: MakeStage) -> None:
    """And the submission of the job that it names goes on undisturbed."""
    stage = make_stage()
    stage.emulator.state.courier.hold()
    first = stage.open()
    stage.work()
    named = uuid_of(stage.emulator.state.options.seed, "task", 2)  # the emulator's next job
    body = {"success": True, "task_id": named, "image_url": "http://x/1.png", "progress": 100}
    assert stage.deliver(stage.task(first), body).verdict == "parked"
    second = stage.open()
    stage.work()
    assert stage.task(second).external_id == named
    assert stage.state(second) is TaskState.WAITING
    stage.emulator.state.courier.release()
    assert [stage.end(one).state for one in (first, second)] == [RunState.SUCCEEDED] * 2


def test_slots_are_given_back_whatever_the_callbacks_do(make_stage: MakeStage) -> None:
    stage = make_stage({"chaos": "hostile", "chaos_delay": 1.0, "hang": 0.1, "seed": 5}, slots=3, settle=20.0)
    opened = [stage.open(GRID, prompt=f"fox {n}") for n in range(12)]
    for _ in range(400):
        if all(stage.run(one).finished_at for one in opened):
            break
        stage.forward(2)
        stage.sweep()
    assert {stage.run(one).state for one in opened} == {RunState.SUCCEEDED}, stage.story()
    assert stage.slots_in_use() == 0
    assert stage.paid == 12
