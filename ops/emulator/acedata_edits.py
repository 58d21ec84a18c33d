"""AceData's POST /midjourney/edits: a picture, wherever it comes from, with a part of it (or all) made anew."""

from __future__ import annotations

from typing import Any

from ops.emulator import edits
from ops.emulator.acedata_bodies import AceData
from ops.emulator.acedata_orders import (
    Asked,
    callback_of,
    check_prompt,
    frames_of,
    mode_of,
    only_action,
    seconds_of,
    text_field,
)
from ops.emulator.acedata_sources import is_stand_in, required_source
from ops.emulator.engine import Engine
from ops.emulator.jobs import Job, Order
from ops.emulator.journal import shortened
from ops.emulator.masks import read_mask
from ops.emulator.pictures import Picture
from ops.emulator.prompts import Prompt, read_prompt


class Edited(AceData):
    """Results of edits: no actions, and a thumbnail that is the picture itself."""

    kind = "edits"

    def result(self, job: Job) -> dict[str, Any]:
        facts = super().result(job)
        del facts["actions"]
        for name in ("url", "width", "height"):
            facts[f"image_{name}"] = facts[f"raw_image_{name}"]
        return facts


def read_edit(body: dict[str, Any], asked: Asked, engine: Engine, dialect: Edited) -> Order:
    """The order, or a Refusal that says what is wrong."""
    only_action(body, ("generate",))
    text = text_field(body, "prompt")
    prompt = read_prompt(text)
    check_prompt(prompt, needed=True)
    failure = prompt.failure()
    return Order(
        dialect=dialect,
        action="edits",
        prompt=text,
        picture=_picture(body, prompt, engine),
        token=asked.token,
        base_url=asked.base_url,
        request=shortened(body),
        trace_id=asked.trace_id,
        callback_url=callback_of(body),
        frames=frames_of(1.0, asked, failure),
        seconds=seconds_of(1.0, mode_of(body), asked, failure, engine),
        error=failure,
        every_frame=asked.streams,
        split=body.get("split_images") is True,
    )


def _picture(body: dict[str, Any], prompt: Prompt, engine: Engine) -> Picture:
    """With a mask its white part is painted anew, without one everything is changed."""
    parent = required_source(body, "image_url", engine)
    if not body.get("mask"):
        return edits.varied(parent, None, "strong")
    size_known = None if is_stand_in(parent) else parent
    return edits.redrawn(parent, read_mask(body["mask"], size_known), prompt.theme)
