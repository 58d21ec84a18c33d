"""Pictures that clients send to the midjourney-proxy dialect: read, checked, and shown again under an address."""

from __future__ import annotations

import base64
import binascii
import io
import re
import threading
from dataclasses import dataclass

from flask import Blueprint, Response
from PIL import Image, ImageDraw, ImageFilter, UnidentifiedImageError

from ops.emulator.gallery import Shelf
from ops.emulator.ids import digest, number
from ops.emulator.mjproxy_http import Rejection
from ops.emulator.mjproxy_layers import Layer

MAX_BYTES = 4 * 2**20
_SUFFIXES = {"JPEG": "jpg", "PNG": "png", "GIF": "gif", "WEBP": "webp"}
_MIMES = {"jpg": "image/jpeg", "png": "image/png", "gif": "image/gif", "webp": "image/webp"}
_DATA_URL = re.compile(r"data:image/[a-z.+-]+;base64,(.*)", re.DOTALL)
_KEPT = 64 * 2**20  # bytes of uploads that are remembered
_WRONG_FORMAT = "base64格式错误"


@dataclass(frozen=True, slots=True)
class Given:
    """A picture a client sent. `url`: it only gave the address, which is never fetched."""

    name: str
    data: bytes = b""
    url: str | None = None

    @property
    def mime(self) -> str:
        return _MIMES[self.name.rpartition(".")[2]]


class Uploads:
    """The newest pictures that were sent, each under an address of its own."""

    def __init__(self, seed: int) -> None:
        self._channel = 1_200_000_000_000_000_000 + number(seed, "uploads") % 10**17
        self._lock = threading.Lock()
        self._shelf: Shelf[Given] = Shelf(_KEPT)

    def keep(self, given: Given, base_url: str) -> str:
        """Remember the picture; the address where it can be seen."""
        if given.url is not None:
            return given.url
        with self._lock:
            self._shelf.put(given.name, given, len(given.data))
        return f"{base_url}/ephemeral-attachments/{self._channel}/{given.name}"

    def routes(self) -> Blueprint:
        """The route that serves them."""
        routes = Blueprint("uploads", __name__)

        @routes.get("/ephemeral-attachments/<channel>/<name>")
        def uploaded(channel: str, name: str) -> Response:
            with self._lock:
                given = self._shelf.get(name) if channel == str(self._channel) else None
            if given is None:
                return Response("This content is no longer available.", status=404, mimetype="text/plain")
            return Response(given.data, mimetype=given.mime)

        return routes


def read_images(layer: Layer, values: list[object]) -> list[Given]:
    """Every picture of a list, or a Rejection."""
    return [read_image(layer, value) for value in values]


def read_image(layer: Layer, value: object) -> Given:
    """A picture from a data URL; where the layer is lenient, from bare base64 or an address too."""
    if not isinstance(value, str) or not value.strip():
        raise Rejection(4, _WRONG_FORMAT)
    match = _DATA_URL.fullmatch(value.strip())
    if match is None and layer.strict_base64:
        raise Rejection(4, _WRONG_FORMAT)
    if value.startswith(("http://", "https://")):
        return Given(f"{digest(value).hex()}.png", url=value)
    return _checked(_decoded(match[1] if match else value))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Rejection(4, _WRONG_FORMAT) from error


def _checked(data: bytes) -> Given:
    if len(data) > MAX_BYTES:
        raise Rejection(4, "图片大小超过4MB限制")
    try:
        image = Image.open(io.BytesIO(data))
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise Rejection(4, "图片格式错误") from error
    suffix = _SUFFIXES.get(image.format or "")
    if suffix is None or (getattr(image, "is_animated", False) and suffix == "gif"):
        raise Rejection(4, "图片格式错误")
    return Given(f"{digest(data.hex()).hex()}.{suffix}", data)


def swapped(source: Given, target: Given, limit: int) -> tuple[bytes, tuple[int, int]]:
    """PNG (and its size) of the target with the middle of the source where a face would be.

    `limit` pixels at the longer side."""
    canvas = _opened(target, limit)
    width, height = canvas.width // 3, canvas.height // 3
    face = _opened(source, limit)
    face = face.crop((face.width // 4, face.height // 4, face.width * 3 // 4, face.height * 3 // 4))
    oval = Image.new("L", (width, height))
    ImageDraw.Draw(oval).ellipse((width // 8, height // 8, width * 7 // 8, height * 7 // 8), fill=255)
    oval = oval.filter(ImageFilter.GaussianBlur(max(width, height) / 30))
    canvas.paste(face.resize((width, height)), (width, height // 2), oval)
    out = io.BytesIO()
    canvas.save(out, "PNG", compress_level=1)
    return out.getvalue(), canvas.size


def _opened(given: Given, limit: int) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(given.data)).convert("RGB")
    except (OSError, ValueError) as error:
        raise Rejection(4, "图片格式错误") from error
    image.thumbnail((limit, limit))
    return image
