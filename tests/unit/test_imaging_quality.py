"""The quality model: reproduces its study, and decides by its rules."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

from orchestrator.errors import ImageRejected, InvalidInput
from orchestrator.imaging.checks import decode, png, rgb
from orchestrator.imaging.features import gradient, measure
from orchestrator.imaging.quadrants import join
from orchestrator.imaging.quality import Model, QualityScorer, broken_ones, empty_ones
from orchestrator.imaging.ranking import lead, winner

CHECK = json.loads((Path(__file__).parents[1] / "fixtures/imaging/quality_check.json").read_text())
ROOTS = {"scikit-image": "skimage", "scikit-learn": "sklearn", "matplotlib": "matplotlib"}


def sample(name: str) -> bytes:
    package, _, path = name.partition(": ")
    found = importlib.util.find_spec(ROOTS[package])
    if found is None or found.origin is None:
        reason = f"{package} is missing; install the extra: pip install '.[photos]'"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return (Path(found.origin).parent / path).read_bytes()


def texture(seed: int, contrast: float = 30) -> Image.Image:
    """Smooth noise over several octaves: detail at every scale, as in a photograph."""
    random = np.random.default_rng(seed)
    total = np.full((128, 128, 3), 128.0)
    for cells in (8, 16, 32, 64, 128):
        octave = random.normal(0, contrast * 8 / cells, (cells, cells, 3)).astype(np.float32)
        planes = [Image.fromarray(np.ascontiguousarray(octave[..., c])).resize((128, 128)) for c in range(3)]
        total += np.stack([np.asarray(plane) for plane in planes], axis=2)
    return Image.fromarray(np.clip(total, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("name", CHECK)
def test_features_and_score_equal_the_study(name: str) -> None:
    features = measure(np.asarray(rgb(decode(sample(name)))))

    assert features == pytest.approx(CHECK[name]["features"], abs=1e-4)
    assert sum(Model.shipped().contributions(features).values()) == pytest.approx(CHECK[name]["score"], abs=1e-4)


def test_parts_sum_to_the_score_and_groups_hold_every_feature_once() -> None:
    model = Model.shipped()
    contributions = model.contributions(measure(np.asarray(texture(1))))

    assert sorted(name for names in model.weights["groups"].values() for name in names) == sorted(contributions)
    assert sum(model.parts(contributions).values()) == pytest.approx(sum(contributions.values()), abs=0.01)


def test_the_clean_picture_wins_and_the_ranking_is_the_same_every_time() -> None:
    dark, blurred = texture(2).point(lambda level: level * 0.3), texture(2).filter(ImageFilter.GaussianBlur(2))
    grid = png(join([dark, blurred, texture(3), ImageOps.posterize(texture(2), 3)]))

    rankings = [QualityScorer().rank(grid, prompt) for prompt in ("a cat", "a dog")]

    assert rankings[0].best == 3
    assert rankings[0].clear
    assert rankings[0].to_json() == rankings[1].to_json()


def test_equal_pictures_tie_to_the_lowest_index_without_a_clear_winner() -> None:
    ranking = QualityScorer().rank(png(join([texture(4)] * 4)), "")

    assert (ranking.best, ranking.margin, ranking.clear) == (1, 0.0, False)
    assert ranking.survivors == (1, 2, 3, 4)


def test_scores_that_round_to_the_same_thousandth_tie() -> None:
    assert winner({1: 0.5, 2: 1.25, 3: 1.25, 4: 1.0}, (1, 2, 3, 4)) == 2
    assert winner({1: 0.5, 2: 1.25, 3: 1.25, 4: 1.0}, (3, 4)) == 3


def test_lead_is_over_the_runner_up() -> None:
    assert lead({1: 0.5, 2: 2.0004, 3: 1.25}, 2) == 0.75
    assert lead({2: 1.0}, 2) == 0.0


def test_more_than_four_below_the_best_is_vetoed_and_four_is_not() -> None:
    assert broken_ones({1: 1.0, 2: -3.0, 3: -3.001, 4: 0.0}) == {3: "defective: 4.001 below the best"}


def test_under_a_quarter_of_the_median_gradient_is_vetoed() -> None:
    assert empty_ones({1: 8.0, 2: 8.0, 3: 2.0, 4: 1.99}) == {}  # the median is 5
    assert empty_ones({1: 8.0, 2: 8.0, 3: 8.0, 4: 1.99}) == {4: "empty: gradient 1.99 under 2.00"}
    assert empty_ones(dict.fromkeys((1, 2, 3, 4), 0.0)) == {}


def test_an_empty_gradient_neither_wins_nor_sets_the_bar() -> None:
    ramp = Image.fromarray(np.repeat(np.linspace(60, 200, 128)[:, None, None], 128, 1).repeat(3, 2).astype(np.uint8))

    ranking = QualityScorer().rank_singles([png(p) for p in (ramp, texture(5), texture(6), texture(7))], "")

    assert gradient(np.asarray(ramp)) < 3
    assert str(ranking.quadrants[0].vetoed).startswith("empty: gradient")
    assert ranking.best in ranking.survivors == (2, 3, 4)


def test_a_grey_grid_is_judged_without_an_error() -> None:
    ranking = QualityScorer().rank(png(Image.new("RGB", (128, 128), (128, 128, 128))), "")

    assert (ranking.best, ranking.clear) == (1, False)
    assert all(np.isfinite(quadrant.score) for quadrant in ranking.quadrants)


def test_version_names_weights_numpy_and_pillow() -> None:
    version = QualityScorer().version

    assert Model.shipped().digest in version
    assert f"numpy-{np.__version__}" in version
    assert "pillow-" in version


def test_odd_sizes_and_the_smallest_are_judged_and_smaller_ones_refused() -> None:
    assert QualityScorer().rank(png(texture(8).resize((77, 65))), "").best in (1, 2, 3, 4)
    with pytest.raises(ImageRejected, match="31 x 32 pixels are too few"):
        QualityScorer().rank(png(texture(8).resize((63, 64))), "")


def test_three_pictures_are_no_choice() -> None:
    with pytest.raises(InvalidInput, match="four pictures, not 3"):
        QualityScorer().rank_singles([png(texture(9))] * 3, "")


def test_json_is_plain_and_complete() -> None:
    answer = QualityScorer().rank(png(join([texture(n) for n in range(4)])), "").to_json()

    assert json.loads(json.dumps(answer)) == answer
    assert set(answer) == {"scorer", "version", "best", "margin", "clear", "quadrants", "fallback"}
    assert set(answer["quadrants"][0]) == {"index", "score", "parts", "vetoed"}
    assert set(answer["quadrants"][0]["parts"]) == {"sharpness", "noise", "tone", "colour", "artefacts", "frame"}
