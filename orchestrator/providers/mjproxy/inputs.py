"""The neutral inputs in the form that midjourney-proxy takes, checked before anything is paid."""

from __future__ import annotations

import base64
import re
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from orchestrator.errors import InvalidInput
from orchestrator.providers.base import Order
from orchestrator.providers.fields import As, is_url, mode, quadrant, string
from orchestrator.providers.inputs import MAX_IMAGES, checked
from orchestrator.providers.mjproxy.words import CAPABILITIES

_BOTS = {"midjourney": "MID_JOURNEY", "mj": "MID_JOURNEY", "nijijourney": "NIJI_JOURNEY", "niji": "NIJI_JOURNEY"}
_DIMENSIONS = ("PORTRAIT", "SQUARE", "LANDSCAPE")
_DATA_URL = re.compile(r"data:([^,;]{0,100})[^,]{0,100};base64,", re.IGNORECASE)
_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"RIFF", "image/webp"),
)


def prompt_text(value: Any) -> str:
    """Text that is not blank, as it is."""
    if not string(value).strip():
        raise ValidationError("is blank")
    return string(value)


def encoded_image(value: Any) -> str:
    """An image as a data URL, made of one or of bare base64."""
    text = string(value).strip()
    prefix = _DATA_URL.match(text)
    encoded = "".join(text[prefix.end() if prefix else 0 :].split())
    try:
        content = base64.b64decode(encoded, validate=True)
    except ValueError:
        raise ValidationError("is no image in base64") from None
    kind = (prefix[1] if prefix else "") or _kind(content)
    if not content or not kind:
        raise ValidationError("is empty" if not content else "is no JPEG, PNG, GIF or WebP image")
    return f"data:{kind};base64,{encoded}"


def picture(value: Any) -> str:
    """An image as a data URL, or an http or https URL."""
    return string(value).strip() if is_url(string(value).strip()) else encoded_image(value)


def mask(value: Any) -> str:
    """A mask as a data URL. There is no place for its address."""
    if is_url(string(value).strip()):
        raise ValidationError("must be an image in base64; an address is not taken")
    return encoded_image(value)


def bot(value: Any) -> str:
    """midjourney or niji, in the provider's words."""
    try:
        return _BOTS[re.sub(r"[\s_・-]", "", string(value)).lower()]
    except KeyError:
        raise ValidationError("expected midjourney or niji") from None


def dimensions(value: Any) -> str:
    """portrait (2:3), square (1:1) or landscape (3:2), in the provider's words."""
    word = string(value).upper()
    if word not in _DIMENSIONS:
        raise ValidationError("expected portrait, square or landscape")
    return word


def zoom(value: Any) -> float:
    """A factor from 1 to 2: a number, or its digits in a string."""
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9](\.[0-9]{1,6})?\s*", value, re.ASCII):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 2:
        raise ValidationError("expected a number from 1 to 2")
    return float(value)


class InputsSchema(Schema):
    """The neutral inputs that have a place. Which of them an action takes is in ``words``."""

    prompt = As(prompt_text)
    images = fields.List(As(picture), validate=validate.Length(1))
    image = As(picture)
    source = As(picture)
    target = As(picture)
    mask = As(mask)
    quadrant = As(quadrant)
    mode = As(mode)
    bot = As(bot)
    dimensions = As(dimensions)
    language = As(string)
    zoom = As(zoom)


_SCHEMA = InputsSchema()


def inputs_of(order: Order) -> dict[str, Any]:
    """The order's inputs, those without a value left out. Raises InvalidInput."""
    inputs = checked("mjproxy", CAPABILITIES, _SCHEMA, order)
    if order.action == "blend" and len(inputs["images"]) > MAX_IMAGES:
        text = "a blend needs 2 to 5"
        raise InvalidInput(f"blend: images: {text}", fields={"images": [text]})
    return inputs


def _kind(content: bytes) -> str:
    return next((kind for beginning, kind in _BEGINNINGS if content.startswith(beginning)), "")
