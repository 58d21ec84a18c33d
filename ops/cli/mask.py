"""``orchestrator mask``: draw and check the masks of a region redraw. Works on files alone, without the service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rich_click as click

from ops.cli import display
from ops.cli.mask_files import Outlet, read, size_of, told, warn, written
from ops.cli.mask_shapes import FORMS, drawing_of
from orchestrator.imaging import masks
from orchestrator.imaging.mask_checks import WHITE

_FILE = click.Path(path_type=Path)
_json = click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
_size = click.option("--size", metavar="WxH", help="Size of the image in pixels, such as 1024x768.")
_for = click.option(
    "--for", "image", type=_FILE, metavar="IMAGE", help="The image that is to be redrawn, a local file."
)


def _writes(command: Any) -> Any:
    """The options of where a mask goes."""
    for option in (
        _json,
        click.option("--preview", type=_FILE, metavar="FILE", help="Write the image, the redrawn part tinted, as PNG."),
        click.option("--base64", "as_base64", is_flag=True, help="Print the mask in base64."),
        click.option("-o", "--output", type=_FILE, metavar="FILE", help="Write it: FILE.png, or FILE.jpg as JPEG."),
        click.option("--feather", type=click.FloatRange(0, 500), default=0.0, help="Pixels in which edges fade."),
    ):
        command = option(command)
    return command


@click.group()
def mask() -> None:
    """Draw and check masks for region redraws: white is drawn anew.

    A mask is an 8-bit grayscale image that has exactly the size of the image it is for.
    """


@mask.command()
@_size
@_for
@click.option("--rectangle", multiple=True, metavar="X0,Y0,X1,Y1", help="Two corners; repeatable, as all shapes.")
@click.option("--ellipse", multiple=True, metavar="X0,Y0,X1,Y1", help="Two corners of the box around it.")
@click.option("--polygon", multiple=True, metavar="'X,Y X,Y X,Y...'", help="Its corners.")
@click.option("--stroke", multiple=True, metavar="'X,Y X,Y...'", help="A round brush, drawn along these points.")
@click.option("--width", type=float, help="Of the strokes.  [50 px, relative: 0.05]")
@click.option("--relative", is_flag=True, help="Numbers are shares of the image's sides, 0 to 1, instead of pixels.")
@click.option("--shapes", type=_FILE, metavar="FILE", help="Shapes as JSON (docs/masks.md), painted first.")
@_writes
def draw(
    size: str | None,
    image: Path | None,
    width: float | None,
    relative: bool,
    shapes: Path | None,
    feather: float,
    **rest: Any,
) -> None:
    """Draw a mask of shapes.

    `--for image.png --rectangle 100,100,400,300 -o mask.png`
    """
    options = {form: rest.pop(form) for form in FORMS}
    outlet = Outlet(image=image, **rest)
    drawing = drawing_of(options, shapes, width=width, relative=relative)
    made = masks.draw(size_of(size, image, drawing.size), drawing.shapes, feather=feather)
    written(made, outlet)


@mask.command("from")
@click.argument("source", type=_FILE, metavar="IMAGE")
@click.option("--by", type=click.Choice(["alpha", "luminance"]), help="Default: alpha, if something is transparent.")
@click.option("--threshold", type=click.IntRange(1, 255), default=WHITE, show_default=True, help="White from here.")
@click.option("--invert", is_flag=True, help="Redraw what is black, or transparent.")
@_size
@_for
@_writes
def from_image(
    source: Path,
    by: masks.Source | None,
    threshold: int,
    invert: bool,
    size: str | None,
    image: Path | None,
    feather: float,
    **rest: Any,
) -> None:
    """Make a mask of an image: white is what is opaque in it, or bright.

    With `--size` or `--for` it is scaled to that image, if it has the same shape.
    """
    outlet = Outlet(image=image, **rest)
    wanted = size_of(size, image) if size or image else None
    data = read(source)
    with told(source):
        made = masks.from_image(data, source=by, threshold=threshold, invert=invert, size=wanted, feather=feather)
    written(made, outlet)


@mask.command()
@click.argument("file", type=_FILE, metavar="MASK")
@_size
@_for
@_json
def check(file: Path, size: str | None, image: Path | None, as_json: bool) -> None:
    """Say what a mask is, and whether it fits an image. Ends with 2 when it is of no use."""
    wanted = size_of(size, image) if size or image else None
    data = read(file)
    with told(file):
        facts = masks.check(data, wanted)
    if as_json:
        display.show_json({"file": str(file)} | facts.to_json())
        return
    display.show_facts(
        {
            "file": str(file),
            "size": f"{facts.width} x {facts.height}",
            "format": f"{facts.format}, {facts.bytes} bytes",
            "mode": facts.mode + (" (8-bit grayscale)" if facts.mode == "L" else ""),
            "redrawn": f"{facts.redrawn:.1%}",
            "values": "black and white only" if facts.binary else f"{facts.soft:.1%} in between black and white",
        }
    )
    warn(facts)


@mask.command()
@click.argument("file", type=_FILE, metavar="MASK")
@click.option("--data-url", is_flag=True, help="With the prefix data:image/png;base64,")
def encode(file: Path, data_url: bool) -> None:
    """Print a mask in base64, as it goes into a request."""
    data = read(file)
    with told(file):
        warn(masks.check(data))
        click.echo(masks.encode(data, "data-url" if data_url else "base64"))
