"""The inputs of orders, value by value, for marshmallow schemas; and an order's inputs as a whole."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError

from orchestrator.config import Account
from orchestrator.core.actions import ACTIONS
from orchestrator.errors import InvalidInput
from orchestrator.providers.base import Capability, Order
from orchestrator.providers.fields import is_url, quadrant, sentences, string

MAX_IMAGES = 5
_IMAGE_WEIGHT = re.compile(r"(?<!\S)--iw(?=[.\d])")
_DATA_URL = re.compile(r"data:[^,]{0,100};base64,")


def nonblank(value: Any) -> str:
    """Text that is not blank, without the space around it."""
    text = string(value).strip()
    if not text:
        raise ValidationError("is blank")
    return text


def prompt_text(value: Any) -> str:
    """Text that is not blank; ``--iw2`` gets the space that Midjourney wants."""
    return _IMAGE_WEIGHT.sub("--iw ", nonblank(value))


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


def checked(dialect: str, capabilities: Mapping[str, Capability], schema: Schema, order: Order) -> dict[str, Any]:
    """An order's inputs, converted; an input given as null is none. Raises InvalidInput with ``fields``."""
    capability = capabilities.get(order.action)
    if capability is None:
        raise InvalidInput(f"{dialect} cannot do {order.action!r}; it can do {', '.join(sorted(capabilities))}")
    given = {key: value for key, value in order.inputs.items() if value is not None}
    unknown = sorted(given.keys() - capability.inputs)
    if unknown:
        allowed = ", ".join(sorted(capability.inputs)) or "none"
        raise InvalidInput(f"{order.action}: {dialect} has no place for {unknown[0]!r}; allowed: {allowed}")
    missing = sorted(ACTIONS[order.action].required - given.keys())
    if missing:
        raise InvalidInput(f"{order.action}: {missing[0]} is missing", fields={missing[0]: ["is missing"]})
    try:
        inputs: dict[str, Any] = schema.load(given)
    except ValidationError as error:
        errors = {str(key): sentences(value) for key, value in error.messages_dict.items()}
        key = min(errors)
        raise InvalidInput(f"{order.action}: {key}: {errors[key][0]}", fields=errors) from error
    if order.action == "blend" and len(inputs["images"]) < 2:
        raise InvalidInput("blend: images: a blend needs 2 to 5", fields={"images": ["a blend needs 2 to 5"]})
    return inputs


def quadrant_of(order: Order, inputs: Mapping[str, Any]) -> int:
    """The quadrant that an order works on: chosen, or given as an input. Raises InvalidInput."""
    given = inputs.get("quadrant") if order.quadrant is None else order.quadrant
    try:
        return quadrant(given)
    except ValidationError as error:
        text = f"{error.messages[0]}, found {given!r}"
        raise InvalidInput(f"{order.action}: quadrant: {text}", fields={"quadrant": [text]}) from error


def check_mode(account: Account, wanted: str | None, otherwise: str) -> None:
    """The mode is one of the account's; ``otherwise`` is what the provider takes when none is given."""
    if (wanted or otherwise) in account.modes:
        return
    said = f"{wanted!r}" if wanted else f"not given, and {account.provider} would take {otherwise!r}"
    text = f"mode: {said}; account {account.name} allows {', '.join(account.modes)}"
    raise InvalidInput(text, fields={"mode": [text]})
