"""What the C# implementation adds to a task object."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ops.emulator.jobs import Job
from ops.emulator.mjproxy_orders import MjOrder


def more_of(job: Job, order: MjOrder, *, finished: bool, parts: list[str]) -> dict[str, Any]:
    """The extra fields; `parts` are the addresses of a finished grid's quadrants."""
    picture = job.picture if finished and not order.paragraphs else None
    return {
        "parentId": order.image_id,
        "botType": order.bot,
        "seed": str(job.picture.seed % 2**32) if picture else None,
        "jobId": job.job_id if picture else None,
        "imageUrls": [{"url": url, "thumbnail": url} for url in parts],
        "videoUrl": None,
        "videoUrls": None,
        "width": picture.width if picture else None,
        "height": picture.height if picture else None,
        "size": None,
        "contentType": "image/png" if picture else None,
        "mode": order.mode,
        "requestMode": order.mode,
        "language": order.request.get("language"),
        "isPartner": False,
        "isOfficial": False,
        "displays": {
            "action": order.action,
            "submitTime": _readable(job.submitted_at),
            "startTime": _readable(job.started_at),
            "finishTime": _readable(job.finished_at),
        },
    }


def _readable(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
