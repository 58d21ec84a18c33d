"""The neutral actions in AceData's words: where each is asked for, under which name, with which inputs."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from orchestrator.core.actions import ACTIONS, Action
from orchestrator.providers.base import Capability, Wait

IMAGINE = "/midjourney/imagine"
EDITS = "/midjourney/edits"
VIDEOS = "/midjourney/videos"
TASKS = "/midjourney/tasks"


@dataclass(frozen=True, slots=True)
class TextCall:
    """A call that is answered at once, with text. answers: the key that holds it; one text, or several."""

    path: str
    answers: str


TEXTS = MappingProxyType(
    {
        "describe": TextCall("/midjourney/describe", "descriptions"),
        "translate": TextCall("/midjourney/translate", "content"),
        "seed": TextCall("/midjourney/seed", "seed"),
        "shorten": TextCall("/midjourney/shorten", "prompts"),
    }
)

_PATHS = {"edit": EDITS, "video": VIDEOS, "video_extend": VIDEOS, **{name: call.path for name, call in TEXTS.items()}}

_COMMON = frozenset({"prompt", "images", "mask", "quadrant", "mode", "timeout", "translation", "split_images"})
# Neutral inputs that an endpoint has a place for.
_SENT = {
    IMAGINE: _COMMON | {"version", "hd", "quality", "style_reference", "moodboard"},
    EDITS: frozenset({"image", "prompt", "mask", "mode", "split_images"}),
    VIDEOS: frozenset({"image", "end_image", "prompt", "mode", "resolution", "loop", "video_index"}),
    TEXTS["describe"].path: frozenset({"image"}),
    TEXTS["translate"].path: frozenset({"text"}),
    TEXTS["seed"].path: frozenset(),
    TEXTS["shorten"].path: frozenset({"prompt"}),
}

# Neutral inputs that AceData calls otherwise.
KEYS = MappingProxyType({"image": "image_url", "end_image": "end_image_url", "text": "content"})

_SAME = (
    "reroll",
    "variation_subtle",
    "variation_strong",
    "variation_region",
    "upscale_2x",
    "upscale_4x",
    "upscale_subtle",
    "upscale_creative",
    "zoom_out_2x",
    "zoom_out_1_5x",
    "pan_left",
    "pan_right",
    "pan_up",
    "pan_down",
    *TEXTS,
)

_NAMES = {
    "imagine": "generate",
    "blend": "generate",
    "upscale": "upscale{n}",
    "variation": "variation{n}",
    "edit": "generate",
    "video": "generate",
    "video_extend": "extend",
    **{name: name for name in _SAME},
}

# Work on any image of the API, yet no result ever lists them among its actions.
UNLISTED = frozenset({"variation_region", "seed"})


def path_of(action: str) -> str:
    """The endpoint that does an action."""
    return _PATHS.get(action, IMAGINE)


_JOB = frozenset({Wait.PUSH, Wait.POLL})
_IN_FOUR_WAYS = _JOB | {Wait.PUSHED_FRAMES, Wait.STREAM}
_AT_ONCE = frozenset({Wait.ANSWER})


def _capability(action: Action, name: str) -> Capability:
    path = path_of(action.name)
    waits = _IN_FOUR_WAYS if path == IMAGINE else _AT_ONCE if action.name in TEXTS else _JOB
    return Capability(name=name, inputs=(action.required | action.optional) & _SENT[path], waits=waits)


CAPABILITIES = MappingProxyType({name: _capability(ACTIONS[name], word) for name, word in _NAMES.items()})
