"""A finished task's buttons: which action each of them is, by its customId, whatever the model version."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# The version inside an upscale's name is spelt anew with every model (v5, v6, v6r1, v7).
_WORDS = (
    (r"JOB::upsample::([1-4])", "upscale{}"),
    (r"JOB::variation::([1-4])", "variation{}"),
    (r"JOB::reroll", "reroll"),
    (r"JOB::upsample_(?:\w+_)?2x", "upscale_2x"),
    (r"JOB::upsample_(?:\w+_)?4x", "upscale_4x"),
    (r"JOB::upsample_(?:\w+_)?subtle", "upscale_subtle"),
    (r"JOB::upsample_(?:\w+_)?creative", "upscale_creative"),
    (r"JOB::low_variation", "variation_subtle"),
    (r"JOB::high_variation", "variation_strong"),
    (r"Inpaint", "variation_region"),
    (r"Outpaint::50", "zoom_out_2x"),
    (r"Outpaint::75", "zoom_out_1_5x"),
    (r"CustomZoom", "zoom_custom"),
    (r"JOB::pan_(left|right|up|down)", "pan_{}"),
)
_PATTERNS = tuple((re.compile(rf"MJ::{pattern}(?:::.*)?"), word) for pattern, word in _WORDS)


def listed(value: Any) -> list[dict[str, Any]]:
    """The buttons in a task's ``buttons``, which may be missing, null or odd; those that cannot be pressed left out."""
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict) and isinstance(item.get("customId"), str)]


def word_of(custom_id: str) -> str | None:
    """The action of a button: a neutral name, with the quadrant's number for upscale and variation; None: no action."""
    for pattern, word in _PATTERNS:
        if match := pattern.fullmatch(custom_id):
            return word.format(*match.groups())
    return None


def offered(buttons: list[dict[str, Any]]) -> dict[str, str]:
    """The actions of these buttons with their customIds, in order; of several buttons for one action the first."""
    found: dict[str, str] = {}
    for button in buttons:
        if word := word_of(button["customId"]):
            found.setdefault(word, button["customId"])
    return found


def of_parent(result: Mapping[str, Any]) -> dict[str, str] | None:
    """What a parent's result offers; None when it came from a layer that has no buttons."""
    buttons = listed(result.get("buttons"))
    return offered(buttons) if buttons else None
