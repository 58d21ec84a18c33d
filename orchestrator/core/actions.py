"""The neutral actions: what each needs, takes and yields, whatever the provider.

A dialect says which of them it can do (``Dialect.actions``); the pipeline loader checks a pipeline against both.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Yields(StrEnum):
    GRID = "grid"  # one picture of 2 x 2 candidates
    SINGLE = "single"  # one picture
    TEXT = "text"
    VIDEO = "video"
    UPLOAD = "upload"


@dataclass(frozen=True, slots=True)
class Action:
    """of: what kind of parent image it works on (empty: none). typical: seconds that it usually takes."""

    name: str
    yields: Yields
    of: frozenset[Yields] = frozenset()
    quadrant: bool = False
    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    typical: int = 60
    timeout: int = 1800


GRID, SINGLE, TEXT, VIDEO = Yields.GRID, Yields.SINGLE, Yields.TEXT, Yields.VIDEO
COMMON = frozenset({"mode", "timeout", "translation", "split_images"})
FILM = frozenset({"prompt", "end_image", "resolution", "loop", "mode"})
PICTURE = COMMON | {"version", "hd", "quality", "style_reference", "moodboard", "bot", "ref"}


def _follow_up(name: str, yields: Yields, *of: Yields, quadrant: bool = False, **keys: frozenset[str]) -> Action:
    optional = COMMON | keys.get("optional", frozenset()) | (frozenset({"quadrant"}) if quadrant else frozenset())
    return Action(
        name,
        yields,
        frozenset(of),
        quadrant,
        keys.get("required", frozenset()),
        optional,
        30 if yields is SINGLE else 60,
    )


_ALL = [
    Action("imagine", GRID, required=frozenset({"prompt"}), optional=PICTURE | {"images"}),
    Action("blend", GRID, required=frozenset({"images"}), optional=PICTURE | {"prompt", "dimensions"}),
    _follow_up("upscale", SINGLE, GRID, quadrant=True),
    _follow_up("variation", GRID, GRID, quadrant=True, optional=frozenset({"prompt"})),
    _follow_up("reroll", GRID, GRID, optional=frozenset({"prompt"})),
    _follow_up("variation_subtle", GRID, SINGLE, optional=frozenset({"prompt"})),
    _follow_up("variation_strong", GRID, SINGLE, optional=frozenset({"prompt"})),
    _follow_up("variation_region", GRID, SINGLE, GRID, required=frozenset({"mask"}), optional=frozenset({"prompt"})),
    _follow_up("upscale_2x", SINGLE, SINGLE),
    _follow_up("upscale_4x", SINGLE, SINGLE),
    _follow_up("upscale_subtle", SINGLE, SINGLE),
    _follow_up("upscale_creative", SINGLE, SINGLE),
    _follow_up("zoom_out_2x", GRID, SINGLE, optional=frozenset({"prompt"})),
    _follow_up("zoom_out_1_5x", GRID, SINGLE, optional=frozenset({"prompt"})),
    _follow_up("zoom_custom", GRID, SINGLE, required=frozenset({"zoom"}), optional=frozenset({"prompt"})),
    _follow_up("pan_left", GRID, SINGLE, optional=frozenset({"prompt"})),
    _follow_up("pan_right", GRID, SINGLE, optional=frozenset({"prompt"})),
    _follow_up("pan_up", GRID, SINGLE, optional=frozenset({"prompt"})),
    _follow_up("pan_down", GRID, SINGLE, optional=frozenset({"prompt"})),
    Action("edit", GRID, required=frozenset({"image", "prompt"}), optional=frozenset({"mask", "mode", "split_images"})),
    Action("video", VIDEO, required=frozenset({"image"}), optional=FILM, typical=120),
    Action("video_extend", VIDEO, frozenset({VIDEO}), optional=FILM | {"video_index"}, typical=120),
    Action("describe", TEXT, required=frozenset({"image"}), optional=frozenset({"bot", "language"}), typical=20),
    Action("shorten", TEXT, required=frozenset({"prompt"}), optional=frozenset({"bot"}), typical=20),
    Action("translate", TEXT, required=frozenset({"text"}), typical=5),
    _follow_up("seed", TEXT, GRID, SINGLE),
    Action("swap_face", SINGLE, required=frozenset({"source", "target"}), typical=30),
    Action("upload", Yields.UPLOAD, required=frozenset({"images"}), typical=10),
]

ACTIONS: dict[str, Action] = {action.name: action for action in _ALL}
