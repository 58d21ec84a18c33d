"""Slots: never more jobs in flight than the account has, and each is given back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from stage import ACCOUNT, GRID, IMAGINE, Stage

from orchestrator.core.states import RunState, TaskState
from orchestrator.intervene import cancel_run
from workers.submit import submit_ready

MakeStage = Callable[..., Stage]
SLOW = {"instant": False, "latency": 60.0}


def test_never_more_in_flight_than_slots(make_stage: MakeStage) -> None:
    stage = make_stage(SLOW | {"concurrency": 3}, slots=3)
    opened = [stage.open() for _ in range(9)]
    stage.work()
    assert stage.stats()["in_flight"] == stage.slots_in_use() == 3
    for _ in range(200):
        if all(stage.run(one).finished_at for one in opened):
            break
        stage.forward(5)
        stage.sweep()
        assert stage.stats()["in_flight"] <= 3
    assert {stage.run(one).state for one in opened} == {RunState.SUCCEEDED}
    assert stage.stats()["requests"] == {"/midjourney/imagine 200": 9}  # nobody was ever told that it is too much


def test_workers_at_the_same_time_share_the_slots(make_stage: MakeStage) -> None:
    stage = make_stage(SLOW, slots=3)
    for _ in range(12):
        stage.open()
    workers = [threading.Thread(target=submit_ready, args=(stage.services, ACCOUNT)) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert stage.stats()["in_flight"] == stage.slots_in_use() == 3
    assert stage.paid == 3


ENDS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "success": ({}, "x", {}),
    "failure": ({}, "a broken-job", {}),
    "refusal": ({}, "a forbidden-word", {}),
    "time-out": ({"chaos": "drop=1"}, "x", {"timeout": 20}),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_slot_goes_to_the_next_task(make_stage: MakeStage, end: str) -> None:
    options, prompt, step = ENDS[end]
    stage = make_stage(options, slots=1, quiet=1000.0)
    first = stage.open({"grid": GRID["grid"] | step}, prompt=prompt)
    stage.spoil("/midjourney/tasks", status=500, count=100)
    stage.work()
    stage.tell(chaos="")
    second = stage.open({"grid": GRID["grid"] | step})
    if end == "time-out":
        assert stage.state(second) is TaskState.READY
        stage.pass_time(24)
        assert stage.code(first) == "timed_out"
    assert stage.end(first).finished_at
    assert stage.end(second).state is RunState.SUCCEEDED  # without another sweep
    assert stage.slots_in_use() == 0


def test_a_freed_slot_is_used_at_once_by_a_task_of_another_run(make_stage: MakeStage) -> None:
    stage = make_stage(slots=1)
    stage.emulator.state.courier.hold()
    first, second = stage.open(), stage.open()
    stage.work()
    assert [stage.state(one) for one in (first, second)] == [TaskState.WAITING, TaskState.READY]
    stage.emulator.state.courier.release()
    assert stage.end(first).state is RunState.SUCCEEDED
    assert stage.end(second).state is RunState.SUCCEEDED
    assert stage.nudges.said.count("look") == 0


def test_the_job_of_a_cancelled_run_holds_its_slot_to_its_end(make_stage: MakeStage) -> None:
    stage = make_stage(slots=1)
    stage.emulator.state.courier.hold()
    run_id = stage.open()
    waits = stage.open()
    stage.work()
    cancel_run(stage.services, run_id)
    stage.sweep()
    assert (stage.slots_in_use(), stage.state(waits)) == (1, TaskState.READY)
    stage.emulator.state.courier.release()
    assert stage.end(waits).state is RunState.SUCCEEDED
    assert stage.state(run_id) is TaskState.SUCCEEDED
    assert stage.run(run_id).state is RunState.CANCELLED
    assert stage.slots_in_use() == 0


def test_a_rate_is_kept_and_used(make_stage: MakeStage) -> None:
    """Without a sweep: each submission sees to the next one."""
    stage = make_stage(submits_per_second=2.0, slots=20)
    for _ in range(6):
        stage.open()
    asked = []
    for _ in range(8):
        stage.work()
        asked.append(stage.asked(IMAGINE))
        stage.forward(0.5)
    assert asked[:6] == [1, 2, 3, 4, 5, 6]
    assert asked[-1] == 6
