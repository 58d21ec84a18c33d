"""One suite for every scorer: the built-in one, a model behind HTTP, a plug-in of another package."""

from __future__ import annotations

import base64
import json
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from orchestrator.errors import ConfigError, ImageRejected, InvalidInput, ScorerFailed
from orchestrator.imaging.checks import decode, inspect, png
from orchestrator.imaging.quadrants import crop, join
from orchestrator.imaging.scorers import Scorer, available, load_scorer, rank_singles

PLUGIN = """
from orchestrator.imaging.checks import inspect
from orchestrator.imaging.ranking import QuadrantScore, Ranking

class Taste:
    name, version = "taste", "7"

    def rank(self, grid, prompt):
        assert inspect(grid).format == "png"
        if prompt == "please fail":
            raise RuntimeError("token=s3cret")
        scores = (0.1, 0.9, 0.5, 0.2)
        quadrants = tuple(QuadrantScore(n, score, {}) for n, score in enumerate(scores, 1))
        return Ranking(self.name, self.version, 2, 0.4, True, quadrants)

def broken():
    raise ImportError("no such model")

def nameless():
    return object()
"""
ENTRY_POINTS = """[orchestrator.scorers]
taste = strangers_taste:Taste
broken = strangers_taste:broken
nameless = strangers_taste:nameless
"""


class Model:
    """What the HTTP model was asked, and what it shall answer."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: object = {"scores": [0.1, 0.9, 0.5, 0.2]}
        self.status = 200
        self.may_answer = threading.Event()
        self.may_answer.set()


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def url(model: Model) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            model.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            model.may_answer.wait(10)
            body = json.dumps(model.answer).encode()
            self.send_response(model.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/score"
    model.may_answer.set()
    server.shutdown()
    server.server_close()
    thread.join()
    for straggler in [t for t in threading.enumerate() if t.name == "scorer"]:
        straggler.join(10)


def post(url: str, payload: dict[str, Any], timeout: float) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(payload).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            answer: dict[str, Any] = json.load(response)
    except urllib.error.HTTPError as exc:
        exc.close()
        raise ScorerFailed(f"HTTP {exc.code}") from exc
    return answer


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "strangers_taste.py").write_text(PLUGIN)
    info = tmp_path / "strangers_taste-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strangers-taste\nVersion: 1\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("strangers_taste", None)


Load = Callable[[str], Scorer]


@pytest.fixture
def load(url: str, plugin: None) -> Load:
    return lambda name: load_scorer(name, http={"remote": url}, post=post, timeout=5)


def picture(seed: int, gain: float = 1.0) -> Image.Image:
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (16, 16, 3), dtype=np.uint8)).resize((96, 96))
    pixels = np.asarray(coarse) + random.normal(0, 8, (96, 96, 3))
    return Image.fromarray(np.clip(gain * pixels, 0, 255).astype(np.uint8))


@pytest.fixture
def grid() -> bytes:
    return png(join([picture(n) for n in range(4)]))


@pytest.fixture
def grid_with_a_defect() -> bytes:
    """The models' favourite, picture 2, is nearly black."""
    return png(join([picture(0), picture(1, 0.05), picture(2), picture(3)]))


SCORERS = ("quality", "remote", "taste")
PREFERENCES = SCORERS[1:]


@pytest.mark.parametrize("name", SCORERS)
def test_every_scorer_ranks_four_quadrants(name: str, load: Load, grid: bytes) -> None:
    scorer = load(name)

    ranking = scorer.rank(grid, "a cat")

    assert (ranking.scorer, ranking.version, ranking.fallback) == (name, scorer.version, None)
    assert [quadrant.index for quadrant in ranking.quadrants] == [1, 2, 3, 4]
    assert ranking.best in ranking.survivors


@pytest.mark.parametrize("name", SCORERS)
def test_every_scorer_repeats_itself_in_plain_json(name: str, load: Load, grid: bytes) -> None:
    first, second = (load(name).rank(grid, "a cat").to_json() for _ in range(2))

    assert first == second == json.loads(json.dumps(first))


@pytest.mark.parametrize("name", SCORERS)
def test_every_scorer_takes_singles_as_it_takes_their_grid(name: str, load: Load, grid: bytes) -> None:
    singles = [crop(grid, n) for n in (1, 2, 3, 4)]

    assert load(name).rank_singles(singles, "a cat") == load(name).rank(grid, "a cat")


@pytest.mark.parametrize("name", SCORERS)
def test_every_scorer_refuses_what_is_no_image(name: str, load: Load) -> None:
    with pytest.raises(ImageRejected, match="HTML"):
        load(name).rank(b"<html>", "a cat")
    with pytest.raises(InvalidInput, match="four pictures, not 1"):
        load(name).rank_singles([png(picture(1))], "a cat")


@pytest.mark.parametrize("name", SCORERS)
def test_every_version_names_the_technical_judges_libraries(name: str, load: Load) -> None:
    assert f"numpy-{np.__version__}" in load(name).version


@pytest.mark.parametrize("name", PREFERENCES)
def test_preference_decides_among_sound_pictures(name: str, load: Load, grid: bytes) -> None:
    ranking = load(name).rank(grid, "a cat")

    assert (ranking.best, ranking.margin, ranking.clear) == (2, 0.4, True)
    assert [quadrant.score for quadrant in ranking.quadrants] == [0.1, 0.9, 0.5, 0.2]
    assert "technical" in ranking.quadrants[0].parts


@pytest.mark.parametrize("name", PREFERENCES)
def test_preference_does_not_overrule_the_veto(name: str, load: Load, grid_with_a_defect: bytes) -> None:
    ranking = load(name).rank(grid_with_a_defect, "a cat")

    assert ranking.quadrants[1].vetoed
    assert (ranking.best, ranking.margin, ranking.survivors) == (3, 0.3, (1, 3, 4))


def test_http_model_is_asked_once_with_everything(model: Model, load: Load, grid_with_a_defect: bytes) -> None:
    load("remote").rank(grid_with_a_defect, "a cat")

    (asked,) = model.asked
    assert (asked["prompt"], asked["survivors"]) == ("a cat", [1, 3, 4])
    images = [base64.b64decode(image) for image in asked["images"]]
    assert [inspect(image).format for image in images] == ["png"] * 4
    assert join([decode(image) for image in images]).tobytes() == decode(grid_with_a_defect).tobytes()


def test_equal_preferences_tie_to_the_lowest_index_and_are_not_clear(model: Model, load: Load, grid: bytes) -> None:
    model.answer = {"scores": [1, 2, 2.0004, 0]}

    ranking = load("remote").rank(grid, "a cat")

    assert (ranking.best, ranking.margin, ranking.clear) == (2, 0.0, False)


@pytest.mark.parametrize(
    "answer",
    [
        [1, 2, 3, 4],
        {},
        {"scores": "1234"},
        {"scores": [1, 2, 3]},
        {"scores": [1, 2, 3, 4, 5]},
        {"scores": [1, 2, 3, None]},
        {"scores": [1, 2, 3, True]},
        {"scores": [1, 2, 3, float("nan")]},
        {"scores": [1, 2, 3, float("inf")]},
    ],
)
def test_bad_answer_falls_back(answer: object, model: Model, load: Load, grid: bytes) -> None:
    model.answer = answer

    ranking = load("remote").rank(grid, "a cat")

    assert ranking.fallback is not None
    assert ranking.fallback.startswith("remote: ")
    assert ranking.to_json() == {**load("quality").rank(grid, "").to_json(), "fallback": ranking.fallback}


def test_http_error_falls_back(model: Model, load: Load, grid: bytes) -> None:
    model.status = 503

    ranking = load("remote").rank(grid, "a cat")

    assert (ranking.scorer, ranking.fallback) == ("quality", "remote: HTTP 503")


def test_unreachable_model_falls_back_without_its_address(grid: bytes) -> None:
    def refused(url: str, payload: dict[str, Any], timeout: float) -> dict[str, Any]:
        raise ConnectionRefusedError(url)

    ranking = load_scorer("remote", http={"remote": "http://user:pw@127.0.0.1:9/"}, post=refused).rank(grid, "")

    assert ranking.fallback == "remote: failed with ConnectionRefusedError"


def test_silent_model_falls_back_in_time(model: Model, url: str, grid: bytes) -> None:
    model.may_answer.clear()

    def patient(url: str, payload: dict[str, Any], timeout: float) -> dict[str, Any]:
        return post(url, payload, 10)

    ranking = load_scorer("remote", http={"remote": url}, post=patient, timeout=0.05).rank(grid, "a cat")

    assert (ranking.scorer, ranking.fallback) == ("quality", "remote: no answer within 0.05 s")


def test_failing_plugin_falls_back_without_its_words(load: Load, grid: bytes) -> None:
    ranking = load("taste").rank(grid, "please fail")

    assert (ranking.scorer, ranking.fallback) == ("quality", "taste: failed with RuntimeError")


def test_unknown_name_lists_what_there_is(load: Load, url: str) -> None:
    with pytest.raises(InvalidInput, match=r"no scorer 'qualty'; available: .*quality, remote, taste"):
        load("qualty")
    assert {"quality", "taste", "remote"} <= set(available({"remote": url}))


def test_built_in_needs_no_installation() -> None:
    assert "quality" in available()
    assert load_scorer("quality").name == "quality"


def test_plugin_that_cannot_be_loaded_says_so(load: Load) -> None:
    with pytest.raises(ConfigError, match=r"'broken' \(strangers_taste:broken\) cannot be loaded: no such model"):
        load("broken")
    with pytest.raises(ConfigError, match="needs name, version and rank"):
        load("nameless")


def test_http_scorer_without_a_transport_says_so() -> None:
    with pytest.raises(ConfigError, match="needs a transport"):
        load_scorer("remote", http={"remote": "http://127.0.0.1:9/"})


def test_singles_have_a_short_cut(grid: bytes) -> None:
    assert rank_singles([crop(grid, n) for n in (1, 2, 3, 4)], "") == load_scorer("quality").rank(grid, "")
