"""A prompt's parts: image addresses, text, parameters; what is wrong with them, and how big the picture becomes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import sqrt

from ops.emulator.ids import number

# Parameters by how many values they take; None: any number.
_SWITCHES = "tile raw draft hd relax fast turbo stealth public video loop hq uplight upbeta test testp creative"
_SINGLE = "ar aspect v version niji chaos c q quality stylize s seed sameseed iw style weird w stop repeat r sw sv cw ow exp motion end bs"  # noqa: E501 - one list
_MANY = ("no", "sref", "cref", "oref", "p", "profile")
PARAMETERS: dict[str, int | None] = {
    **dict.fromkeys(_SWITCHES.split(), 0),
    **dict.fromkeys(_SINGLE.split(), 1),
    **dict.fromkeys(_MANY),
}

MODERATED = frozenset({"forbidden-word", "nsfw", "gore"})  # refused at once
MODERATED_LATE = frozenset({"forbidden-later"})  # accepted, and failed by the moderators when the work begins
BREAKING = frozenset({"broken-job"})  # accepted, and failed by the machinery half-way

_FLAG = re.compile(r"^(--|-(?=[A-Za-z])|[\u2014\u2013])(.+)$")
_QUADRANTS = {(1, 1): (1024, 1024), (16, 9): (1456, 816), (3, 2): (1344, 896), (4, 3): (1232, 928), (5, 4): (1152, 928)}
_AREA = 1024 * 1024 * 1.13  # of a quadrant whose ratio is not in the table


@dataclass(slots=True)
class Prompt:
    """A prompt taken apart. `wrong` holds the words nobody understands, `invalid` a message about a bad value."""

    images: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    parameters: dict[str, list[str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    invalid: str | None = None

    @property
    def ratio(self) -> tuple[int, int]:
        """Width and height as small numbers, (1, 1) unless --ar says otherwise."""
        value = (self.parameters.get("ar") or self.parameters.get("aspect") or ["1:1"])[-1]
        across, _, down = value.partition(":")
        return int(across), int(down)

    @property
    def theme(self) -> int:
        """What the picture is about: same words and same images, same theme."""
        return number("theme", " ".join(self.images), " ".join(self.text).lower())

    @property
    def modern(self) -> bool:
        """Whether --v asks for version 6 or later."""
        value = (self.parameters.get("v") or self.parameters.get("version") or [""])[-1]
        return value[:1].isdigit() and int(value[:1]) >= 6

    def failure(self) -> tuple[str, str] | None:
        """(reason, message) with which the work will fail, None when it will succeed."""
        words = {word.strip(".,;:!?").lower() for word in self.text}
        if self.wrong:
            return "bad_request", "Unrecognized argument(s): " + ", ".join(f"`{word}`" for word in self.wrong)
        if self.invalid:
            return "bad_request", self.invalid
        if words & MODERATED_LATE:
            return "moderation", "Our AI moderators feel your prompt might be against our community standards."
        if words & BREAKING:
            return "broken", "The job ended before the picture was finished."
        return None

    def moderated(self) -> bool:
        """Whether the prompt is refused before any work."""
        return bool({word.strip(".,;:!?").lower() for word in self.text} & MODERATED)


def read_prompt(prompt: str) -> Prompt:
    """Image addresses first, then text, then parameters to the end."""
    words = prompt.split()
    read = Prompt()
    while words and words[0].startswith(("http://", "https://")):
        read.images.append(words.pop(0))
    while words and not _FLAG.match(words[0]):
        read.text.append(words.pop(0))
    _read_parameters(words, read)
    read.invalid = _invalid_ratio(read)
    return read


def _read_parameters(words: list[str], read: Prompt) -> None:
    name, room = "", 0
    for word in words:
        flag = _FLAG.match(word)
        if flag and flag[1] != "-" and flag[2] in PARAMETERS:
            name = flag[2]
            arity = PARAMETERS[name]
            room = 1_000 if arity is None else arity
            read.parameters[name] = []
        elif flag or not room:
            read.wrong.append(word)
            room = 0
        else:
            read.parameters[name].append(word)
            room -= 1


def _invalid_ratio(read: Prompt) -> str | None:
    for name in ("ar", "aspect"):
        for value in read.parameters.get(name, ["1:1"]) or [""]:
            if not re.fullmatch(r"0*[1-9]\d{0,3}:0*[1-9]\d{0,3}", value):
                return f"Invalid value provided for argument `--{name}`: `{value}` should be a ratio such as 16:9"
    return None


def quadrant_size(ratio: tuple[int, int], image_size: int) -> tuple[int, int]:
    """Pixels of one quadrant; `image_size` is the raw side of a square grid. Both are multiples of four."""
    across, down = ratio
    if (down, across) in _QUADRANTS:
        height, width = _QUADRANTS[down, across]
    elif (across, down) in _QUADRANTS:
        width, height = _QUADRANTS[across, down]
    else:
        part = min(14.0, max(1 / 14, across / down))
        width, height = round(sqrt(_AREA * part) / 16) * 16, round(sqrt(_AREA / part) / 16) * 16
    return fours(width * image_size / 2048), fours(height * image_size / 2048)


def fours(length: float) -> int:
    """The nearest multiple of four, 16 at least: halves and quarters of it are whole pixels."""
    return max(16, round(length / 4) * 4)
