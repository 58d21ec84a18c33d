"""WHAT IS PERSONAL IN A RUN GOES: prompts, image addresses, raw bytes, providers' words. The rest of it stays."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from orchestrator.archive.keys import record_key
from orchestrator.core.erasure import ERASED, left_of_error, left_of_params, left_of_result, texts
from orchestrator.core.run import Run, Task
from orchestrator.core.states import FINAL_RUN_STATES, TaskKind
from orchestrator.errors import ArchiveFailed, Conflict, NotFound, Unavailable
from orchestrator.services import Services
from orchestrator.store import Connection, erasure, runs, tasks

log = structlog.get_logger(__name__)
TELLING = 8  # characters that a text must have to be looked for in what an account says
_STAYS = ("task_id", "run_id", "created_at", "object")
_ANCESTOR = ("task_id", "step", "action", "provider", "account", "external_id", "image_id", "quadrant")


@dataclass(frozen=True, slots=True)
class Erased:
    """by, at: of the first time. records: of the archive, rewritten. missing: those that the archive should have had.

    images_removed, images_shared: asked for, and those of them that stay because other runs have the same.
    """

    run_id: UUID
    at: datetime
    by: str
    deliveries: int
    records: int
    missing: int
    images_removed: int = 0
    images_shared: int = 0


def erase(services: Services, run_id: UUID, *, by: str, images: bool = False) -> Erased:
    """Erase; doing it again does the same again. Raises NotFound, Conflict while the run is under way or when an image
    that is to go lies in another archive than the configured one, and Unavailable when the archive fails: the rows are
    erased then (unless it cannot even be opened), and it has to be asked again."""
    with services.db.transaction() as connection:
        run = runs.lock_run(connection, run_id)
        known = tasks.load_tasks(connection, run_id)
        _check_over(run, known)
        if images:
            _check_within_reach(services, connection, run_id)
        deliveries = _erase_rows(connection, run, known, by, services.now())
        (noted,) = erasure.list_erasures(connection, [run_id])
        objects = runs.objects_of_run(connection, run_id)
    log.info("erased", run=str(run_id), by=by, images=images)
    try:
        records, missing = _erase_records(services, known, {one["task_id"] for one in objects})
        removed, shared = _remove_images(services, run_id, objects) if images else (0, 0)
        if images:
            _drop_records(services, run_id, known, objects)
    except ArchiveFailed as error:
        raise Unavailable(f"the rows are erased, but not the archive: {error.message} Try again.") from error
    return Erased(run_id, noted["at"], noted["by"], deliveries, records, missing, removed, shared)


def refuse_erased(connection: Connection, run_id: UUID) -> None:
    """Raises Conflict when the run is erased: without its inputs it cannot go on."""
    for found in erasure.list_erasures(connection, [run_id]):
        raise Conflict(f"the run was erased by {found['by']} at {found['at']:%Y-%m-%d %H:%M} UTC: open another one")


def _check_over(run: Run, known: Iterable[Task]) -> None:
    if run.state not in FINAL_RUN_STATES:
        raise Conflict(f"the run is {run.state}: cancel it, or wait for its end")
    under_way = sorted({task.step for task in known if not task.final})
    if under_way:
        raise Conflict(f"{', '.join(under_way)}: still under way at the provider; wait for the end")


def _check_within_reach(services: Services, connection: Connection, run_id: UUID) -> None:
    """The archive's URL may have been changed since; asking again would never remove what lies in the former one."""
    try:
        archive = services.archive
    except ArchiveFailed as error:
        raise Unavailable(f"nothing is erased: {error.message} Try again.") from error
    objects = runs.objects_of_run(connection, run_id)
    shared = erasure.shared_images(connection, run_id, {one["sha256"] for one in objects})
    for uri in sorted(one["uri"] for one in objects if one["sha256"] not in shared):
        try:
            archive.key_of(uri)
        except ArchiveFailed as error:
            raise Conflict(
                f"{uri} lies in another archive than the configured one, {archive.uri}: set"
                " ORCHESTRATOR_ARCHIVE_URL to that one for this, or erase without the images"
            ) from error


def _erase_rows(connection: Connection, run: Run, known: list[Task], by: str, now: datetime) -> int:
    """How many deliveries. In the order of all locks: the run, accounts, tasks, the rest."""
    _erase_pauses(connection, run, known)
    left = [
        {
            "id": str(task.id),
            "params": left_of_params(task.params),
            "result": left_of_result(task.result),
            "error": left_of_error(task.error),
        }
        for task in sorted(known, key=lambda one: one.id)
    ]
    erasure.lock_tasks(connection, run.id)
    erasure.erase_tasks(connection, run.id, left)
    erasure.note_erasure(connection, run.id, by=by, now=now)
    deliveries = erasure.erase_deliveries(connection, run.id)
    erasure.erase_objects(connection, run.id)
    erasure.erase_run(connection, run.id, error=left_of_error(run.error))
    return deliveries


def _erase_pauses(connection: Connection, run: Run, known: list[Task]) -> None:
    said = {one for task in known for one in texts([task.params.get("with"), task.error])} | set(texts(run.inputs))
    telling = [one for one in said if len(one) >= TELLING]
    for account, reason in erasure.list_pauses(connection, {task.account for task in known if task.account}).items():
        if any(one in reason or reason in one for one in telling):
            erasure.erase_pause(connection, account, reason=reason)


def _erase_records(services: Services, known: Iterable[Task], archived: set[UUID]) -> tuple[int, int]:
    """Rewritten, and missing. Records without an entry are looked for too: their worker may have died in between."""
    done = missing = 0
    for task in known:
        if task.kind is not TaskKind.ARCHIVE:
            continue
        key = _record(task)
        try:
            record = json.loads(services.archive.get(key))
        except NotFound:
            missing += task.id in archived
            continue
        services.archive.put_record(key, _left_of_record(record))
        done += 1
    return done, missing


def _left_of_record(record: dict[str, Any]) -> dict[str, Any]:
    lineage = [{name: one.get(name) for name in _ANCESTOR} for one in record.get("lineage") or ()]
    return {name: record.get(name) for name in _STAYS} | {"lineage": lineage, "note": ERASED}


def _remove_images(services: Services, run_id: UUID, objects: list[dict[str, Any]]) -> tuple[int, int]:
    """Removed, and left because other runs have the same."""
    by_hash = {one["sha256"]: one["uri"] for one in objects}
    with services.db.connection() as connection:
        shared = erasure.shared_images(connection, run_id, by_hash)
    alone = by_hash.keys() - shared
    for sha256 in sorted(alone):
        _remove_image(services, run_id, sha256, services.archive.key_of(by_hash[sha256]))
    with services.db.connection() as connection:
        erasure.drop_objects(connection, run_id, alone)
    return len(alone), len(shared)


def _remove_image(services: Services, run_id: UUID, sha256: str, key: str) -> None:
    """Remove it, and put it back if meanwhile another run has come to rely on it (see workers/keep.py)."""
    try:
        data = services.archive.get(key)
    except NotFound:
        return
    services.archive.remove(key)
    with services.db.connection() as connection:
        if erasure.shared_images(connection, run_id, [sha256]):
            services.archive.put_back(key, data)


def _drop_records(services: Services, run_id: UUID, known: Iterable[Task], before: list[dict[str, Any]]) -> None:
    """A record never names an image that is not there."""
    with services.db.connection() as connection:
        left = {one["task_id"] for one in runs.objects_of_run(connection, run_id)}
    gone = {one["task_id"] for one in before} - left
    for task in known:
        if task.id in gone:
            services.archive.remove(_record(task))


def _record(task: Task) -> str:
    return record_key(task.id, task.created_at)
