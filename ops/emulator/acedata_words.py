"""AceData's small services around words: describe, translate, seed, shorten. No model is behind them."""

from __future__ import annotations

from flask import Blueprint, Response

from ops.emulator.acedata_http import json_body, reply
from ops.emulator.engine import Engine
from ops.emulator.refusals import Refusal
from ops.emulator.words import description, shorter, translation


def add_words(routes: Blueprint, engine: Engine) -> None:
    """Put the routes on AceData's blueprint."""

    @routes.post("/describe")
    def describe() -> Response:
        url = _required("image_url")
        return reply({"descriptions": [description(url, turn) for turn in range(4)]})

    @routes.post("/translate")
    def translate() -> Response:
        return reply({"content": translation(_required("content"))})

    @routes.post("/seed")
    def seed() -> Response:
        image_id = _required("image_id")
        found = engine.job_of_image(image_id)
        if found is None or found[0].state != "finished":
            raise Refusal("bad_request", f"image_id {image_id} does not exist")
        return reply({"seed": str(found[0].picture.seed % 2**32)})

    @routes.post("/shorten")
    def shorten() -> Response:
        return reply({"prompts": shorter(_required("prompt"))})


def _required(key: str) -> str:
    value = json_body().get(key)
    if not isinstance(value, str) or not value.strip():
        raise Refusal("bad_request", f"{key} is required")
    return value.strip()
