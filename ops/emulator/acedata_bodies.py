"""AceData's JSON: the result object, the task object, the error object."""

from __future__ import annotations

from typing import Any

from ops.emulator.engine import Engine
from ops.emulator.ids import digest, uuid_of
from ops.emulator.jobs import Job
from ops.emulator.links import Links

# What the work can fail with -> (HTTP status of a synchronous answer, code).
FAILURES = {"bad_request": (400, "bad_request"), "moderation": (403, "forbidden"), "broken": (500, "task_failed")}


class AceData:
    """The dialect: bodies of callbacks, streams, synchronous answers and tasks.

    kind: the type its tasks have"""

    fails_first = False
    kind = "imagine"

    def __init__(self, engine: Engine, links: Links) -> None:
        self._engine = engine
        self._links = links

    def announces(self, job: Job) -> bool:
        """The end, and before it each frame of an order that wants them."""
        return job.done or job.order.every_frame

    def straggler(self, job: Job) -> dict[str, Any] | None:
        """Never: frames of one job are posted in order."""
        del job
        return None

    def body(self, job: Job) -> dict[str, Any]:
        """The result object as the job stands; `success` is true on unfinished frames too."""
        if job.state == "failed" and job.order.error:
            reason, message = job.order.error
            return self._failure(job, FAILURES[reason][1], message)
        return {**self.result(job), "task_id": job.task_id, "success": True, "trace_id": job.order.trace_id}

    def contrary(self, job: Job) -> dict[str, Any]:
        return self._failure(job, "timeout", "Timeout to generate the image.")

    def task(self, job: Job) -> dict[str, Any]:
        """The task object of /midjourney/tasks: without `response` and `finished_at` until the end."""
        facts: dict[str, Any] = {
            "_id": digest(job.seed, "row", job.ordinal).hex()[:24],
            "id": job.task_id,
            "type": self.kind,
            "application_id": uuid_of(job.seed, "application", job.order.token),
            "credential_id": uuid_of(job.seed, "credential", job.order.token),
            "created_at": job.submitted_at,
            "trace_id": job.order.trace_id,
            "request": job.order.request,
        }
        if job.started_at is not None:
            facts["started_at"] = job.started_at
        if job.finished_at is not None:
            seconds = round(job.finished_at - job.submitted_at, 3)
            facts |= {"finished_at": job.finished_at, "duration": seconds, "elapsed": seconds}
            facts |= {"job_id": job.job_id, "response": self.body(job)}
        if job.state == "finished":
            facts["image_id"] = job.image_id
        return facts

    def _failure(self, job: Job, code: str, message: str) -> dict[str, Any]:
        error = {"code": code, "message": message}
        return {"success": False, "task_id": job.task_id, "trace_id": job.order.trace_id, "error": error}

    def result(self, job: Job) -> dict[str, Any]:
        """What the result object tells of pictures."""
        options, done = self._engine.options, job.state == "finished"
        now = job.finished_at or self._engine.clock.now()  # a result is signed once
        width, height = (job.picture.width, job.picture.height)
        if done:
            raw, thumbnail = self._links.result(job, style=options.url_style, now=now, lifetime=options.url_lifetime)
        else:
            width, height = width // 4, height // 4
            raw, thumbnail = self._links.frame(job, now=now, lifetime=options.url_lifetime)
        facts: dict[str, Any] = {
            "image_url": thumbnail,
            "image_width": width // 2,
            "image_height": height // 2,
            "image_id": job.image_id,
            "raw_image_url": raw,
            "raw_image_width": width,
            "raw_image_height": height,
            "progress": job.progress,
            "actions": list(job.order.actions) if done else [],
        }
        if done and job.order.split:
            parts = self._links.parts(job, style=options.url_style, now=now, lifetime=options.url_lifetime)
            facts["sub_image_urls"] = parts
        return facts
