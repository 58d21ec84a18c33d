"""Every pipeline that ships, with inputs, an account that can do it, and how many images it keeps."""

from __future__ import annotations

import base64
import io

from PIL import Image


def picture(width: int = 128, height: int = 128, colour: str = "teal") -> str:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def mask() -> str:
    """For a quadrant of a grid of 256 pixels."""
    drawn, stream = Image.new("L", (128, 128), 0), io.BytesIO()
    drawn.paste(255, (32, 32, 96, 96))
    drawn.save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


PROMPT = {"prompt": "a red fox in the snow"}
IMAGES = {"images": ["https://example.com/1.png", "https://example.com/2.png"]}
CASES = [
    ("best-single", PROMPT, "acedata", 1),
    ("best-single", PROMPT, "mjproxy", 1),
    ("best-single", PROMPT, "imagineapi", 1),
    ("four-singles", PROMPT, "imagineapi", 4),
    ("blend", IMAGES, "imagineapi", 1),
    ("hero-image", PROMPT, "acedata", 1),
    ("hero-image", {"prompt": "a red fox --v 5.2"}, "mjproxy", 1),
    ("four-singles", PROMPT, "acedata", 4),
    ("four-singles", PROMPT, "mjproxy", 4),
    ("variations", PROMPT, "acedata", 1),
    ("variations", PROMPT, "mjproxy", 1),
    ("region-redraw", PROMPT | {"mask": mask()}, "acedata", 1),
    ("region-redraw", PROMPT | {"mask": mask()}, "mjproxy", 1),
    ("blend", IMAGES, "acedata", 1),
    ("blend", {"images": [picture(), picture(colour="red")]}, "mjproxy", 1),
    ("describe-and-reimagine", {"image": "https://example.com/1.png"}, "acedata", 1),
    ("describe-and-reimagine", {"image": picture()}, "mjproxy", 1),
    ("face-swap", {"source": picture(), "target": picture(colour="red")}, "mjproxy", 1),
    ("provider-fallback", PROMPT, "acedata", 1),
    ("vary-until-good", PROMPT | {"good": -100.0}, "acedata", 1),
    ("vary-until-good", PROMPT | {"good": 100.0}, "acedata", 1),
    ("vary-until-good", PROMPT | {"good": 100.0}, "mjproxy", 1),
]
