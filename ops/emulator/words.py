"""Small services around words, free of any provider's names. No model is behind them."""

from __future__ import annotations

import re
from types import MappingProxyType

from ops.emulator.ids import number
from ops.emulator.prompts import MODERATED, read_prompt

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


def translation(text: str) -> str:
    """English by a glossary of a few words; what it does not know stays as it is."""
    return " ".join(_WORD.sub(lambda found: _GLOSSARY[found[0]], text).split())


def shorter(prompt: str) -> list[str]:
    """Up to five prompts, each with fewer of the words (the longest count most), without repetition."""
    words = [word for word in read_prompt(prompt).text if word.lower() not in MODERATED]
    ranked = sorted(range(len(words)), key=lambda place: (-len(words[place]), place))
    sizes = dict.fromkeys(max(1, len(words) * share // 6) for share in (5, 4, 3, 2, 1))
    return [" ".join(words[place] for place in sorted(ranked[:size])) for size in sizes if words]


def description(picture: str, turn: int) -> str:
    """A sentence that might describe the picture of this address or digest, another one each turn."""
    pick = number(picture, turn)
    subject, light = _SUBJECTS[pick % len(_SUBJECTS)], _LIGHTS[pick // 7 % len(_LIGHTS)]
    return f"{_STYLES[(pick // 61 + turn) % len(_STYLES)]} of {subject}, {light} --ar 1:1"
