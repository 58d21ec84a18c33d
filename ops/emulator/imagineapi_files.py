"""Names of ImagineAPI's files: UUIDs that tell, to those who know the seed, which picture of which job they are."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from ops.emulator.ids import digest

_SLOTS = 32  # per job: 0 the grid, 1..15 its progress frames, 16..19 the quadrants
_FIRST_PART = 16
_PLACE_BYTES = 6


@dataclass(frozen=True, slots=True)
class File:
    """A picture of a job: its grid (frame 0, no part), a progress frame (from 1), or a quadrant (part 0..3)."""

    ordinal: int
    frame: int = 0
    part: int | None = None

    @property
    def suffix(self) -> str:
        return "webp" if self.frame else "png"


def file_id(seed: int, file: File) -> str:
    """The UUID of a file. Neighbours look unrelated, so that the order of ids says nothing."""
    place = file.ordinal * _SLOTS + (file.frame if file.part is None else _FIRST_PART + file.part)
    dice = digest(seed, "file", place)
    head = _scrambled(seed, dice[8:], place.to_bytes(_PLACE_BYTES, "big"))
    return str(uuid.UUID(bytes=head + dice[:2] + dice[8:], version=4))


def file_of(seed: int, text: str) -> File | None:
    """The file of an id that file_id() made, None for any other text."""
    try:
        name = uuid.UUID(text)
    except ValueError:
        return None
    for top in range(4):  # the two bits that mark a UUID's variant have replaced two of the tail's
        tail = bytes([name.bytes[8] & 0x3F | top << 6]) + name.bytes[9:]
        ordinal, slot = divmod(int.from_bytes(_scrambled(seed, tail, name.bytes[:_PLACE_BYTES]), "big"), _SLOTS)
        file = File(ordinal, part=slot - _FIRST_PART) if slot >= _FIRST_PART else File(ordinal, frame=slot)
        if file_id(seed, file) == str(name):
            return file
    return None


def _scrambled(seed: int, tail: bytes, place: bytes) -> bytes:
    mask = digest(seed, "file place", tail.hex())
    return bytes(one ^ other for one, other in zip(place, mask, strict=False))
