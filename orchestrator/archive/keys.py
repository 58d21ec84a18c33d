"""What the archive's objects are called. Keys are made of hashes, dates and ids only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from orchestrator.errors import ArchiveFailed

EXTENSIONS = {"png": "png", "jpeg": "jpg", "webp": "webp", "gif": "gif"}
IMAGE_KEY = re.compile(
    r"images/(?P<a>[0-9a-f]{2})/(?P<b>[0-9a-f]{2})/(?P<sha256>(?P=a)(?P=b)[0-9a-f]{60})\.(png|jpg|webp|gif)"
)
RECORD_KEY = re.compile(r"records/\d{4}/\d{2}/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.\d+)?\.json")


def image_key(sha256: str, image_format: str) -> str:
    """The key of an image by its hash and its decoded format (``png``, ``jpeg``, ``webp``, ``gif``)."""
    extension = EXTENSIONS.get(image_format.lower())
    if extension is None:
        raise ArchiveFailed(f"Images of format {image_format!r} are not archived; allowed are {', '.join(EXTENSIONS)}.")
    return checked_key(f"images/{sha256[:2]}/{sha256[2:4]}/{sha256}.{extension}")


def record_key(task_id: str | UUID, created_at: datetime, part: int | None = None) -> str:
    """The key of a task's record, by the month (UTC) of the task's creation; ``part`` for one of several images."""
    try:
        name = str(UUID(str(task_id)))
    except ValueError:
        raise ArchiveFailed(f"{task_id!r} is not the id of a task (a UUID).") from None
    if created_at.tzinfo is None:
        raise ArchiveFailed("The time at which a task was created needs its time zone.")
    suffix = "" if part is None else f".{part}"
    return checked_key(f"records/{created_at.astimezone(UTC):%Y/%m}/{name}{suffix}.json")


def record_of(sidecar: Mapping[str, Any], part: int | None) -> str:
    """The key of the record that this is to be."""
    try:
        task_id, created_at = sidecar["task_id"], datetime.fromisoformat(sidecar["created_at"])
    except (KeyError, TypeError, ValueError) as error:
        raise ArchiveFailed("A record needs task_id and created_at (RFC 3339).") from error
    return record_key(task_id, created_at, part)


def checked_key(key: str) -> str:
    """The key, if it is one: so no path can lead out of the archive. Raises ArchiveFailed."""
    if IMAGE_KEY.fullmatch(key) or RECORD_KEY.fullmatch(key):
        return key
    raise ArchiveFailed(f"{key!r} is not a key of the archive.")
