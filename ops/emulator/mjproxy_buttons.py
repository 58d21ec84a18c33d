"""Buttons as the midjourney-proxy layers show them, and what a pressed one asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ops.emulator.mjproxy_layers import Layer
from ops.emulator.pictures import Picture
from ops.emulator.prompts import Prompt

Button = dict[str, Any]

DEFAULT_VERSION = "v 6.1"
DEFAULT_NIJI = "niji 6"
KEYCAPS = tuple(f"{n}\ufe0f\u20e3" for n in range(1, 10))
_ENLARGERS = (
    (("v 8",), ()),
    (("v 7", "niji 7"), ("v7_2x_subtle", "v7_2x_creative")),
    (("v 6.1",), ("v6r1_2x_subtle", "v6r1_2x_creative")),
    (("v 6", "niji 6"), ("v6_2x_subtle", "v6_2x_creative")),
    (("v 5", "niji 5"), ("v5_2x", "v5_4x")),
)
_LABELS = {"subtle": "Upscale (Subtle)", "creative": "Upscale (Creative)", "2x": "Upscale (2x)", "4x": "Upscale (4x)"}
_PANS = {"left": "⬅️", "right": "➡️", "up": "⬆️", "down": "⬇️"}


@dataclass(frozen=True, slots=True)
class Pressed:
    """A customId taken apart.

    kind    upsample, variation, reroll, enlarge, vary, pan, zoom, custom_zoom, inpaint, reader, retry, analyzer
    number  of the quadrant or paragraph, 1 to 9; per cent for zoom
    detail  direction of pan, strength of vary, model of enlarge
    """

    kind: str
    number: int = 0
    detail: str = ""


_PATTERNS = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("upsample", r"MJ::JOB::upsample::(?P<number>[1-4])::[^:]+"),
        ("variation", r"MJ::JOB::variation::(?P<number>[1-4])::[^:]+"),
        ("reroll", r"MJ::JOB::reroll::0::[^:]+::SOLO"),
        ("enlarge", r"MJ::JOB::upsample_(?P<detail>[^:]+)::1::[^:]+::SOLO"),
        ("vary", r"MJ::JOB::(?P<detail>low|high)_variation::1::[^:]+::SOLO"),
        ("pan", r"MJ::JOB::pan_(?P<detail>left|right|up|down)::1::[^:]+::SOLO"),
        ("zoom", r"MJ::Outpaint::(?P<number>50|75)::1::[^:]+::SOLO"),
        ("custom_zoom", r"MJ::CustomZoom::(?:1::)?[^:]+"),
        ("inpaint", r"MJ::Inpaint::1::[^:]+::SOLO"),
        ("reader", r"MJ::Job::PicReader::(?P<number>[1-4])"),
        ("retry", r"MJ::Picread::Retry"),
        ("analyzer", r"MJ::Job::PromptAnalyzer::(?P<number>[1-9])"),
    )
)


def pressed(custom_id: str) -> Pressed | None:
    """What the button asks for, None when it is of no kind that is supported."""
    for kind, pattern in _PATTERNS:
        match = pattern.fullmatch(custom_id)
        if match:
            found = match.groupdict()
            return Pressed(kind, int(found.get("number") or 0), found.get("detail") or "")
    return None


def version_of(prompt: Prompt, bot: str) -> str:
    """`v 6.1`, `niji 6`: the model a prompt (or the bot it goes to) asks for."""
    niji = prompt.parameters.get("niji")
    asked = (prompt.parameters.get("v") or prompt.parameters.get("version") or [""])[-1]
    if niji is not None:
        return f"niji {niji[-1]}" if niji else DEFAULT_NIJI
    if bot == "NIJI_JOURNEY":
        return f"niji {asked}" if asked else DEFAULT_NIJI
    return f"v {asked}" if asked else DEFAULT_VERSION


def picture_buttons(layer: Layer, picture: Picture, version: str, job_id: str) -> list[Button]:
    """The buttons under a finished picture."""
    if picture.grid:
        return _grid(job_id)
    enlarged = picture.edit == "enlarge"
    made = [] if enlarged else _enlargers(version, job_id)
    made += _variations(version, job_id) + _zooms(version, job_id)
    made += [] if enlarged else _pans(version, job_id)
    made.append(_button(f"MJ::JOB::reroll::0::{job_id}::SOLO", "🔄", ""))
    if layer.name != "csharp":  # which makes buttons up; the others copy what they see
        made.append(_button(f"MJ::BOOKMARK::{job_id}", "❤️", ""))
    return made


def description_buttons(layer: Layer, count: int) -> list[Button]:
    """The buttons under a description of so many paragraphs."""
    made = [_button(f"MJ::Job::PicReader::{n}", KEYCAPS[n - 1], "") for n in range(1, count + 1)]
    made.append(_button("MJ::Picread::Retry", "🔄", ""))
    if layer.name != "csharp":
        made.append(_button("MJ::Job::PicReader::all", "🎉", "Imagine all"))
    return made


def shortened_buttons(count: int) -> list[Button]:
    """The buttons under so many shorter prompts."""
    return [_button(f"MJ::Job::PromptAnalyzer::{n}", KEYCAPS[n - 1], "") for n in range(1, count + 1)]


def same_button(offered: str, custom_id: str) -> bool:
    """Whether the ids name one button: CustomZoom has an older form without the number."""
    return _modern(offered) == _modern(custom_id)


def _modern(custom_id: str) -> str:
    return re.sub(r"^MJ::CustomZoom::(?!1::)", "MJ::CustomZoom::1::", custom_id)


def _button(custom_id: str, emoji: str, label: str) -> Button:
    return {"customId": custom_id, "emoji": emoji, "label": label, "style": 2, "type": 2}


def _grid(job_id: str) -> list[Button]:
    upscales = [_button(f"MJ::JOB::upsample::{n}::{job_id}", "", f"U{n}") for n in range(1, 5)]
    variations = [_button(f"MJ::JOB::variation::{n}::{job_id}", "", f"V{n}") for n in range(1, 5)]
    return [*upscales, _button(f"MJ::JOB::reroll::0::{job_id}::SOLO", "🔄", ""), *variations]


def _enlargers(version: str, job_id: str) -> list[Button]:
    models = next((models for starts, models in _ENLARGERS if version.startswith(starts)), ())
    return [
        _button(f"MJ::JOB::upsample_{model}::1::{job_id}::SOLO", "upscale_1", _LABELS[model.rpartition("_")[2]])
        for model in models
    ]


def _variations(version: str, job_id: str) -> list[Button]:
    made = [
        _button(f"MJ::JOB::low_variation::1::{job_id}::SOLO", "🪄", "Vary (Subtle)"),
        _button(f"MJ::JOB::high_variation::1::{job_id}::SOLO", "🪄", "Vary (Strong)"),
    ]
    if _number(version) >= 5:
        made.append(_button(f"MJ::Inpaint::1::{job_id}::SOLO", "🖌️", "Vary (Region)"))
    return made


def _zooms(version: str, job_id: str) -> list[Button]:
    if not 5 <= _number(version) < 8:
        return []
    return [
        _button(f"MJ::Outpaint::50::1::{job_id}::SOLO", "🔍", "Zoom Out 2x"),
        _button(f"MJ::Outpaint::75::1::{job_id}::SOLO", "🔍", "Zoom Out 1.5x"),
        _button(f"MJ::CustomZoom::1::{job_id}", "🔍", "Custom Zoom"),
    ]


def _pans(version: str, job_id: str) -> list[Button]:
    if not 5 <= _number(version) < 8:
        return []
    return [_button(f"MJ::JOB::pan_{way}::1::{job_id}::SOLO", arrow, "") for way, arrow in _PANS.items()]


def _number(version: str) -> float:
    try:
        return float(version.rpartition(" ")[2])
    except ValueError:
        return 0.0
