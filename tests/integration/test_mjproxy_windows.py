"""Buttons that open a window before anything is worked on, in the whole path."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

from contracts.scripted_server import Step, answer, close, scripted
from stage import Stage

from orchestrator.core.states import RunState, TaskState

MakeStage = Callable[..., Stage]
STEPS: dict[str, Any] = {
    "grid": {"action": "imagine", "with": {"prompt": "${inputs.prompt}"}},
    "again": {"action": "reroll", "of": "grid", "with": {"prompt": "another"}},
}
DONE = {"id": "17", "status": "SUCCESS", "imageUrl": "u", "buttons": [{"customId": "MJ::JOB::reroll::0::h::SOLO"}]}
OPENED = {"code": 21, "description": "窗口等待", "result": "18", "properties": {"finalPrompt": "x", "remix": True}}


def test_a_window_that_is_announced_does_not_hide_that_its_confirmation_was_refused(make_stage: MakeStage) -> None:
    stage: list[Stage] = []
    told: list[str] = []

    def announced(connection: socket.socket, over: threading.Event) -> bool:
        again = stage[0].task(run_id, "again")
        told.append(stage[0].deliver(again, {"id": "18", "status": "MODAL", "progress": "0%"}).verdict.value)
        return answer(200, OPENED)(connection, over)

    refusal = answer(200, {"code": 24, "description": "banned", "result": None})
    with scripted(answer(200, {"code": 1, "result": "17"}), announced, refusal) as server:
        stage.append(make_stage({}, provider="mjproxy", base_url=server.url))
        run_id = stage[0].open(STEPS)
        stage[0].work()
        assert stage[0].deliver(stage[0].task(run_id), DONE).verdict.value == "accepted"
        assert stage[0].end(run_id).state is RunState.FAILED
        assert [path.rpartition("/")[2] for path, _, _ in server.requests] == ["imagine", "action", "modal"]
    assert (stage[0].code(run_id, "again"), told) == ("banned_prompt", ["stale"])


def window_then(make_stage: MakeStage, step: Step, state: TaskState) -> None:
    script = [answer(200, {"code": 1, "result": "17"}), answer(200, OPENED), step]
    with scripted(*script) as server:
        stage = make_stage({}, provider="mjproxy", base_url=server.url)
        run_id = stage.open(STEPS)
        stage.work()
        stage.deliver(stage.task(run_id), DONE)
        stage.until(lambda: stage.state(run_id, "again") is state if len(stage.tasks(run_id)) > 1 else False)
        assert stage.task(run_id, "again").external_id == "18"
        again = {**DONE, "id": "18"}
        stage.deliver(stage.task(run_id, "again"), again)
        assert stage.end(run_id).state is RunState.SUCCEEDED


def test_a_confirmed_window_is_waited_for(make_stage: MakeStage) -> None:
    window_then(make_stage, answer(200, {"code": 22, "result": "18"}), TaskState.WAITING)


def test_a_window_whose_answer_was_lost_is_waited_for(make_stage: MakeStage) -> None:
    window_then(make_stage, close, TaskState.WAITING)
