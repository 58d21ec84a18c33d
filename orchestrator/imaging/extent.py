"""Where an image file ends, by its own structure. What is cut short, or has a second file behind it, is refused."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable

from orchestrator.errors import ImageRejected

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_SCANS = (
    50  # of a JPEG; ten are usual, and each costs a whole pass over the picture, however small its own bytes are
)
_PADDING = b"\0\r\n\t "
_MARKER_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def check_extent(kind: str, data: bytes) -> None:
    """Raise ImageRejected unless `data` is one whole PNG, JPEG, WEBP or GIF (`kind`), with only padding behind it."""
    try:
        end = _ENDS[kind](data)
    except (IndexError, struct.error) as exc:
        raise ImageRejected(f"{kind} is truncated: it ends inside its structure after {len(data)} bytes") from exc
    if end > len(data):
        raise ImageRejected(f"{kind} is truncated: {len(data)} of {end} bytes")
    trailing = len(data[end:].strip(_PADDING))
    if trailing:
        raise ImageRejected(f"{kind} carries {trailing} foreign bytes behind the end of the image")


def _png_end(data: bytes) -> int:
    position: int = len(PNG_SIGNATURE)
    while True:
        length, name = struct.unpack_from(">I4s", data, position)
        (crc,) = struct.unpack_from(">I", data, position + 8 + length)
        if zlib.crc32(memoryview(data)[position + 4 : position + 8 + length]) != crc:
            raise ImageRejected(f"PNG is damaged: wrong checksum in the chunk at byte {position}")
        position += 12 + length
        if name == b"IEND":
            return position


def _jpeg_end(data: bytes) -> int:
    position: int = 2
    scans = 0
    while True:
        if data[position] != 0xFF:
            raise ImageRejected(f"JPEG is damaged: no marker at byte {position}")
        marker = data[position + 1]
        if marker == 0xD9:
            return position + 2
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        position += 2 + length
        if marker == 0xDA:
            scans += 1
            if scans > MOST_SCANS:
                raise ImageRejected(f"JPEG has more than {MOST_SCANS} scans, which would take too long to decode")
            position = _after_scan(data, position)


def _after_scan(data: bytes, position: int) -> int:
    found = _MARKER_AFTER_SCAN.search(data, position)
    if found is None:
        raise ImageRejected("JPEG is truncated: no end-of-image marker")
    return found.start()


def _webp_end(data: bytes) -> int:
    size = int(struct.unpack_from("<I", data, 4)[0])
    return 8 + size + size % 2


def _gif_end(data: bytes) -> int:
    position = 13 + _colour_table(data[10])
    while data[position] != 0x3B:
        if data[position] == 0x21:
            position += 2
        elif data[position] == 0x2C:
            position += 11 + _colour_table(data[position + 9])
        else:
            raise ImageRejected(f"GIF is damaged: unknown block at byte {position}")
        while data[position]:  # sub-blocks, each with its length in front
            position += 1 + data[position]
        position += 1
    return position + 1


def _colour_table(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


_ENDS: dict[str, Callable[[bytes], int]] = {"PNG": _png_end, "JPEG": _jpeg_end, "WEBP": _webp_end, "GIF": _gif_end}


def webp_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels as a WebP's header announces them: its decoder allocates the canvas on opening."""
    kind = data[12:16]
    try:
        if kind == b"VP8X":
            return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
        if kind == b"VP8L":
            (bits,) = struct.unpack_from("<I", data, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        width, height = struct.unpack_from("<HH", data, 26)
    except struct.error as exc:
        raise ImageRejected("WEBP is truncated: it ends inside its header") from exc
    return width & 0x3FFF, height & 0x3FFF
