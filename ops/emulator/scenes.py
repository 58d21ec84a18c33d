"""Procedural scenes, textured like photographs: mountains over a lake, a planet, marbles on a table."""

from __future__ import annotations

import colorsys

import numpy as np

from ops.emulator.noise import Pixels, Plane, blend, dice, fractal, grain, grid_of, outline, smooth


def paint(seed: int, theme: int, width: int, height: int) -> Pixels:
    """A clean picture. `theme` decides subject and palette, `seed` the composition."""
    palette = _palette(theme)
    painter = (_lake, _planet, _marbles)[theme % 3]
    return np.clip(painter(dice(seed), palette, width, height), 0, 1)


def _palette(theme: int) -> list[Plane]:
    """Five colours from dark to light around one hue and its neighbour."""
    rng = dice(theme)
    hue, swing = rng.random(), 0.35 + 0.3 * rng.random()
    return [
        np.array(colorsys.hsv_to_rgb((hue + swing * step / 4) % 1, 0.75 - 0.14 * step, 0.16 + 0.2 * step), np.float32)
        for step in range(5)
    ]


def _lake(rng: np.random.Generator, palette: list[Plane], width: int, height: int) -> Pixels:
    shore = 0.58 + 0.16 * rng.random()
    above = round(height * shore)
    land = _mountains(rng, palette, width, height, above)
    water = _mirror(rng, land[:above], width, height - above)
    water = water * np.float32(0.78) + palette[1] * np.float32(0.18)
    return np.concatenate([land[:above], water]) + grain(rng, width, height, 0.025)[..., None]


def _mountains(rng: np.random.Generator, palette: list[Plane], width: int, height: int, above: int) -> Pixels:
    picture = _sky(rng, palette, width, height)
    _, y = grid_of(width, height)
    base, layers = above / height, int(rng.integers(3, 6))
    for layer in range(layers):
        near = (layer + 1) / layers
        reach = (0.2 + 0.25 * rng.random()) * (1.15 - 0.5 * near)
        top = base * (0.62 + 0.4 * near**1.5) - reach * outline(rng, width, roughness=0.5, cells=2 + 2 * rng.random())
        light = _slopes(fractal(rng, width, height, cells=7 + 9 * near, octaves=8, fade=0.58), 0.45 + 0.25 * near)
        haze = (palette[4] * np.float32(0.75) + palette[3] * np.float32(0.25)) * np.float32(1.02)
        rock = palette[0] * np.float32(0.35 + 0.5 * near) + palette[1] * np.float32(0.75 - 0.45 * near)
        colour = blend(rock, haze, np.full_like(light, 0.72 * (1 - near) ** 0.8)) * light[..., None]
        picture = blend(picture, colour, smooth(0.0, 1.5 / height, y - top[None, :]))
    return picture


def _slopes(relief: Plane, contrast: float) -> Plane:
    """Light and shadow of a relief lit from the upper left, 1 on the whole."""
    scale = np.float32(contrast * max(relief.shape) / 24)
    down, across = np.gradient(relief)
    return np.clip(1 + (down + across) * scale + (relief - 0.5) * np.float32(0.8), 0.25, 2.0).astype(np.float32)


def _sky(rng: np.random.Generator, palette: list[Plane], width: int, height: int) -> Pixels:
    x, y = grid_of(width, height)
    sky = blend(palette[2], palette[4], np.broadcast_to(y * 1.7, (height, width)))
    clouds = fractal(rng, width, height, cells=4, octaves=7, fade=0.55)
    sky = blend(sky, np.ones(3, np.float32), smooth(0.58, 0.22, clouds) * np.float32(0.55))
    centre, level = 0.2 + 0.6 * rng.random(), 0.12 + 0.2 * rng.random()
    distance = np.hypot((x - np.float32(centre)) * np.float32(width / height), y - np.float32(level))
    sky = blend(sky, np.array([1.0, 0.93, 0.78], np.float32), np.exp(-distance * 5) * np.float32(0.7))
    return blend(sky, np.array([1.0, 0.98, 0.9], np.float32), 1 - smooth(0.05, 0.01, distance))


def _mirror(rng: np.random.Generator, land: Pixels, width: int, depth: int) -> Pixels:
    """The land upside down, stirred by ripples that widen towards the viewer."""
    row = np.arange(depth)
    ripples = fractal(rng, width, depth, cells=30, octaves=3) - np.float32(0.5)
    reach = (2 + 26 * row / max(depth, 1))[:, None] * depth / 400
    source = len(land) - 1 - np.clip(row[:, None] * 1.15 + ripples * reach, 0, len(land) - 1).astype(np.intp)
    column = np.clip(np.arange(width)[None, :] + ripples * reach * 0.7, 0, width - 1).astype(np.intp)
    fine = fractal(rng, width, max(8, depth // 3), cells=90, octaves=4).repeat(3, 0)
    glints = smooth(0.68, 0.12, np.resize(fine, (depth, width)))[..., None] * np.float32(0.16)
    return np.asarray(land[source, column] + glints, np.float32)


def _planet(rng: np.random.Generator, palette: list[Plane], width: int, height: int) -> Pixels:
    x, y = grid_of(width, height)
    nebula = fractal(rng, width, height, cells=3, octaves=8, fade=0.58)
    dust = fractal(rng, width, height, cells=5, octaves=8, fade=0.6)
    space = blend(palette[0] * np.float32(0.35), palette[2], smooth(0.56, 0.35, nebula))
    space = blend(space, palette[4], smooth(0.66, 0.3, dust) * np.float32(0.6))
    space += _stars(rng, width, height)[..., None]
    aspect = width / height
    across, down = (0.3 + 0.4 * rng.random()) * aspect, 0.35 + 0.35 * rng.random()
    radius = 0.22 + 0.12 * rng.random()
    dx, dy = (x * aspect - across) / radius, (y - down) / radius
    body, cover = _ball(
        rng, palette, np.broadcast_to(dx, nebula.shape), np.broadcast_to(dy, nebula.shape), bands=3.0, gloss=0.0
    )
    glow = np.exp(-np.abs(np.hypot(dx, dy) - 1) * 9) * np.float32(0.5)
    space = blend(space, palette[4], glow.astype(np.float32))
    return blend(space, body, cover) + grain(rng, width, height, 0.03)[..., None]


def _stars(rng: np.random.Generator, width: int, height: int) -> Plane:
    sky = np.zeros((height, width), np.float32)
    count = max(40, width * height // 1800)
    sky[rng.integers(0, height, count), rng.integers(0, width, count)] = rng.random(count, np.float32) ** 3
    spread: Plane = sky + np.roll(sky, 1, 1) * np.float32(0.5) + np.roll(sky, 1, 0) * np.float32(0.5)
    return spread


def _ball(
    rng: np.random.Generator, palette: list[Plane], dx: Plane, dy: Plane, *, bands: float, gloss: float
) -> tuple[Pixels, Plane]:
    """A lit, marbled ball: its colours and its cover (1 inside), for coordinates in radii from its centre."""
    height, width = dx.shape
    round_ = dx * dx + dy * dy
    dz = np.sqrt(np.clip(1 - round_, 0, 1))
    light = np.array([-0.55, -0.55, 0.63]) + rng.normal(0, 0.08, 3)
    shade = np.clip(dx * light[0] + dy * light[1] + dz * light[2], 0, 1).astype(np.float32)
    veins = fractal(rng, width, height, cells=9, octaves=7, fade=0.6)
    pattern = np.float32(0.5) + np.float32(0.5) * np.sin(np.float32(6.3) * (dy * np.float32(bands / 2) + veins * 2))
    skin = blend(palette[1], palette[4], pattern * np.float32(0.7) + veins * np.float32(0.3))
    rim = np.clip(1 - dz, 0, 1).astype(np.float32) ** 3 * np.float32(0.12)
    spark = shade**90 * np.float32(gloss)
    body = skin * (np.float32(0.06) + shade[..., None] * np.float32(0.9) + rim[..., None]) + spark[..., None]
    soft = 3 * abs(float(dx[0, 1] - dx[0, 0]))
    return body, 1 - smooth(1.0, soft, np.sqrt(round_))


def _marbles(rng: np.random.Generator, palette: list[Plane], width: int, height: int) -> Pixels:
    x, y = grid_of(width, height)
    horizon = 0.36 + 0.14 * rng.random()
    wall = blend(palette[3], palette[1], np.broadcast_to(np.hypot(x - 0.4, y), (height, width)))
    wall *= np.float32(0.8) + fractal(rng, width, height, cells=20, octaves=6, fade=0.7)[..., None] * np.float32(0.4)
    wood = fractal(rng, width, max(8, height // 8), cells=14, octaves=7, fade=0.65).repeat(8, 0)
    wood = np.resize(wood, (height, width)) + fractal(rng, width, height, cells=60, octaves=4) * np.float32(0.4)
    table = blend(palette[0], palette[2], np.sin(wood * 18) * np.float32(0.25) + np.float32(0.45))
    picture = blend(wall, table, smooth(horizon, 2.5 / height, np.broadcast_to(y, (height, width))))
    for _ in range(int(rng.integers(3, 6))):
        picture = _marble(rng, palette, picture, horizon)
    return picture + grain(rng, width, height, 0.025)[..., None]


def _marble(rng: np.random.Generator, palette: list[Plane], picture: Pixels, horizon: float) -> Pixels:
    """One marble and its shadow, painted into the part of the picture they cover."""
    height, width = picture.shape[:2]
    aspect = width / height
    radius = 0.09 + 0.12 * rng.random()
    across, down = rng.random() * aspect, horizon + 0.06 + (0.9 - horizon) * rng.random() - radius * 0.3
    top, bottom = (max(0, min(height, round(height * (down + side * radius)))) for side in (-1.2, 2.4))
    left, right = (max(0, min(width, round(height * (across + side * radius)))) for side in (-2.6, 4.2))
    if bottom - top < 2 or right - left < 2:
        return picture
    part = picture[top:bottom, left:right]
    x, y = np.arange(left, right, dtype=np.float32)[None, :], np.arange(top, bottom, dtype=np.float32)[:, None]
    dx, dy = np.broadcast_arrays((x / height - across) / radius, (y / height - down) / radius)
    shadow = np.exp(-(((dx - 0.7) / 1.25) ** 2) - ((dy - 0.85) / 0.4) ** 2) * np.float32(0.75)
    part = blend(part, palette[0] * np.float32(0.2), shadow.astype(np.float32))
    body, cover = _ball(rng, [palette[i] for i in rng.permutation(5)], dx, dy, bands=1 + 4 * rng.random(), gloss=0.75)
    picture[top:bottom, left:right] = blend(part, body, cover)
    return picture
