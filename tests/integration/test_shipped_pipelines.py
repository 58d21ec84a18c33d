"""Every pipeline that ships ends well, on every provider that can do it, pushed and polled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from shipped import CASES, PROMPT
from stage import Stage

from orchestrator import catalog
from orchestrator.core.states import RunState
from orchestrator.core.tokens import account_token
from orchestrator.launch import Request, launch

MakeStage = Callable[..., Stage]
OTHERS = {"mjproxy": "mjproxy", "imagineapi": "imagineapi"}


def open_run(stage: Stage, pipeline: str, inputs: dict[str, Any], *accounts: str) -> UUID:
    catalog.push_shipped(stage.services)
    return launch(stage.services, Request(pipeline=pipeline, inputs=inputs, labels={}, accounts=accounts)).run.id


def enter_the_hook(stage: Stage) -> None:
    """What a user does once in ImagineAPI's dashboard."""
    config = stage.services.config
    stage.tell(webhooks=[config.callback_url("imagineapi", account_token(config.secrets, "imagineapi"))])


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


def test_the_other_provider_takes_what_the_first_refuses(make_stage: MakeStage) -> None:
    tokens = (("first", "secret-token"), ("second", "token-of-mjproxy"))
    stage = make_stage({"tokens": tokens, "token_states": (("first", "used_up"),)}, others=OTHERS)

    run_id = open_run(stage, "provider-fallback", PROMPT)

    assert stage.end(run_id).state is RunState.SUCCEEDED
    assert {task.account for task in stage.tasks(run_id) if task.kind == "provider"} == {"mjproxy"}


def test_the_other_provider_stands_in_when_the_job_fails(make_stage: MakeStage) -> None:
    stage = make_stage(others=OTHERS)

    run_id = open_run(stage, "provider-fallback", {"prompt": "broken-job"})
    ended = stage.end(run_id)

    # The emulator breaks this job in every dialect: the stand-in is tried, and its failure is the run's.
    states = [(task.step, task.account, task.state.value) for task in stage.tasks(run_id) if task.kind == "provider"]
    assert states == [("grid", "acedata", "failed"), ("again", "mjproxy", "failed")]
    assert (ended.state, (ended.error or {}).get("step")) == (RunState.FAILED, "again")
