"""Jobs that fall silent, and those that are merely slow."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from stage import GRID, TASKS, Stage

from orchestrator.core.states import RunState, TaskState

MakeStage = Callable[..., Stage]
SLOW = {"instant": False, "latency": 3600.0}


@pytest.mark.parametrize("way", [{"quiet": 30.0}, {"quiet": 1000.0}, {"callback": "poll", "poll": 8.0}])
def test_a_job_that_never_ends_is_given_up_at_its_deadline_and_not_before(
    make_stage: MakeStage, way: dict[str, object]
) -> None:
    stage = make_stage(SLOW, **way)
    run_id = stage.open({"grid": GRID["grid"] | {"timeout": 300}})
    stage.work()
    stage.pass_time(296)
    assert stage.state(run_id) is TaskState.WAITING
    stage.pass_time(10)
    assert (stage.state(run_id), stage.code(run_id)) == (TaskState.FAILED, "timed_out")
    assert stage.run(run_id).state is RunState.FAILED
    assert stage.slots_in_use() == 0
    assert 1 <= stage.asked(TASKS) <= 30  # asked once more before it was given up, but not all the time


def test_progress_moves_the_deadline(make_stage: MakeStage) -> None:
    stage = make_stage({"instant": False, "latency": 500.0}, stream=True)
    run_id = stage.open({"grid": GRID["grid"] | {"timeout": 250}})
    stage.work()
    for _ in range(140):
        stage.forward(5)
        stage.until(lambda: not stage.emulator.state.courier.waiting())
        stage.sweep()
        if stage.run(run_id).finished_at:
            break
    assert stage.run(run_id).state is RunState.SUCCEEDED
    assert (stage.clock() - stage.run(run_id).created_at).total_seconds() > 300


def test_a_success_after_the_time_out_is_late_and_changes_nothing(make_stage: MakeStage) -> None:
    stage = make_stage(SLOW, quiet=1000.0)
    run_id = stage.open({"grid": GRID["grid"] | {"timeout": 60}})
    stage.work()
    stage.pass_time(64)
    assert stage.code(run_id) == "timed_out"
    stage.forward(10000)
    stage.until(lambda: stage.verdicts() == ["late"])
    assert stage.state(run_id) is TaskState.FAILED
    assert stage.run(run_id).state is RunState.FAILED


def test_a_provider_that_is_away_until_the_deadline_is_named_in_the_error(make_stage: MakeStage) -> None:
    stage = make_stage(SLOW, quiet=10.0)
    stage.spoil(TASKS, status=500, message="fetch failed", count=1000)
    run_id = stage.open({"grid": GRID["grid"] | {"timeout": 60}})
    stage.pass_time(64)
    assert stage.code(run_id) == "timed_out"
    assert "fetch failed" in str(stage.task(run_id).error)


def test_one_unreadable_job_keeps_no_other_from_being_polled(make_stage: MakeStage) -> None:
    stage = make_stage({"chaos": "drop=1"}, quiet=10.0)
    opened = [stage.open() for _ in range(3)]
    stage.work()
    (odd, *_) = stage.emulator.state.book.oldest_first()
    stage.until(lambda: odd.done)
    odd.started_at = None
    odd.finished_at = None  # the provider forgets what it has done
    odd.state = "pending"
    stage.pass_time(14)
    assert [bool(stage.run(one).finished_at) for one in opened] == [False, True, True]
