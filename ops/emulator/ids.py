"""Names and dice, all drawn from the seed: the same seed and the same order of requests give the same ids."""

from __future__ import annotations

import uuid
from hashlib import blake2b

_EPOCH = 1_200_000_000_000_000_000  # snowflakes of 2024 begin about here: 19 digits, far above 2**53
_LOW_BITS = 22
_FRAMES = 16  # ids reserved for each job: 0 the finished picture, 1..15 its progress frames


def digest(*parts: object) -> bytes:
    """Sixteen bytes that depend on every part."""
    return blake2b("\x1f".join(map(str, parts)).encode(), digest_size=16).digest()


def share(*parts: object) -> float:
    """A fair number in [0, 1)."""
    return int.from_bytes(digest(*parts)[:8], "big") / 2**64


def number(*parts: object) -> int:
    """A number of 63 bits."""
    return int.from_bytes(digest(*parts)[:8], "big") >> 1


def uuid_of(*parts: object) -> str:
    """A UUID in its text form (version 4 by its look)."""
    return str(uuid.UUID(bytes=digest(*parts), version=4))


def snowflake(seed: int, ordinal: int, frame: int = 0) -> str:
    """The 19-digit id of a job's picture: frame 0 is the finished one."""
    place = ordinal * _FRAMES + frame
    return str(_EPOCH + (place << _LOW_BITS) + _tail(seed, place))


def place_of(seed: int, image_id: str) -> tuple[int, int] | None:
    """(job ordinal, frame) of an id that snowflake() made, None for any other text."""
    if not (image_id.isascii() and image_id.isdigit()) or len(image_id) != 19:
        return None
    offset = int(image_id) - _EPOCH
    place = offset >> _LOW_BITS
    if offset < 0 or offset - (place << _LOW_BITS) != _tail(seed, place):
        return None
    return divmod(place, _FRAMES)


def _tail(seed: int, place: int) -> int:
    # Odd, so that a client that reads the id as a double is sure to spoil it, and notices.
    return number(seed, "snowflake", place) % (1 << _LOW_BITS) | 1
