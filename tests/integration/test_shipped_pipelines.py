"""Every pipeline that ships ends well, on every provider that can do it, pushed and polled."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from PIL import Image
from stage import Stage

from orchestrator import catalog
from orchestrator.core.states import RunState
from orchestrator.core.tokens import account_token
from orchestrator.launch import Request, launch

MakeStage = Callable[..., Stage]
OTHERS = {"mjproxy": "mjproxy", "imagineapi": "imagineapi"}


def picture(width: int = 128, height: int = 128, colour: str = "teal") -> str:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def mask() -> str:
    """For a quadrant of a grid of 256 pixels."""
    drawn, stream = Image.new("L", (128, 128), 0), io.BytesIO()
    drawn.paste(255, (32, 32, 96, 96))
    drawn.save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def open_run(stage: Stage, pipeline: str, inputs: dict[str, Any], *accounts: str) -> UUID:
    catalog.push_shipped(stage.services)
    return launch(stage.services, Request(pipeline=pipeline, inputs=inputs, labels={}, accounts=accounts)).run.id


def enter_the_hook(stage: Stage) -> None:
    """What a user does once in ImagineAPI's dashboard."""
    config = stage.services.config
    stage.tell(webhooks=[config.callback_url("imagineapi", account_token(config.secrets, "imagineapi"))])


PROMPT = {"prompt": "a red fox in the snow"}
IMAGES = {"images": ["https://example.com/1.png", "https://example.com/2.png"]}
CASES = [
    ("best-single", PROMPT, "acedata", 1),
    ("best-single", PROMPT, "mjproxy", 1),
    ("best-single", PROMPT, "imagineapi", 1),
    ("four-singles", PROMPT, "imagineapi", 4),
    ("blend", IMAGES, "imagineapi", 1),
    ("hero-image", PROMPT, "acedata", 1),
    ("hero-image", {"prompt": "a red fox --v 5.2"}, "mjproxy", 1),
    ("four-singles", PROMPT, "acedata", 4),
    ("four-singles", PROMPT, "mjproxy", 4),
    ("variations", PROMPT, "acedata", 1),
    ("variations", PROMPT, "mjproxy", 1),
    ("region-redraw", PROMPT | {"mask": mask()}, "acedata", 1),
    ("region-redraw", PROMPT | {"mask": mask()}, "mjproxy", 1),
    ("blend", IMAGES, "acedata", 1),
    ("blend", {"images": [picture(), picture(colour="red")]}, "mjproxy", 1),
    ("describe-and-reimagine", {"image": "https://example.com/1.png"}, "acedata", 1),
    ("describe-and-reimagine", {"image": picture()}, "mjproxy", 1),
    ("face-swap", {"source": picture(), "target": picture(colour="red")}, "mjproxy", 1),
    ("vary-until-good", PROMPT | {"good": -100.0}, "acedata", 1),
    ("vary-until-good", PROMPT | {"good": 100.0}, "acedata", 1),
    ("vary-until-good", PROMPT | {"good": 100.0}, "mjproxy", 1),
]


@pytest.mark.parametrize("callback", ["push", "poll"])
@pytest.mark.parametrize(("pipeline", "inputs", "account", "kept"), CASES, ids=lambda value: str(value)[:24])
def test_it_ends_well(
    make_stage: MakeStage, pipeline: str, inputs: dict[str, Any], account: str, kept: int, callback: str
) -> None:
    stage = make_stage(others=OTHERS, callback=callback, poll=1)
    if callback == "push":
        enter_the_hook(stage)
    run_id = open_run(stage, pipeline, inputs, account)

    def over() -> bool:
        if callback == "poll":
            stage.pass_time(4, every=1)
        return stage.run(run_id).finished_at is not None

    stage.until(over, f"the end of {pipeline} at {account}", within=30)

    assert stage.run(run_id).error is None
    assert stage.run(run_id).state is RunState.SUCCEEDED
    assert len(stage.rows("SELECT 1 FROM objects")) == kept
    assert {task.account for task in stage.tasks(run_id) if task.kind == "provider"} == {account}


def test_rerolls_go_on_while_the_best_is_too_low(make_stage: MakeStage) -> None:
    stage = make_stage()

    good = open_run(stage, "vary-until-good", PROMPT | {"good": -100.0})
    never = open_run(stage, "vary-until-good", PROMPT | {"good": 100.0})
    assert {stage.end(good).state, stage.end(never).state} == {RunState.SUCCEEDED}

    assert [task.action for task in stage.tasks(good)] == ["imagine", "choose", "upscale", "archive"]
    assert [task.action for task in stage.tasks(never)].count("reroll") == 2


def test_the_other_provider_stands_in_when_the_job_fails(make_stage: MakeStage) -> None:
    stage = make_stage(others=OTHERS)

    run_id = open_run(stage, "provider-fallback", {"prompt": "broken-job --nope"})
    ended = stage.end(run_id)

    states = {(task.step, task.account): task.state.value for task in stage.tasks(run_id) if task.kind == "provider"}
    assert states[("grid", "acedata")] == "failed"
    assert ("again", "mjproxy") in states
    assert ended.state in (RunState.SUCCEEDED, RunState.FAILED)
