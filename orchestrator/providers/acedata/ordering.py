"""An order -> the JSON body of one call, checked as far as it can be checked before anything is paid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields, validate

from orchestrator.config import Account
from orchestrator.core.actions import ACTIONS, Yields
from orchestrator.errors import InvalidInput
from orchestrator.providers import inputs as reads
from orchestrator.providers.acedata.words import CAPABILITIES, KEYS, TEXTS, UNLISTED, VIDEOS, path_of
from orchestrator.providers.base import Order, Parent
from orchestrator.providers.fields import As, flag, mode, quadrant

_DEFAULT_MODE = "fast"  # what AceData takes when none is said
_RESOLUTIONS = ("480p", "720p")


class InputsSchema(Schema):
    """The neutral inputs AceData knows. Which of them an action takes is in ``words``."""

    prompt = As(reads.prompt_text)
    text = As(reads.nonblank)
    image = As(reads.image_url)
    images = fields.List(As(reads.image_url), validate=validate.Length(1, reads.MAX_IMAGES))
    end_image = As(reads.image_url)
    mask = As(reads.mask)
    quadrant = As(quadrant)
    mode = As(mode)
    timeout = As(reads.seconds)
    translation = As(flag)
    split_images = As(flag)
    version = As(reads.word)
    hd = As(flag)
    quality = As(reads.word)
    style_reference = As(flag)
    moodboard = As(flag)
    resolution = fields.String(validate=validate.OneOf(_RESOLUTIONS, error="expected one of {choices}"))
    loop = As(flag)
    video_index = fields.Integer(strict=True, validate=validate.Range(0, 3, error="expected 0, 1, 2 or 3"))


_SCHEMA = InputsSchema()
_ELSEWHERE = frozenset({"prompt", "images", "quadrant"})  # part of the prompt, part of the action's name


def body_of(account: Account, order: Order) -> dict[str, Any]:
    """What is POSTed for an order, but for the way of waiting. Raises InvalidInput."""
    inputs = reads.checked("acedata", CAPABILITIES, _SCHEMA, order)
    body: dict[str, Any] = {}
    if order.action not in TEXTS:
        _check_mode(account, order.action, inputs.get("mode"))
        body["action"] = _name(order, inputs)
    if of := ACTIONS[order.action].of:
        key = "video_id" if Yields.VIDEO in of else "image_id"
        body[key] = _parent_id(order, key, body.get("action", order.action))
    if prompt := " ".join([*inputs.get("images", []), *([inputs["prompt"]] if "prompt" in inputs else [])]):
        body["prompt"] = prompt
    return body | {KEYS.get(key, key): value for key, value in inputs.items() if key not in _ELSEWHERE}


def _check_mode(account: Account, action: str, wanted: str | None) -> None:
    if wanted == "relax" and path_of(action) == VIDEOS:
        text = "acedata makes videos in mode fast or turbo, found 'relax'"
        raise InvalidInput(f"{action}: mode: {text}", fields={"mode": [text]})
    reads.check_mode(account, wanted, _DEFAULT_MODE)


def _name(order: Order, inputs: Mapping[str, Any]) -> str:
    name = CAPABILITIES[order.action].name
    return name.format(n=reads.quadrant_of(order, inputs)) if ACTIONS[order.action].quadrant else name


def _parent_id(order: Order, key: str, name: str) -> str:
    """The id of the image or the video that the order works on."""
    parent = order.parent
    if parent is None:
        raise InvalidInput(f"{order.action} works on the image of an earlier task, and there is none")
    _check_offer(order.action, parent, name)
    found = parent.result.get(key)
    if not found:
        raise InvalidInput(f"{order.action}: the result of {parent.action} has no {key}")
    return str(found)


def _check_offer(action: str, parent: Parent, name: str) -> None:
    offered = parent.result.get("actions")
    if offered is not None and name not in offered and action not in UNLISTED:
        listed = ", ".join(offered) or "nothing"
        raise InvalidInput(f"{action}: the image of {parent.action} does not offer {name!r}; it offers {listed}")
