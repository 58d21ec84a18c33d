"""Whole pipelines on midjourney-proxy, pushed and polled, with a layer that tells and one that does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from stage import Stage

from ops.emulator.mjproxy_options import MjOptions
from orchestrator.core.states import RunState

MakeStage = Callable[..., Stage]
AGAIN: dict[str, Any] = {
    "grid": {"action": "imagine", "with": {"prompt": "${inputs.prompt}"}},
    "single": {"action": "upscale", "of": "grid", "with": {"quadrant": 2}},
    "wider": {"action": "zoom_custom", "of": "single", "with": {"zoom": 1.5}},
    "seed": {"action": "seed", "of": "grid"},
    "words": {"action": "shorten", "with": {"prompt": "${inputs.prompt}"}},
    "short": {
        "action": "imagine",
        "with": {"prompt": "${steps.words.result.texts[0]} --seed ${steps.seed.result.text}"},
    },
}
WAYS = [
    ("java", "push"),
    ("plus", "push"),
    ("csharp", "push"),
    ("java", "poll"),
    ("gateway", "poll"),
    ("gateway", "both"),
]


def played(stage: Stage, pipeline: str | dict[str, Any]) -> Stage:
    run_id = stage.open(pipeline)
    for _ in range(60):
        stage.work()
        if stage.run(run_id).finished_at:
            break
        stage.pass_time(10)
    assert stage.run(run_id).state is RunState.SUCCEEDED, stage.story()
    assert stage.slots_in_use() == 0
    return stage


@pytest.mark.parametrize(("layer", "callback"), WAYS)
def test_a_shipped_pipeline_runs_to_its_end(make_stage: MakeStage, layer: str, callback: str) -> None:
    stage = make_stage({"mj": MjOptions(layer=layer)}, provider="mjproxy", callback=callback)
    assert played(stage, "four-singles").paid == 5


@pytest.mark.parametrize(("layer", "callback"), [("plus", "push"), ("csharp", "poll"), ("gateway", "poll")])
def test_windows_seeds_and_words_are_steps_like_any_other(make_stage: MakeStage, layer: str, callback: str) -> None:
    stage = make_stage({"mj": MjOptions(layer=layer)}, provider="mjproxy", callback=callback)
    stats = played(stage, AGAIN).stats()
    assert stats["paid_jobs"] == 5
