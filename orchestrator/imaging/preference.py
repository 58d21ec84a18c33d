"""Scorers that know taste: a model behind HTTP or a plug-in. Each ranks what the technical veto left over.

When one gives no usable answer in time, the technical ranking stands and says why (`Ranking.fallback`).
"""

from __future__ import annotations

import base64
import math
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from PIL import Image

from orchestrator.errors import OrchestratorError, ScorerFailed
from orchestrator.imaging.checks import decode, png, rgb
from orchestrator.imaging.quadrants import join, split
from orchestrator.imaging.quality import QualityScorer
from orchestrator.imaging.ranking import QuadrantScore, Ranking, lead, winner

# (url, JSON payload, time-out in seconds) -> the JSON answer; whatever it raises leads to the fallback.
Post = Callable[[str, dict[str, Any], float], dict[str, Any]]


class Ranks(Protocol):
    """What a plug-in brings: a name, a version, and a ranking of the four quadrants of a grid (PNG bytes)."""

    name: str
    version: str

    def rank(self, grid: bytes, prompt: str) -> Ranking: ...


class PreferenceScorer(ABC):
    """Technical veto first, then four preference scores within `timeout` seconds, else the technical ranking."""

    name: str
    version: str

    def __init__(self, name: str, version: str, timeout: float, technical: QualityScorer | None = None) -> None:
        self._technical = technical or QualityScorer()
        self._timeout = timeout
        self.name = name
        self.version = f"{version} after {self._technical.version}"

    @abstractmethod
    def prefer(self, pictures: Sequence[Image.Image], prompt: str, survivors: Sequence[int]) -> Sequence[object]:
        """Four scores, higher is better, in the pictures' order; those outside `survivors` (1..4) will not count."""

    def rank(self, grid: bytes, prompt: str) -> Ranking:
        """Rank the quadrants of the original grid. Raises ImageRejected for bytes that are no usable image."""
        return self._rank_pictures(split(decode(grid)), prompt)

    def rank_singles(self, images: Sequence[bytes], prompt: str) -> Ranking:
        """Rank four single images. Raises InvalidInput for another number of them, ImageRejected for bad bytes."""
        return self._rank_pictures([decode(image) for image in images], prompt)

    def _rank_pictures(self, pictures: Sequence[Image.Image], prompt: str) -> Ranking:
        technical = self._technical.rank_pictures(pictures)
        try:
            answer = _within(self._timeout, lambda: self.prefer(pictures, prompt, technical.survivors))
            scores = dict(enumerate(_four_numbers(answer), 1))
        except ScorerFailed as failure:
            return replace(technical, fallback=f"{self.name}: {failure.message}")
        return self._combine(technical, scores)

    def _combine(self, technical: Ranking, scores: dict[int, float]) -> Ranking:
        survivors = technical.survivors
        best = winner(scores, survivors)
        margin = lead({n: scores[n] for n in survivors}, best)
        quadrants = tuple(
            QuadrantScore(q.index, scores[q.index], {**q.parts, "technical": q.score}, q.vetoed)
            for q in technical.quadrants
        )
        # A stranger's scale has no known unit, so any lead is clear; so is the only one left.
        return Ranking(self.name, self.version, best, margin, margin > 0 or len(survivors) == 1, quadrants)


class HttpScorer(PreferenceScorer):
    """A model behind HTTP: ONE POST of `{prompt, images: [4 base64 PNG], survivors: [1..4, ...]}`, answered by
    `{"scores": [4 numbers]}`. `post` does the transport and owns credentials; the URL never reaches a ranking."""

    def __init__(
        self, name: str, url: str, post: Post, timeout: float = 20.0, *, technical: QualityScorer | None = None
    ) -> None:
        super().__init__(name, "http", timeout, technical)
        self._url = url
        self._post = post

    def prefer(self, pictures: Sequence[Image.Image], prompt: str, survivors: Sequence[int]) -> Sequence[object]:
        images = [base64.b64encode(png(rgb(picture))).decode() for picture in pictures]
        payload = {"prompt": prompt, "images": images, "survivors": list(survivors)}
        answer: object = self._post(self._url, payload, self._timeout)
        scores = answer.get("scores") if isinstance(answer, dict) else None
        if not isinstance(scores, list):
            raise ScorerFailed('the answer is not {"scores": [4 numbers]}')
        return scores


class PluginScorer(PreferenceScorer):
    """A plug-in's ranking under the technical veto. It sees the pictures as one PNG grid, whatever was delivered."""

    def __init__(self, plugin: Ranks, timeout: float = 20.0, *, technical: QualityScorer | None = None) -> None:
        super().__init__(plugin.name, plugin.version, timeout, technical)
        self._plugin = plugin

    def prefer(self, pictures: Sequence[Image.Image], prompt: str, survivors: Sequence[int]) -> Sequence[object]:  # noqa: ARG002 - a plug-in ranks all four
        ranking = self._plugin.rank(png(join(pictures)), prompt)
        return [quadrant.score for quadrant in sorted(ranking.quadrants, key=lambda quadrant: quadrant.index)]


def _within(seconds: float, ask: Callable[[], Sequence[object]]) -> Sequence[object]:
    """The answer of foreign code, or ScorerFailed when it raises or takes longer. A late one ends unheard."""
    answers: queue.SimpleQueue[Sequence[object] | ScorerFailed] = queue.SimpleQueue()
    threading.Thread(target=lambda: answers.put(_answer(ask)), name="scorer", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise ScorerFailed(f"no answer within {seconds:g} s") from None
    if isinstance(answer, ScorerFailed):
        raise answer
    return answer


def _answer(ask: Callable[[], Sequence[object]]) -> Sequence[object] | ScorerFailed:
    try:
        return ask()
    except OrchestratorError as exc:
        return ScorerFailed(exc.message)
    except Exception as exc:  # noqa: BLE001 - foreign code raises anything; its text may hold a URL with credentials
        failure = ScorerFailed(f"failed with {type(exc).__name__}")
        failure.__cause__ = exc
        return failure


def _four_numbers(answer: Sequence[object]) -> list[float]:
    numbers = [float(score) for score in answer if isinstance(score, int | float) and not isinstance(score, bool)]
    if len(answer) != 4 or len(numbers) != 4 or not all(math.isfinite(number) for number in numbers):
        raise ScorerFailed("the scores are not four finite numbers")
    return [round(number, 3) for number in numbers]
