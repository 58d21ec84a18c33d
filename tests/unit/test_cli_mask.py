"""`orchestrator mask`: files in, files out, and every mistake in words."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from ops.cli import inputs
from ops.cli.main import root


def mask(*arguments: object, given: str | None = None) -> Result:
    return CliRunner().invoke(root, ["mask", *map(str, arguments)], input=given)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.webp"
    Image.linear_gradient("L").resize((96, 64)).convert("RGB").save(path)
    return path


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    path = tmp_path / "mask.png"
    assert mask("draw", "--size", "96x64", "--rectangle", "0,0,48,32", "-o", path).exit_code == 0
    return path


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_draw_for_an_image_with_a_preview(tmp_path: Path, photo: Path) -> None:
    out, preview = tmp_path / "m.png", tmp_path / "preview.png"

    result = mask("draw", "--for", photo, "--rectangle", "10,20,30,50", "-o", out, "--preview", preview)

    assert (result.exit_code, result.stdout) == (0, f"{out}: 96 x 64, 9.8% redrawn\n")
    expected = np.zeros((64, 96), np.uint8)
    expected[20:50, 10:30] = 255
    assert (pixels(out) == expected).all()
    assert pixels(preview).shape == (64, 96, 3)


def test_all_shapes_and_a_file(tmp_path: Path) -> None:
    out = tmp_path / "m.png"
    erased_first = {"rectangle": [40, 40, 60, 60], "erase": True}
    drawing = {"size": [100, 100], "shapes": [{"rectangle": [0, 90, 10, 100]}, erased_first]}
    shapes = ["--ellipse", "0.4,0.4,0.6,0.6", "--polygon", "0,0 .1,0 0,.1", "--stroke", "0.9,0.1", "--relative"]

    result = mask("draw", "--shapes", "-", *shapes, "-o", out, given=json.dumps(drawing))

    assert result.exit_code == 0, result.output
    spots = [(95, 5), (50, 50), (2, 2), (10, 90), (10, 88), (10, 86), (70, 70)]
    assert [int(pixels(out)[spot]) for spot in spots] == [255, 255, 255, 255, 255, 0, 0]


def test_jpeg_only_when_asked(tmp_path: Path) -> None:
    out = tmp_path / "m.jpg"
    assert mask("draw", "--size", "96X64", "--stroke", "10,10 40,40", "--width", "9", "-o", out).exit_code == 0
    with Image.open(out) as image:
        assert (image.format, image.mode) == ("JPEG", "L")


def test_base64_stands_alone_on_stdout(drawn: Path) -> None:
    result = mask("draw", "--size", "96x64", "--rectangle", "0,0,48,32", "--base64")
    assert base64.b64decode(result.stdout.strip(), validate=True) == drawn.read_bytes()
    assert result.stderr == "mask: 96 x 64, 25.0% redrawn\n"


def test_encode_gives_what_a_run_reads_from_the_file(drawn: Path) -> None:
    text = mask("encode", drawn).stdout.strip()
    assert inputs.typed([f"mask=@{drawn}"], {"mask": "string"}) == {"mask": text}
    assert mask("encode", drawn, "--data-url").stdout.strip() == f"data:image/png;base64,{text}"


def test_check_says_what_it_is(drawn: Path, photo: Path) -> None:
    plain, told = mask("check", drawn), mask("check", drawn, "--for", photo, "--json")
    assert plain.exit_code == told.exit_code == 0
    assert "96 x 64" in plain.stdout
    assert "25.0%" in plain.stdout
    facts = json.loads(told.stdout)
    assert (facts["width"], facts["height"], facts["mode"], facts["redrawn"]) == (96, 64, "L", 0.25)
    assert facts["warnings"] == []


def test_check_of_another_size_ends_with_2(drawn: Path) -> None:
    result = mask("check", drawn, "--size", "192x128")
    assert result.exit_code == 2
    assert "mask.png: the mask has 96 x 64 pixels, the image 192 x 128: they must be equal" in result.stderr


def test_what_is_odd_is_a_warning(tmp_path: Path) -> None:
    out = tmp_path / "m.png"
    assert mask("draw", "--size", "96x64", "--rectangle", "24,16,72,48", "-o", out).exit_code == 0
    result = mask("from", out, "--invert", "-o", out)
    assert (result.exit_code, result.stderr) == (
        0,
        "warning: 75% with the rim would be redrawn: are black and white exchanged?\n",
    )


def test_from_scales_to_the_image(tmp_path: Path, photo: Path) -> None:
    small, out = tmp_path / "small.png", tmp_path / "m.png"
    assert mask("draw", "--size", "48x32", "--rectangle", "0,0,24,16", "-o", small).exit_code == 0
    assert mask("from", small, "--for", photo, "-o", out).exit_code == 0
    assert np.flatnonzero(pixels(out)[0])[-1] == 47


def test_the_facts_as_json(tmp_path: Path, drawn: Path) -> None:
    told = json.loads(mask("from", drawn, "-o", tmp_path / "m.png", "--base64", "--json").stdout)
    assert (told["file"], told["redrawn"]) == (str(tmp_path / "m.png"), 0.25)
    assert base64.b64decode(told["base64"]) == (tmp_path / "m.png").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--rectangle", "0,0,1,1", "-o", "m.png"], "how big is the image?"),
        (["--size", "9x9", "-o", "m.png"], "what is to be redrawn?"),
        (["--size", "9x9", "--rectangle", "0,0,1,1"], "where to?"),
        (["--size", "9by9", "--rectangle", "0,0,1,1", "-o", "m.png"], "allowed: WxH in pixels"),
        (["--size", "9x9", "--rectangle", "0,0,1,1", "-o", "m.gif"], "found '.gif'; allowed: .png, .jpg, .jpeg"),
        (["--size", "9x9", "--rectangle", "0,0,1,1", "--preview", "p.png"], "--preview needs --for"),
        (["--for", "gone.png", "--rectangle", "0,0,1,1", "-o", "m.png"], "gone.png: it cannot be read: No such file"),
        (["--for", "https://a.b/c.png", "--rectangle", "0,0,1,1", "-o", "m.png"], "a local file is needed"),
        (["--size", "9x9", "--rectangle", "0,0,1", "-o", "m.png"], "--rectangle 0,0,1: found [0, 0, 1]; allowed: [x0"),
        (["--size", "9x9", "--stroke", "1,1 a,2", "-o", "m.png"], '--stroke 1,1 a,2: points[1]: found ["a", 2]'),
        (["--size", "9x9", "--polygon", "1,1 2,2", "-o", "m.png"], "--polygon 1,1 2,2: found [[1, 1], [2, 2]]"),
        (["--size", "9x9", "--rectangle", "9,9,12,12", "-o", "m.png"], "shape 1 covers no pixel of the 9 x 9"),
        (["--size", "9x9", "--rectangle", "0,0,1,1", "-o", "no/folder/m.png"], "no/folder/m.png: it cannot be written"),
    ],
)
def test_mistakes_are_told(arguments: list[str], told: str) -> None:
    result = mask("draw", *arguments)
    assert (result.exit_code, told in result.stderr) == (2, True), result.output


def test_sizes_that_disagree_are_told(photo: Path, tmp_path: Path) -> None:
    result = mask("draw", "--for", photo, "--size", "9x9", "--rectangle", "0,0,1,1", "-o", tmp_path / "m.png")
    assert result.exit_code == 2
    assert f"the sizes differ: --size 9x9 has 9 x 9, --for {photo} has 96 x 64" in result.stderr


def test_problems_of_a_file_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "shapes.json"
    path.write_text('{"size": [9, 9], "shapes": [{"circle": 1}, {"polygon": 2}]}')
    result = mask("draw", "--shapes", path, "-o", tmp_path / "m.png")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[0] == f"error: --shapes {path}: 2 problems"
    assert "shapes[1].polygon: found 2" in result.stderr


@pytest.mark.parametrize("command", ["check", "encode"])
def test_a_photograph_is_no_mask(tmp_path: Path, command: str) -> None:
    path = tmp_path / "red.png"
    Image.new("RGB", (20, 20), "red").save(path)
    result = mask(command, path)
    assert result.exit_code == 2
    assert "red.png: a mask is black and white, and 100% of these pixels are coloured" in result.stderr
