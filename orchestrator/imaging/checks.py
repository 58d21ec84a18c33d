"""Is this an image that we may keep? Full decoding under limits; everything doubtful becomes one ImageRejected."""

from __future__ import annotations

import io
import threading
import warnings
from dataclasses import dataclass

from PIL import Image

from orchestrator.errors import ImageRejected
from orchestrator.imaging.extent import PNG_SIGNATURE, check_extent, webp_size

MAX_PIXELS = 80_000_000  # an 8192 x 8192 upscale and a little more; about 240 MB once decoded

_CONTENT_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}

# One decoding at a time: it bounds the memory, and the warnings filter belongs to the whole process.
_DECODING = threading.Lock()


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What a decoded image is: format (png, jpeg, webp, gif), media type, size in pixels, length in bytes."""

    format: str
    content_type: str
    width: int
    height: int
    bytes: int


def inspect(data: bytes, *, max_pixels: int = MAX_PIXELS) -> ImageFacts:
    """Decode `data` to its last pixel and say what it is.

    Raises ImageRejected for anything but one whole, still PNG, JPEG, WebP or GIF of at most `max_pixels`
    (width x height), and for files with foreign bytes behind the picture.
    """
    kind = _kind(data)
    image = decode(data, max_pixels=max_pixels)
    return ImageFacts(kind.lower(), _CONTENT_TYPES[kind], image.width, image.height, len(data))


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The fully loaded image, in the mode it was stored in. Raises ImageRejected as `inspect` does."""
    kind = _kind(data)
    check_extent(kind, data)
    if kind == "WEBP":
        _check_size(webp_size(data), max_pixels)
    with _DECODING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _load(kind, data, max_pixels)


def rgb(image: Image.Image) -> Image.Image:
    """The image as 8-bit RGB; an alpha channel is dropped. Raises ImageRejected for modes without such a form."""
    try:
        return image.convert("RGB")
    except ValueError as exc:
        raise ImageRejected(f"an image in mode {image.mode} cannot be read as RGB") from exc


def png(image: Image.Image) -> bytes:
    """The image as PNG bytes, packed quickly rather than tightly."""
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


def thumbnail(data: bytes, edge: int) -> bytes:
    """A WebP of the image whose longer side is at most `edge` pixels. For looking at, never for scoring."""
    image = rgb(decode(data))
    image.thumbnail((edge, edge))
    out = io.BytesIO()
    image.save(out, "WEBP", quality=80)
    return out.getvalue()


def _kind(data: bytes) -> str:
    if data.startswith(PNG_SIGNATURE):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    raise ImageRejected(f"not a PNG, JPEG, WebP or GIF image, but {_guess(data)}")


def _guess(data: bytes) -> str:
    if not data:
        return "nothing (0 bytes)"
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head:
        return "SVG"
    if head.startswith(b"<"):
        return "HTML or XML"
    return "JSON" if head.startswith((b"{", b"[")) else f"{len(data)} bytes of something else"


def _load(kind: str, data: bytes, max_pixels: int) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=[kind])
        _check_size(image.size, max_pixels)
        if getattr(image, "is_animated", False):
            raise ImageRejected(f"{kind} is animated; only still images are accepted")
        image.load()
    except ImageRejected:
        raise
    except Image.DecompressionBombError as exc:
        raise ImageRejected(f"{kind} has too many pixels to be decoded safely") from exc
    except Exception as exc:  # Pillow's plug-ins raise whatever they stumble over
        raise ImageRejected(f"{kind} cannot be decoded: {exc}") from exc
    return image


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise ImageRejected(f"the image has no pixels ({width} x {height})")
    if width * height > max_pixels:
        raise ImageRejected(f"{width} x {height} = {width * height} pixels are over the limit of {max_pixels}")
