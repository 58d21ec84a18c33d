"""An order -> what is asked of the provider, checked as far as it can be checked before anything is paid."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from orchestrator.config import Account
from orchestrator.core.actions import ACTIONS
from orchestrator.errors import InvalidInput
from orchestrator.providers.base import Order, Parent
from orchestrator.providers.fields import MODES, is_url
from orchestrator.providers.inputs import quadrant_of
from orchestrator.providers.mjproxy.buttons import of_parent
from orchestrator.providers.mjproxy.inputs import inputs_of
from orchestrator.providers.mjproxy.words import ACTION, CAPABILITIES, CHANGE, CHANGES, PATHS, WINDOWS

_PREFIX = re.compile(r"/mj-(fast|relax|turbo)(?:/mj)?$")
_ZOOM = re.compile(r"\s*(?<!\S)--zoom(?:\s+[\d.]+)?(?!\S)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """body: None for a GET. window: what a window is answered with, should one open; zoom: the factor asked for in it.

    parent_prompt: what the image was made of, for a window that wants the whole prompt.
    """

    path: str
    body: Mapping[str, Any] | None
    window: Mapping[str, Any] = field(default_factory=dict)
    zoom: float | None = None
    parent_prompt: str = ""

    def answer_to(self, window_id: str, proposed: str) -> dict[str, Any]:
        """The body that confirms a window. proposed: the prompt that the window shows."""
        prompt = self.window.get("prompt", "")
        if self.zoom is not None:
            text = _ZOOM.sub("", prompt or proposed or self.parent_prompt).strip()
            prompt = f"{text} --zoom {self.zoom:g}".strip()
        return {**self.window, "taskId": window_id, "prompt": prompt}


def plan_of(account: Account, order: Order) -> Plan:
    """What is sent for an order. Raises InvalidInput."""
    inputs = inputs_of(order)
    if order.action == "seed":
        task = quote(_parent(order).external_id, safe="")
        return Plan(path=f"/mj/task/{task}/image-seed", body=None)
    if order.action == "upload":
        return Plan(path=PATHS["upload"], body={"base64Array": inputs["images"]})
    common = _common(account, order, inputs)
    if order.action in PATHS:
        return Plan(path=PATHS[order.action], body=_BODIES[order.action](inputs) | common)
    return _follow_up(order, inputs, common)


def _imagine(inputs: Mapping[str, Any]) -> dict[str, Any]:
    images = inputs.get("images", [])
    encoded = [image for image in images if not is_url(image)]
    prompt = " ".join([*(image for image in images if is_url(image)), inputs["prompt"]])
    return {"prompt": prompt, **({"base64Array": encoded} if encoded else {}), **_bot(inputs)}


def _blend(inputs: Mapping[str, Any]) -> dict[str, Any]:
    shape = {"dimensions": inputs["dimensions"]} if "dimensions" in inputs else {}
    return {"base64Array": inputs["images"], **shape, **_bot(inputs)}


def _describe(inputs: Mapping[str, Any]) -> dict[str, Any]:
    language = {"language": inputs["language"]} if "language" in inputs else {}
    return {"link" if is_url(inputs["image"]) else "base64": inputs["image"], **language, **_bot(inputs)}


def _shorten(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"prompt": inputs["prompt"], **_bot(inputs)}


def _swap(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"sourceBase64": inputs["source"], "targetBase64": inputs["target"]}


_BODIES = {"imagine": _imagine, "blend": _blend, "describe": _describe, "shorten": _shorten, "swap_face": _swap}


def _bot(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"botType": inputs["bot"]} if "bot" in inputs else {}


def _common(account: Account, order: Order, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What goes along with every submission. ``state`` is echoed: a lost submission is recognised by it."""
    hook = {} if order.callback_url is None else {"notifyHook": order.callback_url}
    wanted: dict[str, Any] = {}
    if modes := _modes(account, inputs.get("mode")):
        wanted["modes"] = [mode.upper() for mode in modes]
    if "prompt" in inputs and order.action not in PATHS and order.action not in WINDOWS:
        wanted |= {"remix": True, "remixAutoConsidered": False}
    return {"state": str(order.task_id), **hook, **({"accountFilter": wanted} if wanted else {})}


def _modes(account: Account, wanted: str | None) -> tuple[str, ...]:
    """The modes to name; none when the address names one already, or when any will do."""
    prefix = _PREFIX.search(account.base_url)
    allowed = tuple(mode for mode in account.modes if prefix is None or mode == prefix[1])
    if (wanted and wanted not in allowed) or not allowed:
        where = f" at {prefix[0]}" if prefix else ""
        text = f"mode: {wanted or 'not given'}; account {account.name}{where} allows {', '.join(allowed) or 'none'}"
        raise InvalidInput(text, fields={"mode": [text]})
    if prefix:
        return ()
    return (wanted,) if wanted else () if set(allowed) >= set(MODES) else allowed


def _parent(order: Order) -> Parent:
    if order.parent is None or not order.parent.external_id:
        raise InvalidInput(f"{order.action} works on the image of an earlier task, and there is none")
    return order.parent


def _follow_up(order: Order, inputs: Mapping[str, Any], common: Mapping[str, Any]) -> Plan:
    parent = _parent(order)
    task = {"taskId": parent.external_id}
    number = quadrant_of(order, inputs) if ACTIONS[order.action].quadrant else None
    buttons = of_parent(parent.result)
    if buttons is None and order.action in CHANGES and "prompt" not in inputs:
        index = {} if number is None else {"index": number}
        return Plan(path=CHANGE, body={**task, "action": CHANGES[order.action], **index, **common})
    press = {"customId": _button(order, number, buttons or {}), "chooseSameChannel": True}
    remix = {"enableRemix": True} if "remix" in common.get("accountFilter", {}) else {}
    window = {"prompt": inputs.get("prompt", ""), "maskBase64": inputs.get("mask")}
    plan = Plan(
        path=ACTION,
        body={**task, **press, **remix, **common},
        window={**{key: value for key, value in window.items() if value is not None}, **_without_filter(common)},
        zoom=inputs.get("zoom"),
        parent_prompt=str(parent.result.get("prompt") or ""),
    )
    if plan.zoom is not None and not (plan.window["prompt"] or plan.parent_prompt):
        raise InvalidInput(f"{order.action}: the prompt of {parent.action} is not known; give prompt")
    return plan


def _without_filter(common: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in common.items() if key != "accountFilter"}


def _button(order: Order, number: int | None, buttons: Mapping[str, str]) -> str:
    name = CAPABILITIES[order.action].name.format(n=number)
    try:
        return buttons[name]
    except KeyError:
        listed = ", ".join(buttons) or "nothing"
        text = f"{order.action}: the image of {_parent(order).action} does not offer {name!r}; it offers {listed}"
        raise InvalidInput(text) from None
