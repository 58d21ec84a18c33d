"""A mask is looked at before it is paid for: the provider would refuse a wrong size only after the submission."""

from __future__ import annotations

import base64
import binascii

from orchestrator.errors import ImageRejected, InvalidInput
from orchestrator.imaging.masks import check
from orchestrator.providers.base import Order


def check_mask(order: Order) -> None:
    """Raises InvalidInput, with both sizes, when a base64 mask does not fit the parent's image; URLs are not read."""
    mask, result = order.inputs.get("mask"), order.parent.result if order.parent else {}
    sizes = [(result.get(f"{kind}width"), result.get(f"{kind}height")) for kind in ("raw_", "")]
    known = [(width, height) for width, height in sizes if isinstance(width, int) and isinstance(height, int)]
    if not isinstance(mask, str) or mask.startswith(("http://", "https://")) or not known:
        return
    try:
        facts = check(base64.b64decode(mask.partition("base64,")[2] or mask))
    except (binascii.Error, ImageRejected) as error:
        raise InvalidInput(f"mask: {error}") from error
    if (facts.width, facts.height) not in known:
        allowed = " or ".join(f"{width} x {height}" for width, height in known)
        raise InvalidInput(f"mask: it is {facts.width} x {facts.height} pixels; the image is {allowed}")
