"""The built-in scorer `quality`: an additive model over 17 features. It finds technical defects; it has no taste.

It wants the provider's ORIGINAL grid (the raw PNG): a WebP preview or a thumbnail has lost what it looks at.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import PIL
from PIL import Image

from orchestrator.errors import InvalidInput
from orchestrator.imaging.checks import decode, rgb
from orchestrator.imaging.features import gradient, measure
from orchestrator.imaging.quadrants import split
from orchestrator.imaging.ranking import QuadrantScore, Ranking, lead, winner

CLEAR_MARGIN = 1.0  # under it the first two are as good as equal
VETO_GAP = 4.0  # score points below the best at which a picture is broken rather than less good
EMPTY_SHARE = 0.25  # of the grid's median gradient; a smooth empty gradient scores well by mistake


@dataclass(frozen=True)
class Model:
    """The weights: one piecewise linear curve per feature, their sum is the score."""

    weights: Mapping[str, Any]
    digest: str

    @classmethod
    def read(cls, text: str) -> Model:
        """From the text of a weights file (JSON)."""
        return cls(json.loads(text), hashlib.sha256(text.encode()).hexdigest()[:8])

    @classmethod
    def shipped(cls) -> Model:
        """The weights in this package."""
        return cls.read(resources.files(__package__).joinpath("weights_17.json").read_text("utf-8"))

    def contributions(self, features: Mapping[str, float]) -> dict[str, float]:
        """Score points by feature."""
        return {name: self._curve(spec, features[name]) for name, spec in self.weights["features"].items()}

    def parts(self, contributions: Mapping[str, float]) -> dict[str, float]:
        """Score points by group (sharpness, noise, tone, colour, artefacts, frame), to 3 decimals."""
        groups: Mapping[str, Sequence[str]] = self.weights["groups"]
        return {group: round(math.fsum(contributions[name] for name in names), 3) for group, names in groups.items()}

    def _curve(self, spec: Mapping[str, Any], value: float) -> float:
        x = math.log(value + self.weights["log_offset"]) if spec["log"] else value
        z = min(8.0, max(-8.0, (x - spec["median"]) / spec["scale"]))
        near, far = self.weights["knots"]
        basis = (z, max(0.0, z - near), max(0.0, -z - near), max(0.0, z - far), max(0.0, -z - far))
        return math.fsum(weight * term for weight, term in zip(spec["w"], basis, strict=True))


class QualityScorer:
    """Ranks four pictures by technical quality. Deterministic; about half a second for a 2048 x 2048 grid."""

    name = "quality"

    def __init__(self, model: Model | None = None) -> None:
        self._model = model or Model.shipped()
        # The decoder's and the arithmetic's releases can move the last digits, so they are part of the version.
        self.version = f"17f-{self._model.digest} numpy-{np.__version__} pillow-{PIL.__version__}"

    def rank(self, grid: bytes, prompt: str) -> Ranking:  # noqa: ARG002 - the contract hands it over; defects need none
        """Rank the quadrants of the original grid. Raises ImageRejected for bytes that are no usable image."""
        return self.rank_pictures(split(decode(grid)))

    def rank_singles(self, images: Sequence[bytes], prompt: str) -> Ranking:  # noqa: ARG002 - as above
        """Rank four single images. Raises InvalidInput for another number of them, ImageRejected for bad bytes."""
        return self.rank_pictures([decode(image) for image in images])

    def rank_pictures(self, pictures: Sequence[Image.Image]) -> Ranking:
        """Rank four decoded pictures."""
        if len(pictures) != 4:
            raise InvalidInput(f"a choice needs four pictures, not {len(pictures)}")
        arrays = [np.asarray(rgb(picture)) for picture in pictures]
        judged = [self._model.contributions(measure(pixels)) for pixels in arrays]
        scores = {n: round(math.fsum(contributions.values()), 3) for n, contributions in enumerate(judged, 1)}
        empty = empty_ones({n: gradient(pixels) for n, pixels in enumerate(arrays, 1)})
        vetoes = empty | broken_ones({n: score for n, score in scores.items() if n not in empty})
        quadrants = tuple(
            QuadrantScore(n, scores[n], self._model.parts(contributions), vetoes.get(n))
            for n, contributions in enumerate(judged, 1)
        )
        best = winner(scores, [n for n in scores if n not in vetoes])
        margin = lead({n: score for n, score in scores.items() if n not in empty}, best)
        return Ranking(self.name, self.version, best, margin, margin >= CLEAR_MARGIN, quadrants)


def empty_ones(gradients: Mapping[int, float]) -> dict[int, str]:
    """The pictures with hardly an edge beside the others (two at most), and why they are vetoed."""
    needed = EMPTY_SHARE * float(np.median(list(gradients.values())))
    return {n: f"empty: gradient {value:.2f} under {needed:.2f}" for n, value in gradients.items() if value < needed}


def broken_ones(scores: Mapping[int, float]) -> dict[int, str]:
    """The pictures more than VETO_GAP below the best of `scores`, and why they are vetoed."""
    best = max(scores.values())
    gaps = {n: round(best - score, 3) for n, score in scores.items()}
    return {n: f"defective: {gap:.3f} below the best" for n, gap in gaps.items() if gap > VETO_GAP}
