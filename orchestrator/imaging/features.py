"""Seventeen measurements of one picture's technical quality. Names, reasons and limits: docs/choosing.md.

All of them are plain array arithmetic on 8-bit RGB whose sides are cut to multiples of 8. "Detail at level k" is the
k-th 2 x 2 average/difference (Haar) transform of the luma: level 1 is the finest.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import ImageRejected

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

MIN_EDGE = 32  # pixels; under it the block statistics have no block


class _Detail(NamedTuple):
    across: Floats
    along: Floats
    diagonal: Floats

    @property
    def edges(self) -> float:
        return _mean(self.across) + _mean(self.along)


def measure(pixels: Bytes) -> dict[str, float]:
    """The 17 features of a picture, (height, width, 3) uint8, by name. Raises ImageRejected under 32 x 32 pixels."""
    pixels = _whole_blocks(pixels)
    y = luma(pixels)
    return {**_detail(y), **_tone(y), **_colour(pixels), **_lines(y)}


def luma(pixels: Bytes) -> Floats:
    """Brightness 0..255 of (height, width, 3) uint8, as float32."""
    red, green, blue = (pixels[..., channel].astype(np.float32) for channel in range(3))
    return np.asarray(np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue, np.float32)


def gradient(pixels: Bytes) -> float:
    """95th percentile of the luma's gradient (grey levels per pixel): next to nothing for a smooth, empty picture."""
    y = luma(pixels)
    steps = np.hypot(y[1:, 1:] - y[1:, :-1], y[1:, 1:] - y[:-1, 1:])
    return float(np.percentile(steps, 95))


def _whole_blocks(pixels: Bytes) -> Bytes:
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_EDGE:
        raise ImageRejected(
            f"{width} x {height} pixels are too few to judge; at least {MIN_EDGE} x {MIN_EDGE} are needed"
        )
    return pixels[: height - height % 8, : width - width % 8]


def _detail(y: Floats) -> dict[str, float]:
    smaller, first = _haar(y)
    smaller, second = _haar(smaller)
    _, third = _haar(smaller)
    return {
        "e12": _log_ratio(first.edges, second.edges),
        "e23": _log_ratio(second.edges, third.edges),
        "hh12": _log_ratio(_mean(first.diagonal), _mean(second.diagonal)),
        "hh23": _log_ratio(_mean(second.diagonal), _mean(third.diagonal)),
        "loc_p05": _softest_places(first, second),
        "blur_effect": max(_blur(y[::2]), _blur(y.T[::2])),
        "noise_p10": _calm_noise(y),
    }


def _haar(y: Floats) -> tuple[Floats, _Detail]:
    """Half-size average and the absolute differences across columns, along rows and on the diagonal."""
    top, bottom = y[0::2], y[1::2]
    total, change = top + bottom, top - bottom
    quarter = np.float32(0.25)
    left, right, left_change, right_change = total[:, 0::2], total[:, 1::2], change[:, 0::2], change[:, 1::2]
    across, along, diagonal = left - right, left_change + right_change, left_change - right_change
    return (left + right) * quarter, _Detail(*(np.abs(d) * quarter for d in (across, along, diagonal)))


def _softest_places(first: _Detail, second: _Detail) -> float:
    """How little fine detail the softest of the busy places have: a melted face in a sharp picture."""
    fine = _block_means(first.across + first.along + first.diagonal, 16)
    middle = _block_means(second.across + second.along + second.diagonal, 8)
    ratio = np.log((fine + 0.05) / (middle + 0.05))
    busy = middle > np.percentile(middle, 60)
    return float(np.percentile(ratio[busy] if busy.any() else ratio, 5))


def _blur(y: Floats) -> float:
    """Crete et al. 2007 along the rows: the share of differences that survives a box filter of 11; 1 is blurred."""
    before = np.abs(np.diff(y, axis=1))
    total = float(before.sum(dtype=np.float64))
    if not total:
        return 1.0
    padded = np.pad(y, ((0, 0), (5, 5)), mode="edge")
    after = np.abs(padded[:, 11:] - padded[:, :-11]) / np.float32(
        11
    )  # neighbouring box means differ by their ends only
    lost = np.maximum(before - after, 0).sum(dtype=np.float64)
    return (total - float(lost)) / total


def _calm_noise(y: Floats) -> float:
    """Log of the noise (Immerkaer 1996) in the calmest tenth of the blocks."""
    rows = y[:-2] - 2 * y[1:-1] + y[2:]
    noise = np.abs(rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:])
    return math.log(float(np.percentile(_block_means(noise, 16), 10)) * math.sqrt(math.pi / 2) / 6 + 0.05)


def _tone(y: Floats) -> dict[str, float]:
    shares = np.cumsum(np.bincount(y.astype(np.uint8).ravel(), minlength=256)) / y.size
    dark, bright = (float(np.searchsorted(shares, quantile)) for quantile in (0.01, 0.99))
    return {"range": bright - dark, "p99": bright}


def _colour(pixels: Bytes) -> dict[str, float]:
    high, low = pixels.max(axis=2), pixels.min(axis=2)
    saturation = (high - low).astype(np.float32) / (high.astype(np.float32) + 1)
    clipped = ((high >= 254) & (low <= 40)) | ((low <= 1) & (high >= 60))
    levels = [np.bincount(pixels[..., channel].ravel(), minlength=256) / high.size for channel in range(3)]
    return {
        "top16": float(np.mean([np.sort(shares)[-16:].sum() for shares in levels])),
        "comb": float(np.mean([_missing_levels(shares) for shares in levels])),
        "sat_mean": _mean(saturation),
        "sat_clip": float(clipped.mean()),
        "chan_clip": float((high >= 254).mean()),
    }


def _missing_levels(shares: NDArray[np.float64]) -> float:
    used = np.flatnonzero(shares > 1e-6)
    return float(1 - len(used) / (used[-1] - used[0] + 1))


def _lines(y: Floats) -> dict[str, float]:
    across, down = np.abs(np.diff(y, axis=1)), np.abs(np.diff(y, axis=0)).T
    return {
        "phase4": max(_lattice(across), _lattice(down)),
        "seam": _seams(across) + _seams(down),
        "dead_lines": max(float((y.std(axis=axis, dtype=np.float64) < 0.8).mean()) for axis in (0, 1)),
    }


def _lattice(steps: Floats) -> float:
    """How far one column in four stands out."""
    columns = steps.mean(axis=0, dtype=np.float64)
    phases = columns[: len(columns) // 4 * 4].reshape(-1, 4).mean(axis=0)
    return float((phases.max() - np.median(phases)) / (phases.mean() + 0.05))


def _seams(steps: Floats) -> float:
    """Share of positions at which a whole band of 32 lines jumps and its neighbours do not."""
    bands = steps[: len(steps) // 32 * 32].reshape(len(steps) // 32, 32, -1).mean(axis=1)
    neighbours = np.max([bands[:, :-6], bands[:, 1:-5], bands[:, 5:-1], bands[:, 6:]], axis=0)
    return float((bands[:, 3:-3] - neighbours > 6).mean())


def _block_means(values: Floats, edge: int) -> NDArray[np.float64]:
    height, width = (length // edge for length in values.shape)
    blocks = values[: height * edge, : width * edge].reshape(height, edge, width, edge)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float64))


def _mean(values: Floats) -> float:
    return float(values.mean(dtype=np.float64))


def _log_ratio(fine: float, coarse: float) -> float:
    return math.log((fine + 0.02) / (coarse + 0.02))
