"""Recipes of what can be made from a finished picture, free of any provider's action names."""

from __future__ import annotations

from dataclasses import replace

from ops.emulator.pictures import Picture, pan_anchor
from ops.emulator.prompts import fours

_SLIGHT, _USUAL, _STRONG = 0.15, 0.35, 0.7


def grid(width: int, height: int, theme: int) -> Picture:
    """Four new pictures of this size each."""
    return Picture(width * 2, height * 2, theme=theme)


def again(parent: Picture) -> Picture:
    """The same recipe; another seed makes other pictures."""
    return replace(parent)


def upscaled(parent: Picture, quadrant: int) -> Picture:
    """One quadrant (0..3) of a grid, by itself."""
    width, height = parent.tile
    return Picture(width, height, grid=False, edit="quadrant", theme=parent.theme, parent=parent, quadrant=quadrant)


def enlarged(parent: Picture, factor: int) -> Picture:
    """A single picture, two or four times as wide; an enlarged one is made anew from its original."""
    source = parent.single()
    width, height = source.tile
    return Picture(width * factor, height * factor, grid=False, edit="enlarge", theme=source.theme, parent=source)


def varied(parent: Picture, quadrant: int | None, strength: str = "usual") -> Picture:
    """Four relatives of a quadrant (or of a single picture)."""
    amount = {"subtle": _SLIGHT, "usual": _USUAL, "strong": _STRONG}[strength]
    return _offspring(parent, "vary", quadrant=quadrant, amount=(amount, amount))


def redrawn(parent: Picture, mask: bytes | None, theme: int | None) -> Picture:
    """Four pictures with the white part of the mask painted anew."""
    return _offspring(parent, "redraw", mask=mask, theme=theme)


def zoomed_out(parent: Picture, factor: float) -> Picture:
    """Four pictures with the parent in the middle, `factor` times smaller."""
    return _offspring(parent, "outpaint", amount=(1 / factor, 1 / factor))


def panned(parent: Picture, direction: str, limit: int) -> Picture:
    """Four pictures half as long again in one direction (`limit` pixels at most)."""
    width, height = parent.single().tile
    wide = direction in ("left", "right")
    size = (_stretched(width, limit), height) if wide else (width, _stretched(height, limit))
    return _widened(parent, size, pan_anchor(direction))


def squared(parent: Picture) -> Picture:
    """Four square pictures around the parent."""
    side = max(parent.single().tile)
    return _widened(parent, (side, side), (0.5, 0.5))


def _stretched(length: int, limit: int) -> int:
    return max(length, min(fours(length * 1.5), limit))


def _widened(parent: Picture, size: tuple[int, int], anchor: tuple[float, float]) -> Picture:
    width, height = parent.single().tile
    amount = (width / size[0], height / size[1])
    return _offspring(parent, "outpaint", size=size, amount=amount, anchor=anchor)


def _offspring(
    parent: Picture,
    edit: str,
    *,
    size: tuple[int, int] | None = None,
    quadrant: int | None = None,
    amount: tuple[float, float] = (1.0, 1.0),
    anchor: tuple[float, float] = (0.5, 0.5),
    mask: bytes | None = None,
    theme: int | None = None,
) -> Picture:
    width, height = size or parent.single().tile
    return Picture(
        width * 2,
        height * 2,
        edit=edit,
        theme=parent.theme if theme is None else theme,
        parent=parent,
        quadrant=quadrant,
        amount=amount,
        anchor=anchor,
        mask=mask,
    )
