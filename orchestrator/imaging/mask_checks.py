"""Is this a mask that a provider will take as it is meant? Refusals cost money when the provider makes them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image

from orchestrator.errors import ImageRejected
from orchestrator.imaging.checks import decode, rgb
from orchestrator.imaging.shapes import Size

WHITE = 128  # grey values from here on count as white
_GREY_SPREAD = 32  # between a pixel's channels; more is a colour, not noise of JPEG
_COLOURED = 0.01  # share of coloured pixels above which an image is no mask
_SOFT = (32, 224)  # grey values between which a pixel is neither black nor white
_NOTED_SOFT = 0.02  # share of such pixels that is worth a word


@dataclass(frozen=True, slots=True)
class MaskFacts:
    """What a mask is: file format (png, jpeg, webp, gif), size in pixels, Pillow's mode (L is 8-bit grayscale), length
    in bytes, share of pixels to be `redrawn` (0 to 1), share of `soft` ones that are neither black nor white, whether
    there is nothing but black and white (`binary`), whether black and white seem to be exchanged
    (`inverted_suspected`), and `warnings` in words."""

    format: str
    width: int
    height: int
    mode: str
    bytes: int
    redrawn: float
    soft: float
    binary: bool
    inverted_suspected: bool
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values; shares to four decimals."""
        return {
            **asdict(self),
            "redrawn": round(self.redrawn, 4),
            "soft": round(self.soft, 4),
            "warnings": list(self.warnings),
        }


def check(data: bytes, target_size: Size | None = None) -> MaskFacts:
    """Look at a mask's file, for an image of `target_size` (width, height) if that is known.

    Raises ImageRejected for bytes that are no image, another size than the target's, colours, transparent pixels, and
    a mask without any white. What a provider may take though it is hardly meant is in ``warnings``."""
    image = decode(data)
    if target_size is not None:
        require_size(image.size, target_size)
    _refuse_transparent(image)
    _refuse_coloured(image)
    grey = np.asarray(luminance(image))
    white = grey >= WHITE
    redrawn = float(white.mean())
    if not redrawn:
        raise ImageRejected(f"nothing would be redrawn: no pixel of the mask is white (the brightest is {grey.max()})")
    soft = float(((grey >= _SOFT[0]) & (grey < _SOFT[1])).mean())
    binary = bool(((grey == 0) | (grey == 255)).all())
    rim = np.concatenate([white[0], white[-1], white[:, 0], white[:, -1]])
    inverted = 0.5 < redrawn < 1 and float(rim.mean()) > 0.9
    return MaskFacts(
        format=str(image.format).lower(),
        width=image.width,
        height=image.height,
        mode=image.mode,
        bytes=len(data),
        redrawn=redrawn,
        soft=soft,
        binary=binary,
        inverted_suspected=inverted,
        warnings=_warnings(image.mode, redrawn, soft, inverted=inverted),
    )


def require_size(found: Size, wanted: Size) -> None:
    """Raise ImageRejected unless a mask has the size of its image."""
    if found != wanted:
        raise ImageRejected(f"the mask has {sides(found)} pixels, the image {sides(wanted)}: they must be equal")


def luminance(image: Image.Image) -> Image.Image:
    """The brightness as 8-bit grayscale (mode L). Raises ImageRejected for a mode without such a form."""
    if image.mode.startswith("I"):  # 16 bits, which Pillow would not scale but clip
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    try:
        return image.convert("L")
    except ValueError as error:
        raise ImageRejected(f"an image in mode {image.mode} cannot be read as grayscale") from error


def sides(size: Size) -> str:
    """A size in words: ``1024 x 768``."""
    return f"{size[0]} x {size[1]}"


def _refuse_transparent(image: Image.Image) -> None:
    if image.has_transparency_data and np.asarray(image.convert("RGBA").getchannel("A")).min() < 255:
        raise ImageRejected("the mask has transparent pixels, which count as white or as black, depending on who reads")


def _refuse_coloured(image: Image.Image) -> None:
    if image.mode.startswith(("1", "L", "I")):
        return
    share = float((np.ptp(np.asarray(rgb(image), np.int16), axis=2) > _GREY_SPREAD).mean())
    if share > _COLOURED:
        raise ImageRejected(f"a mask is black and white, and {share:.0%} of these pixels are coloured")


def _warnings(mode: str, redrawn: float, soft: float, *, inverted: bool) -> tuple[str, ...]:
    found = []
    if mode != "L":
        found.append(f"its mode is {mode}; an 8-bit grayscale image (L) is wanted")
    if redrawn == 1:
        found.append("all of it is white: the whole image would be redrawn, for which there are other actions")
    if inverted:
        found.append(f"{redrawn:.0%} with the rim would be redrawn: are black and white exchanged?")
    if soft > _NOTED_SOFT:
        found.append(f"{soft:.0%} of the pixels are neither black nor white")
    return tuple(found)
