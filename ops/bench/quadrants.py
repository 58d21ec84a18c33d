"""How often the clean quadrant is found: the quality model against sharpness and chance, on real photographs.

A1: the same defect in three of four crops, the clean one is wanted. A2: three different defects. B: one spoilt crop of
four, to be avoided. `python -m ops.bench.quadrants`
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ops.bench.defects import DEFECTS, rounded
from ops.bench.photographs import PhotosMissing, Pixels, photographs, tile
from orchestrator.imaging.features import luma
from orchestrator.imaging.quality import Model, QualityScorer
from orchestrator.imaging.ranking import Ranking

STRENGTHS = ("mild", "medium", "strong")
CHANCE = {"A1": 25.0, "A2": 25.0, "B": 75.0}

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Grid:
    """Four crops of one photograph; `right` holds the places (0..3) that count as a success."""

    task: str
    defect: str
    strength: int
    pictures: tuple[Picture, ...]
    right: frozenset[int]


def grids(photos: dict[str, Pixels], repeats: int, seed: int) -> Iterator[Grid]:
    """One grid of each task per photograph, defect, strength and repetition."""
    random = np.random.default_rng(seed)
    for _ in range(repeats):
        for photo in photos.values():
            for defect in DEFECTS:
                for strength in range(3):
                    yield from _three_tasks(photo, defect, strength, random)


def _three_tasks(photo: Pixels, defect: str, strength: int, random: np.random.Generator) -> Iterator[Grid]:
    tiles = [tile(photo, random) for _ in range(4)]
    clean = [rounded(pixels) for pixels in tiles]
    others = random.choice([name for name in DEFECTS if name != defect], 2, replace=False)
    same = [_spoilt(pixels, defect, strength, random) for pixels in tiles[1:]]
    mixed = [same[0], *(_spoilt(t, name, strength, random) for t, name in zip(tiles[2:], others, strict=True))]
    for task, pictures, good in (
        ("A1", [clean[0], *same], {0}),
        ("A2", [clean[0], *mixed], {0}),
        ("B", [clean[0], same[0], *clean[2:]], {0, 2, 3}),
    ):
        order = random.permutation(4)
        right = frozenset(place for place, source in enumerate(order) if int(source) in good)
        yield Grid(task, defect, strength, tuple(pictures[source] for source in order), right)


def _spoilt(pixels: Pixels, defect: str, strength: int, random: np.random.Generator) -> Picture:
    return rounded(DEFECTS[defect](pixels, strength, random))


def sharpest(pictures: Sequence[Picture]) -> int:
    """The baseline: the place (0..3) of the highest variance of the Laplacian."""
    return int(np.argmax([_laplacian_variance(luma(picture)) for picture in pictures]))


def _laplacian_variance(y: NDArray[np.float32]) -> float:
    inner = y[:-2, 1:-1] + y[2:, 1:-1] + y[1:-1, :-2] + y[1:-1, 2:] - 4 * y[1:-1, 1:-1]
    return float(inner.var(dtype=np.float64))


class Tally:
    """Successes and cases by any key; shares in percent."""

    def __init__(self) -> None:
        self._hits: Counter[tuple[object, ...]] = Counter()
        self._cases: Counter[tuple[object, ...]] = Counter()

    def add(self, *key: object, hit: bool) -> None:
        self._cases[key] += 1
        self._hits[key] += hit

    def share(self, *key: object) -> str:
        return f"{100 * self._hits[key] / self._cases[key]:5.1f}" if self._cases[key] else "    -"

    def cases(self, *key: object) -> int:
        return self._cases[key]


def measure(cases: Iterator[Grid], scorer: QualityScorer) -> Tally:
    """Let the model and the baseline choose in every grid."""
    tally = Tally()
    for grid in cases:
        ranking = scorer.rank_pictures([Image.fromarray(picture) for picture in grid.pictures])
        for who, choice in (("model", ranking.best - 1), ("sharpness", sharpest(grid.pictures))):
            hit = choice in grid.right
            for group in ("all", STRENGTHS[grid.strength], grid.defect):
                tally.add(who, grid.task, group, hit=hit)
        _count_certainty(tally, grid, ranking)
    return tally


def _count_certainty(tally: Tally, grid: Grid, ranking: Ranking) -> None:
    if grid.task != "B":
        band = next(name for name, low in (("3 and more", 3), ("1 to 3", 1), ("under 1", 0)) if ranking.margin >= low)
        tally.add("margin", band, hit=ranking.best - 1 in grid.right)
        return
    for place, quadrant in enumerate(ranking.quadrants):
        kind = "clean" if place in grid.right else STRENGTHS[grid.strength]
        tally.add("veto", kind, hit=quadrant.vetoed is not None)


def report(tally: Tally) -> Iterator[str]:
    """The printed lines."""
    tasks = tuple(CHANCE)
    yield f"{'share of grids, %':<26}" + "".join(f"{task:>7}" for task in tasks)
    yield f"{'chance':<26}" + "".join(f"{CHANCE[task]:7.1f}" for task in tasks)
    for who, title in (("sharpness", "sharpness (Laplacian)"), ("model", "quality, held-out")):
        for group in ("all", *STRENGTHS):
            name = title if group == "all" else f"  {group}"
            yield f"{name:<26}" + "".join(f"{tally.share(who, task, group):>7}" for task in tasks)
    yield from _by_key("\nquality by defect", ((d, [tally.share("model", task, d) for task in tasks]) for d in DEFECTS))
    bands = ("under 1", "1 to 3", "3 and more")
    rows = ((band, [tally.share("margin", band), f"of {tally.cases('margin', band)}"]) for band in bands)
    yield from _by_key("\nright (A1, A2) by margin", rows)
    yield from _by_key("\nvetoed (B)", ((kind, [tally.share("veto", kind)]) for kind in ("clean", *STRENGTHS)))


def _by_key(title: str, rows: Iterator[tuple[str, list[str]]]) -> Iterator[str]:
    yield title
    for name, values in rows:
        yield f"  {name:<24}" + "".join(f"{value:>7}" for value in values)


def held_out() -> Model:
    """The model fitted on half of the study's pictures only."""
    return Model.read(resources.files("ops.bench").joinpath("weights_17_heldout.json").read_text("utf-8"))


@click.command()
@click.option("--seed", default=17, show_default=True, help="Of crops, defects' places and order.")
@click.option("--repeats", default=1, show_default=True, help="Grids per photograph, defect, strength and task.")
def main(seed: int, repeats: int) -> None:
    """Measure how often the clean quadrant is chosen."""
    try:
        photos = photographs()
    except PhotosMissing as exc:
        raise click.ClickException(str(exc)) from exc
    scorer = QualityScorer(held_out())
    count = repeats * len(photos) * len(DEFECTS) * len(STRENGTHS)
    click.echo(f"{len(photos)} photographs, {len(DEFECTS)} defects x 3 strengths, {count} grids per task, seed {seed}")
    click.echo(f"scorer {scorer.version}\n")
    for line in report(measure(grids(photos, repeats, seed), scorer)):
        click.echo(line)


if __name__ == "__main__":
    main()
