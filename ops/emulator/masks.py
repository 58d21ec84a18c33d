"""Region masks: base64 (with or without a data prefix) or an address, checked for size and greyness."""

from __future__ import annotations

import base64
import binascii
import io

import numpy as np
from PIL import Image, UnidentifiedImageError

from ops.emulator.pictures import Picture
from ops.emulator.refusals import Refusal

_KEPT = 256  # pixels of the longer side of a mask that is kept
_COLOUR = 12.0  # mean difference of the channels above which a picture is no mask


def read_mask(mask: object, picture: Picture | None) -> bytes | None:
    """A small PNG of the mask; None for an address, which is never fetched: the middle is redrawn then.

    Refusal when it is missing, unreadable, coloured, or not as big as the picture (raw or thumbnail); any size will
    do for None."""
    if not isinstance(mask, str) or not mask:
        raise Refusal("bad_request", "mask is required for variation_region")
    if mask.startswith(("http://", "https://")):
        return None
    image = _decoded(mask)
    if picture is not None:
        _check_size(image, picture)
    return _packed(_grey(image))


def _check_size(image: Image.Image, picture: Picture) -> None:
    sizes = {(picture.width, picture.height), (picture.width // 2, picture.height // 2)}
    if image.size not in sizes:
        wanted = " or ".join(f"{width}x{height}" for width, height in sorted(sizes, reverse=True))
        raise Refusal(
            "bad_request", f"mask must have the size of the image, {wanted}, not {image.width}x{image.height}"
        )


def _decoded(mask: str) -> Image.Image:
    text = mask.partition(",")[2] if mask.startswith("data:") else mask
    try:
        return Image.open(io.BytesIO(base64.b64decode(text, validate=True)))
    except (binascii.Error, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise Refusal("bad_request", "mask is not a readable base64 image") from error


def _grey(image: Image.Image) -> Image.Image:
    try:
        small = image.convert("RGB").resize((_KEPT, max(1, _KEPT * image.height // image.width)))
    except (OSError, ValueError) as error:
        raise Refusal("bad_request", "mask is not a readable base64 image") from error
    if np.ptp(np.asarray(small, np.int16), axis=2).mean() > _COLOUR:
        raise Refusal("bad_request", "mask must be a grayscale image")
    return small.convert("L")


def _packed(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
