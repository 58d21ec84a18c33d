"""The older way to press a grid's buttons: an action and an index, or `<id> U2`."""

from __future__ import annotations

import re
from typing import Any

from flask import Response

from ops.emulator.jobs import Job
from ops.emulator.mjproxy_http import Rejection, unreadable
from ops.emulator.mjproxy_lookups import parent_of
from ops.emulator.mjproxy_orders import Asked, text_of
from ops.emulator.mjproxy_submits import Desk

_KINDS = {"UPSCALE": "upsample", "VARIATION": "variation"}
_LETTERS = {"u": "UPSCALE", "v": "VARIATION"}
_SHORT = re.compile(r"(\S+) (?:([uv])([1-4]).*|(r))", re.IGNORECASE)
_GRIDS = frozenset({"IMAGINE", "VARIATION", "REROLL", "BLEND"})


def change(desk: Desk, asked: Asked) -> Response:
    """{taskId, action, index}: UPSCALE or VARIATION 1..4, or REROLL."""
    body, layer = asked.body, desk.layer
    task_id, action = text_of(body, "taskId", layer), text_of(body, "action", layer)
    if not task_id:
        raise Rejection(4, "taskId不能为空")
    if layer.name == "gateway":
        _check_as_gateway(action, body)
    if action not in (*_KINDS, "REROLL"):
        raise Rejection(4, "action参数错误")
    return _changed(desk, asked, parent_of(desk, task_id), action, body.get("index"))


def simple_change(desk: Desk, asked: Asked) -> Response:
    """{content}: a task id, a space, and U1..U4, V1..V4 or R."""
    content = text_of(asked.body, "content", desk.layer)
    match = _SHORT.fullmatch(content)
    if match is None:
        raise Rejection(4, "invalid_request" if desk.layer.name == "gateway" else "content参数错误", gateway=_own(desk))
    action = "REROLL" if match[4] else _LETTERS[match[2].lower()]
    return _changed(desk, asked, parent_of(desk, match[1]), action, int(match[3] or 0))


def _changed(desk: Desk, asked: Asked, parent: Job, action: str, index: Any) -> Response:
    if parent.state == "finished" and desk.dialect.order(parent).action not in _GRIDS:
        raise Rejection(4, "关联任务不允许执行变化")
    custom_id = f"MJ::JOB::reroll::0::{parent.job_id}::SOLO"
    if action != "REROLL":
        if isinstance(index, bool) or not isinstance(index, int):
            raise unreadable(desk.layer)
        if not 1 <= index <= 4:
            raise Rejection(4, "index参数错误")
        custom_id = f"MJ::JOB::{_KINDS[action]}::{index}::{parent.job_id}"
    if action == "UPSCALE" and desk.layer.name == "java":
        there = desk.existing(parent, custom_id)
        if there is not None:
            return there
    return desk.press(asked, parent, custom_id)


def _check_as_gateway(action: str, body: dict[str, Any]) -> None:
    """The gateway wants an index even for a reroll."""
    if not action:
        raise Rejection(4, "action_is_required", gateway=True)
    if not body.get("index"):
        raise Rejection(4, "index_is_required", gateway=True)


def _own(desk: Desk) -> bool:
    return desk.layer.name == "gateway"
