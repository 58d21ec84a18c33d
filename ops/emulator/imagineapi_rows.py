"""ImagineAPI's rows: a job as the `images` collection has it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from ops.emulator.engine import Engine
from ops.emulator.ids import uuid_of
from ops.emulator.imagineapi_files import File, file_id
from ops.emulator.jobs import Job

FIELDS = (
    *("id", "prompt", "results", "user_created", "date_created", "status", "progress", "url", "error"),
    *("upscaled_urls", "upscaled", "ref"),
)

_STATUSES = {"finished": "completed", "failed": "failed", "pending": "pending", "generating": "in-progress"}
_DAY = 86_400.0


class Rows:
    """The dialect, and what happened to rows beside their jobs: edits of the prompt, deletions, late patches."""

    fails_first = False

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._prompts: dict[int, str] = {}
        self._deleted: set[int] = set()
        self._late: set[int] = set()

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the columns a user may see."""
        return FIELDS if self._engine.options.imagineapi.ref else FIELDS[:-1]

    def clear(self) -> None:
        self._prompts.clear()
        self._deleted.clear()
        self._late.clear()

    def announces(self, job: Job) -> bool:
        """Never: webhooks belong to users, not to requests."""
        del job
        return False

    def straggler(self, job: Job) -> dict[str, Any] | None:
        """Never: a late patch changes the row itself."""
        del job
        return None

    def contrary(self, job: Job) -> dict[str, Any]:
        return self.body(job)

    def body(self, job: Job) -> dict[str, Any]:
        """The row as it stands."""
        row = self._fixed(job) | self._moving(job)
        return {field: row[field] for field in self.fields}

    def own(self, token: str) -> Iterator[Job]:
        """The jobs whose rows a user sees, oldest first."""
        return (job for job in self._engine.book.oldest_first() if self._visible(job, token))

    def find(self, token: str, name: str) -> Job | None:
        """The job of one of a user's rows."""
        job = self._engine.book.by_task(name)
        return job if job is not None and self._visible(job, token) else None

    def reword(self, job: Job, prompt: str) -> None:
        """The user has edited the prompt; the picture stays what it is."""
        self._prompts[job.ordinal] = prompt

    def delete(self, job: Job) -> bool:
        """Remove the row; False when it is not a day old."""
        if self._engine.clock.now() - job.submitted_at <= _DAY:
            return False
        self._deleted.add(job.ordinal)
        return True

    def regress(self, job: Job, *, late: bool) -> None:
        """A progress patch has overwritten the end of the job, or the end has been written again."""
        (self._late.add if late else self._late.discard)(job.ordinal)

    def _visible(self, job: Job, token: str) -> bool:
        return job.order.dialect is self and job.order.token == token and job.ordinal not in self._deleted

    def _fixed(self, job: Job) -> dict[str, Any]:
        created = datetime.fromtimestamp(job.submitted_at, UTC).isoformat(timespec="milliseconds")
        return {
            "id": job.task_id,
            "prompt": self._prompts.get(job.ordinal, job.order.request["prompt"]),
            "user_created": uuid_of(job.seed, "user", job.order.token),
            "date_created": created.replace("+00:00", "Z"),
            "ref": job.order.client_state,
        }

    def _moving(self, job: Job) -> dict[str, Any]:
        """The end leaves alone what it has no value for: a failed row keeps the progress and url of its last frame."""
        late, completed = job.ordinal in self._late, job.state == "finished"
        shown = File(job.ordinal, 0 if completed and not late else job.frame)
        visible = completed or job.frame > 0
        return {
            "status": "in-progress" if late else self._status(job),
            "progress": None if (completed and not late) or not job.frame else job.order.frames[job.frame - 1],
            "results": file_id(job.seed, shown) if visible else None,
            "url": self._url(job, shown) if visible else None,
            "error": job.error[1] if job.error else None,
            **self._quadrants(job),
        }

    def _status(self, job: Job) -> str:
        if job.state == "queued":
            return "queued" if self._engine.options.imagineapi.queued else "pending"
        return _STATUSES[job.state]

    def _quadrants(self, job: Job) -> dict[str, Any]:
        """Addresses in the order of the pictures, ids in the order of ids."""
        if job.state != "finished":
            return {"upscaled_urls": None, "upscaled": []}
        parts = [File(job.ordinal, part=part) for part in range(4)]
        ids = sorted(file_id(job.seed, part) for part in parts)
        return {"upscaled_urls": [self._url(job, part) for part in parts], "upscaled": ids}

    def _url(self, job: Job, file: File) -> str:
        name = file_id(job.seed, file)
        return f"{job.order.base_url}/assets/{name}/{name}.{file.suffix}"
