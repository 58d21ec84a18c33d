"""Choosing by name: the contract of a scorer, and where scorers come from.

Every scorer wants the provider's ORIGINAL grid, the raw image and not a preview: a WebP of quality 80 or a thumbnail
has lost the very detail that is judged. `quality` is always there; others are HTTP endpoints of the configuration or
plug-ins of installed packages: an entry point in the group `orchestrator.scorers`, naming a callable without
arguments that returns an object with `name`, `version` and `rank(grid, prompt) -> Ranking`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

from orchestrator.errors import ConfigError, InvalidInput
from orchestrator.imaging.preference import HttpScorer, PluginScorer, Post, PreferenceScorer, Ranks
from orchestrator.imaging.quality import QualityScorer
from orchestrator.imaging.ranking import QuadrantScore, Ranking

__all__ = [
    "GROUP",
    "HttpScorer",
    "PluginScorer",
    "Post",
    "PreferenceScorer",
    "QuadrantScore",
    "QualityScorer",
    "Ranking",
    "Ranks",
    "Scorer",
    "available",
    "load_scorer",
    "rank_singles",
]

GROUP = "orchestrator.scorers"


class Scorer(Protocol):
    """Ranks four pictures of one prompt. Never raises for a model that is away: that is in `Ranking.fallback`."""

    name: str
    version: str

    def rank(self, grid: bytes, prompt: str) -> Ranking:
        """Rank the quadrants of the original grid. Raises ImageRejected for bytes that are no usable image."""

    def rank_singles(self, images: Sequence[bytes], prompt: str) -> Ranking:
        """Rank four single images in the order of delivery, as picture 1 to 4."""


def load_scorer(
    name: str, *, http: Mapping[str, str] | None = None, post: Post | None = None, timeout: float = 20.0
) -> Scorer:
    """The scorer called `name`: the built-in one, one of `http` (name -> URL, asked through `post`), or a plug-in.

    `timeout` (seconds) bounds a preference scorer's answer. Raises InvalidInput for an unknown name, with the known
    ones; ConfigError for a plug-in that cannot be loaded or an HTTP scorer without `post`.
    """
    if name == QualityScorer.name:
        return QualityScorer()
    if http and name in http:
        if post is None:
            raise ConfigError(f"the HTTP scorer {name!r} needs a transport")
        return HttpScorer(name, http[name], post, timeout)
    for entry in entry_points(group=GROUP, name=name):
        return PluginScorer(_plugin(entry), timeout)
    raise InvalidInput(f"there is no scorer {name!r}; available: {', '.join(available(http))}")


def available(http: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The names that `load_scorer` knows, sorted."""
    return tuple(sorted({QualityScorer.name, *(http or ()), *(entry.name for entry in entry_points(group=GROUP))}))


def rank_singles(images: Sequence[bytes], prompt: str) -> Ranking:
    """The built-in ranking of four single images, for providers that deliver no grid."""
    return QualityScorer().rank_singles(images, prompt)


def _plugin(entry: EntryPoint) -> Ranks:
    try:
        plugin: Ranks = entry.load()()
    except Exception as exc:
        raise ConfigError(f"the scorer {entry.name!r} ({entry.value}) cannot be loaded: {exc}") from exc
    if not all(hasattr(plugin, attribute) for attribute in ("name", "version", "rank")):
        raise ConfigError(f"the scorer {entry.name!r} ({entry.value}) needs name, version and rank")
    return plugin
