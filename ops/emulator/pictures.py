"""Recipes of pictures, and their rendering: an upscale is the very quadrant, every edit shows its parent."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ops.emulator.defects import defect_of, spoil, to_image, to_pixels
from ops.emulator.noise import Pixels, Plane, dice, fractal, grid_of, smooth
from ops.emulator.scenes import paint

_PAN = {"left": (1.0, 0.5), "right": (0.0, 0.5), "up": (0.5, 1.0), "down": (0.5, 0.0)}


@dataclass(frozen=True, slots=True)
class Picture:
    """How to make a picture; nothing is rendered until someone asks for it.

    width, height  of the raw picture; a grid's are twice its quadrants'
    edit           paint, quadrant, enlarge, vary, redraw, outpaint, photo
    quadrant       0..3: of a grid parent
    amount         strength of `vary` (0..1), part of the new width and height the parent fills for `outpaint`
    anchor         where the parent sits in an outpainted picture: 0..1 of the free space, across and down
    mask           PNG bytes for `redraw`, white is painted anew; None: the middle
    photo          PNG bytes of a picture that is not drawn, but there
    """

    width: int
    height: int
    grid: bool = True
    edit: str = "paint"
    theme: int = 0
    seed: int = 0
    parent: Picture | None = None
    quadrant: int | None = None
    amount: tuple[float, float] = (1.0, 1.0)
    anchor: tuple[float, float] = (0.5, 0.5)
    mask: bytes | None = None
    photo: bytes | None = None

    @property
    def tile(self) -> tuple[int, int]:
        """Width and height of one quadrant, or of the single picture itself."""
        return (self.width // 2, self.height // 2) if self.grid else (self.width, self.height)

    def single(self) -> Picture:
        """The picture before enlargement."""
        return self.parent.single() if self.edit == "enlarge" and self.parent else self


def render(picture: Picture) -> Image.Image:
    """The raw picture, RGB."""
    if picture.photo is not None:
        return Image.open(io.BytesIO(picture.photo)).convert("RGB")
    if picture.grid:
        return _grid(picture)
    if picture.parent is None:
        return to_image(_clean(picture, 0))
    if picture.edit == "enlarge":
        source = render(picture.parent.single())
        return source.resize((picture.width, picture.height), Image.Resampling.LANCZOS)
    return to_image(_finished(picture.parent, picture.quadrant or 0))


def quadrant_image(picture: Picture, quadrant: int) -> Image.Image:
    """One quadrant (0..3) of a grid, the same pixels as the crop."""
    return to_image(_finished(picture, quadrant))


def _grid(picture: Picture) -> Image.Image:
    width, height = picture.tile
    sheet = Image.new("RGB", (picture.width, picture.height))
    for quadrant in range(4):
        sheet.paste(quadrant_image(picture, quadrant), (quadrant % 2 * width, quadrant // 2 * height))
    return sheet


def _finished(grid: Picture, quadrant: int) -> Pixels:
    tile = _clean(grid, quadrant)
    defect = defect_of(grid.seed, quadrant)
    return spoil(tile, defect, grid.seed + quadrant) if defect else tile


def _clean(picture: Picture, quadrant: int) -> Pixels:
    """The quadrant (or single picture) without its defect."""
    width, height = picture.tile
    parent = picture.parent
    if parent is None:
        return paint(picture.seed + quadrant, picture.theme, width, height)
    if picture.edit in ("quadrant", "enlarge"):
        return _fitted(_clean(parent, picture.quadrant or 0), width, height)
    if picture.edit == "outpaint":
        return _outpainted(picture, parent, quadrant)
    source = _fitted(_clean(parent, quadrant if picture.quadrant is None else picture.quadrant), width, height)
    rng = dice(picture.seed + quadrant)
    if picture.edit == "redraw":
        return _redrawn(picture, source, quadrant)
    return _varied(rng, source, picture.amount[0])


def _fitted(pixels: Pixels, width: int, height: int) -> Pixels:
    if pixels.shape[:2] == (height, width):
        return pixels
    return to_pixels(to_image(pixels).resize((width, height), Image.Resampling.LANCZOS))


def _varied(rng: np.random.Generator, source: Pixels, strength: float) -> Pixels:
    """The source bent out of shape and tinted: kin, not a copy."""
    height, width = source.shape[:2]
    reach = strength * 0.35 * min(width, height)
    shift = [(fractal(rng, width, height, cells=3, octaves=3) - np.float32(0.5)) * np.float32(reach) for _ in range(2)]
    row = np.clip(np.arange(height)[:, None] + shift[0], 0, height - 1).astype(np.intp)
    column = np.clip(np.arange(width)[None, :] + shift[1], 0, width - 1).astype(np.intp)
    tint = (1 + rng.normal(0, 0.25 * strength, 3)).astype(np.float32)
    return np.asarray(np.clip(source[row, column] * tint, 0, 1), np.float32)


def _redrawn(picture: Picture, source: Pixels, quadrant: int) -> Pixels:
    """New paint where the mask is white."""
    width, height = picture.tile
    fresh = paint(picture.seed + 17 + quadrant, picture.theme + 1, width, height)
    part = _mask(picture, quadrant)[..., None]
    return source * (1 - part) + fresh * part


def _mask(picture: Picture, quadrant: int) -> Plane:
    width, height = picture.tile
    if picture.mask is None:
        x, y = grid_of(width, height)
        return 1 - smooth(0.25, 0.05, np.hypot(x - 0.5, y - 0.5))
    mask = Image.open(io.BytesIO(picture.mask)).convert("L")
    if picture.parent is not None and picture.parent.grid:
        across, down = mask.width // 2, mask.height // 2
        left, top = quadrant % 2 * across, quadrant // 2 * down
        mask = mask.crop((left, top, left + across, top + down))
    return np.asarray(mask.resize((width, height)), np.float32) / np.float32(255)


def _outpainted(picture: Picture, parent: Picture, quadrant: int) -> Pixels:
    """The parent in a wider scene, its edges faded into new paint."""
    width, height = picture.tile
    inner = (max(4, round(width * picture.amount[0])), max(4, round(height * picture.amount[1])))
    left, top = (round((width - inner[0]) * picture.anchor[0]), round((height - inner[1]) * picture.anchor[1]))
    scene = paint(picture.seed + quadrant, picture.theme, width, height)
    source = _fitted(_clean(parent, 0), *inner)
    x, y = grid_of(*inner)
    borders = (x if left else 1 + x, 2 - x if left + inner[0] == width else 1 - x, y if top else 1 + y)
    bottom = 2 - y if top + inner[1] == height else 1 - y
    edge = np.minimum(np.minimum(np.minimum(borders[0], borders[1]), borders[2]), bottom)
    part = smooth(0.04, 0.08, edge)[..., None]
    area = scene[top : top + inner[1], left : left + inner[0]]
    scene[top : top + inner[1], left : left + inner[0]] = area * (1 - part) + source * part
    return scene


def pan_anchor(direction: str) -> tuple[float, float]:
    """Where the parent sits when the view moves in a direction."""
    return _PAN[direction]
