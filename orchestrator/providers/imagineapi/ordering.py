"""An order -> the row that is created for it: a prompt, in which everything else has its place, and our reference."""

from __future__ import annotations

import re
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from orchestrator.config import Account
from orchestrator.providers import inputs as reads
from orchestrator.providers.base import Order
from orchestrator.providers.fields import As, flag, mode, quadrant, string
from orchestrator.providers.imagineapi.words import CAPABILITIES

_RATIOS = {"portrait": "2:3", "square": "1:1", "landscape": "3:2"}
_NIJI = re.compile(r"niji\s*(.*)", re.IGNORECASE)
# A flag that the prompt has already is not given a second time.
_SAID = {
    "mode": re.compile(r"(?<!\S)--(fast|relax|turbo)(?!\S)"),
    "version": re.compile(r"(?<!\S)--(v|version|niji)(?!\S)"),
    "quality": re.compile(r"(?<!\S)--(q|quality)(?!\S)"),
    "dimensions": re.compile(r"(?<!\S)--(ar|aspect)(?!\S)"),
}


def dimensions(value: Any) -> str:
    """portrait, square or landscape, in any case."""
    word = string(value).lower()
    if word not in _RATIOS:
        raise ValidationError(f"expected one of {', '.join(_RATIOS)}")
    return word


class InputsSchema(Schema):
    """The neutral inputs that can be said in a prompt. Which of them an action takes is in ``words``."""

    prompt = As(reads.prompt_text)
    images = fields.List(As(reads.image_url), validate=validate.Length(1, reads.MAX_IMAGES))
    dimensions = As(dimensions)
    quadrant = As(quadrant)
    mode = As(mode)
    split_images = As(flag)
    version = As(reads.word)
    quality = As(reads.word)


_SCHEMA = InputsSchema()


def body_of(account: Account, order: Order) -> dict[str, Any]:
    """The row to create. Raises InvalidInput."""
    inputs = inputs_of(account, order)
    prompt = one_line(inputs.get("prompt", ""))
    flags = [_flag(key, inputs[key]) for key, said in _SAID.items() if key in inputs and not said.search(prompt)]
    words = [*inputs.get("images", []), *([prompt] if prompt else []), *flags]
    return {"prompt": " ".join(words), "ref": str(order.task_id)}


def inputs_of(account: Account, order: Order) -> dict[str, Any]:
    """The order's inputs, converted, its mode one of the account's. Raises InvalidInput."""
    inputs = reads.checked("imagineapi", CAPABILITIES, _SCHEMA, order)
    if "mode" in inputs:
        reads.check_mode(account, inputs["mode"], "")
    return inputs


def one_line(prompt: str) -> str:
    """The prompt as Midjourney is sent it: without line breaks."""
    return re.sub(r"[ \t]*[\r\n]+[ \t]*", " ", prompt)


def _flag(key: str, word: str) -> str:
    """What an input is in a prompt."""
    if key == "mode":
        return f"--{word}"
    if key == "dimensions":
        return f"--ar {_RATIOS[word]}"
    if key == "quality":
        return f"--q {word}"
    niji = _NIJI.fullmatch(word)
    return f"--niji {niji[1]}".strip() if niji else f"--v {word}"
