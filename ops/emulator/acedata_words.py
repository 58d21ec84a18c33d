"""AceData's small services around words: describe, translate, seed, shorten. No model is behind them."""

from __future__ import annotations

import re
from types import MappingProxyType

from flask import Blueprint, Response

from ops.emulator.acedata_http import json_body, reply
from ops.emulator.engine import Engine
from ops.emulator.ids import number
from ops.emulator.prompts import MODERATED, read_prompt
from ops.emulator.refusals import Refusal

_SUBJECTS = ("a lake under layered mountains", "a marbled planet in a nebula", "polished marbles on a wooden table")
_LIGHTS = ("soft morning light", "a low evening sun", "hard rim light", "an overcast sky", "moonlight")
_STYLES = ("film photograph", "matte painting", "studio photograph", "watercolour", "concept art")
_GLOSSARY = MappingProxyType(
    {
        "一只": "a ",
        "猫": "cat ",
        "狗": "dog ",
        "狐狸": "fox ",
        "红色": "red ",
        "红": "red ",
        "蓝色": "blue ",
        "山": "mountain ",
        "湖": "lake ",
        "日落": "sunset ",
        "可爱": "cute ",
        "的": "",
        "，": ", ",
        "。": ". ",
    }
)
_WORD = re.compile("|".join(sorted(map(re.escape, _GLOSSARY), key=len, reverse=True)))


def add_words(routes: Blueprint, engine: Engine) -> None:
    """Put the routes on AceData's blueprint."""

    @routes.post("/describe")
    def describe() -> Response:
        url = _required("image_url")
        return reply({"descriptions": [_description(url, turn) for turn in range(4)]})

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


def translation(text: str) -> str:
    """English by a glossary of a few words; what it does not know stays as it is."""
    return " ".join(_WORD.sub(lambda found: _GLOSSARY[found[0]], text).split())


def shorter(prompt: str) -> list[str]:
    """Up to five prompts, each with fewer of the words (the longest count most), without repetition."""
    words = [word for word in read_prompt(prompt).text if word.lower() not in MODERATED]
    ranked = sorted(range(len(words)), key=lambda place: (-len(words[place]), place))
    sizes = dict.fromkeys(max(1, len(words) * share // 6) for share in (5, 4, 3, 2, 1))
    return [" ".join(words[place] for place in sorted(ranked[:size])) for size in sizes if words]


def _description(url: str, turn: int) -> str:
    pick = number(url, turn)
    subject, light = _SUBJECTS[pick % len(_SUBJECTS)], _LIGHTS[pick // 7 % len(_LIGHTS)]
    return f"{_STYLES[(pick // 61 + turn) % len(_STYLES)]} of {subject}, {light} --ar 1:1"


def _required(key: str) -> str:
    value = json_body().get(key)
    if not isinstance(value, str) or not value.strip():
        raise Refusal("bad_request", f"{key} is required")
    return value.strip()
