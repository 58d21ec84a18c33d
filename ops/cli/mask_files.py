"""The files of ``orchestrator mask``: images read, masks and previews written, and what is said of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rich_click as click

from ops.cli import display
from ops.cli.failures import Refused
from orchestrator.errors import ImageRejected
from orchestrator.imaging import masks
from orchestrator.imaging.checks import inspect
from orchestrator.imaging.shapes import Size

_SIZE = re.compile(r"(\d{1,5})[xX](\d{1,5})")
_KINDS = {".png": masks.Mask.png, ".jpg": masks.Mask.jpeg, ".jpeg": masks.Mask.jpeg}


@dataclass(frozen=True, slots=True)
class Outlet:
    """Where a mask goes: a file, stdout in base64, a preview on its image. Raises Refused when it would go nowhere."""

    output: Path | None
    as_base64: bool
    preview: Path | None
    as_json: bool
    image: Path | None

    def __post_init__(self) -> None:
        if not (self.output or self.as_base64 or self.preview):
            raise Refused("where to? Give -o FILE.png, --base64 or --preview FILE.png")
        if self.output and self.output.suffix.lower() not in _KINDS:
            raise Refused(f"-o {self.output}: found {self.output.suffix!r}; allowed: {', '.join(_KINDS)}")
        if self.preview and not self.image:
            raise Refused("--preview needs --for IMAGE: it is that image, tinted")
        if self.preview and self.preview.suffix.lower() != ".png":
            raise Refused(f"--preview {self.preview}: it is a PNG; name it .png")


def read(path: Path) -> bytes:
    """A file's bytes. Raises Refused."""
    if re.match(r"https?:/", str(path)):
        raise Refused(f"{path}: a local file is needed; download the image first")
    try:
        return path.expanduser().read_bytes()
    except OSError as error:
        raise Refused(f"{path}: it cannot be read: {error.strerror}") from error


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Say of which file an ImageRejected speaks."""
    try:
        yield
    except ImageRejected as error:
        raise Refused(f"{path}: {error.message}") from error


def size_of(text: str | None, image: Path | None, drawn: Size | None = None) -> Size:
    """The size that a mask must have: as said (``WxH``), of an image's file, or of a drawing; all that are given must
    agree. Raises Refused."""
    found: dict[str, Size] = {}
    if text is not None:
        found[f"--size {text}"] = _sides(text)
    if image is not None:
        data = read(image)
        with told(image):
            facts = inspect(data)
        found[f"--for {image}"] = (facts.width, facts.height)
    if drawn is not None:
        found["the drawing"] = drawn
    if not found:
        raise Refused("how big is the image? Give --size WxH, or --for IMAGE")
    if len(set(found.values())) > 1:
        raise Refused("the sizes differ: " + ", ".join(f"{name} has {w} x {h}" for name, (w, h) in found.items()))
    return next(iter(found.values()))


def _sides(text: str) -> Size:
    matched = _SIZE.fullmatch(text.strip())
    if not matched or not int(matched[1]) or not int(matched[2]):
        raise Refused(f"--size {text}: allowed: WxH in pixels, such as 1024x768")
    return int(matched[1]), int(matched[2])


def written(mask: masks.Mask, outlet: Outlet) -> None:
    """Write a mask where it is to go, and say what it is. Raises Refused."""
    data = _KINDS[outlet.output.suffix.lower()](mask) if outlet.output else mask.png()
    if outlet.output:
        _write(outlet.output, data)
    if outlet.preview and outlet.image:
        original = read(outlet.image)
        with told(outlet.image):
            _write(outlet.preview, masks.preview(original, mask))
    _say(masks.check(data), data, outlet)


def _write(path: Path, data: bytes) -> None:
    try:
        path.expanduser().write_bytes(data)
    except OSError as error:
        raise Refused(f"{path}: it cannot be written: {error.strerror}") from error


def _say(facts: masks.MaskFacts, data: bytes, outlet: Outlet) -> None:
    if outlet.as_json:
        files: dict[str, Any] = {"file": str(outlet.output) if outlet.output else None}
        text = {"base64": masks.encode(data)} if outlet.as_base64 else {}
        display.show_json(files | facts.to_json() | text)
        return
    if outlet.as_base64:
        click.echo(masks.encode(data))
    name = outlet.output or "mask"
    click.echo(f"{name}: {facts.width} x {facts.height}, {facts.redrawn:.1%} redrawn", err=outlet.as_base64)
    warn(facts)


def warn(facts: masks.MaskFacts) -> None:
    """Say on stderr what is odd about a mask."""
    for line in facts.warnings:
        display.console(err=True).print("warning: ", style="yellow", end="")
        click.echo(line, err=True)
