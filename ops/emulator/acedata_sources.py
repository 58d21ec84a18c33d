"""Pictures that AceData's clients name by their address: our own ones are known, others are never fetched."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from ops.emulator import edits
from ops.emulator.acedata_orders import text_field
from ops.emulator.engine import Engine
from ops.emulator.ids import number
from ops.emulator.jobs import Job
from ops.emulator.pictures import Picture
from ops.emulator.refusals import Refusal

_ATTACHMENT = re.compile(r"/attachments/\d+/(\d+)/(?:0_([0-3])\.png)?")
_PLATFORM = re.compile(r"/midjourney/([0-9a-f-]{36})(?:_([0-3]))?\.png")


def required_source(body: dict[str, Any], key: str, engine: Engine) -> Picture:
    """The picture of an address that must be there."""
    picture = source(body, key, engine)
    if picture is None:
        raise Refusal("bad_request", f"{key} is required")
    return picture


def source(body: dict[str, Any], key: str, engine: Engine) -> Picture | None:
    """The picture of an address: one of ours (or a quadrant of it), or a stand-in that depends on the address."""
    url = text_field(body, key)
    if not url:
        return None
    if not url.startswith(("http://", "https://")):
        raise Refusal("bad_request", f"{key} must be an http or https URL")
    found = _own(urlsplit(url).path, engine)
    if found is None:
        return stand_in(url, engine.options.image_size)
    job, part = found
    return edits.upscaled(job.picture, int(part)) if part else job.picture


def stand_in(url: str, image_size: int) -> Picture:
    """A single picture in place of one that isn't fetched."""
    side = image_size // 2
    return Picture(side, side, grid=False, theme=number("theme", url), seed=number("stand-in", url))


def is_stand_in(picture: Picture) -> bool:
    """Whether nobody knows how big the picture really is."""
    return not picture.grid and picture.parent is None


def _own(path: str, engine: Engine) -> tuple[Job, str | None] | None:
    if match := _ATTACHMENT.match(path):
        found = engine.job_of_image(match[1])
        job = found[0] if found and found[1] == 0 else None
    elif match := _PLATFORM.fullmatch(path):
        job = engine.book.by_task(match[1])
    else:
        return None
    return (job, match[2]) if job is not None and job.state == "finished" else None
