"""The neutral actions in AceData's words."""

from __future__ import annotations

from types import MappingProxyType

from orchestrator.core.actions import ACTIONS, Action
from orchestrator.providers.base import Capability

# Neutral inputs that AceData's imagine endpoint has a place for.
_SENT = frozenset({"prompt", "images", "mask", "quadrant", "mode", "timeout", "translation", "split_images"})
_SENT |= {"version", "hd", "quality", "style_reference", "moodboard"}

_NAMES = {
    "imagine": "generate",
    "blend": "generate",
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
            "pan_left",
            "pan_right",
            "pan_up",
            "pan_down",
        )
    },
}

# Works on any image of the API, yet no result ever lists it among its actions.
UNLISTED = frozenset({"variation_region"})


def _capability(action: Action, name: str) -> Capability:
    return Capability(name=name, inputs=(action.required | action.optional) & _SENT)


CAPABILITIES = MappingProxyType({name: _capability(ACTIONS[name], word) for name, word in _NAMES.items()})
