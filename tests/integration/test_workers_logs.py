"""One line for each callback, submission and act; and never a secret in any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from stage import TOKEN, Stage
from structlog.testing import capture_logs

from orchestrator.core.events import Ambiguous
from orchestrator.core.states import RunState
from orchestrator.logs import mask
from orchestrator.providers.base import Order
from workers.health import OUTAGE

MakeStage = Callable[..., Stage]


def rendered(lines: list[structlog.typing.EventDict]) -> str:
    """The lines as they are printed."""
    render = structlog.processors.JSONRenderer()
    return "\n".join(str(render(None, "info", mask(None, "info", dict(line)))) for line in lines)


def test_each_event_of_a_run_has_its_line(stage: Stage) -> None:
    with capture_logs() as lines:
        run_id = stage.open("hero-image")
        stage.end(run_id)
        stage.quiet()
    assert Counter(line["event"] for line in lines) == {"submission": 3, "callback": 3, "act": 2, "run over": 1}
    ours = {str(task.id) for task in stage.tasks(run_id)}
    assert {line["task"] for line in lines if "task" in line} == ours
    assert {line["run"] for line in lines if "run" in line} == {str(run_id)}


def test_a_submission_that_a_callback_has_overtaken_says_so(make_stage: MakeStage) -> None:
    stage = make_stage({"chaos": "early=1,submit_timeout=1", "seed": 4})
    with capture_logs() as lines:
        stage.end(stage.open())
    (submission,) = [line for line in lines if line["event"] == "submission"]
    assert (submission["outcome"], submission["state"]) == ("ambiguous", "moved on")


def test_no_secret_is_told(make_stage: MakeStage) -> None:
    stage = make_stage({"chaos": "hostile", "chaos_delay": 1.0, "hang": 0.1, "seed": 3}, settle=20.0)
    with capture_logs() as lines:
        opened = [stage.open("hero-image", prompt=f"fox {n}") for n in range(4)]
        tokens = {TOKEN}
        for number, one in enumerate(opened):
            token = stage.callback_token(stage.task(one))
            stage.spoil(status=[400, 500][number % 2], message=f"no http://us/callbacks/acedata/{token} Bearer {TOKEN}")
        for _ in range(200):
            if all(stage.run(one).finished_at for one in opened):
                break
            stage.forward(2)
            stage.sweep()
        tokens |= {stage.callback_token(task) for one in opened for task in stage.tasks(one)}
    assert {stage.run(one).state for one in opened} == {RunState.SUCCEEDED, RunState.FAILED}
    told = rendered(lines)
    assert len(lines) > 20
    assert [token for token in tokens if token in told] == []
    assert "hm=" not in told


def test_a_provider_that_repeats_our_token_tells_it_to_nobody(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.spoil(status=400, message="no such key: secret-token")
    with capture_logs() as lines:
        run_id = stage.open()
        stage.end(run_id)
    assert "no such key: ***" in str(stage.task(run_id).error)
    assert "secret-token" not in rendered(lines) + stage.story() + str(stage.rows("SELECT * FROM transitions"))


def test_why_an_account_pauses_tells_no_token(make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch) -> None:
    def quoting(transport: Any, account: Any, order: Order, report: Any) -> Ambiguous:
        return Ambiguous(f"the gateway answered: cannot reach {order.callback_url}")

    stage = make_stage()
    monkeypatch.setattr("orchestrator.providers.acedata.submitting.submit", quoting)
    opened = [stage.open(prompt=f"fox {number}") for number in range(OUTAGE.most)]
    stage.work()

    (account,) = stage.rows("SELECT paused_reason FROM accounts WHERE paused_until IS NOT NULL")
    assert "cannot reach" in account["paused_reason"]
    told = str(stage.rows("SELECT to_jsonb(t) FROM tasks t")) + str(account) + stage.story()
    assert [one for one in opened if stage.callback_token(stage.task(one)) in told] == []
