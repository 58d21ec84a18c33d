"""Reads what is to become a row: what is wrong with it, and the order it stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ops.emulator import edits
from ops.emulator.engine import Engine
from ops.emulator.ids import number, share
from ops.emulator.imagineapi_http import forbidden, invalid_payload, missing
from ops.emulator.imagineapi_rows import Rows
from ops.emulator.jobs import Order
from ops.emulator.prompts import Prompt, quadrant_size, read_prompt

_FRAMES = ((0, 15, 46, 78, 93), (0, 35, 35, 75), (0, 20, 50, 80))  # progress may stand still while pictures change
_PACE = {"relax": 3.0, "turbo": 0.4}
_EXHAUSTED = "Midjourney credits exhausted"
_TIMEOUTS = ("Timeout while waiting for completion", "Timeout while waiting to start", "Timeout after prompt was sent")
_ALSO = ("Image not sent to API", "Unspecified error")


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks. `dice`: what the speed and the frames of the work depend on."""

    token: str
    base_url: str
    trace_id: str
    dice: str


def read_order(body: object, asked: Asked, engine: Engine, rows: Rows) -> Order:
    """The order of one row, or a Rejection."""
    item = checked(body, {"prompt", "ref"} & set(rows.fields))
    prompt = read_prompt(item["prompt"])
    failure = _failure(prompt, asked.dice)
    return Order(
        dialect=rows,
        action="generate",
        prompt=" ".join(item["prompt"].split("\n")),
        picture=edits.grid(
            *quadrant_size((1, 1) if prompt.invalid else prompt.ratio, engine.options.image_size), prompt.theme
        ),
        token=asked.token,
        base_url=asked.base_url,
        request=item,
        trace_id=asked.trace_id,
        frames=_frames(asked.dice, failure),
        seconds=_seconds(prompt, asked.dice, failure, engine),
        error=failure,
        client_state=item.get("ref"),
        queues=True,
        endless=True,
    )


def checked(body: object, allowed: set[str]) -> dict[str, Any]:
    """The fields of a new row or a patch; a Rejection for fields a user may not write and for a missing prompt."""
    if not isinstance(body, dict):
        raise invalid_payload("Input should be an object or an array of objects")
    if set(body) - allowed:
        raise forbidden()
    item = {key: value if value is None else _text(key, value) for key, value in body.items()}
    if not item.get("prompt"):
        raise missing("prompt")
    return item


def bankrupt(order: Order) -> dict[str, Any]:
    """What changes in an order when Midjourney has no credit left: it fails when its turn has come."""
    return {"error": ("used_up", _EXHAUSTED), "frames": (), "seconds": order.seconds * 0.1, "unpaid": True}


def _text(key: str, value: object) -> str:
    if isinstance(value, dict | list | bool):
        raise invalid_payload(f'"{key}" must be a string')
    return str(value)


def _failure(prompt: Prompt, dice: str) -> tuple[str, str] | None:
    """(reason, text of the row's `error`); nothing is refused before the bot has seen it."""
    if prompt.moderated():
        return "moderation", "Midjourney message: Banned prompt detected"
    failure = prompt.failure()
    if failure is None:
        return None
    reason, message = failure
    if reason == "broken":
        texts = (*_TIMEOUTS, *_ALSO)
        return reason, texts[number(dice, "timeout") % len(texts)]
    return reason, f"Midjourney message: {message}"


def _frames(dice: str, failure: tuple[str, str] | None) -> tuple[int, ...]:
    frames = _FRAMES[number(dice, "frames") % len(_FRAMES)]
    return frames if failure is None else frames[:2] if failure[0] == "broken" else ()


def _seconds(prompt: Prompt, dice: str, failure: tuple[str, str] | None, engine: Engine) -> float:
    pace = next((pace for mode, pace in _PACE.items() if mode in prompt.parameters), 1.0)
    part = 1.0 if failure is None else 0.5 if failure[0] == "broken" else 0.1
    return engine.options.latency * pace * part * (0.8 + 0.4 * share(dice, "seconds"))
