"""What a mask's file is said to be, and how masks are made of images and sent."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from orchestrator.errors import ImageRejected
from orchestrator.imaging import masks
from orchestrator.imaging.checks import decode
from orchestrator.imaging.drawings import read


def drawn(size: tuple[int, int] = (80, 60), corners: tuple[int, ...] = (20, 10, 60, 40)) -> masks.Mask:
    return masks.draw(size, read({"shapes": [{"rectangle": list(corners)}]}).shapes)


def saved(image: Image.Image, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def pixels(mask: masks.Mask) -> np.ndarray:
    return np.asarray(mask.image)


def layer(alpha: Image.Image, colour: str = "white") -> Image.Image:
    image = Image.new("RGBA", alpha.size, colour)
    image.putalpha(alpha)
    return image


def test_facts_of_a_drawn_mask() -> None:
    data = drawn().png()

    facts = masks.check(data, (80, 60))

    assert (facts.format, facts.width, facts.height, facts.mode, facts.bytes) == ("png", 80, 60, "L", len(data))
    assert (facts.redrawn, facts.soft, facts.binary, facts.inverted_suspected) == (0.25, 0.0, True, False)
    assert facts.warnings == ()


def test_another_size_is_refused_with_both() -> None:
    with pytest.raises(ImageRejected, match="the mask has 80 x 60 pixels, the image 100 x 75: they must be equal"):
        masks.check(drawn().png(), (100, 75))


def test_a_mask_without_white_is_refused() -> None:
    with pytest.raises(ImageRejected, match=r"no pixel of the mask is white \(the brightest is 90\)"):
        masks.check(saved(Image.new("L", (8, 8), 90)))


def test_colours_are_refused() -> None:
    photo = Image.merge("RGB", [Image.linear_gradient("L"), Image.radial_gradient("L"), Image.new("L", (256, 256))])
    with pytest.raises(ImageRejected, match="of these pixels are coloured"):
        masks.check(saved(photo))


def test_transparency_is_refused() -> None:
    with pytest.raises(ImageRejected, match="transparent pixels"):
        masks.check(saved(layer(drawn().image)))


@pytest.mark.parametrize(
    ("image", "warning"),
    [
        (Image.new("L", (8, 8), 255), "all of it is white"),
        (drawn(corners=(0, 0, 80, 58)).image.convert("RGB"), "its mode is RGB"),
        (Image.linear_gradient("L"), "of the pixels are neither black nor white"),
        (Image.fromarray(255 - pixels(drawn())), "75% with the rim would be redrawn: are black and white exchanged?"),
    ],
)
def test_what_is_hardly_meant_is_a_warning(image: Image.Image, warning: str) -> None:
    assert any(warning in line for line in masks.check(saved(image)).warnings)


@pytest.mark.parametrize(("image", "suspected"), [(255 - pixels(drawn()), True), (pixels(drawn()), False)])
def test_exchanged_black_and_white_are_suspected(image: np.ndarray, suspected: bool) -> None:
    assert masks.check(saved(Image.fromarray(image))).inverted_suspected is suspected


def test_sixteen_bits_are_read_as_grey() -> None:
    deep = Image.fromarray(pixels(drawn()).astype(np.uint16) * 200)
    facts = masks.check(saved(deep))
    assert (facts.redrawn, facts.mode, facts.binary) == (0.25, "I;16", False)


def test_facts_are_plain_json() -> None:
    told = masks.check(drawn(size=(30, 30), corners=(0, 0, 10, 10)).png()).to_json()
    assert (told["redrawn"], told["warnings"]) == (0.1111, [])


def test_jpeg_is_the_same_picture_nearly() -> None:
    facts = masks.check(drawn().jpeg())
    assert (facts.format, facts.mode, facts.redrawn, facts.warnings) == ("jpeg", "L", 0.25, ())


def test_encodings() -> None:
    data, photo = drawn().png(), drawn().jpeg()
    assert base64.b64decode(masks.encode(data), validate=True) == data
    assert masks.encode(data, "data-url") == "data:image/png;base64," + masks.encode(data)
    assert masks.encode(photo, "data-url").startswith("data:image/jpeg;base64,/9j/")
    with pytest.raises(ImageRejected):
        masks.encode(b"no image")


def test_what_is_opaque_becomes_white() -> None:
    made = masks.from_image(saved(layer(drawn().image, "black")))
    assert (pixels(made) == pixels(drawn())).all()


def test_a_hole_becomes_white_when_inverted() -> None:
    hole = layer(Image.fromarray(255 - pixels(drawn())), "red")
    assert (pixels(masks.from_image(saved(hole), invert=True)) == pixels(drawn())).all()


def test_an_opaque_image_goes_by_its_luminance() -> None:
    opaque = layer(Image.new("L", (256, 256), 255), "black")
    opaque.paste(Image.merge("RGB", [Image.linear_gradient("L")] * 3))
    bright = pixels(masks.from_image(saved(opaque), threshold=200))
    assert (bright == np.where(np.arange(256) >= 200, 255, 0)[:, None]).all()
    with pytest.raises(ImageRejected, match="no transparent pixels that could make a mask"):
        masks.from_image(saved(opaque), source="alpha")


def test_a_smaller_canvas_is_scaled_to_the_image() -> None:
    sketch = drawn(size=(64, 48), corners=(16, 8, 48, 32)).png()  # 0.8 of the image
    assert (pixels(masks.from_image(sketch, size=(80, 60))) == pixels(drawn())).all()
    with pytest.raises(ImageRejected, match="64 x 48 pixels cannot be scaled to 64 x 64"):
        masks.from_image(sketch, size=(64, 64))


def test_a_preview_tints_what_is_redrawn() -> None:
    shown = np.asarray(decode(masks.preview(saved(Image.new("RGB", (80, 60), "blue")), drawn())))
    assert tuple(shown[50, 70]) == (0, 0, 255)
    assert shown[25, 40, 0] > 100
    with pytest.raises(ImageRejected, match="80 x 60 pixels, the image 60 x 80"):
        masks.preview(saved(Image.new("RGB", (60, 80))), drawn())
