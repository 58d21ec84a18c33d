"""The midjourney-proxy dialect's look-ups: one task, several, the line, seeds; cancelling; the gateway's pictures."""

from __future__ import annotations

from typing import Any

from flask import Response, g

from ops.emulator.gallery import Darkroom
from ops.emulator.jobs import Job
from ops.emulator.mjproxy_bodies import Moment
from ops.emulator.mjproxy_gateway import gateway_task
from ops.emulator.mjproxy_http import Rejection, reply
from ops.emulator.mjproxy_orders import MjOrder, list_of
from ops.emulator.mjproxy_submits import Desk

_NEWEST = 100  # tasks csharp lists
_GONE = "关联任务不存在或已失效"


def found(desk: Desk, task_id: str) -> Job | None:
    """The task of that id, a window included; the gateway's callers see their own only."""
    window = desk.windows.get(task_id)
    job = window.task if window else desk.engine.book.by_task(task_id)
    return job if job is not None and _visible(desk, job) else None


def parent_of(desk: Desk, task_id: str) -> Job:
    """The task something is to be made of, or a Rejection with code 3."""
    job = found(desk, task_id)
    if job is None:
        if desk.layer.name == "gateway":
            raise Rejection(4, "task_not_found", gateway=True)
        raise Rejection(3, _GONE, status=desk.layer.missing)
    return job


def shown(desk: Desk, job: Job) -> dict[str, Any]:
    """The task object as the layer answers it."""
    if desk.layer.name == "gateway":
        return gateway_task(desk.engine, desk.dialect, job)
    return desk.dialect.task(job, desk.layer, Moment(job.state, job.frame))


def fetch(desk: Desk, task_id: str) -> Response:
    """One task; what an unknown id meets with is the layer's own way."""
    job = found(desk, task_id)
    if job is not None:
        return reply(shown(desk, job))
    if desk.layer.name == "gateway":
        raise Rejection(4, "task_no_found", gateway=True)
    return Response(status=204 if desk.layer.name == "csharp" else 200)


def several(desk: Desk, body: dict[str, Any]) -> Response:
    """The tasks of some ids, those in line first; unknown ones are left out."""
    ids = dict.fromkeys(str(value).strip() for value in list_of(body, "ids", desk.layer))
    jobs = [job for job in (found(desk, task_id) for task_id in ids) if job is not None]
    return reply([shown(desk, job) for job in sorted(jobs, key=lambda job: job.state != "queued")])


def newest(desk: Desk) -> Response:
    """Every task, the newest first; csharp shows a hundred."""
    jobs = [job for job in desk.engine.book.newest_first() if _visible(desk, job)]
    jobs = sorted([*(window.task for window in desk.windows.all()), *jobs], key=lambda job: -job.submitted_at)
    return reply([shown(desk, job) for job in (jobs[:_NEWEST] if desk.layer.name == "csharp" else jobs)])


def line(desk: Desk) -> Response:
    """Tasks that are accepted and not done, the oldest first."""
    jobs = [job for job in desk.engine.book.oldest_first() if _visible(desk, job) and not job.done]
    return reply([shown(desk, job) for job in jobs])


def seed(desk: Desk, task_id: str) -> Response:
    """The seed of a task's picture."""
    job = found(desk, task_id)
    if job is None and desk.layer.name == "gateway":
        raise Rejection(4, "task_no_found", gateway=True)
    if job is None:
        raise Rejection(3, _GONE, status=desk.layer.missing)
    if job.state != "finished" or desk.dialect.order(job).paragraphs or job.picture.photo is not None:
        raise Rejection(4, "关联任务状态错误", status=400 if desk.layer.name == "csharp" else 200)
    found_seed = str(job.picture.seed % 2**32)
    return reply({"code": 1, "description": "成功", "result": found_seed, "properties": {}})


def cancel(desk: Desk, task_id: str) -> Response:
    """End a task; csharp says nothing whatever became of it."""
    window = desk.windows.take(task_id)
    job = found(desk, task_id)
    if job is not None:
        desk.engine.cancel(job, fails=desk.layer.cancel_fails)
    if desk.layer.name == "csharp":
        return Response(status=200)
    if job is None and window is None:
        raise Rejection(3, _GONE)
    return reply({"code": 1, "description": "成功", "result": task_id, "properties": {}})


def picture(desk: Desk, darkroom: Darkroom, task_id: str) -> Response:
    """The gateway's way to a task's picture, open to everybody."""
    job = desk.engine.book.by_task(task_id)
    if job is None or not isinstance(job.order, MjOrder):
        return reply({"error": "midjourney_task_not_found"}, 400)
    given = job.order.paragraphs > 0
    frame = 0 if job.state == "finished" else job.frame
    if given or job.state not in ("finished", "generating") or (frame and not job.progress):
        return reply({"error": "http_get_image_failed"}, 500)
    data = darkroom.file(job, part=None, frame=frame, size=None)
    return Response(data, mimetype="image/webp" if frame else "image/png")


def _visible(desk: Desk, job: Job) -> bool:
    mine = isinstance(job.order, MjOrder)
    return mine and (desk.layer.name != "gateway" or job.order.token == g.token)
