"""Steps that yield text: answered at once, used by later steps, never asked for twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from stage import Stage

from orchestrator.core.states import RunState, TaskState

DESCRIBE = "/midjourney/describe"
WORDS: dict[str, Any] = {"words": {"action": "describe", "with": {"image": "https://img.example/1.png"}}}
MakeStage = Callable[..., Stage]


@pytest.mark.parametrize("way", [{}, {"callback": "poll"}, {"callback": "poll", "stream": True}])
def test_a_later_step_uses_the_second_of_the_texts(make_stage: MakeStage, way: dict[str, Any]) -> None:
    stage = make_stage(**way)
    grid = {"grid": {"action": "imagine", "with": {"prompt": "${steps.words.result.texts[1]}"}}}
    run_id = stage.open({**WORDS, **grid})
    stage.work()
    if not way.get("stream"):
        stage.pass_time(20)
    assert stage.end(run_id).state is RunState.SUCCEEDED
    words = stage.task(run_id, "words")
    assert words.external_id == f"sync-{words.id}"
    assert len((words.result or {})["texts"]) == 4
    assert stage.task(run_id, "grid").params["with"]["prompt"] == (words.result or {})["texts"][1]
    assert (stage.asked(DESCRIBE), stage.slots_in_use()) == (1, 0)


def test_the_seed_of_a_grid_is_a_text(stage: Stage) -> None:
    grid = {"grid": {"action": "imagine", "with": {"prompt": "a fox"}}}
    run_id = stage.open({**grid, "seed": {"action": "seed", "of": "grid"}})
    assert stage.end(run_id).state is RunState.SUCCEEDED
    assert (stage.task(run_id, "seed").result or {})["text"].isdigit()


def test_a_lost_answer_is_not_asked_for_again(stage: Stage) -> None:
    stage.spoil(DESCRIBE, cut=True)
    run_id = stage.open(WORDS)
    stage.work()
    stage.pass_time(120)
    assert stage.state(run_id, "words") is TaskState.UNCERTAIN
    assert stage.asked(DESCRIBE) == 1
