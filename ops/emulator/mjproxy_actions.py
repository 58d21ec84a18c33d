"""What a pressed button makes of its parent, in the words of each midjourney-proxy layer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import cast

from ops.emulator import edits
from ops.emulator.jobs import Job
from ops.emulator.masks import read_mask
from ops.emulator.mjproxy_buttons import Pressed, pressed, same_button
from ops.emulator.mjproxy_http import Rejection
from ops.emulator.mjproxy_layers import Layer
from ops.emulator.mjproxy_orders import MjOrder, Work, new_grid
from ops.emulator.pictures import Picture
from ops.emulator.prompts import read_prompt
from ops.emulator.refusals import Refusal

ALWAYS_WINDOWS = frozenset({"custom_zoom", "inpaint", "reader", "analyzer"})
REMIXABLE = frozenset({"reroll", "variation", "vary", "pan"})
_ACTIONS = {
    "upsample": "UPSCALE",
    "enlarge": "UPSCALE",
    "variation": "VARIATION",
    "vary": "VARIATION",
    "inpaint": "VARIATION",
    "reroll": "REROLL",
    "pan": "PAN",
    "zoom": "ZOOM",
    "custom_zoom": "ZOOM",
    "reader": "IMAGINE",
    "analyzer": "IMAGINE",
    "retry": "DESCRIBE",
}
_OWN = {"custom_zoom": "CUSTOM_ZOOM", "inpaint": "INPAINT"}
_SHARES = {"upsample": 0.25, "enlarge": 0.5, "retry": 0.3}
_ZOOMS = {50: 2.0, 75: 1.5}
_STRENGTHS = {"low": "subtle", "high": "strong"}
_ZOOM = re.compile(r"\s*--zoom\s+(\S+)")
_PARAGRAPH = re.compile(r"^[1-9]\ufe0f\u20e3\s*(.*)$", re.MULTILINE)


def button_of(layer: Layer, custom_id: str, buttons: list[dict[str, object]]) -> Pressed:
    """The pressed button; Rejection when its kind is unknown, or the parent doesn't offer it."""
    button = pressed(custom_id)
    if layer.name == "gateway" and (button is None or button.kind in ("reader", "retry", "analyzer")):
        raise Rejection(4, f"unknown_action:{custom_id}", gateway=True)
    if button is None:
        raise Rejection(4, "未知的 Action 类型")
    if not any(same_button(str(offered["customId"]), custom_id) for offered in buttons):
        raise Rejection(4, "关联任务不允许执行变化")
    return button


def work_of(layer: Layer, button: Pressed, custom_id: str, parent: Job, *, description: str, image_size: int) -> Work:
    """The work a button orders, as far as it is known before a window is confirmed."""
    order = cast(MjOrder, parent.order)
    prompt = prefilled(button, order)
    picture = derived(button, parent.picture, prompt=prompt, parent_prompt=order.prompt, image_size=image_size)
    return Work(
        _action(layer, button, order.action),
        "" if button.kind == "inpaint" and layer.name == "csharp" else prompt_alone(prompt),
        picture,
        description,
        share=_SHARES.get(button.kind, 1.0),
        watched=button.kind not in ("upsample", "retry"),
        final_prompt=prompt_alone(prompt) if button.kind in ("reader", "analyzer") else None,
        parent=parent.task_id,
        button=custom_id,
        shown=order.shown if button.kind == "retry" else None,
        paragraphs=order.paragraphs if button.kind == "retry" else 0,
        own_action=_own_action(button),
        bot=order.bot,
    )


def prefilled(button: Pressed, parent: MjOrder) -> str:
    """What stands in the window when it opens: the parent's prompt, or the paragraph the button points to."""
    if button.kind in ("reader", "analyzer"):
        paragraphs: list[str] = _PARAGRAPH.findall(parent.final_prompt)
        return paragraphs[button.number - 1]
    return f"{parent.prompt} --zoom 2" if button.kind == "custom_zoom" else parent.prompt


def prompt_alone(prompt: str) -> str:
    """The prompt without --zoom, which is no parameter of a picture."""
    return _ZOOM.sub("", prompt)


def derived(
    button: Pressed,
    parent: Picture,
    *,
    prompt: str,
    parent_prompt: str,
    image_size: int,
    mask: bytes | None = None,
) -> Picture:
    """The recipe of the result; a new prompt gives it a new theme."""
    read = read_prompt(prompt_alone(prompt))
    theme = None if prompt_alone(prompt) == parent_prompt else read.theme
    makers: dict[str, Callable[[], Picture]] = {
        "upsample": lambda: edits.upscaled(parent, button.number - 1),
        "enlarge": lambda: edits.enlarged(parent, 4 if button.detail.endswith("4x") else 2),
        "inpaint": lambda: edits.redrawn(parent, mask, theme),
        "zoom": lambda: edits.zoomed_out(parent, _ZOOMS[button.number]),
        "custom_zoom": lambda: _themed(edits.zoomed_out(parent, zoom_of(prompt)), theme),
        "reader": lambda: new_grid(read, image_size),
        "analyzer": lambda: new_grid(read, image_size),
        "retry": lambda: parent,
        "variation": lambda: _themed(edits.varied(parent, button.number - 1), theme),
        "vary": lambda: _themed(edits.varied(parent, None, _STRENGTHS[button.detail]), theme),
        "pan": lambda: _themed(edits.panned(parent, button.detail, limit=image_size * 2), theme),
        "reroll": lambda: _themed(_again(parent), theme),
    }
    return makers[button.kind]()


def zoom_of(prompt: str) -> float:
    """How much smaller the parent becomes; Rejection when the prompt of a custom zoom doesn't say 1 to 2."""
    match = _ZOOM.search(prompt)
    try:
        factor = float(match[1]) if match else 0.0
    except ValueError:
        factor = 0.0
    if not 1 <= factor <= 2:
        raise Rejection(4, "prompt需包含--zoom参数，取值1~2")
    return factor


def mask_of(value: object, parent: Picture) -> bytes | None:
    """The mask of a region to be drawn anew, white on black; Rejection when it is missing or doesn't fit."""
    if not isinstance(value, str) or not value.strip():
        raise Rejection(4, "maskBase64不能为空")
    if value.startswith(("http://", "https://")):
        raise Rejection(4, "base64格式错误")
    try:
        return read_mask(value.strip(), parent)
    except Refusal as refusal:
        raise Rejection(4, refusal.message) from refusal


def _again(parent: Picture) -> Picture:
    return edits.again(parent) if parent.grid else edits.grid(*parent.single().tile, parent.theme)


def _themed(picture: Picture, theme: int | None) -> Picture:
    return picture if theme is None else replace(picture, theme=theme)


def _action(layer: Layer, button: Pressed, parent_action: str) -> str:
    if layer.name == "csharp" and button.kind == "reroll":
        return "IMAGINE" if parent_action == "UPSCALE" else parent_action
    if layer.name == "csharp" and button.kind == "enlarge":
        return "UPSCALE_HD"
    return _ACTIONS[button.kind]


def _own_action(button: Pressed) -> str | None:
    if button.kind == "vary":
        return f"{button.detail.upper()}_VARIATION"
    return _OWN.get(button.kind)
