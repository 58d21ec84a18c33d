"""Archive an image: download, check, hash, store, index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from orchestrator.archive.storage import StoredObject
from orchestrator.core.run import Task
from orchestrator.core.states import TaskState
from orchestrator.download import redact_url
from orchestrator.errors import DownloadFailed, ImageRejected
from orchestrator.imaging.checks import ImageFacts, inspect
from orchestrator.services import Services
from orchestrator.store import objects, tasks


def keep(services: Services, task: Task) -> bool:
    """Store the image of the task's parent. Doing it again changes nothing."""
    parent = task.params["parent"]
    result = parent["result"]
    url = result.get("raw_image_url") or result.get("image_url")
    if not url:
        raise DownloadFailed("the job to archive has no image", retryable=False)
    data = services.downloader.get(url).data
    facts = inspect(data, max_pixels=services.config.max_pixels)
    _check_size(facts, result, raw=bool(result.get("raw_image_url")))
    with services.db.connection() as connection:
        chain = tasks.lineage(connection, task.id)
    stored = services.archive.put_image(data, facts, sidecar=_sidecar(task, chain, url))
    done = _record(services, task, stored, UUID(parent["task_id"]), url)
    if not services.archive.exists(stored.key):
        services.archive.put_back(stored.key, data)  # another run's erasure has removed it before it knew of ours
    return done


def _check_size(facts: ImageFacts, result: dict[str, Any], *, raw: bool) -> None:
    announced = (
        (result.get("raw_width"), result.get("raw_height")) if raw else (result.get("width"), result.get("height"))
    )
    if None not in announced and announced != (facts.width, facts.height):
        raise ImageRejected(
            f"the image is {facts.width} x {facts.height} pixels; {announced[0]} x {announced[1]} were announced"
        )


def _sidecar(task: Task, chain: Sequence[Task], url: str) -> dict[str, Any]:
    """What the archive keeps beside the image: where it came from, step by step."""
    prompts = [one.params.get("with", {}).get("prompt") for one in chain]
    return {
        "task_id": str(task.id),
        "run_id": str(task.run_id),
        "created_at": task.created_at.isoformat(),
        "prompt": next((prompt for prompt in prompts if prompt), None),
        "source_url": redact_url(url),
        "lineage": [_ancestor(one) for one in chain[1:]],
    }


def _ancestor(task: Task) -> dict[str, Any]:
    result = task.result or {}
    return {
        "task_id": str(task.id),
        "step": task.step,
        "action": task.action,
        "provider": task.provider,
        "account": task.account,
        "external_id": task.external_id,
        "image_id": result.get("image_id"),
        "quadrant": task.params.get("quadrant"),
        "with": task.params.get("with", {}),
    }


def _record(services: Services, task: Task, stored: StoredObject, source: UUID, url: str) -> bool:
    now = services.now()
    with services.db.transaction() as connection:
        # First, so that one that was taken over indexes nothing.
        ended = tasks.finish_task(
            connection,
            task.id,
            TaskState.SUCCEEDED,
            from_states=[TaskState.WORKING],
            cause="archived",
            now=now,
            result={"uri": stored.uri, "sha256": stored.sha256, "width": stored.width, "height": stored.height},
            claim=task.submissions,
        )
        if ended:
            objects.insert_object(
                connection,
                task_id=task.id,
                run_id=task.run_id,
                source_task_id=source,
                uri=stored.uri,
                sha256=stored.sha256,
                bytes=stored.bytes,
                width=stored.width,
                height=stored.height,
                content_type=stored.content_type,
                source_url=redact_url(url),
                now=now,
            )
        return ended
