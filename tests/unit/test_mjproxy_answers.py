"""What the answers of each layer to a submission mean."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.core.events import Accepted, Ambiguous, Refused
from orchestrator.providers.http import Answer
from orchestrator.providers.mjproxy.answers import Window, meaning

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def mean(
    body: Any, status: int = 200, *, pressed: bool = False, orphan: bool = True, **headers: str
) -> Accepted | Ambiguous | Refused | Window:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return meaning(Answer(status, headers, content), NOW, pressed=pressed, orphan=orphan)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"code": 1, "description": "提交成功", "properties": {}, "result": 1320098173412546}, "1320098173412546"),
        ({"code": 1, "result": "14001929738841620"}, "14001929738841620"),
        ({"code": 1, "result": 14001929738841620}, "14001929738841620"),
        ({"code": 22, "result": "5", "properties": {"numberOfQueues": 3}}, "5"),
        ({"code": "1", "result": ["5"]}, "5"),
        ({"code": 0, "description": "string", "result": "5"}, "5"),
        ({"code": 21, "description": "exists", "result": "5", "properties": {"status": "SUCCESS"}}, "5"),
    ],
)
@pytest.mark.parametrize("pressed", [False, True])
def test_a_job_that_was_taken_has_its_exact_id(body: dict[str, Any], name: str, pressed: bool) -> None:
    assert mean(body, pressed=pressed) == Accepted(name)


@pytest.mark.parametrize(
    "body",
    [
        {"code": 21, "description": "窗口等待", "result": "5", "properties": {"finalPrompt": "a fox", "remix": True}},
        {"code": 21, "result": "5", "properties": {"finalPrompt": "a fox"}},
        {"code": 1, "description": "Waiting for window confirm", "result": "5", "properties": {"finalPrompt": "a fox"}},
        {"code": 1, "result": "5", "properties": {"finalPrompt": "a fox", "remix": True}},
    ],
)
def test_a_pressed_button_may_open_a_window(body: dict[str, Any]) -> None:
    assert mean(body, pressed=True) == Window("5", "a fox")
    assert mean(body, pressed=False) == Accepted("5")


@pytest.mark.parametrize(
    ("status", "body", "code", "retry", "account"),
    [
        (200, {"code": 3, "description": "无可用的账号实例"}, "no_account_instance", True, True),
        (200, {"code": 3, "description": "?"}, "no_account_instance", True, True),
        (200, {"code": 4, "description": "prompt不能为空"}, "validation_error", False, False),
        (200, {"code": 4, "description": "daily limit reached"}, "limit_reached", True, True),
        (200, {"code": 4, "description": "并发数已达上限"}, "limit_reached", True, True),
        (200, {"code": 9, "description": "系统异常"}, "system_error", True, False),
        (200, {"code": 9, "description": "队列已满,请稍后"}, "queue_full", True, True),
        (200, {"code": 21, "description": "参数错误", "result": None}, "parameter_error", False, False),
        (200, {"code": 23, "description": "queue full", "result": None}, "queue_full", True, True),
        (200, {"code": 23, "description": "queue full", "result": "14001934816969359"}, "queue_full", True, True),
        (200, {"code": 24, "description": "可能包含敏感词", "result": None}, "banned_prompt", False, False),
        (200, {"code": 25, "description": "余额不足", "result": None}, "insufficient_balance", False, True),
        (200, {"code": -9, "description": "?"}, "code_-9", False, False),
        (200, {"code": 77, "description": "?"}, "code_77", False, False),
        (200, {"code": 77, "description": "?", "result": "5"}, "code_77", False, False),
        (
            400,
            {"description": "quota_not_enough ", "type": "upstream_error", "code": 4},
            "insufficient_balance",
            False,
            True,
        ),
        (
            400,
            {"description": "unknown_action:x", "type": "upstream_error", "code": 4},
            "validation_error",
            False,
            False,
        ),
        (429, {"description": "当前分组负载已饱和", "type": "upstream_error", "code": 30}, "rate_limited", True, True),
        (429, b"", "rate_limited", True, True),
        (401, b"", "http_401", False, True),
        (401, b"Authorization header missing.", "http_401", False, True),
        (403, "无权限".encode(), "http_403", False, True),
        (401, {"error": {"message": "无效的令牌", "type": "new_api_error"}}, "http_401", False, True),
        (503, {"error": {"message": "no channel", "type": "new_api_error"}}, "http_503", True, False),
        (503, b"<html>", "http_503", True, False),
        (404, b"<html>", "http_404", False, False),
        (404, {"code": 3, "description": "账号"}, "no_account_instance", True, True),
        (302, b"", "unexpected_redirect", False, False),
        (500, {"code": 9, "description": "x"}, "system_error", True, False),
    ],
)
def test_a_refusal_by_its_code_or_status(status: int, body: Any, code: str, retry: bool, account: bool) -> None:
    outcome = mean(body, status)
    assert isinstance(outcome, Refused)
    assert (outcome.error.code, outcome.retry, outcome.account) == (code, retry, account)
    assert outcome.error.message


@pytest.mark.parametrize(
    ("body", "code", "retry", "after"),
    [
        ({"code": 3, "description": "关联任务不存在或已失效"}, "not_found", False, None),
        ({"code": 3, "description": "No available account instance"}, "no_account_instance", True, None),
        ({"code": 4, "description": "关联任务状态错误"}, "parent_not_ready", True, 15),
        ({"code": 4, "description": "task_status_not_success"}, "parent_not_ready", True, 15),
    ],
)
def test_an_order_with_a_parent_may_come_too_early_or_too_late(
    body: dict[str, Any], code: str, retry: bool, after: float | None
) -> None:
    outcome = mean(body, orphan=False)
    assert isinstance(outcome, Refused)
    assert (outcome.error.code, outcome.retry, outcome.after) == (code, retry, after)


def test_a_banned_word_is_named() -> None:
    outcome = mean({"code": 24, "description": "banned", "properties": {"bannedWord": "gore", "promptEn": "x"}})
    assert isinstance(outcome, Refused)
    assert outcome.error.message == "banned (gore)"


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_heard(status: int) -> None:
    outcome = mean(b"", status, **{"retry-after": "7"})
    assert isinstance(outcome, Refused)
    assert outcome.after == 7


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"<html>"),
        (200, {}),
        (200, {"code": 1, "result": None}),
        (200, {"code": 22}),
        (200, {"code": 1, "result": 1.5e16}),
        (200, {"code": 1, "result": True}),
        (200, {"code": 5, "description": "unmarshal_response_body_failed"}),
        (400, {"code": 5, "description": "do_request_failed", "type": "upstream_error"}),
        (500, {"error": {"message": "x", "type": "new_api_error"}}),
        (502, b"<html>"),
        (504, b""),
    ],
)
def test_what_leaves_it_open_is_ambiguous(status: int, body: Any) -> None:
    assert isinstance(mean(body, status), Ambiguous)
