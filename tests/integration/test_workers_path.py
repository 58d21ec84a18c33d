"""The path from the order to the archive, in each way of waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from stage import IMAGINE, TASKS, Stage

from orchestrator.core.states import RunState, TaskState

WAYS: dict[str, dict[str, Any]] = {
    "push": {},
    "push and stream": {"stream": True},
    "poll and stream": {"callback": "poll", "stream": True},
    "poll": {"callback": "poll"},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("pipeline", "jobs", "kept"), [("hero-image", 3, 1), ("four-singles", 5, 4)])
def test_a_run_reaches_its_archive(
    make_stage: Callable[..., Stage], way: str, pipeline: str, jobs: int, kept: int
) -> None:
    stage = make_stage(**WAYS[way])
    run_id = stage.open(pipeline)
    for _ in range(12):
        stage.quiet()
        if stage.run(run_id).finished_at:
            break
        stage.forward(10)  # a poll is due
        stage.sweep()
    assert stage.run(run_id).state is RunState.SUCCEEDED, stage.story()
    assert stage.paid == jobs
    assert stage.stats()["duplicates"]["image_and_action"] == {}
    assert len(stage.rows("SELECT FROM objects")) == kept
    assert stage.slots_in_use() == 0


def test_a_pushed_run_asks_nothing_twice(stage: Stage) -> None:
    stage.end(stage.open("hero-image"))
    assert stage.asked(IMAGINE) == 3
    assert stage.asked(TASKS) == 0
    assert stage.verdicts() == ["accepted"] * 3


def test_a_stream_of_callbacks_tells_progress(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(stream=True, options={"instant": False, "latency": 60.0})
    run_id = stage.open()
    stage.work()
    stage.until(lambda: stage.state(run_id) is TaskState.WAITING)
    stage.forward(45)
    stage.until(lambda: 0 < stage.task(run_id).progress < 100)
    stage.forward(60)
    assert stage.end(run_id).state is RunState.SUCCEEDED


def test_lines_of_a_stream_that_is_read_here_are_evidence_like_callbacks(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(callback="poll", stream=True)
    run_id = stage.open()
    stage.end(run_id)
    assert stage.verdicts("stream") == ["accepted"] * len(stage.verdicts("stream"))
    assert len(stage.verdicts("stream")) >= 2
    assert stage.past(stage.task(run_id)) == ["ready", "submitting", "waiting", "succeeded"]
    assert stage.asked(TASKS) == 0
