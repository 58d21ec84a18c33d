"""Films: two seconds and a little of a camera that moves over a picture, free of any provider's names."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image

from ops.emulator.mp4 import mp4
from ops.emulator.pictures import Picture, render

RATE = 6  # frames a second
_FRAMES = 14  # of a film, or of what an extension adds to it
_CLOSEST = 0.7  # part of the picture that is seen in the end
_TARGETS = ((0.5, 0.5), (0.1, 0.3), (0.9, 0.3), (0.5, 0.95))  # where the camera goes, one for each of the four films
_SHARE = {"480p": 480 / 2048, "720p": 720 / 2048}  # lines of a film, beside the raw side of a square grid


@dataclass(frozen=True, slots=True)
class Film:
    """How to make four films that differ in the movement.

    first    the picture they begin with
    last     the picture they end with, if one is wished
    loop     whether they end as they begin
    before   the film that goes on, and which (0..3) of its four
    """

    first: Picture
    size: tuple[int, int]
    last: Picture | None = None
    loop: bool = False
    before: tuple[Film, int] | None = None


def film_size(picture: Picture, resolution: str, image_size: int) -> tuple[int, int]:
    """Pixels of a film, both even."""
    lines = _SHARE[resolution] * image_size
    return _even(lines * picture.width / picture.height), _even(lines)


def film_file(film: Film, number: int) -> bytes:
    """The MP4 of one (0..3) of the four."""
    with _one_at_a_time:
        return _file(film, number)


@lru_cache(maxsize=16)
def _file(film: Film, number: int) -> bytes:
    return mp4([_jpeg(frame) for frame in _frames(film, number)], *film.size, RATE)


_one_at_a_time = threading.Lock()  # big pictures in the making take much memory


def _even(length: float) -> int:
    return max(16, round(length / 2) * 2)


def _frames(film: Film, number: int) -> list[Image.Image]:
    before = _frames(*film.before) if film.before else []
    first = before[-1] if before else render(film.first)
    last = render(film.last).resize(film.size) if film.last else None
    shots = [_shot(first, film, number, place / (_FRAMES - 1)) for place in range(_FRAMES)]
    if last is not None:
        shots = [Image.blend(shot, last, place / (_FRAMES - 1)) for place, shot in enumerate(shots)]
    return before + shots


def _shot(picture: Image.Image, film: Film, number: int, moment: float) -> Image.Image:
    """What the camera sees at a moment (0..1)."""
    way = 1 - abs(2 * moment - 1) if film.loop else moment
    part = 1 - (1 - _CLOSEST) * way
    width, height = picture.width * part, picture.height * part
    left, top = (
        (whole - seen) * at for whole, seen, at in zip(picture.size, (width, height), _TARGETS[number], strict=True)
    )
    return picture.resize(film.size, Image.Resampling.BILINEAR, box=(left, top, left + width, top + height))


def _jpeg(frame: Image.Image) -> bytes:
    out = io.BytesIO()
    frame.save(out, "JPEG", quality=80)
    return out.getvalue()
