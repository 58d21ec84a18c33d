"""Reads the submits of the midjourney-proxy dialect that begin something: imagine, blend, describe, shorten, swap."""

from __future__ import annotations

from typing import Any

from ops.emulator import edits
from ops.emulator.mjproxy_buttons import KEYCAPS
from ops.emulator.mjproxy_http import Rejection
from ops.emulator.mjproxy_images import Given, Uploads, read_image, read_images, swapped
from ops.emulator.mjproxy_layers import Layer
from ops.emulator.mjproxy_orders import Asked, Work, english, list_of, new_grid, text_of
from ops.emulator.pictures import Picture
from ops.emulator.prompts import quadrant_size, read_prompt
from ops.emulator.words import description, shorter

_DIMENSIONS = {"PORTRAIT": (2, 3), "SQUARE": (1, 1), "LANDSCAPE": (3, 2)}
_PARAGRAPHS = 4


def imagine(asked: Asked, layer: Layer, uploads: Uploads, image_size: int) -> Work:
    """Text, and pictures that go before it as addresses."""
    prompt = _needed_prompt(asked, layer)
    values = list_of(asked.body, "base64Array", layer)
    single = text_of(asked.body, "base64", layer)
    given = read_images(layer, values + ([single] if single else []))
    whole = " ".join([*(uploads.keep(one, asked.base_url) for one in given), prompt])
    picture = new_grid(read_prompt(whole), image_size)
    return Work("IMAGINE", whole, picture, f"/imagine {whole}")


def blend(asked: Asked, layer: Layer, uploads: Uploads, task_id: str, image_size: int) -> Work:
    """Two to five pictures."""
    values = list_of(asked.body, "base64Array", layer)
    if not 2 <= len(values) <= 5:
        raise Rejection(4, "图片参数错误，2~5张图片" if layer.name == "csharp" else "base64List参数错误")
    dimensions = asked.body.get("dimensions", "SQUARE")
    if dimensions not in _DIMENSIONS:
        raise Rejection(4, "dimensions参数错误")
    given = read_images(layer, values)
    addresses = " ".join(uploads.keep(one, asked.base_url) for one in given)
    theme = read_prompt(" ".join(f"https://{one.name}" for one in given)).theme
    picture = edits.grid(*quadrant_size(_DIMENSIONS[dimensions], image_size), theme)
    return Work("BLEND", "", picture, f"/blend {task_id} {len(given)}", final_prompt=addresses)


def describe(asked: Asked, layer: Layer, uploads: Uploads, task_id: str) -> Work:
    """A picture, of which four paragraphs are told."""
    base64, link = text_of(asked.body, "base64", layer), text_of(asked.body, "link", layer)
    if not base64 and not (link and layer.name == "csharp"):
        raise Rejection(4, "base64或link不能为空" if layer.name == "csharp" else "base64不能为空")
    given = read_image(layer, base64 or link)
    said = f"/describe {task_id}.{given.name.rpartition('.')[2]}" if layer.name != "csharp" else "/describe"
    texts = [description(given.name, turn) for turn in range(_PARAGRAPHS)]
    shown = uploads.keep(given, asked.base_url)
    return _wordy("DESCRIBE", "", texts, said, final_prompt="\n\n".join(_numbered(texts)), shown=shown)


def shorten(asked: Asked, layer: Layer) -> Work:
    """A long prompt, of which shorter ones are made."""
    prompt = _needed_prompt(asked, layer)
    texts = shorter(english(layer, prompt))
    tokens = ", ".join(f"**{word}**" for word in (texts[-1] if texts else prompt).split())
    final = f"## Important tokens\n{tokens}\n\n## Shortened prompts\n" + "\n\n".join(_numbered(texts))
    return _wordy("SHORTEN", prompt, texts, f"/shorten {prompt}", final_prompt=final, shown=None)


def swap(asked: Asked, layer: Layer, image_size: int) -> Work:
    """A face and a picture to put it into."""
    values = [text_of(asked.body, key, layer) for key in ("sourceBase64", "targetBase64")]
    if not all(values):
        if layer.name == "gateway":
            raise Rejection(4, "sour_base64_and_target_base64_is_required", gateway=True)
        raise Rejection(4, "sourceBase64或targetBase64不能为空")
    source, target = read_images(layer, list(values))
    photo, size = _swapped(source, target, image_size)
    picture = Picture(*size, grid=False, edit="photo", photo=photo)
    return Work("SWAP_FACE", "", picture, "/swap", share=0.5, watched=False)


def upload(asked: Asked, layer: Layer, uploads: Uploads) -> list[str]:
    """The addresses of the pictures that were sent."""
    values = list_of(asked.body, "base64Array", layer)
    if not values:
        raise Rejection(4, "base64 参数错误")
    return [uploads.keep(given, asked.base_url) for given in read_images(layer, values)]


def _swapped(source: Given, target: Given, image_size: int) -> tuple[bytes, tuple[int, int]]:
    if source.url or target.url:
        raise Rejection(4, "base64格式错误")
    return swapped(source, target, image_size // 2)


def _needed_prompt(asked: Asked, layer: Layer) -> str:
    prompt = text_of(asked.body, "prompt", layer)
    if prompt:
        return prompt
    if layer.name == "gateway" and asked.body.get("prompt") in (None, ""):
        raise Rejection(4, "prompt_is_required", gateway=True)
    raise Rejection(4, "prompt不能为空")


def _wordy(action: str, prompt: str, texts: list[str], said: str, *, final_prompt: str, shown: str | None) -> Work:
    blank = edits.grid(16, 16, 0)
    more: dict[str, Any] = {"final_prompt": final_prompt, "shown": shown, "paragraphs": len(texts)}
    return Work(action, prompt, blank, said, share=0.3, watched=False, **more)


def _numbered(texts: list[str]) -> list[str]:
    return [f"{KEYCAPS[place]} {text}" for place, text in enumerate(texts)]
