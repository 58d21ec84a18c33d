"""Task objects as the gateway shows them: its own copy, as fresh as its last look at what is behind it."""

from __future__ import annotations

import time
from typing import Any

from ops.emulator.engine import Engine
from ops.emulator.jobs import Job
from ops.emulator.mjproxy_bodies import MjProxy, Moment
from ops.emulator.mjproxy_layers import PLUS

HOUR = 3600.0
_EMPTY: dict[str, Any] = {
    "customId": "",
    "botType": "",
    "videoUrl": "",
    "videoUrls": None,
    "maskBase64": "",
}


def gateway_task(engine: Engine, dialect: MjProxy, job: Job) -> dict[str, Any]:
    """The gateway's task object; `status` is empty until its own first look."""
    order = dialect.order(job)
    facts = {
        "id": job.task_id,
        "action": order.own_action or order.action,
        **_EMPTY,
        "prompt": _asked_prompt(engine, dialect, job),
        "description": said(job),
    }
    looked = _last_look(engine, job)
    return facts | (_unseen(job) if looked is None else _seen(dialect, job, looked, order.base_url))


def said(job: Job) -> str:
    """What the submit was answered, which the gateway keeps as the description."""
    if job.state == "modal":
        return PLUS.window
    return f"排队中，前面还有{job.ahead}个任务" if job.ahead else "提交成功"


def _asked_prompt(engine: Engine, dialect: MjProxy, job: Job) -> str:
    """The prompt of the submit; of a pressed button the parent's, whatever its window was confirmed with."""
    order = dialect.order(job)
    parent = engine.book.by_task(order.image_id) if order.image_id else None
    if parent is not None:
        return _asked_prompt(engine, dialect, parent)
    return "InsightFace" if order.action == "SWAP_FACE" else str(order.request.get("prompt") or "")


def _last_look(engine: Engine, job: Job) -> Moment | None:
    """The state at the gateway's last look, None before the first. It looks no more when all is over."""
    now, poll = engine.clock.now(), 0.0 if engine.options.instant else engine.options.mj.poll
    looks = [now] if not poll else [job.submitted_at + poll * int((now - job.submitted_at) / poll)]
    if poll and looks[0] <= job.submitted_at:
        return None
    if job.state == "modal":
        return Moment("modal", 0)
    seen = [Moment(state, frame) for at, state, frame in job.trace or () if at <= looks[0]]
    moment = seen[-1] if seen else Moment("pending", 0)
    over = [at for at, state, _ in job.trace or () if state in ("finished", "failed", "cancelled")]
    in_time = bool(over) and over[0] <= job.submitted_at + HOUR
    return Moment("given up", moment.frame) if looks[0] > job.submitted_at + HOUR and not in_time else moment


def _unseen(job: Job) -> dict[str, Any]:
    return {
        "promptEn": "",
        "state": "",
        "submitTime": int(job.submitted_at * 1000),
        "startTime": 0,
        "finishTime": 0,
        "imageUrl": "",
        "status": "",
        "progress": "0%",
        "failReason": "",
        "buttons": None,
        "properties": None,
    }


def _seen(dialect: MjProxy, job: Job, looked: Moment, base_url: str) -> dict[str, Any]:
    gone = looked.state == "given up"
    moment = Moment("generating" if looked.frame else "started", looked.frame) if gone else looked
    behind = dialect.task(job, PLUS, moment)
    shown = f"{base_url}/mj/image/{job.task_id}" if behind["imageUrl"] else ""
    if shown and moment.status != "SUCCESS":
        shown += f"?rand={time.time_ns()}"
    failed = gone or moment.status == "FAILURE"
    copied = {key: behind[key] or "" for key in ("promptEn", "state", "status", "progress", "failReason")}
    times = {key: behind[key] or 0 for key in ("submitTime", "startTime", "finishTime")}
    final = behind["properties"].get("finalPrompt", "")
    facts = copied | times | {"imageUrl": shown, "buttons": behind["buttons"]}
    facts["properties"] = {"finalPrompt": final, "finalZhPrompt": ""}
    if failed:
        facts |= {"status": "FAILURE", "progress": "100%"}
    if gone:
        facts["failReason"] = "上游任务超时（超过1小时）"
    return facts
