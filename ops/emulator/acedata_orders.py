"""Reads the body of POST /midjourney/imagine: what is wrong with it, and the order it stands for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ops.emulator import acedata_actions as actions
from ops.emulator import edits
from ops.emulator.engine import Engine
from ops.emulator.ids import number, share
from ops.emulator.jobs import Dialect, Job, Order
from ops.emulator.journal import shortened
from ops.emulator.pictures import Picture
from ops.emulator.prompts import Prompt, quadrant_size, read_prompt
from ops.emulator.refusals import Refusal

MAX_IMAGES = 5
_PACE = {"fast": 1.0, "relax": 3.0, "turbo": 0.4}
_FRAMES = ((35, 75), (20, 50, 80), (15, 46, 78, 93), (31, 62))


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, and how they wait. `streams`: the Accept header wants application/x-ndjson."""

    token: str
    trace_id: str
    base_url: str
    streams: bool


def read_order(body: dict[str, Any], asked: Asked, engine: Engine, dialect: Dialect) -> Order:
    """The order, or a Refusal that says what is wrong."""
    action = text_field(body, "action") or "generate"
    mode, callback_url = mode_of(body), callback_of(body)
    parent = None if action == "generate" else _parent(action, body, engine)
    text = text_field(body, "prompt") or (parent.order.prompt if parent else "")
    prompt = read_prompt(text)
    check_prompt(prompt, needed=action == "generate")
    picture = _picture(action, body, parent, prompt, engine.options.image_size)
    failure = prompt.failure()
    return Order(
        dialect=dialect,
        action=action,
        prompt=text,
        picture=picture,
        token=asked.token,
        base_url=asked.base_url,
        request=shortened(body),
        trace_id=asked.trace_id,
        image_id=str(body["image_id"]) if parent else None,
        callback_url=callback_url,
        actions=actions.offered(picture, prompt),
        frames=frames_of(actions.share_of_latency(action), asked, failure),
        seconds=seconds_of(actions.share_of_latency(action), mode, asked, failure, engine),
        error=failure,
        every_frame=asked.streams,
        split=body.get("split_images") is True and picture.grid,
    )


def patience(body: dict[str, Any]) -> float:
    """Seconds a synchronous answer may take."""
    value = body.get("timeout")
    if value is None:
        return 480.0
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise Refusal("bad_request", "timeout must be a positive number of seconds")
    return float(value)


def text_field(body: dict[str, Any], key: str) -> str:
    """A string, trimmed; null and absent are empty."""
    value = body.get(key)
    if value is not None and not isinstance(value, str):
        raise Refusal("bad_request", f"{key} must be a string")
    return (value or "").strip()


def mode_of(body: dict[str, Any], modes: Collection[str] = tuple(_PACE)) -> str:
    """The speed asked for."""
    mode = text_field(body, "mode") or "fast"
    if mode not in modes:
        raise Refusal("bad_request", f"mode must be one of {', '.join(modes)}")
    return mode


def only_action(body: dict[str, Any], actions: tuple[str, ...]) -> str:
    """The action, the first of these unless said otherwise."""
    action = text_field(body, "action") or actions[0]
    if action not in actions:
        raise Refusal("bad_request", f"action must be one of {', '.join(actions)}")
    return action


def callback_of(body: dict[str, Any]) -> str | None:
    """Where the end is to be posted, if anywhere."""
    url = text_field(body, "callback_url")
    if url and not url.startswith(("http://", "https://")):
        raise Refusal("bad_request", "callback_url must be an http or https URL")
    return url or None


def _parent(action: str, body: dict[str, Any], engine: Engine) -> Job:
    image_id = body.get("image_id")
    if image_id is None or image_id == "":
        raise Refusal("bad_request", f"image_id is required for action {action}")
    found = engine.job_of_image(str(image_id))
    if found is None or found[1]:
        raise Refusal("bad_request", f"image_id {image_id} does not exist")
    actions.check_offered(action, found[0])
    return found[0]


def check_prompt(prompt: Prompt, *, needed: bool) -> None:
    """Refusal when the prompt is missing, names too many images, or has a word nobody may say."""
    if needed and not (prompt.text or len(prompt.images) > 1):
        raise Refusal("bad_request", "prompt is required")
    if len(prompt.images) > MAX_IMAGES:
        raise Refusal("bad_request", f"at most {MAX_IMAGES} images can be blended, not {len(prompt.images)}")
    if prompt.moderated():
        raise Refusal("moderation", "AI moderators feel your prompt might be against our community standards.")


def _picture(action: str, body: dict[str, Any], parent: Job | None, prompt: Prompt, image_size: int) -> Picture:
    if parent is None:
        ratio = (1, 1) if prompt.invalid else prompt.ratio
        return edits.grid(*quadrant_size(ratio, image_size), prompt.theme)
    theme = prompt.theme if body.get("prompt") else None
    return actions.derived(action, parent.picture, mask=body.get("mask"), theme=theme, image_size=image_size)


def frames_of(part: float, asked: Asked, failure: tuple[str, str] | None) -> tuple[int, ...]:
    """Progress values, for those who watch; a quadrant's upscale and a job that fails at once show none."""
    if not asked.streams or part < 0.5:
        return ()
    frames = _FRAMES[number(asked.trace_id, "frames") % len(_FRAMES)]
    return frames if failure is None else frames[:1] if failure[0] == "broken" else ()


def seconds_of(beside: float, mode: str, asked: Asked, failure: tuple[str, str] | None, engine: Engine) -> float:
    """How long the work takes: `beside` times a generate, by mode, and not long when it fails."""
    usual = engine.options.latency * _PACE[mode] * beside
    part = 1.0 if failure is None else 0.5 if failure[0] == "broken" else 0.1
    return usual * part * (0.8 + 0.4 * share(asked.trace_id, "seconds"))
