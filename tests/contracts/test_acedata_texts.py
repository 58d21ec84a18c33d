"""AceData's calls that are answered at once with text: what comes of every kind of answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from scripted_server import Step, answer, close, scripted

from orchestrator import expressions
from orchestrator.config import Account
from orchestrator.core.events import Accepted, Ambiguous, Event, EventKind, Refused, Sighting, SubmitOutcome, TaskError
from orchestrator.providers.acedata import AceData
from orchestrator.providers.base import Order, Parent

ACCOUNT = Account(name="main", provider="acedata", base_url="", token="a-secret-token", callback="poll")
GRID = Parent(external_id="p", action="imagine", result={"image_id": "7", "actions": ["upscale1"]})
DESCRIBE = Order(task_id=UUID(int=1), action="describe", inputs={"image": "https://a/1.png"}, answer_timeout=5)
SEED = replace(DESCRIBE, action="seed", inputs={}, parent=GRID)
TRANSLATE = replace(DESCRIBE, action="translate", inputs={"text": "\u732b"})
SHORTEN = replace(DESCRIBE, action="shorten", inputs={"prompt": "a long story"})
NAME = f"sync-{DESCRIBE.task_id}"


def asked(step: Step, order: Order) -> tuple[SubmitOutcome, list[Event]]:
    reports: list[Event] = []
    with scripted(step) as server:
        account = replace(ACCOUNT, base_url=server.url)
        outcome = AceData().submit(account, order, lambda events, body: reports.extend(events))
        assert len(server.requests) == 1
    return outcome, reports


@pytest.mark.parametrize(
    ("order", "body", "result"),
    [
        (DESCRIBE, {"descriptions": ["a", "b", "c", "d"]}, {"text": "a", "texts": ["a", "b", "c", "d"]}),
        (TRANSLATE, {"content": "cat", "success": True}, {"text": "cat", "texts": ["cat"]}),
        (SEED, {"seed": 3210987654}, {"text": "3210987654", "texts": ["3210987654"]}),
        (SEED, {"seed": "0012"}, {"text": "0012", "texts": ["0012"]}),
        (
            SHORTEN,
            {"prompts": ["x", "y"], "trace_id": "t", "new": 1, "hold": None},
            {"text": "x", "texts": ["x", "y"], "extra": {"trace_id": "t", "new": 1}},
        ),
    ],
)
def test_texts_come_with_the_acceptance(order: Order, body: dict[str, Any], result: dict[str, Any]) -> None:
    outcome, reports = asked(answer(200, body), order)
    event = Event(EventKind.SUCCEEDED, NAME, 100, result)
    assert outcome == Accepted(NAME, (event,))
    assert reports == [event]


def test_a_later_step_can_use_any_of_the_texts() -> None:
    outcome, _ = asked(answer(200, {"descriptions": ["a", "b"]}), DESCRIBE)
    assert isinstance(outcome, Accepted)
    context = {"steps": {"words": {"result": outcome.events[0].result}}}
    assert expressions.render({"prompt": "${steps.words.result.texts[1]}, at dusk"}, context) == {
        "prompt": "b, at dusk"
    }
    assert expressions.render("${steps.words.result.text}", context) == "a"


def test_an_id_that_the_provider_names_is_kept() -> None:
    outcome, _ = asked(answer(200, {"descriptions": ["a"], "task_id": "real"}), DESCRIBE)
    assert isinstance(outcome, Accepted)
    assert (outcome.external_id, outcome.events[0].external_id) == ("real", "real")


@pytest.mark.parametrize("body", [{}, {"descriptions": []}, {"descriptions": [" ", None, True]}, {"seed": "1"}])
def test_an_answer_without_text_is_a_failure(body: dict[str, Any]) -> None:
    outcome, _ = asked(answer(200, body), DESCRIBE)
    assert isinstance(outcome, Accepted)
    assert outcome.events[0].error == TaskError("no_text", "the provider's answer has no descriptions")


@pytest.mark.parametrize(
    ("status", "code", "retry", "account"),
    [
        (400, "bad_request", False, False),
        (403, "used_up", False, True),
        (429, "rate_limited", True, True),
        (500, "api_error", True, False),
        (200, "forbidden", False, False),
    ],
)
def test_a_refusal_follows_the_same_table(status: int, code: str, retry: bool, account: bool) -> None:
    body = {"success": False, "error": {"code": code, "message": "m"}, "trace_id": "t-1"}
    outcome, reports = asked(answer(status, body), DESCRIBE)
    assert outcome == Refused(TaskError(code, "m (trace t-1)"), retry=retry, account=account)
    assert reports == []


@pytest.mark.parametrize("step", [close, answer(200, b"<html>"), answer(504, b"<html>"), answer(502, b"")])
def test_a_lost_answer_is_ambiguous_and_no_list_proves_anything(step: Step) -> None:
    assert isinstance(asked(step, DESCRIBE)[0], Ambiguous)
    assert AceData().find(replace(ACCOUNT, base_url="http://127.0.0.1:1"), DESCRIBE) == Sighting()
