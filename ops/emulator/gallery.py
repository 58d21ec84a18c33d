"""Serves the pictures the links lead to, rendered when they are first asked for."""

from __future__ import annotations

import io
import re
import threading
from collections import OrderedDict
from typing import Generic, TypeVar

from flask import Blueprint, Response, request
from PIL import Image, ImageFilter

from ops.emulator.engine import Engine
from ops.emulator.jobs import Job
from ops.emulator.links import Links
from ops.emulator.pictures import Picture, quadrant_image, render

T = TypeVar("T")

_BYTES_KEPT = 64 * 2**20
_PIXELS_KEPT = 20 * 2**20
_PERCENT = re.compile(r"imageMogr2/thumbnail/!(\d{1,3})p")
_PART = re.compile(r"0_([0-3])\.png")
_CDN_NAME = re.compile(r"([0-9a-f-]{36})(?:_([0-3]))?\.png")


class Shelf(Generic[T]):
    """The newest things that fit, each with its weight."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._things: OrderedDict[object, tuple[T, int]] = OrderedDict()

    def get(self, key: object) -> T | None:
        """The thing of that key, None when it has gone or never was."""
        return self._things[key][0] if key in self._things else None

    def put(self, key: object, thing: T, weight: int) -> None:
        """Keep the thing, and as many of the older ones as fit beside it."""
        self._things[key] = (thing, weight)
        while len(self._things) > 1 and sum(weight for _, weight in self._things.values()) > self._room:
            self._things.popitem(last=False)


class Darkroom:
    """Renders one picture at a time and remembers the newest, as pixels and as files."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: Shelf[bytes] = Shelf(_BYTES_KEPT)
        self._images: Shelf[Image.Image] = Shelf(_PIXELS_KEPT)

    def file(self, job: Job, *, part: int | None, frame: int, size: tuple[int, int] | None) -> bytes:
        """The encoded picture: PNG of the result or of a quadrant, WebP of a progress frame."""
        key = (job.picture.seed, part, frame, size)
        with self._lock:
            data = self._files.get(key)
            if data is None:
                data = self._encoded(job, part, frame, size)
                self._files.put(key, data, len(data))
            return data

    def _encoded(self, job: Job, part: int | None, frame: int, size: tuple[int, int] | None) -> bytes:
        image = self._image(job.picture, part)
        out = io.BytesIO()
        if frame:
            image = image.resize((image.width // 4, image.height // 4), Image.Resampling.BOX)
            fog = image.width / 12 * (1 - job.order.frames[frame - 1] / 100)
            image = image.filter(ImageFilter.GaussianBlur(fog))
        if size and size != image.size:
            image = image.resize(size, Image.Resampling.LANCZOS)
        if frame:
            image.save(out, "WEBP", quality=75)
        else:
            image.save(out, "PNG", compress_level=1)
        return out.getvalue()

    def _image(self, picture: Picture, part: int | None) -> Image.Image:
        key = (picture.seed, part)
        image = self._images.get(key)
        if image is None:
            image = render(picture) if part is None else quadrant_image(picture, part)
            self._images.put(key, image, image.width * image.height)
        return image


def gallery(engine: Engine, links: Links, darkroom: Darkroom) -> Blueprint:
    """The routes of both kinds of URL."""
    routes = Blueprint("gallery", __name__)

    @routes.get("/attachments/<channel>/<image_id>/<name>")
    def attachment(channel: str, image_id: str, name: str) -> Response:
        del channel  # part of the signed path
        refused = links.verdict(request.path, request.args, engine.clock.now())
        found = engine.job_of_image(image_id)
        if refused or found is None or not _on_show(*found):
            return _gone(refused or "This content is no longer available.")
        part = _PART.fullmatch(name)
        job, frame = found
        data = darkroom.file(job, part=int(part[1]) if part else None, frame=frame, size=_wished_size(job.picture))
        return Response(data, mimetype="image/webp" if frame else "image/png")

    @routes.get("/midjourney/<name>")
    def platform_file(name: str) -> Response:
        match = _CDN_NAME.fullmatch(name)
        job = engine.book.by_task(match[1]) if match else None
        if match is None or job is None or job.state != "finished":
            return _gone("Not Found")
        part = int(match[2]) if match[2] else None
        return Response(darkroom.file(job, part=part, frame=0, size=_percent(job.picture, part)), mimetype="image/png")

    return routes


def _on_show(job: Job, frame: int) -> bool:
    """A result when it is finished; a progress frame only between its drawing and the end."""
    return job.state == "finished" if frame == 0 else not job.done and 0 < frame <= job.frame


def _wished_size(picture: Picture) -> tuple[int, int] | None:
    width, height = request.args.get("width", type=int), request.args.get("height", type=int)
    if not width or not height:
        return None
    return (width, height) if 0 < width <= picture.width and 0 < height <= picture.height else None


def _percent(picture: Picture, part: int | None) -> tuple[int, int] | None:
    wish = _PERCENT.fullmatch(request.query_string.decode("latin-1"))
    if wish is None or not 1 <= int(wish[1]) <= 100:
        return None
    width, height = picture.tile if part is not None else (picture.width, picture.height)
    return max(1, width * int(wish[1]) // 100), max(1, height * int(wish[1]) // 100)


def _gone(text: str) -> Response:
    return Response(text, status=404, mimetype="text/plain")
