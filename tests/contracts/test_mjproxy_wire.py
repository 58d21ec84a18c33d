"""midjourney-proxy's answers on the wire: windows, synchronous answers, look-ups on every layer."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from scripted_server import ScriptedServer, Step, answer, close, raw, scripted

from orchestrator.config import Account
from orchestrator.core.events import Accepted, Ambiguous, Event, EventKind, Refused, Sighting, SubmitOutcome
from orchestrator.errors import ProviderError
from orchestrator.providers.base import Order, Parent
from orchestrator.providers.mjproxy import MjProxy

ACCOUNT = Account(name="main", provider="mjproxy", base_url="", token="a-secret-token")
BUTTONS = [{"customId": f"MJ::{name}::1::h"} for name in ("CustomZoom", "Inpaint", "JOB::reroll")]
PARENT = Parent(external_id="17", action="upscale", result={"buttons": BUTTONS, "prompt": "a fox"})
ORDER = Order(task_id=UUID(int=1), action="imagine", inputs={"prompt": "x"}, answer_timeout=5)
ZOOM = replace(ORDER, action="zoom_custom", inputs={"zoom": 1.5}, parent=PARENT)
SEED = replace(ORDER, action="seed", inputs={}, parent=PARENT)
UPLOAD = replace(ORDER, action="upload", inputs={"images": ["data:image/png;base64,iVBORw0KGgo="]})
WINDOW = {
    "code": 21,
    "description": "窗口等待",
    "result": "18",
    "properties": {"finalPrompt": "a red fox", "remix": True},
}
TAKEN = {"code": 1, "description": "提交成功", "result": "18"}


def submitted(order: Order, *script: Step, requests: int = 1) -> tuple[SubmitOutcome, ScriptedServer, list[Event]]:
    reports: list[Event] = []
    with scripted(*script) as server:
        outcome = MjProxy().submit(
            replace(ACCOUNT, base_url=server.url), order, lambda events, _: reports.extend(events)
        )
        assert len(server.requests) == requests
    return outcome, server, reports


def test_a_submission_is_json_with_one_credential() -> None:
    outcome, server, _ = submitted(ORDER, answer(200, {**TAKEN, "result": 1320098173412546}, content_type="text/plain"))
    path, headers, body = server.requests[0]
    assert (outcome, path) == (Accepted("1320098173412546"), "/mj/submit/imagine")
    assert headers["mj-api-secret"] == "a-secret-token"
    assert "authorization" not in headers
    assert json.loads(body) == {"prompt": "x", "state": str(UUID(int=1))}


# Windows -----------------------------------------------------------------------------------------------


def test_a_window_is_confirmed_with_its_own_id() -> None:
    outcome, server, _ = submitted(ZOOM, answer(200, WINDOW), answer(200, TAKEN), requests=2)
    assert outcome == Accepted("18")
    assert [path for path, _, _ in server.requests] == ["/mj/submit/action", "/mj/submit/modal"]
    assert server.sent(1) == {"taskId": "18", "prompt": "a red fox --zoom 1.5", "state": str(UUID(int=1))}


@pytest.mark.parametrize(
    "step",
    [
        close,
        answer(502, b"<html>"),
        answer(200, b""),
        answer(200, {"code": 5, "description": "x"}),
        answer(200, WINDOW),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n{"),
    ],
)
def test_a_window_whose_answer_is_lost_is_asked_for_by_its_id(step: Step) -> None:
    outcome, _, _ = submitted(ZOOM, answer(200, WINDOW), step, requests=2)
    assert outcome == Accepted("18")


def test_a_window_can_be_refused() -> None:
    outcome, _, _ = submitted(ZOOM, answer(200, WINDOW), answer(200, {"code": 24, "description": "m"}), requests=2)
    assert isinstance(outcome, Refused)
    assert (outcome.error.code, outcome.retry) == ("banned_prompt", False)


def test_a_button_that_opens_no_window_is_pressed_once() -> None:
    outcome, _, _ = submitted(replace(ZOOM, action="reroll", inputs={}), answer(200, TAKEN))
    assert outcome == Accepted("18")


# Answers that are the result ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", ["636646138", 636646138])
def test_a_seed_is_there_at_once(seed: Any) -> None:
    outcome, server, reports = submitted(SEED, answer(200, {"code": 1, "description": "成功", "result": seed}))
    assert server.requests[0][0] == "/mj/task/17/image-seed"
    assert isinstance(outcome, Accepted)
    assert outcome.external_id not in ("17", "636646138")
    assert outcome.events == tuple(reports)
    assert reports[0].result == {"seed": "636646138", "text": "636646138", "texts": ["636646138"]}
    assert (reports[0].kind, reports[0].external_id) == (EventKind.SUCCEEDED, outcome.external_id)


@pytest.mark.parametrize("step", [close, answer(502, b""), answer(200, {"code": 1, "result": None})])
def test_a_seed_may_be_asked_for_again(step: Step) -> None:
    outcome, _, _ = submitted(SEED, step)
    assert isinstance(outcome, Refused)
    assert outcome.retry
    assert MjProxy().find(ACCOUNT, SEED) == Sighting(absent=True)


def test_a_seed_that_cannot_be_had_is_refused() -> None:
    outcome, _, _ = submitted(SEED, answer(404, {"code": 3, "description": "关联任务不存在"}))
    assert isinstance(outcome, Refused)
    assert (outcome.error.code, outcome.retry) == ("not_found", False)


def test_an_upload_is_there_at_once() -> None:
    urls = ["https://cdn.example/1.png"]
    outcome, _, reports = submitted(UPLOAD, answer(200, {"code": 1, "description": "x", "result": urls}))
    assert isinstance(outcome, Accepted)
    assert [event.result for event in reports] == [{"urls": urls}]
    assert MjProxy().find(ACCOUNT, UPLOAD) == Sighting()


@pytest.mark.parametrize("step", [close, answer(200, {"code": 1, "result": []}), answer(200, {"code": 1})])
def test_an_upload_without_an_answer_is_ambiguous(step: Step) -> None:
    assert isinstance(submitted(UPLOAD, step)[0], Ambiguous)


def test_an_upload_can_be_refused() -> None:
    outcome, _, _ = submitted(UPLOAD, answer(200, {"code": 4, "description": "base64格式错误", "result": None}))
    assert isinstance(outcome, Refused)
    assert outcome.error.code == "validation_error"


def test_a_token_that_the_provider_quotes_is_not_handed_on() -> None:
    with scripted(answer(401, {"error": {"message": "sk-1 is not valid"}})) as server:
        account = replace(ACCOUNT, base_url=server.url, token="Bearer sk-1")
        outcome = MjProxy().submit(account, ORDER, lambda *_: None)
        with pytest.raises(ProviderError) as raised:
            MjProxy().ping(account)
    assert isinstance(outcome, Refused)
    assert outcome.error.message == "*** is not valid"
    assert "sk-1" not in str(raised.value)


# Look-ups ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "step",
    [
        answer(200, b""),
        answer(200, b"null"),
        answer(200, b"{}"),
        raw(b"HTTP/1.1 204 No Content\r\n\r\n"),
        answer(400, {"description": "task_no_found ", "type": "upstream_error", "code": 4}),
        answer(404, {"code": 3, "description": "x"}),
    ],
)
def test_a_single_unknown_job_is_left_out(step: Step) -> None:
    with scripted(step) as server:
        assert MjProxy().fetch(replace(ACCOUNT, base_url=server.url), ["17"]) == ()
        assert server.requests[0][0] == "/mj/task/17/fetch"


@pytest.mark.parametrize(
    "step",
    [
        answer(400, {"description": "other", "code": 4}),
        answer(404, b"<html>"),
        answer(401, b""),
        answer(403, "无权限".encode()),
        answer(200, {"code": 9, "description": "x"}),
    ],
)
def test_a_look_up_that_fails_says_so(step: Step) -> None:
    with scripted(step) as server, pytest.raises(ProviderError):
        MjProxy().fetch(replace(ACCOUNT, base_url=server.url), ["17"])


def test_several_jobs_come_in_any_order_and_without_the_unknown() -> None:
    tasks = [{"id": "3", "status": "SUCCESS"}, {"id": 1, "status": ""}, {"id": True}, {"id": "99", "status": ""}]
    with scripted(answer(200, tasks)) as server:
        events = MjProxy().fetch(replace(ACCOUNT, base_url=server.url), ["1", "2", "3", "1"])
        assert server.sent() == {"ids": ["1", "2", "3"]}
    assert [(event.external_id, event.kind.value) for event in events] == [("3", "succeeded"), ("1", "accepted")]


@pytest.mark.parametrize(
    "task", [{"id": "17", "status": "MODAL", "progress": "0%"}, {"id": "17", "status": ["SUCCESS"]}]
)
def test_a_window_and_a_job_that_cannot_be_read_are_known(task: dict[str, Any]) -> None:
    for found, asked in (({**task}, ["17"]), ([task, {"id": "18", "status": ["?"]}, {"status": 1}], ["17", "19"])):
        with scripted(answer(200, found)) as server:
            events = MjProxy().fetch(replace(ACCOUNT, base_url=server.url), asked)
        assert events == (Event(EventKind.ACCEPTED, "17"),)


def test_ids_are_asked_for_fifty_at_a_time() -> None:
    with scripted(answer(200, [])) as server:
        assert MjProxy().fetch(replace(ACCOUNT, base_url=server.url), [str(n) for n in range(120)] * 2) == ()
        assert [len(server.sent(n)["ids"]) for n in range(3)] == [50, 50, 20]
        assert len(server.requests) == 3


@pytest.mark.parametrize("step", [answer(404, b""), answer(404, {"error": {"message": "m"}})])
def test_a_gateway_without_a_list_cannot_tell(step: Step) -> None:
    with scripted(step) as server:
        assert MjProxy().find(replace(ACCOUNT, base_url=server.url), ORDER) == Sighting()
        assert server.requests[0][0] == "/mj/task/list"


def test_a_long_list_is_read_to_its_end() -> None:
    sent = datetime(2026, 11, 22, tzinfo=UTC)
    at = int((sent - timedelta(hours=1)).timestamp() * 1000)
    tasks = [{"id": str(n), "submitTime": at, "status": "SUCCESS"} for n in range(1500)]
    order = replace(ORDER, sent_at=sent)
    with scripted(answer(200, tasks)) as server:
        assert MjProxy().find(replace(ACCOUNT, base_url=server.url), order) == Sighting(absent=True)
    with scripted(answer(200, [*tasks, {"id": "me", "state": str(ORDER.task_id), "status": ""}])) as server:
        assert MjProxy().find(replace(ACCOUNT, base_url=server.url), order).external_id == "me"


def test_a_ping_asks_for_no_job_and_pays_nothing() -> None:
    with scripted(answer(200, [])) as server:
        assert server.url in MjProxy().ping(replace(ACCOUNT, base_url=server.url))
        assert (server.requests[0][0], server.sent()) == ("/mj/task/list-by-condition", {"ids": []})
        assert len(server.requests) == 1
