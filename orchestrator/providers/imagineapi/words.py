"""What ImagineAPI can do, in neutral words: make a grid. Its four single images come with it."""

from __future__ import annotations

from types import MappingProxyType

from orchestrator.providers.base import Capability, Wait

_FLAGS = frozenset({"mode", "version", "quality"})  # sent as Midjourney's own flags, at the end of the prompt
# The grid is always split, whatever ``split_images`` says, and an upscale has no mode: nothing is done for it.
_IDLE = frozenset({"split_images"})
_ROW = frozenset({Wait.PUSHED_FRAMES, Wait.POLL})
_COMES_ALONG = frozenset({Wait.NO_CALL})

CAPABILITIES = MappingProxyType(
    {
        "imagine": Capability(name="images", inputs=frozenset({"prompt", "images"}) | _FLAGS | _IDLE, waits=_ROW),
        "blend": Capability(
            name="images", inputs=frozenset({"images", "prompt", "dimensions"}) | _FLAGS | _IDLE, waits=_ROW
        ),
        "upscale": Capability(name="upscaled_urls", inputs=frozenset({"quadrant", "mode"}) | _IDLE, waits=_COMES_ALONG),
    }
)
