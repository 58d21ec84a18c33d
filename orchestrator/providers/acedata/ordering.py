"""An order -> the JSON body of one submission, checked as far as it can be checked before anything is paid."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from orchestrator.config import Account
from orchestrator.core.actions import ACTIONS
from orchestrator.errors import InvalidInput
from orchestrator.providers.acedata.words import CAPABILITIES, UNLISTED
from orchestrator.providers.base import Order, Parent
from orchestrator.providers.fields import As, flag, is_url, mode, quadrant, sentences, string

_DEFAULT_MODE = "fast"  # what AceData takes when none is said
_MAX_IMAGES = 5
_IMAGE_WEIGHT = re.compile(r"(?<!\S)--iw(?=[.\d])")
_DATA_URL = re.compile(r"data:[^,]{0,100};base64,")


def prompt_text(value: Any) -> str:
    """Text that is not blank; ``--iw2`` gets the space that Midjourney wants."""
    text = string(value).strip()
    if not text:
        raise ValidationError("is blank")
    return _IMAGE_WEIGHT.sub("--iw ", text)


def image_url(value: Any) -> str:
    """An http or https URL that can stand in a prompt."""
    if not is_url(string(value)):
        raise ValidationError("is not an http or https URL")
    return string(value)


def mask(value: Any) -> str:
    """The URL of a mask, or its base64 as it is sent: without ``data:`` prefix and line breaks."""
    text = string(value).strip()
    if is_url(text):
        return text
    prefix = _DATA_URL.match(text)
    encoded = "".join(text[prefix.end() if prefix else 0 :].split())
    try:
        content = base64.b64decode(encoded, validate=True)
    except ValueError:
        raise ValidationError("is neither base64 nor an http or https URL") from None
    if not content:
        raise ValidationError("is empty")
    return encoded


def seconds(value: Any) -> int | float:
    """A finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ValidationError("expected a number of seconds above 0")
    return value


def word(value: Any) -> str:
    """A version or a quality, which YAML may have made a number: 6.1, .25."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValidationError("expected a string or a number")
    text = value.strip() if isinstance(value, str) else f"{value:g}".removeprefix("0" if 0 < value < 1 else "")
    if not text:
        raise ValidationError("is blank")
    return text


class InputsSchema(Schema):
    """The neutral inputs AceData knows. Which of them an action takes is in ``words``."""

    prompt = As(prompt_text)
    images = fields.List(As(image_url), validate=validate.Length(1, _MAX_IMAGES))
    mask = As(mask)
    quadrant = As(quadrant)
    mode = As(mode)
    timeout = As(seconds)
    translation = As(flag)
    split_images = As(flag)
    version = As(word)
    hd = As(flag)
    quality = As(word)
    style_reference = As(flag)
    moodboard = As(flag)


_SCHEMA = InputsSchema()
_PASSED_ON = (
    "mode",
    "timeout",
    "translation",
    "split_images",
    "version",
    "hd",
    "quality",
    "style_reference",
    "moodboard",
)


def body_of(account: Account, order: Order) -> dict[str, Any]:
    """What is POSTed to /midjourney/imagine, but for the way of waiting. Raises InvalidInput."""
    inputs = _inputs(order)
    _check_mode(account, inputs.get("mode"))
    body: dict[str, Any] = {"action": _name(order, inputs)}
    if ACTIONS[order.action].of:
        body["image_id"] = _image_id(order.action, order.parent, body["action"])
    if prompt := _prompt(order.action, inputs):
        body["prompt"] = prompt
    return body | {key: inputs[key] for key in ("mask", *_PASSED_ON) if key in inputs}


def _inputs(order: Order) -> dict[str, Any]:
    capability = CAPABILITIES.get(order.action)
    if capability is None:
        raise InvalidInput(f"acedata cannot do {order.action!r}; it can do {', '.join(sorted(CAPABILITIES))}")
    given = {key: value for key, value in order.inputs.items() if value is not None}
    unknown = sorted(given.keys() - capability.inputs)
    if unknown:
        allowed = ", ".join(sorted(capability.inputs))
        raise InvalidInput(f"{order.action}: acedata has no place for {unknown[0]!r}; allowed: {allowed}")
    missing = sorted(ACTIONS[order.action].required - given.keys())
    if missing:
        raise InvalidInput(f"{order.action}: {missing[0]} is missing", fields={missing[0]: ["is missing"]})
    try:
        inputs: dict[str, Any] = _SCHEMA.load(given)
    except ValidationError as error:
        errors = {str(key): sentences(value) for key, value in error.messages_dict.items()}
        raise InvalidInput(f"{order.action}: {_first(errors)}", fields=errors) from error
    return inputs


def _first(errors: Mapping[str, list[str]]) -> str:
    key = min(errors)
    return f"{key}: {errors[key][0]}"


def _check_mode(account: Account, wanted: str | None) -> None:
    if (wanted or _DEFAULT_MODE) in account.modes:
        return
    said = f"{wanted!r}" if wanted else f"not given, and acedata would take {_DEFAULT_MODE!r}"
    text = f"mode: {said}; account {account.name} allows {', '.join(account.modes)}"
    raise InvalidInput(text, fields={"mode": [text]})


def _name(order: Order, inputs: Mapping[str, Any]) -> str:
    name = CAPABILITIES[order.action].name
    if not ACTIONS[order.action].quadrant:
        return name
    given = inputs.get("quadrant") if order.quadrant is None else order.quadrant
    try:
        return name.format(n=quadrant(given))
    except ValidationError as error:
        text = f"{error.messages[0]}, found {given!r}"
        raise InvalidInput(f"{order.action}: quadrant: {text}", fields={"quadrant": [text]}) from error


def _image_id(action: str, parent: Parent | None, name: str) -> str:
    if parent is None:
        raise InvalidInput(f"{action} works on the image of an earlier task, and there is none")
    offered = parent.result.get("actions")
    if offered is not None and name not in offered and action not in UNLISTED:
        listed = ", ".join(offered) or "nothing"
        raise InvalidInput(f"{action}: the image of {parent.action} does not offer {name!r}; it offers {listed}")
    image_id = parent.result.get("image_id")
    if not image_id:
        raise InvalidInput(f"{action}: the result of {parent.action} has no image_id")
    return str(image_id)


def _prompt(action: str, inputs: Mapping[str, Any]) -> str:
    images = inputs.get("images", [])
    if action == "blend" and len(images) < 2:
        raise InvalidInput("blend: images: a blend needs 2 to 5", fields={"images": ["a blend needs 2 to 5"]})
    return " ".join([*images, *([inputs["prompt"]] if "prompt" in inputs else [])])
