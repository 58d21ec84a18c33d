"""The neutral actions in midjourney-proxy's words, and the paths they go to."""

from __future__ import annotations

from types import MappingProxyType

from orchestrator.core.actions import ACTIONS, Action
from orchestrator.providers.base import Capability, Wait

IMAGINE = "/mj/submit/imagine"
BLEND = "/mj/submit/blend"
DESCRIBE = "/mj/submit/describe"
SHORTEN = "/mj/submit/shorten"
SWAP = "/mj/insight-face/swap"
UPLOAD = "/mj/submit/upload-discord-images"
ACTION = "/mj/submit/action"
CHANGE = "/mj/submit/change"
MODAL = "/mj/submit/modal"

# Actions with an endpoint of their own.
PATHS = MappingProxyType(
    {
        "imagine": IMAGINE,
        "blend": BLEND,
        "describe": DESCRIBE,
        "shorten": SHORTEN,
        "swap_face": SWAP,
        "upload": UPLOAD,
    }
)
# What the open Java version, which has no buttons, can do to a finished image.
CHANGES = MappingProxyType({"upscale": "UPSCALE", "variation": "VARIATION", "reroll": "REROLL"})
# The windows that always open; others open only on accounts with Remix, and for a prompt.
WINDOWS = frozenset({"variation_region", "zoom_custom"})

_BUTTONS = {
    "upscale": "upscale{n}",
    "variation": "variation{n}",
    **{
        name: name
        for name in (
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
            "zoom_custom",
            "pan_left",
            "pan_right",
            "pan_up",
            "pan_down",
        )
    },
}
_SENT = frozenset(
    {"prompt", "images", "image", "mask", "quadrant", "mode", "bot", "dimensions", "language", "zoom"}
    | {"source", "target"}
)
# No window opens for these: a prompt would be ignored, and the work paid for all the same.
_WITHOUT = {
    "blend": {"prompt"},
    "zoom_out_2x": {"prompt"},
    "zoom_out_1_5x": {"prompt"},
    "seed": {"mode"},
}
_SYNCHRONOUS = frozenset({"seed", "upload"})
_JOB = frozenset({Wait.PUSHED_FRAMES, Wait.POLL})
_AT_ONCE = frozenset({Wait.ANSWER})


def _capability(action: Action, name: str) -> Capability:
    inputs = (action.required | action.optional) & _SENT - _WITHOUT.get(action.name, set())
    return Capability(name=name, inputs=inputs, waits=_AT_ONCE if action.name in _SYNCHRONOUS else _JOB)


CAPABILITIES = MappingProxyType(
    {
        name: _capability(ACTIONS[name], word)
        for name, word in {**{name: name for name in PATHS}, **_BUTTONS, "seed": "image-seed"}.items()
    }
)
