"""AceData's action names: what each makes of its parent, and what can be done with the result."""

from __future__ import annotations

from collections.abc import Callable

from ops.emulator import edits
from ops.emulator.jobs import Job
from ops.emulator.masks import read_mask
from ops.emulator.pictures import Picture
from ops.emulator.prompts import Prompt
from ops.emulator.refusals import Refusal

GRID = (*(f"upscale{n}" for n in range(1, 5)), "reroll", *(f"variation{n}" for n in range(1, 5)))
SINGLE = (
    *("upscale_2x", "upscale_4x", "variation_subtle", "variation_strong", "zoom_out_2x", "zoom_out_1_5x"),
    *("pan_left", "pan_right", "pan_up", "pan_down"),
)
MODERN_SINGLE = ("upscale_subtle", "upscale_creative")
ENLARGED = ("redo_upscale_2x", "redo_upscale_4x", "zoom_out_2x", "zoom_out_1_5x")
MODERN_ENLARGED = ("redo_upscale_subtle", "redo_upscale_creative")

_QUADRANT = {f"{kind}{n}": (kind, n - 1) for kind in ("upscale", "variation") for n in (1, 2, 3, 4)}
_FACTOR = {"2x": 2, "4x": 4, "subtle": 2, "creative": 2}
_ZOOM = {"zoom_out_2x": 2.0, "zoom_out_1_5x": 1.5}


def offered(picture: Picture, prompt: Prompt) -> tuple[str, ...]:
    """The actions a finished result offers."""
    if picture.grid:
        return GRID
    if picture.edit == "enlarge":
        return ENLARGED + (MODERN_ENLARGED if prompt.modern else ())
    return SINGLE + (MODERN_SINGLE if prompt.modern else ()) + (() if picture.width == picture.height else ("square",))


def share_of_latency(action: str) -> float:
    """How long an action takes beside a `generate`: upscaling is quicker."""
    if action in _QUADRANT and action.startswith("upscale"):
        return 0.25
    return 0.5 if "upscale_" in action else 1.0


def check_offered(action: str, parent: Job) -> None:
    """Refusal unless the parent's result offers the action; variation_region is offered by none and taken by all."""
    if parent.state != "finished":
        raise Refusal("bad_request", "The image is not finished, no action can be taken on it.")
    if action != "variation_region" and action not in parent.order.actions:
        choices = ", ".join(parent.order.actions)
        raise Refusal("bad_request", f"Action {action} is not available for this image, choose one of: {choices}")


def derived(action: str, parent: Picture, *, mask: object, theme: int | None, image_size: int) -> Picture:
    """The recipe of an offered action's result."""
    if action in _QUADRANT:
        kind, quadrant = _QUADRANT[action]
        return edits.upscaled(parent, quadrant) if kind == "upscale" else edits.varied(parent, quadrant)
    if action == "variation_region":
        return edits.redrawn(parent, read_mask(mask, parent), theme)
    kind, _, detail = action.removeprefix("redo_").partition("_")
    makers: dict[str, Callable[[], Picture]] = {
        "reroll": lambda: edits.again(parent),
        "upscale": lambda: edits.enlarged(parent, _FACTOR[detail]),
        "variation": lambda: edits.varied(parent, None, detail),
        "pan": lambda: edits.panned(parent, detail, limit=image_size * 2),
        "square": lambda: edits.squared(parent),
        "zoom": lambda: edits.zoomed_out(parent, _ZOOM[action]),
    }
    return makers[kind]()
