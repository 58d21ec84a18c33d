"""Region masks: 8-bit grayscale, of exactly the image's size, white where it is to be drawn anew, black elsewhere."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from orchestrator.errors import ImageRejected, InvalidInput
from orchestrator.imaging.checks import MAX_PIXELS, decode, inspect, png, rgb
from orchestrator.imaging.mask_checks import WHITE, MaskFacts, check, luminance, require_size, sides
from orchestrator.imaging.shapes import Shape, Size

__all__ = ["Encoding", "Mask", "MaskFacts", "Source", "check", "draw", "encode", "from_image", "preview"]

Source = Literal["alpha", "luminance"]
Encoding = Literal["base64", "data-url"]

_TINT = (255, 0, 96)
_JPEG_QUALITY = 95
_SAME_SHAPE = 0.01  # by how much the ratio of a mask's sides may differ from that of the image it is fitted to


@dataclass(frozen=True)
class Mask:
    """A grayscale image in Pillow's mode L, of which something is white. Raises ImageRejected when nothing is."""

    image: Image.Image

    def __post_init__(self) -> None:
        if not self.redrawn:
            raise ImageRejected("nothing would be redrawn: no pixel of the mask is white")

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return self.image.size

    @property
    def redrawn(self) -> float:
        """The share of pixels to be drawn anew, 0 to 1."""
        return float((np.asarray(self.image) >= WHITE).mean())

    def png(self) -> bytes:
        """Lossless, and small: a mask of 2048 x 2048 pixels takes a few kilobytes."""
        return self._saved("PNG", optimize=True)

    def jpeg(self) -> bytes:
        """For a receiver that takes nothing else: the edges get a little grey."""
        return self._saved("JPEG", quality=_JPEG_QUALITY)

    def _saved(self, kind: str, **options: object) -> bytes:
        out = io.BytesIO()
        self.image.save(out, kind, **options)
        return out.getvalue()


def draw(size: Size, shapes: Iterable[Shape], *, feather: float = 0.0) -> Mask:
    """Paint shapes, in their order, on black. feather: pixels within which an edge fades on either side; 0 = hard.

    Raises InvalidInput for a size that is none or a shape that is not on the picture, ImageRejected when nothing is
    left to be redrawn."""
    width, height = size
    if width < 1 or height < 1 or width * height > MAX_PIXELS:
        raise InvalidInput(f"a mask of {sides(size)} pixels; allowed: 1 to {MAX_PIXELS} pixels in all")
    canvas = np.zeros((height, width), np.bool_)
    for number, shape in enumerate(shapes):
        if not shape.paint(canvas):
            raise InvalidInput(f"shape {number + 1} covers no pixel of the {sides(size)} that there are")
    return Mask(_feathered(_black_and_white(canvas), feather))


def from_image(
    data: bytes,
    *,
    source: Source | None = None,
    threshold: int = WHITE,
    invert: bool = False,
    size: Size | None = None,
    feather: float = 0.0,
) -> Mask:
    """Make a mask of an image: white where its alpha channel (what is opaque) or its luminance reaches `threshold`.

    source: by default the alpha channel if it says anything, else the luminance. invert: the other way round. size:
    scale to it, for a canvas of another scale but the same shape. Raises ImageRejected for bytes that are no image,
    an alpha channel that says nothing, another shape, and when nothing is left to be redrawn."""
    image = decode(data)
    grey = _alpha(image) if source != "luminance" else None
    if source == "alpha" and grey is None:
        raise ImageRejected(f"the image ({image.mode}) has no transparent pixels that could make a mask")
    grey = _fitted(grey or luminance(image), size or image.size)
    white = np.asarray(grey) >= threshold
    return Mask(_feathered(_black_and_white(~white if invert else white), feather))


def encode(data: bytes, encoding: Encoding = "base64") -> str:
    """A mask's file as text: bare base64, or a data URL with its media type. Raises ImageRejected if it is no image."""
    facts = inspect(data)
    text = base64.b64encode(data).decode("ascii")
    return f"data:{facts.content_type};base64,{text}" if encoding == "data-url" else text


def preview(data: bytes, mask: Mask) -> bytes:
    """A PNG of an image, the part to be redrawn tinted and rimmed with white. ImageRejected when the sizes differ."""
    image = rgb(decode(data))
    require_size(mask.size, image.size)
    tinted = Image.blend(image, Image.new("RGB", image.size, _TINT), 0.6)
    shown = Image.composite(tinted, image, mask.image)
    shown.paste((255, 255, 255), mask=ImageChops.difference(mask.image.filter(ImageFilter.MaxFilter(5)), mask.image))
    return png(shown)


def _alpha(image: Image.Image) -> Image.Image | None:
    """The alpha channel, unless it is the same everywhere."""
    if not image.has_transparency_data:
        return None
    channel = image.convert("RGBA").getchannel("A")
    darkest, brightest = channel.getextrema()
    return None if darkest == brightest else channel


def _fitted(grey: Image.Image, size: Size) -> Image.Image:
    if grey.size == size:
        return grey
    if abs(grey.width * size[1] / (grey.height * size[0]) - 1) > _SAME_SHAPE:
        raise ImageRejected(f"{sides(grey.size)} pixels cannot be scaled to {sides(size)}: the sides' ratio differs")
    return grey.resize(size, Image.Resampling.BILINEAR)


def _black_and_white(white: NDArray[np.bool_]) -> Image.Image:
    return Image.fromarray(np.where(white, np.uint8(255), np.uint8(0)))


def _feathered(image: Image.Image, feather: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(feather / 2)) if feather > 0 else image
